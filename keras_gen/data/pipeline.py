"""A training stream that is a pure function of (seed, position), for every family.

A data set is a number of examples and a `load` function that reaches any of them. Example number i of the
stream belongs to epoch e = i // size and is example `index_shuffle(i % size)` under the permutation of (seed,
e); whatever chance `load` needs it draws from a stateless key of (seed, e, index). So nothing has to be
skipped or saved to go on after an interruption: step s of batch b starts at `start=s * b`. The stream runs on
over the end of an epoch, also within a batch when the batch size does not divide the size; how many steps are
an epoch is the caller's choice.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

Load = Callable[[tf.Tensor, tf.Tensor], Any]
"""A graph function: (index: int64, key: int32 (2,), a stateless seed) -> one example of static shapes."""

_ORDER, _DRAW = 0, 1  # what a key is for: the order of an epoch, or the chance within an example


def training_stream(
    load: Load,
    finish: Callable[..., Any],
    size: int,
    batch_size: int,
    *,
    seed: int,
    start: int = 0,
    stop: int | None = None,
    shard: tuple[int, int] = (0, 1),
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

    Returns:
      Batches of `batch_size / workers` examples.
    """
    worker, workers = shard
    if batch_size % workers:
        raise ValueError(f"{workers} workers cannot share a batch of {batch_size} evenly.")
    if start % batch_size:
        raise ValueError(f"start={start} is not a multiple of the batch size {batch_size}.")
    order_seed, draw_seed = _fold(seed, _ORDER), _fold(seed, _DRAW)

    def example(position: tf.Tensor) -> Any:
        epoch, place = position // size, position % size
        last = tf.constant(size - 1, tf.int64)
        index = tf.random.experimental.index_shuffle(place, seed=_key(order_seed, epoch), max_index=last)
        return load(index, _key(_key(draw_seed, epoch), index))

    stop = np.iinfo(np.int64).max if stop is None else stop
    positions = tf.data.Dataset.range(start + worker, stop, workers)
    return _batches(positions, example, finish, batch_size // workers, drop_remainder=True)


def ordered_batches(
    load: Load,
    finish: Callable[..., Any],
    size: int,
    batch_size: int,
    *,
    limit: int | None = None,
    shard: tuple[int, int] = (0, 1),
) -> tf.data.Dataset:
    """Every example once, or the first `limit`, in order; the last batch may be smaller.

    Worker w of `shard` = (w, workers) gets examples w, w + workers, ... in batches of `batch_size / workers`.
    `load` gets a constant key: it is meant to draw nothing.
    """
    worker, workers = shard
    size = size if limit is None else min(size, limit)
    positions = tf.data.Dataset.range(worker, size, workers)
    return _batches(positions, lambda index: load(index, tf.zeros(2, tf.int32)), finish, -(-batch_size // workers))


def _batches(
    positions: tf.data.Dataset,
    example: Callable[[tf.Tensor], Any],
    finish: Callable[..., Any],
    batch_size: int,
    drop_remainder: bool = False,
) -> tf.data.Dataset:
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
    examples = positions.map(example, tf.data.AUTOTUNE, deterministic=True)
    batches = examples.batch(batch_size, drop_remainder=drop_remainder)
    batches = batches.map(finish, tf.data.AUTOTUNE, deterministic=True)
    return batches.prefetch(tf.data.AUTOTUNE).with_options(options)


def _fold(seed: int, purpose: int) -> tuple[int, int]:
    """An int32 stateless seed for one purpose; plain numbers: no tensor may exist before a strategy does."""
    state = np.random.SeedSequence([abs(seed), int(seed < 0), purpose]).generate_state(2, np.uint32)
    return tuple(int(word) for word in state.astype(np.int32))


def _key(seed: Any, data: tf.Tensor) -> tf.Tensor:
    return tf.random.experimental.stateless_fold_in(seed, data)
