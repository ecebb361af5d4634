"""Train pix2pix on aligned pairs of images.

Reads top to bottom: flags, run folder, data (checked first), model in the strategy's scope, fit, export.
"""

import sys
from collections.abc import Sequence

from keras_gen.data.checks import quick_check
from keras_gen.data.pairs import PairsConfig, open_pairs
from keras_gen.engine.cli import app, parse_setup
from keras_gen.engine.run import Run
from keras_gen.models.pix2pix import PRESETS, Pix2Pix

EXAMPLE = "python -m apps.train_pix2pix --data my_pairs --epochs 100"


@app
def main(argv: Sequence[str] | None = None) -> None:
    """Train, preview, checkpoint and export one pix2pix model."""
    setup = parse_setup("pix2pix", PRESETS, PairsConfig(), argv, example=EXAMPLE)
    with Run(setup) as run:
        for warning in quick_check(setup.data, setup.model.image_size):
            run.say(f"warning: {warning}")
        data = open_pairs(setup.data, setup.model.image_size, setup.run.seed)
        run.say(data.describe())
        config = run.complete_model(source_channels=data.source_channels, target_channels=data.target_channels)
        with run.scope():
            model = Pix2Pix(config)
            run.compile(model, data)
        run.fit(model, data)
        run.export(model, data)


if __name__ == "__main__":
    sys.exit(main())
