"""Which examples of a source are for training and which for validation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import numpy as np

from keras_gen.data.files.digests import digest
from keras_gen.data.files.folders import every_last


class Source(Protocol):
    """Examples that are accessed by index."""

    def __len__(self) -> int:
        """The number of examples."""

    def identity(self) -> tuple[str | np.ndarray, ...]:
        """What identifies the examples in a digest."""


S = TypeVar("S", bound=Source)


@dataclass(frozen=True)
class Split(Generic[S]):
    """The training and validation examples of a data set.

    Attributes:
        train, validation: sources of the two parts; the same one if validation examples were held out by index.
        train_indices, validation_indices: the indices of the examples in these sources, int64.
        rule: how the examples were split, in words.
        classes: names of the labels 0, 1, ...; empty if there are none.
    """

    train: S
    train_indices: np.ndarray
    validation: S
    validation_indices: np.ndarray
    rule: str
    classes: tuple[str, ...] = ()

    @property
    def parts(self) -> tuple[tuple[S, np.ndarray], tuple[S, np.ndarray]]:
        """The source and the indices of training and of validation."""
        return (self.train, self.train_indices), (self.validation, self.validation_indices)

    @property
    def sources(self) -> tuple[S, ...]:
        """The one or two different sources."""
        return tuple(dict.fromkeys((self.train, self.validation)))

    def files(self, attribute: str) -> tuple[str, ...]:
        """Names of the files in a list that sources may have: "alone", "broken" or "others"."""
        return tuple(name for source in self.sources for name in getattr(source, attribute, ()))

    def digest(self) -> str:
        """Identifies the examples of both parts; see `digests`."""
        return digest(
            *(part for source, indices in self.parts for part in (*source.identity(), indices.astype(np.int64)))
        )


def given(train: S, validation: S, rule: str, classes: tuple[str, ...] = ()) -> Split[S]:
    """A split of data that have a validation part of their own."""
    return Split(train, np.arange(len(train)), validation, np.arange(len(validation)), rule, classes)


def hold_out(source: S, every: int, where: str, unit: str, classes: tuple[str, ...] = ()) -> Split[S]:
    """Holds out every N-th example of a source; see `folders.every_last`."""
    train, validation, rule = every_last(len(source), every, where, unit)
    return Split(source, train, source, validation, rule, classes)
