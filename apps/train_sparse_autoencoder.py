"""Train a sparse autoencoder on images."""

import sys
from collections.abc import Sequence

from keras_gen.cli.parsing import app
from keras_gen.data.kinds.images import ImagesConfig
from keras_gen.models.sparse_autoencoder import SparseAutoencoder

from ._train import train

EXAMPLE = "train_sparse_autoencoder --data my_pictures --latent-dim 1024 --sparsity l1"


@app
def main(argv: Sequence[str] | None = None) -> None:
    """Train, preview, checkpoint and export a sparse autoencoder."""
    train(SparseAutoencoder, ImagesConfig(), argv, example=EXAMPLE)


if __name__ == "__main__":
    sys.exit(main())
