"""What every training app does, from flags to exports.

Reads top to bottom: flags, run folder, data (checked first), model in the strategy's scope, fit, export.
"""

from collections.abc import Sequence
from typing import Any

from keras_gen.cli.parsing import parse_setup
from keras_gen.engine.model import GenerativeModel
from keras_gen.engine.run import Run

from ._data import classes_of


def train(family: type[GenerativeModel], data: Any, argv: Sequence[str] | None, *, example: str) -> None:
    """Train, preview, checkpoint and export a model of a family.

    Args:
        family: the class.
        data: the data layer's configuration with its defaults, a `keras_gen.data.config.DataConfig`.
        argv: the words after the program's name; None for those of the process.
        example: a command to begin the help with, from the app's name on.
    """
    setup = parse_setup(family.family, family.presets, data, argv, example=example)
    with Run(setup) as run:
        for warning in setup.data.inspect():
            run.say(f"warning: {warning}")
        data = setup.data.open(setup.run.seed, setup.model)
        run.say(data.describe())
        config = run.complete_model(data)
        with run.scope():
            model = family(config)
            run.compile(model, data)
        run.fit(model, data)
        drawable = "translate" in family.tasks and classes_of(run.folder)
        run.export(model, data, next_commands=("web RUN",) if drawable else ())
