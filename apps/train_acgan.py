"""Train an auxiliary-classifier GAN (AC-GAN), which generates and classifies images by class, on labelled images."""

import sys
from collections.abc import Sequence

from keras_gen.cli.parsing import app
from keras_gen.data.kinds.images import ImagesConfig
from keras_gen.models.acgan import ACGAN

from ._train import train

EXAMPLE = "train_acgan --data folder_of_classes --image-size 32"


@app
def main(argv: Sequence[str] | None = None) -> None:
    """Train, preview, checkpoint and export an auxiliary-classifier GAN."""
    train(ACGAN, ImagesConfig(), argv, example=EXAMPLE)


if __name__ == "__main__":
    sys.exit(main())
