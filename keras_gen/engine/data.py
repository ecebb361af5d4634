"""The interface between a run and its data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
import tensorflow as tf


class Data(Protocol):
    """What a run requires of a data set: a training stream that is a pure function of seed and position, and fixed
    validation examples.

    Attributes:
        train_size, val_size: number of training examples per epoch, and of validation examples.
        classes: names of the classes in order of their numbers; empty if there are none.
        mode_centres: centres of the modes of the distribution; None where unknown.
    """

    train_size: int
    val_size: int
    classes: tuple[str, ...]
    mode_centres: np.ndarray | None

    def describe(self) -> str:
        """A summary to print."""

    def attributes(self) -> Mapping[str, Any]:
        """Values for the hidden fields of a model's configuration, by name."""

    def identity(self) -> Mapping[str, Any]:
        """Identifies the data: `classes`, `train_size`, `val_size` and `digest`; see `what_changed`."""

    def train(self, batch_size: int, *, start: int = 0, shard: tuple[int, int] = (0, 1)) -> tf.data.Dataset:
        """Endless training batches from example `start` on; `shard` is (worker, workers)."""

    def validation(
        self, batch_size: int, *, limit: int | None = None, shard: tuple[int, int] = (0, 1)
    ) -> tf.data.Dataset:
        """The validation examples once, in order, the last batch partial."""


def what_changed(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Describes how two data identities differ; "" if they are equal.

    Examples:
        >>> before = {"classes": ["boot", "shoe"], "train_size": 90, "val_size": 10, "digest": "a"}
        >>> what_changed(before, {**before, "classes": ["shoe", "sock"], "digest": "b"})
        "no class 'boot', a new class 'sock'"
        >>> what_changed(before, {**before, "train_size": 45, "digest": "c"})
        '45 training examples instead of 90'
        >>> what_changed(before, {**before, "digest": "d"})
        'as many examples, but of other files or contents'
    """
    old, new = (list(one["classes"]) for one in (before, now))
    found = []
    if gone := [name for name in old if name not in new]:
        found.append(f"no class {_named(gone)}")
    if more := [name for name in new if name not in old]:
        found.append(f"a new class {_named(more)}")
    if old != new and not found:
        found.append(f"the classes in another order ({_named(new)})")
    for field, what in (("train_size", "training"), ("val_size", "validation")):
        if before[field] != now[field]:
            found.append(f"{now[field]} {what} examples instead of {before[field]}")
    if before["digest"] != now["digest"] and not found:
        found.append("as many examples, but of other files or contents")
    return ", ".join(found)


def _named(names: list[str]) -> str:
    return ", ".join(map(repr, names[:5])) + f" and {len(names) - 5} more" * (len(names) > 5)
