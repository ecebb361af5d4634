"""Train an autoencoder on images."""

import sys
from collections.abc import Sequence

from keras_gen.cli.parsing import app
from keras_gen.data.kinds.images import ImagesConfig
from keras_gen.models.autoencoder import Autoencoder

from ._train import train

EXAMPLE = "train_autoencoder --data my_pictures --latent-dim 32"


@app
def main(argv: Sequence[str] | None = None) -> None:
    """Train, preview, checkpoint and export an autoencoder."""
    train(Autoencoder, ImagesConfig(), argv, example=EXAMPLE)


if __name__ == "__main__":
    sys.exit(main())
