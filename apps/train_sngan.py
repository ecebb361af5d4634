"""Train a GAN with a spectrally normalised discriminator (SNGAN) on images."""

import sys
from collections.abc import Sequence

from keras_gen.cli.parsing import app
from keras_gen.data.kinds.images import ImagesConfig
from keras_gen.models.sngan import SNGAN

from ._train import train

EXAMPLE = "train_sngan --preset pictures --data folder_of_pictures"


@app
def main(argv: Sequence[str] | None = None) -> None:
    """Train, preview, checkpoint and export an SNGAN."""
    train(SNGAN, ImagesConfig(), argv, example=EXAMPLE)


if __name__ == "__main__":
    sys.exit(main())
