"""Train a VQ-VAE, and a prior over its codes, on images."""

import sys
from collections.abc import Sequence

from keras_gen.cli.parsing import app
from keras_gen.data.kinds.images import ImagesConfig
from keras_gen.models.vq_vae import VQVAE

from ._train import train

EXAMPLE = "train_vq_vae --data my_pictures --num-codes 256"


@app
def main(argv: Sequence[str] | None = None) -> None:
    """Train, preview, checkpoint and export a VQ-VAE and its prior."""
    train(VQVAE, ImagesConfig(), argv, example=EXAMPLE)


if __name__ == "__main__":
    sys.exit(main())
