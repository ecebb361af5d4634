"""Train a generative adversarial network (GAN) on images, or on points in the plane."""

import sys
from collections.abc import Sequence

from keras_gen.cli.parsing import app
from keras_gen.data.kinds.images import ImagesConfig
from keras_gen.models.gan import GAN

from ._train import train

EXAMPLE = "train_gan --data folder_of_images --image-size 32"


@app
def main(argv: Sequence[str] | None = None) -> None:
    """Train, preview, checkpoint and export a GAN."""
    train(GAN, ImagesConfig(), argv, example=EXAMPLE)


if __name__ == "__main__":
    sys.exit(main())
