"""Runs of families that only tests know, in this process."""

import numpy as np

from keras_gen.engine.config import RunConfig, Setup
from keras_gen.engine.run import Run


def train(family, config, data, folder, *, resume=False, export=False, **settings):
    """The trained model of a run in `folder`, whose configuration follows the data."""
    run = RunConfig(out=folder, resume=folder if resume else None, export=export, **settings)
    with Run(Setup(family.family, "tiny", config, data, run)) as running:
        opened = data.open(0, config)
        config = running.complete_model(opened)
        with running.scope():
            model = family(config)
            running.compile(model, opened)
        running.fit(model, opened)
        running.export(model, opened)
    return model


def same_state(model, other):
    """Asserts that all that a checkpoint holds is the same."""
    state, expected = model.state(), other.state()
    assert list(state) == list(expected)
    for name, variable in state.items():
        np.testing.assert_array_equal(variable.numpy(), expected[name].numpy(), err_msg=name)
