"""`train`, the main function of all training apps: flags, run folder, data, model, training, exports."""

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
    """Trains and exports a model, with previews and checkpoints.

    Args:
        family: class of the model.
        data: the data configuration with its defaults, a `keras_gen.data.config.DataConfig`.
        argv: the arguments; None: those of the process.
        example: an example command for the help, starting with the app's name.
        presets: names of the family's presets to offer, the default first; (): all.
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
