"""What the configurations of all kinds of data have in common: fields, which are flags, and what they may be."""

from __future__ import annotations

import importlib
import pkgutil
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar

from keras_gen.data.dataset import Dataset
from keras_gen.data.files.codecs import MAX_PIXELS
from keras_gen.errors import UserError
from keras_gen.flags import BaseConfig, Positive, Range


@dataclass(frozen=True)
class DataConfig(BaseConfig):
    """Where examples are, and which are held back: a kind of data.

    A kind is a module of keras_gen.data.kinds with a subclass of this, which opens it; the module's name is the kind's,
    by which `kind_named` finds it.

    Attributes:
      accepted: the forms of a SPEC, for messages.
    """

    accepted: ClassVar[str]

    @classmethod
    def kind(cls) -> str:
        """The name of the kind in config.json: "pairs"."""
        return cls.__module__.rpartition(".")[2]

    def open(self, seed: int = 0, model: Any = None) -> Dataset:
        """Finds and checks the examples.

        Args:
          seed: of the order and of what chance there is in an example.
          model: the configuration of a model that is there already, which the data have to fit; None follows the data.

        Raises:
          UserError: the data cannot be used.

        It makes tensors, so a MultiWorkerMirroredStrategy has to be made before.
        """
        raise NotImplementedError

    def inspect(self) -> list[str]:
        """A glance at the examples before they are opened; returns warnings, a sentence each.

        Raises:
          UserError: they cannot be trained on.
        """
        return []

    def attributes(self) -> dict[str, Any]:
        """Those of `Dataset.attributes` that are known before the data are opened."""
        return {}

    data: str
    """SPEC of the examples."""
    val_every: Annotated[int, Range(2)] = 10
    """Without a validation split, hold out every N-th example [examples]."""

    def check_together(self) -> None:
        """There are data."""
        super().check_together()
        if not self.data:
            raise self.fault(f"<data got>; accepted are {self.accepted}.")


@dataclass(frozen=True)
class CachedConfig(DataConfig):
    """Of data that are held in memory, all or as far as they fit."""

    cache_gib: Annotated[float, Range(0, infinite=True)] = 1.0
    """Keep decoded images in memory if they fit else decode at each access [GiB]; arrays have to fit."""

    @property
    def max_bytes(self) -> int:
        """What arrays may take in memory; as much as there is for an infinite `cache_gib`."""
        return int(min(self.cache_gib * 2**30, 2**62))


@dataclass(frozen=True)
class FilesConfig(CachedConfig):
    """Of files of images, each of which may be damaged."""

    tfds_dir: str = ""
    """For tfds: folder of the prepared data sets; empty: tensorflow-datasets' own."""
    skip_bad: bool = False
    """Leave out examples whose files cannot be decoded, and say how many, instead of refusing to start."""
    verify: bool = True
    """Decode every file before training, about 1 ms each; --no-verify reads headers only, of uncached files."""
    max_pixels: Positive[int] = MAX_PIXELS
    """Refuse images that say they have more, a guard against decompression bombs [pixels]."""
    check: bool = True
    """Check a sample of the files first, as check_data --quick does."""


def kind_named(name: str) -> type[DataConfig]:
    """The configuration of a kind of data, by the name of its module: "pairs" is `data.kinds.pairs.PairsConfig`.

    Raises:
      UserError: there is no such kind.
    """
    if name in [module.name for module in pkgutil.iter_modules([str(Path(__file__).parent / "kinds")])]:
        module = importlib.import_module(f"keras_gen.data.kinds.{name}")
        for found in vars(module).values():
            own = isinstance(found, type) and found.__module__ == module.__name__
            if own and issubclass(found, DataConfig):
                return found
    raise UserError(
        f"there is no kind of data called {name!r}; accepted are names of modules of keras_gen.data.kinds.kinds."
    )
