"""The Examples blocks of the Python API, run as they stand."""

import doctest
import inspect

import keras
import numpy as np
import pytest

import keras_gen
from keras_gen import models

FAMILIES = [models.family(name).__name__ for name in models.families()]
OTHERS = {
    "load": keras_gen.load,
    **{f"data.{name}": getattr(keras_gen.data, name) for name in keras_gen.data.__all__},
    **{f"callbacks.{name}": getattr(keras_gen.callbacks, name) for name in ("Previews", "Health")},
}
PUBLIC = {**{name: getattr(keras_gen, name) for name in FAMILIES}, **OTHERS}


@pytest.mark.parametrize("name", PUBLIC)
def test_examples_hold(name, tmp_path):
    keras.utils.set_random_seed(0)
    names = {"keras_gen": keras_gen, "keras": keras, "np": np, "folder": tmp_path}
    example = doctest.DocTestParser().get_doctest(inspect.getdoc(PUBLIC[name]), names, name, None, None)
    assert example.examples, f"{name} has no Examples"
    told = []
    doctest.DocTestRunner(verbose=False).run(example, out=told.append)
    assert not told, "".join(told)
