"""Train a conditional GAN, which generates images of a chosen class, on labelled images."""

import sys
from collections.abc import Sequence

from keras_gen.cli.parsing import app
from keras_gen.data.kinds.images import ImagesConfig
from keras_gen.models.cgan import CGAN

from ._train import train

EXAMPLE = "train_cgan --data folder_of_classes --image-size 32"


@app
def main(argv: Sequence[str] | None = None) -> None:
    """Train, preview, checkpoint and export a conditional GAN."""
    train(CGAN, ImagesConfig(), argv, example=EXAMPLE)


if __name__ == "__main__":
    sys.exit(main())
