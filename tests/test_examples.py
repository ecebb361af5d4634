"""The examples in docstrings are run."""

import doctest
import importlib
import inspect
from pathlib import Path

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

PACKAGE = Path(keras_gen.__file__).parent
WITH_EXAMPLES = [
    ".".join(("keras_gen", *path.relative_to(PACKAGE).with_suffix("").parts))
    for room in ("ops", "layers", "networks", "metrics", "visual", "export", "inference", "compression", "engine")
    for path in sorted((PACKAGE / room).rglob("*.py"))
    if ">>>" in path.read_text(encoding="utf-8")
]


def assert_holds(example: doctest.DocTest) -> None:
    output = []
    doctest.DocTestRunner(verbose=False).run(example, out=output.append)
    assert not output, "".join(output)


@pytest.mark.parametrize("name", PUBLIC)
def test_examples_of_the_python_api_hold(name, tmp_path):
    keras.utils.set_random_seed(0)
    names = {"keras_gen": keras_gen, "keras": keras, "np": np, "folder": tmp_path}
    example = doctest.DocTestParser().get_doctest(inspect.getdoc(PUBLIC[name]), names, name, None, None)
    assert example.examples, f"{name} has no Examples"
    assert_holds(example)


@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_examples_of_a_module_hold(name, tmp_path):
    """Examples can use the names of their module, `keras_gen`, and a temporary `folder`."""
    keras.utils.set_random_seed(0)
    names = {"keras_gen": keras_gen, "folder": tmp_path}
    found = doctest.DocTestFinder().find(importlib.import_module(name), extraglobs=names)
    examples = [one for one in found if one.examples]
    assert examples
    for example in examples:
        assert_holds(example)
