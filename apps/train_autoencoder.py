"""Train an autoencoder on images.

Reads top to bottom: flags, run folder, data (checked first), model in the strategy's scope, fit, export.
"""

import sys
from collections.abc import Sequence

from keras_gen.data.checks import quick_check_images
from keras_gen.data.image_sets import ImagesConfig, open_images
from keras_gen.engine.cli import app, parse_setup
from keras_gen.engine.run import Run
from keras_gen.models.autoencoder import PRESETS, Autoencoder

EXAMPLE = "python -m apps.train_autoencoder --data my_pictures --latent 32"


@app
def main(argv: Sequence[str] | None = None) -> None:
    """Train, preview, checkpoint and export an autoencoder."""
    setup = parse_setup("autoencoder", PRESETS, ImagesConfig(), argv, example=EXAMPLE)
    with Run(setup) as run:
        for warning in quick_check_images(setup.data):
            run.say(f"warning: {warning}")
        data = open_images(setup.data, setup.run.seed)
        run.say(data.describe())
        config = run.complete_model(image_size=data.image_size, channels=data.channels)
        with run.scope():
            model = Autoencoder(config)
            run.compile(model, data)
        run.fit(model, data)
        run.export(model, data)


if __name__ == "__main__":
    sys.exit(main())
