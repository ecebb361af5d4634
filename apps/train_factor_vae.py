"""Train a FactorVAE, a variational autoencoder for disentangled factors of variation, on images."""

import sys
from collections.abc import Sequence

from keras_gen.cli.parsing import app
from keras_gen.data.kinds.images import ImagesConfig
from keras_gen.models.factor_vae import FactorVAE

from ._train import train

EXAMPLE = "train_factor_vae --data my_pictures --image-size 64 --latent-dim 10"


@app
def main(argv: Sequence[str] | None = None) -> None:
    """Train, preview, checkpoint and export a FactorVAE."""
    train(FactorVAE, ImagesConfig(data="shapes"), argv, example=EXAMPLE)


if __name__ == "__main__":
    sys.exit(main())
