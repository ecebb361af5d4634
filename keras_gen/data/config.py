"""Base classes of all data configurations: their common fields, which become flags, and the checks on them."""

from __future__ import annotations

import importlib
import pkgutil
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from keras_gen.data import kinds
from keras_gen.data.dataset import Dataset
from keras_gen.data.files.codecs import MAX_PIXELS
from keras_gen.errors import UserError
from keras_gen.flags import BaseConfig, Positive, Range


@dataclass(frozen=True)
class DataConfig(BaseConfig):
    """Which examples to read, and which to hold out for validation. Each subclass is one kind of data.

    A kind is a module of keras_gen.data.kinds with one subclass, whose `open` returns the data. It is named after the
    module, and `kind_named` finds it by that name.

    Attributes:
        accepted: accepted forms of SPEC, for error messages.
    """

    accepted: ClassVar[str]

    @classmethod
    def kind(cls) -> str:
        """The name of the kind in config.json: "pairs"."""
        return cls.__module__.rpartition(".")[2]

    def open(self, seed: int = 0, model: Any = None) -> Dataset:
        """Finds and checks the examples.

        Creates tensors, so a MultiWorkerMirroredStrategy must exist before the call.

        Args:
            seed: seed of the order and of all randomness in the examples.
            model: configuration of an existing model that the data must fit; None: no model yet.

        Raises:
            UserError: the data cannot be used.
        """
        raise NotImplementedError

    def inspect(self) -> list[str]:
        """Checks a sample of the examples before they are opened. Returns warnings, one sentence each.

        Raises:
            UserError: the examples cannot be trained on.
        """
        return []

    def attributes(self) -> dict[str, Any]:
        """The entries of `Dataset.attributes` that are known before the data are opened."""
        return {}

    data: str
    """SPEC of the examples."""
    val_every: Annotated[int, Range(2)] = 10
    """Without a validation split, hold out every N-th example [examples]."""

    def check_together(self) -> None:
        """A SPEC must be given."""
        super().check_together()
        if not self.data:
            raise self.fault(f"<data got>; accepted are {self.accepted}.")


@dataclass(frozen=True)
class CachedConfig(DataConfig):
    """Base class for data that are held in memory, entirely or as far as they fit."""

    cache_gib: Annotated[float, Range(0, infinite=True)] = 1.0
    """Keep decoded images in memory if they fit into this size, otherwise decode them at each access [GiB]. Arrays must
    fit."""

    @property
    def max_bytes(self) -> int:
        """Memory limit for arrays [bytes]; all available memory if `cache_gib` is infinite."""
        return int(min(self.cache_gib * 2**30, 2**62))


@dataclass(frozen=True)
class FilesConfig(CachedConfig):
    """Base class for data in image files, any of which may be damaged."""

    tfds_dir: str = ""
    """For tfds: folder of the prepared data sets; default: that of tensorflow-datasets."""
    skip_bad: bool = False
    """Leave out examples whose files cannot be decoded, and report how many, instead of refusing to start."""
    verify: bool = True
    """Decode every file before training, which takes about 1 ms each. Otherwise only the headers of uncached files are
    read."""
    max_pixels: Positive[int] = MAX_PIXELS
    """Refuse images whose headers claim more, as a guard against decompression bombs [pixels]."""
    check: bool = True
    """Check a sample of the files before training, as check_data --quick does."""


def kind_named(name: str) -> type[DataConfig]:
    """The configuration class of a kind of data, by the name of its module: "pairs" is `data.kinds.pairs.PairsConfig`.

    Raises:
        UserError: there is no such kind.
    """
    if name in [module.name for module in pkgutil.iter_modules(kinds.__path__)]:
        module = importlib.import_module(f"{kinds.__name__}.{name}")
        for found in vars(module).values():
            own = isinstance(found, type) and found.__module__ == module.__name__
            if own and issubclass(found, DataConfig):
                return found
    raise UserError(f"there is no kind of data called {name!r}; accepted are names of modules of keras_gen.data.kinds.")
