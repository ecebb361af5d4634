"""Train a beta-TCVAE, a variational autoencoder for disentangled factors of variation, on images."""

import sys
from collections.abc import Sequence

from keras_gen.cli.parsing import app
from keras_gen.data.kinds.images import ImagesConfig
from keras_gen.models.beta_tcvae import BetaTCVAE

from ._train import train

EXAMPLE = "train_beta_tcvae --data my_pictures --image-size 64 --latent-dim 10"


@app
def main(argv: Sequence[str] | None = None) -> None:
    """Train, preview, checkpoint and export a beta-TCVAE."""
    train(BetaTCVAE, ImagesConfig(data="shapes"), argv, example=EXAMPLE)


if __name__ == "__main__":
    sys.exit(main())
