"""Train an autoencoder for super-resolution on images."""

import sys
from collections.abc import Sequence

from keras_gen.cli.parsing import app
from keras_gen.data.kinds.superres import SuperresConfig
from keras_gen.models.restoration import Restoration

from ._train import train

EXAMPLE = "train_superres_autoencoder --data my_pictures --scale 4"


@app
def main(argv: Sequence[str] | None = None) -> None:
    """Train, preview, checkpoint and export an autoencoder for super-resolution."""
    train(Restoration, SuperresConfig(), argv, example=EXAMPLE, presets=("superres", "tiny"))


if __name__ == "__main__":
    sys.exit(main())
