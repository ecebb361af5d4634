"""Stand-ins for TensorFlow and other large packages while the flags are parsed.

`--help` and errors in flags need only the configurations of an app, but importing TensorFlow takes three seconds. A
family is one file, whose module contains its configuration and subclasses of Keras layers, so normally it cannot be
imported without Keras. Within `stand_ins()` it can. As in Sphinx's `autodoc_mock_imports`, modules replace the large
packages; each of their attributes is a class that can be subclassed, called and used as a decorator, and that does
nothing. Afterwards, all modules that were imported in the meantime are removed from `sys.modules`, so the next import
loads them again with the real packages.
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
    "h5py",
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
"""Packages that are slow to import, and that configurations do not need."""

_OURS = ("keras_gen", "apps")
_active = False


def active() -> bool:
    """Whether imports currently return stand-ins."""
    return _active


@contextlib.contextmanager
def stand_ins() -> Iterator[None]:
    """Replaces the packages in `LARGE` for all imports within the block, and removes the imported modules afterwards.

    If one of the packages is imported already, nothing is replaced.
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
                # Otherwise `from keras_gen import models` would still find the module as an attribute of its package.
                if parent in before and vars(sys.modules[parent]).get(child) is module:
                    delattr(sys.modules[parent], child)


class _StandIn(abc.ABCMeta):
    """Metaclass of stand-ins. A stand-in is a class; calling it and its attributes give further stand-ins."""

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("__") and name.endswith("__"):
            raise AttributeError(name)  # otherwise it would seem to implement protocols such as those of `copy`
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
        """Does nothing: attributes are created on access."""
