"""Train a semi-supervised GAN (SGAN), whose discriminator is a classifier, on images of which only a few are
labelled."""

import sys
from collections.abc import Sequence

from keras_gen.cli.parsing import app
from keras_gen.data.kinds.semi_supervised import SemiSupervisedConfig
from keras_gen.models.sgan import SGAN

from ._train import train

EXAMPLE = "train_sgan --data folder_of_classes --image-size 32 --labels-per-class 25"


@app
def main(argv: Sequence[str] | None = None) -> None:
    """Train, preview, checkpoint and export a semi-supervised GAN."""
    train(SGAN, SemiSupervisedConfig(), argv, example=EXAMPLE)


if __name__ == "__main__":
    sys.exit(main())
