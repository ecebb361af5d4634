"""Streams of examples that are a pure function of (seed, position), for all kinds of data.

A data set has a number of examples and a function `load` that returns any of them. Position i of the stream belongs to
epoch e = i // size; its example is number i % size of a permutation that depends on (seed, e). All randomness in `load`
comes from a stateless key of (seed, e, index). A run can therefore resume without skipping or saving anything: with
batch size b, step s starts at `start=s * b`. The stream continues across epochs, even within a batch if the batch size
does not divide the number of examples. The caller decides how many steps make an epoch.

Indices and keys are computed per batch. `load` is called for each example, in parallel, or with `vectorised` once per
batch: the same indices and keys, at a hundredth of the cost for small examples.
"""

from __future__ import annotations

import abc
import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from keras_gen.data.files.folders import listed, shown
from keras_gen.data.files.splits import Split
from keras_gen.errors import UserError

Load = Callable[[tf.Tensor, tf.Tensor], Any]
"""A graph function: (index: int64, key: int64 (2,), a stateless seed) -> one example with static shapes.

If vectorised: (indices: (n,), keys: (n, 2)) -> a batch of n examples.
"""

Finish = Callable[..., Any]
"""A graph function from the parts of a loaded batch to the inputs of the model."""

_ORDER, _DRAW, _PURPOSES = 0, 1, 2  # uses of a key: the order of an epoch, or the randomness within an example
_ROUNDS = 16  # rounds of the cipher that computes the permutation
_GOLDEN = 0x9E3779B97F4A7C15  # increment of SplitMix64's counter


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
    """Shuffled batches, endless or up to `stop`.

    Args:
        load: returns one example.
        finish: turns a batch of examples into the model's inputs; conversion to floats is twice as fast per batch.
        size: number of examples, > 0.
        batch_size: examples per step, over all workers together.
        seed: any integer.
        start: position of the first example in the stream, a multiple of `batch_size`.
        stop: the position after the last example; None for no end. A partial last batch is dropped.
        shard: (worker, workers). Worker w loads positions w, w + workers, ... of every batch, so the batches of all
            workers together are the batch that a single worker would load. `workers` must divide `batch_size`. The
            result is one worker's share, for `strategy.distribute_datasets_from_function`, with automatic sharding off.
        vectorised: `load` takes and returns batches.
        number: number of this stream among several with the same seed; each has its own order.

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
        epochs, which = tf.unique(positions // size)  # `stateless_fold_in` takes one value at a time
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

    `count` sets another number of examples than `size`; after the last example the first one follows again. Worker w
    of `shard` = (w, workers) gets examples w, w + workers, ... in batches of `batch_size / workers`. The key of an
    example is always the same. All workers get the same number of batches, because each step waits for all of them; the
    last batch of some may be empty.
    """
    worker, workers = shard
    count = size if count is None else count
    share = -(-batch_size // workers)

    def keys_of(positions: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        indices = positions % size
        return indices, tf.stack([tf.zeros_like(indices), indices], axis=1)

    count = count if limit is None else min(count, limit)
    positions = tf.data.Dataset.range(worker, count, workers)
    batches = _batches(positions.batch(share), keys_of, load, finish, share, vectorised)
    steps, own = (-(-len(range(first, count, workers)) // share) for first in (0, worker))
    if own == steps:
        return batches
    empty = tf.nest.map_structure(lambda spec: tf.zeros([0, *spec.shape[1:]], spec.dtype), batches.element_spec)
    return batches.concatenate(tf.data.Dataset.from_tensors(empty))


@dataclass(frozen=True)
class Stream:
    """A stream of examples that supplies one or several parts of a batch.

    Attributes:
        load, finish: see `training_stream`; `finish` returns the parts of a batch, of any shapes.
        size: number of examples.
        vectorised: `load` takes and returns batches.
        number: selects the order; only streams with equal number and size stay aligned.
    """

    load: Load
    finish: Finish
    size: int
    vectorised: bool = True
    number: int = 0


class Dataset(abc.ABC):
    """Training and validation examples as streams of batches; subclasses define how an example is loaded.

    A batch consists of the parts of one or several streams. The streams can have any shapes and different numbers of
    examples, and each is sampled without replacement in its own order. An epoch is `train_size` examples; a shorter
    stream starts again within it, in a new order.

    Attributes:
        train_size, val_size: number of training examples per epoch, and of validation examples.
        classes: names of the labels 0, 1, ...; empty if there are none.
        mode_centres: centres of the modes of the distribution, (modes, values of an example); None if unknown.
    """

    train_size: int
    val_size: int
    classes: tuple[str, ...] = ()
    mode_centres: np.ndarray | None = None
    _config: Any
    _seed: int
    _digest: str = ""

    @abc.abstractmethod
    def streams(self, training: bool) -> tuple[Stream, ...]:
        """The streams that make up a batch, for training or for validation.

        A data set made of others takes theirs, with a number of its own for each that has an order of its own.
        """

    @abc.abstractmethod
    def describe(self) -> str:
        """A summary to print: number of examples, source, split, format, and what was left out."""

    @property
    def config(self) -> Any:
        """The `DataConfig` with which the data were opened."""
        return self._config

    def attributes(self) -> dict[str, Any]:
        """Values for the hidden fields of a model's configuration, by name: `image_size`, `channels`, ..."""
        return {"train_size": self.train_size}

    def identity(self) -> dict[str, Any]:
        """What identifies the data in config.json: class names, counts, and a digest.

        The digest is computed from the names and sizes of files, or from the contents of arrays. It does not depend on
        their location.
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
            for one in self.streams(training=True)
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
            for one in self.streams(training=False)
        )


class SplitDataset(Dataset):
    """Base class for examples that a SPEC was resolved to, some of which may be bad.

    Attributes:
        skipped: why examples were left out under `skip_bad`, one sentence each.
    """

    def __init__(self, config: Any, seed: int, split: Split, digest: str = "") -> None:
        """Args:
        config: configuration of the data set.
        seed: seed of the order and of random changes.
        split: the examples. It is not kept, because it can hold all images.
        digest: what identifies the examples; "": the split's own digest, which needs every file.
        """
        self._config, self._seed = config, seed
        self._digest = digest or split.digest()
        self._rule = split.rule
        self._total = sum(len(indices) for _, indices in split.parts)
        self._left_out = {
            "without a partner of the same name": split.files("alone"),
            "as broken links": split.files("broken"),
            "as files of another kind": split.files("others"),
        }
        self.skipped: list[str] = []

    def _require_usable(self, unit: str, counts: tuple[int, int], *, use: str = "read") -> None:
        """Raises UserError if there are bad examples and `skip_bad` is off, or if a part has no examples left.

        Args:
            unit: what an example is called, in the plural.
            counts: training and validation examples that remain.
            use: what cannot be done with bad examples, a participle.
        """
        spec = shown(self._config.data)
        if self.skipped and not self._config.skip_bad:
            raise UserError(
                f"--data {spec}: {len(self.skipped)} of {self._total} {unit} cannot be {use} ({listed(self.skipped)}); "
                "--skip-bad leaves them out."
            )
        if not all(counts):
            raise UserError(
                f"--data {spec}: {counts[0]} training and {counts[1]} validation {unit} can be {use}; at least one of "
                "each is needed."
            )

    def _summary(self, unit: str, counts: tuple[int, int], *lines: str) -> str:
        """The text of `describe`: number of examples, source and split, then `lines`, then what was left out."""
        left_out = self._left_out | {"as unusable": self.skipped}
        return "\n".join(
            [
                f"{counts[0]} training and {counts[1]} validation {unit} from {shown(self._config.data)} "
                f"({self._rule})",
                *lines,
                *(f"left out {why}: {len(what)} ({listed(what)})" for why, what in left_out.items() if what),
            ]
        )


def _side_by_side(streams: Iterable[tf.data.Dataset]) -> tf.data.Dataset:
    """Joins the batches of several streams into batches with the parts of all."""
    first, *others = streams
    if not others:
        return first
    return tf.data.Dataset.zip(first, *others).map(lambda *sides: tuple(itertools.chain(*sides)))


def random_bool(key: tf.Tensor) -> tf.Tensor:
    """A random bool with probability 1/2 for a key (2,), or one for each of (n, 2) keys.

    TensorFlow's stateless generators take a single key. This is the first bit of `_split_mix`, with the second word of
    the key as the counter.
    """
    return tf.bitwise.right_shift(_split_mix(*tf.unstack(tf.bitcast(key, tf.uint64), axis=-1)), _bits(63)) == 1


def uniforms(keys: tf.Tensor, count: int) -> tf.Tensor:
    """Uniform random numbers in [0, 1) with 24 bits: float32 (count,) for a key (2,), (n, count) for (n, 2) keys."""
    states = _split_mix(*tf.unstack(tf.bitcast(keys, tf.uint64), axis=-1))
    mixed = _split_mix(states[..., None], tf.cast(tf.range(1, count + 1), tf.uint64))
    return tf.cast(tf.bitwise.right_shift(mixed, _bits(40)), tf.float32) * 2.0**-24


def _split_mix(state: tf.Tensor, counter: tf.Tensor) -> tf.Tensor:
    """Value number `counter` of SplitMix64 started at `state`, uint64 (Steele et al. 2014; Stafford's variant 13)."""
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
        # `unbatch` loses the cardinality, and Keras warns when a data set of unknown length ends.
        batches = batches.apply(tf.data.experimental.assert_cardinality(positions.cardinality()))
    return batches.prefetch(tf.data.AUTOTUNE).with_options(options)


def _shuffled(places: tf.Tensor, keys: tf.Tensor, size: int) -> tf.Tensor:
    """Maps each position to an index: the permutation of 0 ... size - 1 that belongs to the position's own key.

    `tf.random.experimental.index_shuffle` calls the same operation, but fails for more than one key and uses four
    rounds. The orders of two epochs of 60,000 examples then correlate by 0.9; from eight rounds on they do not.
    """
    seeds = tf.pad(keys, [[0, 0], [1, 0]])  # the operation takes three words
    last = tf.constant(size - 1, tf.int64)
    return tf.raw_ops.RandomIndexShuffle(index=places, seed=seeds, max_index=last, rounds=_ROUNDS)


def _fold(seed: int, purpose: int) -> tuple[int, int]:
    """A stateless int32 seed for one purpose, as Python integers: no tensor may be created before the strategy."""
    state = np.random.SeedSequence([abs(seed), int(seed < 0), purpose]).generate_state(2, np.uint32)
    return tuple(int(word) for word in state.astype(np.int32))


def _key(seed: Any, data: tf.Tensor) -> tf.Tensor:
    return tf.random.experimental.stateless_fold_in(seed, data)
