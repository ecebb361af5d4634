"""Train a model that predicts where people look, on pictures and their saliency maps."""

import sys
from collections.abc import Sequence

from keras_gen.cli.parsing import app
from keras_gen.data.kinds.pairs import PairsConfig
from keras_gen.models.saliency import Saliency

from ._train import train

EXAMPLE = "train_saliency --data pictures,maps --loss kl"


@app
def main(argv: Sequence[str] | None = None) -> None:
    """Train, preview, checkpoint and export a saliency model."""
    train(Saliency, PairsConfig(data="shapes-saliency", target_channels=1), argv, example=EXAMPLE)


if __name__ == "__main__":
    sys.exit(main())
