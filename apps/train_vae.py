"""Train a variational autoencoder on images."""

import sys
from collections.abc import Sequence

from keras_gen.cli.parsing import app
from keras_gen.data.kinds.images import ImagesConfig
from keras_gen.models.vae import VAE

from ._train import train

EXAMPLE = "train_vae --data my_pictures --latent-dim 32"


@app
def main(argv: Sequence[str] | None = None) -> None:
    """Train, preview, checkpoint and export a variational autoencoder."""
    train(VAE, ImagesConfig(), argv, example=EXAMPLE)


if __name__ == "__main__":
    sys.exit(main())
