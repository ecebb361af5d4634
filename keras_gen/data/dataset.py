"""Streams of examples that are a pure function of (seed, position), for all kinds of data.

A data set has a number of examples and a `load` function that gives any of them. Example number i of the stream belongs
to epoch e = i // size. It is the example at position i % size in the permutation of (seed, e). All randomness in `load`
comes from a stateless key of (seed, e, index). A run can therefore resume without skipping or saving anything: step s
of batch size b starts at `start=s * b`. The stream continues over the end of an epoch, even within a batch if the batch
size does not divide the size. The caller decides how many steps make an epoch.

Indices and keys are computed per batch. `load` is called for each example, in parallel, or with `vectorised` once for
the whole batch: the same indices and keys, at a hundredth of the cost for small examples.
"""

from __future__ import annotations

import abc
import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

Load = Callable[[tf.Tensor, tf.Tensor], Any]
"""A graph function: (index: int64, key: int64 (2,), a stateless seed) -> one example with static shapes.

If vectorised: (indices: (n,), keys: (n, 2)) -> a batch of n examples.
"""

Finish = Callable[..., Any]
"""A graph function from the parts of a loaded batch to the inputs of the model."""

_ORDER, _DRAW, _PURPOSES = 0, 1, 2  # what a key is for: the order of an epoch, or the chance within an example
_ROUNDS = 16  # of the cipher that permutes
_GOLDEN = 0x9E3779B97F4A7C15  # step of SplitMix64's counter


