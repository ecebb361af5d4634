"""Train a deep convolutional GAN (DCGAN) on images."""

import sys
from collections.abc import Sequence

from keras_gen.cli.parsing import app
from keras_gen.data.kinds.images import ImagesConfig
from keras_gen.models.dcgan import DCGAN

from ._train import train

EXAMPLE = "train_dcgan --data folder_of_images --image-size 64"


@app
def main(argv: Sequence[str] | None = None) -> None:
    """Train, preview, checkpoint and export a DCGAN."""
    train(DCGAN, ImagesConfig(), argv, example=EXAMPLE)


if __name__ == "__main__":
    sys.exit(main())
