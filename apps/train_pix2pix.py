"""Train a pix2pix model on aligned pairs of images."""

import sys
from collections.abc import Sequence

from keras_gen.cli.parsing import app
from keras_gen.data.kinds.pairs import PairsConfig
from keras_gen.models.pix2pix import Pix2Pix

from ._train import train

EXAMPLE = "train_pix2pix --data my_pairs --epochs 100"


@app
def main(argv: Sequence[str] | None = None) -> None:
    """Train, preview, checkpoint and export a pix2pix model."""
    train(Pix2Pix, PairsConfig(), argv, example=EXAMPLE)


if __name__ == "__main__":
    sys.exit(main())
