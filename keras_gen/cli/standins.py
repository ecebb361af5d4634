"""Stand-ins for TensorFlow and other large packages while the flags are read.

`--help` and a wrong flag need the configurations of an app and nothing that computes, but TensorFlow alone takes three
seconds to import. A family is one file, with its configuration beside layers that are subclasses of Keras', so its
module cannot be imported without them. Within `stand_ins()` it can: as in Sphinx's `autodoc_mock_imports`, the large
packages are replaced by modules of which every attribute is a class that can be subclassed, called and used as a
decorator, and which computes nothing. Afterwards all modules that saw a stand-in are forgotten, and the next import of
them is the real one.
"""

from __future__ import annotations

import abc
import contextlib
import importlib.abc
import importlib.machinery
import sys
import types
from collections.abc import Iterator, Sequence
from typing import Any

LARGE = (
    "ai_edge_litert",
    "constriction",
    "flatbuffers",
    "google",
    "jinja2",
    "keras",
    "matplotlib",
    "PIL",
    "scipy",
    "sklearn",
    "tensorboard",
    "tensorflow",
    "tensorflow_datasets",
)
"""Packages that are slow to import and that no configuration needs."""

_OURS = ("keras_gen", "apps")
_active = False


def active() -> bool:
    """Whether imports give stand-ins at the moment."""
    return _active


@contextlib.contextmanager
def stand_ins() -> Iterator[None]:
    """Give stand-ins for the packages of `LARGE` to all that is imported within; none of it stays imported.

    Where one of them was imported already nothing is replaced, and nothing would be gained.
    """
    global _active
    if _active or any(name in sys.modules for name in LARGE):
        yield
        return
    before, finder = set(sys.modules), _Finder()
    sys.meta_path.insert(0, finder)
    _active = True
    try:
        yield
    finally:
        _active = False
        sys.meta_path.remove(finder)
        for name in set(sys.modules) - before:
            if name.partition(".")[0] in (*LARGE, *_OURS):
                module, (parent, _, child) = sys.modules.pop(name), name.rpartition(".")
                # `from keras_gen import models` would find it there still, where the package was imported before.
                if parent in before and vars(sys.modules[parent]).get(child) is module:
                    delattr(sys.modules[parent], child)


class _StandIn(abc.ABCMeta):
    """The class of stand-ins, which are classes: what is called, asked for or subclassed is another one."""

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)  # protocols of Python, such as those of copy, ask for what nobody has
        made = _made(name)
        setattr(cls, name, made)
        return made

    def __call__(cls, *_: Any, **__: Any) -> Any:
        return _made(cls.__name__)


def _made(name: str) -> _StandIn:
    return _StandIn(name, (), {})


class _Module(types.ModuleType):
    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)
        made = _made(name)
        setattr(self, name, made)
        return made


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def find_spec(
        self, name: str, path: Sequence[str] | None, target: types.ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        return importlib.machinery.ModuleSpec(name, self, is_package=True) if name.partition(".")[0] in LARGE else None

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> types.ModuleType:
        return _Module(spec.name)

    def exec_module(self, module: types.ModuleType) -> None:
        """Nothing: what is asked for appears."""
