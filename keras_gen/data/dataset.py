"""A training stream that is a pure function of (seed, position), for every family.

A data set is a number of examples and a `load` function that reaches any of them. Example number i of the
stream belongs to epoch e = i // size and is the example at place i % size of the permutation of (seed,
e); whatever chance `load` needs it draws from a stateless key of (seed, e, index). So nothing has to be
skipped or saved to go on after an interruption: step s of batch b starts at `start=s * b`. The stream runs on
over the end of an epoch, also within a batch when the batch size does not divide the size; how many steps are
an epoch is the caller's choice.

Indices and keys are computed for a batch at a time. `load` is called for each example, in parallel, or with
`vectorised` once for the whole batch: the same indices and keys, at a hundredth of the cost for small examples.
"""

from __future__ import annotations

import abc
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

Load = Callable[[tf.Tensor, tf.Tensor], Any]
"""A graph function: (index: int64, key: int64 (2,), a stateless seed) -> one example of static shapes.

If it is vectorised: (indices: (n,), keys: (n, 2)) -> a batch of n."""

Finish = Callable[..., Any]
"""A graph function that turns a batch of what is loaded, its parts as arguments, into what the model takes."""

_ORDER, _DRAW = 0, 1  # what a key is for: the order of an epoch, or the chance within an example
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

    Returns:
      Batches of `batch_size / workers` examples.
    """
    worker, workers = shard
    if batch_size % workers:
        raise ValueError(f"{workers} workers cannot share a batch of {batch_size} evenly.")
    if start % batch_size:
        raise ValueError(f"start={start} is not a multiple of the batch size {batch_size}.")
    order_seed, draw_seed = _fold(seed, _ORDER), _fold(seed, _DRAW)

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
) -> tf.data.Dataset:
    """Every example once, or the first `limit`, in order; the last batch may be smaller.

    Worker w of `shard` = (w, workers) gets examples w, w + workers, ... in batches of `batch_size / workers`.
    The key of an example is always the same one.
    """
    worker, workers = shard
    size = size if limit is None else min(size, limit)
    share = -(-batch_size // workers)

    def keys_of(positions: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return positions, tf.stack([tf.zeros_like(positions), positions], axis=1)

    positions = tf.data.Dataset.range(worker, size, workers)
    return _batches(positions.batch(share), keys_of, load, finish, share, vectorised)


class Dataset(abc.ABC):
    """Training and validation examples of a set, as streams of batches; sets say how an example is loaded.

    Attributes:
      train_size, val_size: number of examples.
      mode_centres: of the modes that they are drawn from, (modes, values of an example); None where unknown.
    """

    train_size: int
    val_size: int
    mode_centres: np.ndarray | None = None
    _seed: int
    _vectorised: bool = True

    @abc.abstractmethod
    def _part(self, training: bool) -> tuple[Load, Finish]:
        """`load` and `finish` of `training_stream`, of the training or of the validation examples."""

    def train(
        self, batch_size: int, *, start: int = 0, stop: int | None = None, shard: tuple[int, int] = (0, 1)
    ) -> tf.data.Dataset:
        """Training examples in random order, for ever or up to position `stop`: see `training_stream`."""
        return training_stream(
            *self._part(training=True),
            self.train_size,
            batch_size,
            seed=self._seed,
            start=start,
            stop=stop,
            shard=shard,
            vectorised=self._vectorised,
        )

    def validation(
        self, batch_size: int, *, limit: int | None = None, shard: tuple[int, int] = (0, 1)
    ) -> tf.data.Dataset:
        """Validation examples once, or the first `limit`, always the same in the same order: see `ordered_batches`."""
        return ordered_batches(
            *self._part(training=False),
            self.val_size,
            batch_size,
            limit=limit,
            shard=shard,
            vectorised=self._vectorised,
        )


def random_bool(key: tf.Tensor) -> tf.Tensor:
    """A fair draw of True or False from a key, or one from each of (n, 2) keys.

    TensorFlow draws from one key at a time; this is the first bit of `_split_mix`, the counter being the key's second
    word.
    """
    return tf.bitwise.right_shift(_split_mix(*tf.unstack(tf.bitcast(key, tf.uint64), axis=-1)), _bits(63)) == 1


def uniforms(keys: tf.Tensor, count: int) -> tf.Tensor:
    """Draws from [0, 1) of a key (2,) or of each of (n, 2) keys: (count,) or (n, count) float32, of 24 bits."""
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
