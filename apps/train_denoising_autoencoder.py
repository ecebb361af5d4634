"""Train a denoising autoencoder on images."""

import sys
from collections.abc import Sequence

from keras_gen.cli.parsing import app
from keras_gen.data.kinds.noisy import NoisyConfig
from keras_gen.models.restoration import Restoration

from ._train import train

EXAMPLE = "train_denoising_autoencoder --data my_photos --image-size 128 --noise gaussian"


@app
def main(argv: Sequence[str] | None = None) -> None:
    """Train, preview, checkpoint and export a denoising autoencoder."""
    train(Restoration, NoisyConfig(data="facades"), argv, example=EXAMPLE, presets=("denoise", "tiny"))


if __name__ == "__main__":
    sys.exit(main())
