"""Train a denoising autoencoder on images."""

import sys
from collections.abc import Sequence

from keras_gen.cli.parsing import app
from keras_gen.data.kinds.noisy import NoisyConfig
from keras_gen.models.denoising_autoencoder import DenoisingAutoencoder

from ._train import train

EXAMPLE = "train_denoising_autoencoder --data my_photos --image-size 128 --noise gaussian"


@app
def main(argv: Sequence[str] | None = None) -> None:
    """Train, preview, checkpoint and export a denoising autoencoder."""
    train(DenoisingAutoencoder, NoisyConfig(data="facades"), argv, example=EXAMPLE)


if __name__ == "__main__":
    sys.exit(main())
