"""Shared by all training apps, from flags to exports.

Reads top to bottom: flags, run folder, data (checked first), model in the strategy's scope, fit, export.
"""

from collections.abc import Sequence
from typing import Any

from keras_gen.cli.parsing import parse_setup
from keras_gen.engine.model import GenerativeModel
from keras_gen.engine.run import Run

from ._data import classes_of


def train(
    family: type[GenerativeModel],
    data: Any,
    argv: Sequence[str] | None,
    *,
    example: str,
    presets: Sequence[str] = (),
) -> None:
    """Train, preview, checkpoint and export a model.

    Args:
        family: class of the model.
        data: the data configuration with its defaults, a `keras_gen.data.config.DataConfig`.
        argv: command-line arguments; None for those of the process.
        example: an example command for the help, starting with the app's name.
        presets: names of the presets for these data, the default first; empty for all of the family.
    """
    offered = {name: family.presets[name] for name in presets or family.presets}
    setup = parse_setup(family.family, offered, data, argv, example=example)
    with Run(setup, example.split()[0]) as run:
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
