"""Train a Wasserstein GAN with weight clipping (WGAN) on images."""

import sys
from collections.abc import Sequence

from keras_gen.cli.parsing import app
from keras_gen.data.kinds.images import ImagesConfig
from keras_gen.models.wgan import WGAN

from ._train import train

EXAMPLE = "train_wgan --data folder_of_images --image-size 32"


@app
def main(argv: Sequence[str] | None = None) -> None:
    """Train, preview, checkpoint and export a WGAN."""
    train(WGAN, ImagesConfig(), argv, example=EXAMPLE)


if __name__ == "__main__":
    sys.exit(main())
