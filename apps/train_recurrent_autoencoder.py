"""Train a recurrent autoencoder on normal sequences, to find anomalies in others."""

import sys
from collections.abc import Sequence

from keras_gen.cli.parsing import app
from keras_gen.data.kinds.sequences import SequencesConfig
from keras_gen.models.recurrent_autoencoder import RecurrentAutoencoder

from ._train import train

EXAMPLE = "train_recurrent_autoencoder --data my_sensors.csv --window 64"


@app
def main(argv: Sequence[str] | None = None) -> None:
    """Train, preview, checkpoint and export a recurrent autoencoder."""
    train(RecurrentAutoencoder, SequencesConfig(), argv, example=EXAMPLE)


if __name__ == "__main__":
    sys.exit(main())
