"""Train an InfoGAN, which discovers categories and continuous codes, on images without labels."""

import sys
from collections.abc import Sequence

from keras_gen.cli.parsing import app
from keras_gen.data.kinds.images import ImagesConfig
from keras_gen.models.infogan import InfoGAN

from ._train import train

EXAMPLE = "train_infogan --data folder_of_images --image-size 32"


@app
def main(argv: Sequence[str] | None = None) -> None:
    """Train, preview, checkpoint and export an InfoGAN."""
    train(InfoGAN, ImagesConfig(), argv, example=EXAMPLE)


if __name__ == "__main__":
    sys.exit(main())
