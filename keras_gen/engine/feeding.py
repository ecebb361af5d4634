"""The input of `fit` and `evaluate`: arrays, tf.data, a PyDataset, a generator or a keras_gen data set, as batches.

Labels that a model does not need may be left out. Shapes and values of batches are checked, because images in [0, 255]
or of another size would otherwise train without an error. Of a `tf.data.Dataset`, only the first batch of each epoch is
checked; of other inputs, every batch.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_gen.errors import UserError

_SLACK = 0.01  # tolerance beyond -1 and 1, because resizing can overshoot
NO_LABEL = -1
"""The label of examples without one."""


@dataclasses.dataclass(frozen=True)
class Part:
    """One part of a batch.

    Attributes:
        name: name for error messages.
        shape: shape of an example; None for an axis of any length; () for labels.
        ranged: whether values must be in [-1, 1].
        classes: number of classes of labels; 0 if labels are not checked.
    """

    name: str
    shape: tuple[int | None, ...]
    ranged: bool = True
    classes: int = 0

    @property
    def dtype(self) -> tf.DType:
        """int32 for labels, otherwise float32."""
        return tf.float32 if self.shape else tf.int32

    @property
    def optional(self) -> bool:
        """Whether the part may be left out."""
        return not self.shape and not self.classes

    def check(self, shape: Sequence[int | None], values: np.ndarray | None = None) -> None:
        """Checks this part of a batch.

        Args:
            shape: shape including the batch axis; None where unknown.
            values: all values or some of them.

        Raises:
            UserError: if shape or values do not fit the model.
        """
        own, wanted = list(shape)[1:], list(self.shape)
        if len(own) != len(wanted) or any(a != b for a, b in zip(own, wanted, strict=True) if None not in (a, b)):
            accepted = f"(batch, {', '.join('any' if side is None else str(side) for side in wanted)})"
            raise UserError(
                f"{self.name} of a batch has shape {tuple(shape)}; accepted is "
                f"{accepted if wanted else '(batch,), a whole number for each example'}."
            )
        if values is None or not values.size:
            return
        low, high = values.min(), values.max()
        if self.shape and self.ranged and not -1 - _SLACK <= low <= high <= 1 + _SLACK:
            raise UserError(
                f"{self.name} of a batch has values from {low:g} to {high:g}; accepted are -1 to 1: convert images "
                "from 0 to 255 by x / 127.5 - 1."
            )
        if self.classes and not 0 <= low <= high < self.classes:
            raise UserError(
                f"{self.name} of a batch has values from {low:g} to {high:g}; accepted are the classes 0 to "
                f"{self.classes - 1}."
            )


def given(x: Any, y: Any = None) -> Any:
    """The input of `fit`: a `tf.data.Dataset` unchanged, otherwise a list of the arrays or other objects."""
    if isinstance(x, tf.data.Dataset):
        return x
    return _parts_of(x) + ([] if y is None else [y])


def _parts_of(batch: Any) -> list[Any]:
    """The parts of a batch, without None, with which Keras fills its tuples if there are no labels or weights."""
    return [part for part in (batch if isinstance(batch, tuple | list) else (batch,)) if part is not None]


def batch_of(given: Sequence[Any], parts: Sequence[Part]) -> tuple[np.ndarray, ...]:
    """One batch of arrays for the model, checked; labels may be missing.

    Does not use TensorFlow, so it also works in the worker processes of a `keras.utils.PyDataset`.

    Args:
        given: see `given`.
        parts: the parts of a batch.

    Raises:
        UserError: if the arrays do not fit the model.
    """
    _check(given, parts)
    own = [np.asarray(array, part.dtype.as_numpy_dtype) for array, part in zip(given, parts, strict=False)]
    return (*own, *(np.full(len(own[0]), NO_LABEL, np.int32) for _ in parts[len(own) :]))


def dataset_of(given: Any, parts: Sequence[Part], batch_size: int, *, shuffle: bool = False) -> Any:
    """The input of `fit` or `evaluate` as batches for the model.

    Args:
        given: see `given`: a `tf.data.Dataset` of batches; a list with one `keras.utils.PyDataset` or generator of
            batches; or a list of arrays, one for each part of a batch. Labels may be missing.
        parts: the parts of a batch.
        batch_size: batch size for arrays; with `shuffle` a smaller last batch is dropped.
        shuffle: whether to shuffle arrays in each epoch.

    Raises:
        UserError: if the input does not fit the model. For inputs that yield batches, this is raised when a batch is
            read.
    """
    if isinstance(given, tf.data.Dataset):
        return _checked(given, parts)
    if len(given) == 1:
        (only,) = given
        if isinstance(only, tf.distribute.DistributedDataset):
            return only
        if isinstance(only, keras.utils.PyDataset):
            return _CheckedBatches(only, parts)
        if isinstance(only, Iterator):
            return (batch_of(_parts_of(batch), parts) for batch in only)
    _check(given, parts, batch_size)
    size = len(given[0])
    with tf.device("CPU:0"):
        table = tuple(tf.cast(array, part.dtype) for array, part in zip(given, parts, strict=False))
    numbers = tf.data.Dataset.range(size)
    if shuffle:
        numbers = numbers.shuffle(size)
    numbers = numbers.batch(batch_size, drop_remainder=shuffle and size >= batch_size)
    return numbers.map(lambda few: _labelled(tuple(tf.gather(array, few) for array in table), parts)).prefetch(2)


def check_shapes(dataset: tf.data.Dataset, parts: Sequence[Part]) -> tf.data.Dataset:
    """The data set itself, after checking the shapes of its batches.

    Raises:
        UserError: if a known shape does not fit the model.
    """
    spec = dataset.element_spec
    _require_tuple(spec, parts)
    specs = tuple(spec) if isinstance(spec, tuple | list) else (spec,)
    _count(specs, parts)
    for one, part in zip(specs, parts, strict=False):
        if one.shape.rank is not None:
            part.check(one.shape.as_list())
    return dataset


def _checked(dataset: tf.data.Dataset, parts: Sequence[Part]) -> tf.data.Dataset:
    """Batches for the model; the first batch of each epoch is checked."""
    check_shapes(dataset, parts)

    def look(*values: np.ndarray) -> np.ndarray:
        for value, part in zip(values, parts, strict=False):
            part.check(value.shape, value)
        return np.True_

    def read(number: tf.Tensor, batch: Any) -> tuple[tf.Tensor, ...]:
        given = tuple(batch) if isinstance(batch, tuple | list) else (batch,)
        looked = tf.cond(number > 0, lambda: True, lambda: tf.numpy_function(look, given, tf.bool))
        with tf.control_dependencies([looked]):
            own = [tf.cast(value, part.dtype) for value, part in zip(given, parts, strict=False)]
            own = [tf.ensure_shape(value, [None, *part.shape]) for value, part in zip(own, parts, strict=False)]
        return _labelled(own, parts)

    return dataset.enumerate().map(read)


class _CheckedBatches(keras.utils.PyDataset):
    """The batches of another `PyDataset`, checked and completed for a model."""

    def __init__(self, inner: keras.utils.PyDataset, parts: Sequence[Part]) -> None:
        super().__init__(inner.workers, inner.use_multiprocessing, inner.max_queue_size)
        self._inner, self._parts = inner, parts

    @property
    def num_batches(self) -> int | None:
        return self._inner.num_batches

    def __getitem__(self, index: int) -> tuple[np.ndarray, ...]:
        return batch_of(_parts_of(self._inner[index]), self._parts)

    def on_epoch_begin(self) -> None:
        self._inner.on_epoch_begin()

    def on_epoch_end(self) -> None:
        self._inner.on_epoch_end()


def _check(given: Sequence[Any], parts: Sequence[Part], look: int | None = None) -> None:
    """Checks arrays, one for each part of a batch.

    Args:
        given: the arrays.
        parts: the parts of a batch.
        look: number of examples whose values are checked; None: all.

    Raises:
        UserError: if they do not fit the model.
    """
    for array in given:
        _require_tuple(array, parts)
        if not hasattr(array, "shape"):
            raise UserError(
                f"the data are a {type(array).__name__}; accepted are arrays, a tf.data.Dataset, a data set of "
                "keras_gen.data, a keras.utils.PyDataset and a generator of batches."
            )
    _count(given, parts)
    for array, part in zip(given, parts, strict=False):
        part.check(np.shape(array), np.asarray(array[:look]))
    if any(len(array) != len(given[0]) for array in given):
        sizes = ", ".join(str(len(array)) for array in given)
        raise UserError(f"arrays have {sizes} examples; accepted are arrays of equal length.")


def _require_tuple(batch: Any, parts: Sequence[Part]) -> None:
    if isinstance(batch, dict):
        raise UserError(f"a batch is a dictionary; accepted are tuples ({', '.join(part.name for part in parts)}).")


def _labelled(own: Sequence[tf.Tensor], parts: Sequence[Part]) -> tuple[tf.Tensor, ...]:
    """Adds `NO_LABEL` where labels are missing."""
    return (*own, *(tf.fill(tf.shape(own[0])[:1], NO_LABEL) for _ in parts[len(own) :]))


def _count(given: Sequence[Any], parts: Sequence[Part]) -> None:
    least = sum(not part.optional for part in parts)
    if not least <= len(given) <= len(parts):
        names = ", ".join(part.name + " if any" * part.optional for part in parts)
        raise UserError(f"a batch has {len(given)} part{'s' * (len(given) != 1)}; accepted are ({names}).")
