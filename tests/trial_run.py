"""Runs of families that are defined in tests, in this process."""

import numpy as np

from keras_gen.engine.config import RunConfig, Setup
from keras_gen.engine.run import Run


def train(family, config, data, folder, *, resume=False, export=False, **settings):
    """Trains a model in `folder`, with a configuration that follows the data, and returns it."""
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
    """Asserts that two checkpoints have equal contents."""
    state, expected = model.state(), other.state()
    assert list(state) == list(expected)
    for name, variable in state.items():
        np.testing.assert_array_equal(variable.numpy(), expected[name].numpy(), err_msg=name)