def training_stream(
    load: Load,
    finish: Finish,
    size: int,
    batch_size: int,
    *,
    seed: int,
    start: int = 0,
    stop: int | None = None,
    shard: tuple[int, int] = (0, 1),
    vectorised: bool = False,
    number: int = 0,
) -> tf.data.Dataset:
    """Shuffled batches for ever, or up to `stop`.

    Args:
      load: gives one example.
      finish: turns a batch of them into what the model takes; conversion to floats is twice as fast here.
      size: number of examples, > 0.
      batch_size: examples per step, over all workers together.
      seed: any integer.
      start: the first example's position in the stream, a multiple of `batch_size`.
      stop: the position after the last; None for no end. A last partial batch is dropped.
      shard: (worker, workers). Worker w loads places w, w + workers, ... of every batch, so that all workers'
        batches together are the batch that one worker would load. `workers` divides `batch_size`. The result
        is one worker's share, for `strategy.distribute_datasets_from_function`, with automatic sharding off.
      vectorised: `load` takes and gives batches.
      number: of a stream among several of one seed, each with an order of its own.

    Returns:
      Batches of `batch_size / workers` examples.
    """
    worker, workers = shard
    if batch_size % workers:
        raise ValueError(f"{workers} workers cannot share a batch of {batch_size} evenly.")
    if start % batch_size:
        raise ValueError(f"start={start} is not a multiple of the batch size {batch_size}.")
    order_seed, draw_seed = (_fold(seed, _PURPOSES * number + purpose) for purpose in (_ORDER, _DRAW))

    def of_epoch(epoch: tf.Tensor) -> tf.Tensor:
        return tf.stack([_key(order_seed, epoch), _key(_key(draw_seed, epoch), epoch)])

    def keys_of(positions: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        epochs, which = tf.unique(positions // size)  # few: there is no stateless fold of a vector
        order, draw = tf.unstack(tf.gather(tf.map_fn(of_epoch, epochs), which), axis=1)
        indices = _shuffled(positions % size, order, size)
        return indices, tf.stack([draw[:, 0], indices], axis=1)

    stop = np.iinfo(np.int64).max if stop is None else stop
    positions = tf.data.Dataset.range(start + worker, stop, workers)
    share = batch_size // workers
    return _batches(positions.batch(share, drop_remainder=True), keys_of, load, finish, share, vectorised)


def ordered_batches(
    load: Load,
    finish: Finish,
    size: int,
    batch_size: int,
    *,
    limit: int | None = None,
    shard: tuple[int, int] = (0, 1),
    vectorised: bool = False,
    count: int | None = None,
) -> tf.data.Dataset:
    """Every example once, or the first `limit`, in order; the last batch may be smaller.

    With `count` so many examples, the first ones again after the last. Worker w of `shard` = (w, workers) gets examples
    w, w + workers, ... in batches of `batch_size / workers`.
    The key of an example is always the same one.
    """
    worker, workers = shard
    count = size if count is None else count
    share = -(-batch_size // workers)

    def keys_of(positions: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        indices = positions % size
        return indices, tf.stack([tf.zeros_like(indices), indices], axis=1)

    positions = tf.data.Dataset.range(worker, count if limit is None else min(count, limit), workers)
    return _batches(positions.batch(share), keys_of, load, finish, share, vectorised)


@dataclass(frozen=True)
class Stream:
    """The source of one part of a batch, or of several that belong together.

    Attributes:
      load, finish: see `training_stream`; `finish` returns the parts of a batch, of any shapes.
      size: number of examples.
      vectorised: `load` takes and returns batches.
      number: number of its order; streams of equal number and size stay aligned, others do not.
    """

    load: Load
    finish: Finish
    size: int
    vectorised: bool = True
    number: int = 0


class Dataset(abc.ABC):
    """Training and validation examples as streams of batches; subclasses define how an example is loaded.

    A batch consists of the parts of one or several streams. They can have any shapes and different numbers of examples,
    and each is sampled without replacement in its own order. An epoch is `train_size` examples; a shorter stream starts
    again within it, in another order.

    Attributes:
      train_size, val_size: number of training examples per epoch, and of validation examples.
      classes: names of the classes in order of their numbers; empty if there are none.
      mode_centres: centres of the modes of the distribution, (modes, values of an example); None where unknown.
    """

    train_size: int
    val_size: int
    classes: tuple[str, ...] = ()
    mode_centres: np.ndarray | None = None
    _config: Any
    _seed: int
    _digest: str = ""

    @abc.abstractmethod
    def _streams(self, training: bool) -> tuple[Stream, ...]:
        """The streams that make up a batch, for training or for validation."""

    @abc.abstractmethod
    def describe(self) -> str:
        """A summary to print: how many examples, their source and split, and what was left out."""

    @property
    def config(self) -> Any:
        """The `DataConfig` that opened the data."""
        return self._config

    def attributes(self) -> dict[str, Any]:
        """Values for the hidden fields of a model's configuration, by name: `image_size`, `channels`, ..."""
        return {"train_size": self.train_size}

    def identity(self) -> dict[str, Any]:
        """Identifies the data in config.json: class names, counts, and a digest.

        The digest is computed from the names and sizes of files, or from the contents of arrays, independent of their
        location.
        """
        counts = {"train_size": self.train_size, "val_size": self.val_size}
        return {"classes": list(self.classes), **counts, "digest": self._digest}

    @property
    def spec(self) -> tuple[tf.TensorSpec, ...]:
        """Shape and type of each part of a validation batch; the first axis is None."""
        return self.validation(1).element_spec

    def train(
        self, batch_size: int, *, start: int = 0, stop: int | None = None, shard: tuple[int, int] = (0, 1)
    ) -> tf.data.Dataset:
        """Training examples in random order, endless or up to position `stop`: see `training_stream`."""
        place = {"start": start, "stop": stop, "shard": shard}
        return _side_by_side(
            training_stream(
                one.load,
                one.finish,
                one.size,
                batch_size,
                seed=self._seed,
                vectorised=one.vectorised,
                number=one.number,
                **place,
            )
            for one in self._streams(training=True)
        )

    def validation(
        self, batch_size: int, *, limit: int | None = None, shard: tuple[int, int] = (0, 1)
    ) -> tf.data.Dataset:
        """The validation examples once, or the first `limit`, always in the same order: see `ordered_batches`."""
        return _side_by_side(
            ordered_batches(
                one.load,
                one.finish,
                one.size,
                batch_size,
                limit=limit,
                shard=shard,
                vectorised=one.vectorised,
                count=self.val_size,
            )
            for one in self._streams(training=False)
        )


def _side_by_side(streams: Iterable[tf.data.Dataset]) -> tf.data.Dataset:
    """Joins a batch of each stream to one batch of all parts."""
    first, *others = streams
    if not others:
        return first
    return tf.data.Dataset.zip(first, *others).map(lambda *sides: tuple(itertools.chain(*sides)))


def random_bool(key: tf.Tensor) -> tf.Tensor:
    """A fair random bool for a key, or one for each of (n, 2) keys.

    TensorFlow generates from one key at a time. This is the first bit of `_split_mix` with the key's second word as the
    counter.
    """
    return tf.bitwise.right_shift(_split_mix(*tf.unstack(tf.bitcast(key, tf.uint64), axis=-1)), _bits(63)) == 1


def uniforms(keys: tf.Tensor, count: int) -> tf.Tensor:
    """Uniform random numbers in [0, 1) for a key (2,) or for each of (n, 2) keys: (count,) or (n, count) float32, of 24
    bits."""
    states = _split_mix(*tf.unstack(tf.bitcast(keys, tf.uint64), axis=-1))
    mixed = _split_mix(states[..., None], tf.cast(tf.range(1, count + 1), tf.uint64))
    return tf.cast(tf.bitwise.right_shift(mixed, _bits(40)), tf.float32) * 2.0**-24


def _split_mix(state: tf.Tensor, counter: tf.Tensor) -> tf.Tensor:
    """Number `counter` of SplitMix64 from `state`, uint64 (Steele, Lea and Flood 2014; Stafford's variant 13)."""
    mixed = state + counter * _bits(_GOLDEN)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed = (mixed ^ tf.bitwise.right_shift(mixed, _bits(shift))) * _bits(factor)
    return mixed ^ tf.bitwise.right_shift(mixed, _bits(31))


def _bits(number: int) -> tf.Tensor:
    return tf.constant(number, tf.uint64)


def _batches(
    positions: tf.data.Dataset,
    keys_of: Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]],
    load: Load,
    finish: Finish,
    batch_size: int,
    vectorised: bool,
) -> tf.data.Dataset:
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
    if vectorised:
        batches = positions.map(lambda some: finish(*load(*keys_of(some))), tf.data.AUTOTUNE, deterministic=True)
    else:
        examples = positions.map(keys_of).unbatch().map(load, tf.data.AUTOTUNE, deterministic=True)
        batches = examples.batch(batch_size, drop_remainder=positions.element_spec.shape[0] is not None)
        batches = batches.map(finish, tf.data.AUTOTUNE, deterministic=True)
        # `unbatch` forgets it, and Keras warns at the end of what has no known length.
        batches = batches.apply(tf.data.experimental.assert_cardinality(positions.cardinality()))
    return batches.prefetch(tf.data.AUTOTUNE).with_options(options)


def _shuffled(places: tf.Tensor, keys: tf.Tensor, size: int) -> tf.Tensor:
    """Each place's index in the permutation of 0 ... size - 1 under the place's own key.

    The operation behind `tf.random.experimental.index_shuffle`, which itself fails for more than one key and has four
    rounds: the orders of two epochs of 60,000 then correlate by 0.9. With eight nothing of that is left.
    """
    seeds = tf.pad(keys, [[0, 0], [1, 0]])  # it takes three words
    last = tf.constant(size - 1, tf.int64)
    return tf.raw_ops.RandomIndexShuffle(index=places, seed=seeds, max_index=last, rounds=_ROUNDS)


def _fold(seed: int, purpose: int) -> tuple[int, int]:
    """An int32 stateless seed for one purpose; plain numbers: no tensor may exist before a strategy does."""
    state = np.random.SeedSequence([abs(seed), int(seed < 0), purpose]).generate_state(2, np.uint32)
    return tuple(int(word) for word in state.astype(np.int32))


def _key(seed: Any, data: tf.Tensor) -> tf.Tensor:
    return tf.random.experimental.stateless_fold_in(seed, data)
