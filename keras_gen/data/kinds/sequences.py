"""Sequences of different lengths: the data of recurrent autoencoders.

`SequencesConfig.open` yields normal sequences for training and validation. `read_sequences` returns all sequences of a
SPEC in order. A batch is a single tensor in the units of the data, padded with NaN, so that each sequence carries its
own length.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated, Any, Literal

import numpy as np
import tensorflow as tf

from keras_gen.data.builtin.waves import KINDS, Waves, anomalous_waves, normal_waves
from keras_gen.data.config import CachedConfig
from keras_gen.data.dataset import Dataset, Stream
from keras_gen.data.files.digests import digest
from keras_gen.data.files.folders import every_last, shown
from keras_gen.data.files.sequence_files import ACCEPTED, NORMAL, Layout, Sequences, read_files
from keras_gen.errors import UserError
from keras_gen.flags import NonNegative, Range

WAVES_TRAIN, WAVES_HELD, WAVES_TEST = 4000, 500, 500  # sequences of the parts; of the last once more with anomalies
_TRAIN, _HELD, _TEST, _TEST_ANOMALOUS = range(4)  # parts of the waves


@dataclass(frozen=True)
class SequencesConfig(CachedConfig):
    """Which sequences to read, and how."""

    accepted = ACCEPTED

    data: str = "waves"
    """SPEC of the sequences: waves or waves:SEED (built in), a .csv file, a folder of them, a .npy or .npz file."""
    columns: tuple[str, ...] = ()
    """Feature columns of a CSV file; default: all except those of ids and labels."""
    id_column: str = "id"
    """Column of a CSV file that identifies the sequence of each row; a file without it is a single sequence."""
    label_column: str = "label"
    """Column of a CSV file with labels: 0, normal or empty for normal sequences, otherwise the kind of anomaly."""
    missing: Literal["refuse", "interpolate"] = "refuse"
    """Missing values: refuse the data, or interpolate linearly in time."""
    window: NonNegative[int] = 0
    """Cut sequences into windows of this length [steps]; 0: leave them whole."""
    val_every: Annotated[int, Range(2)] = 10
    """Hold out every N-th normal sequence for validation [sequences]; waves have a validation split."""
    cache_gib: Annotated[float, Range(0, infinite=True)] = 1.0
    """Refuse files and arrays that need more memory [GiB]."""

    def open(self, seed: int = 0, model: Any = None) -> SequencesData:
        """Reads the sequences and holds out those for validation. Sequences labelled as anomalies are in neither part.

        An existing model's `length`, `columns`, `mean` and `deviation` are kept; 0 and () are taken from the data.
        See `DataConfig.open`.
        """
        return _opened(self, seed, model)


class SequencesData(Dataset):
    """Normal sequences for training and validation, opened by `SequencesConfig.open`.

    Batches are (sequences,): float32 (batch, length, features) in the units of the data, NaN after the end of each
    sequence.

    Attributes:
        length: steps of the batches, at least those of the longest sequence.
        columns: names of the features.
        mean, deviation: mean and standard deviation of each feature over all training steps, in the units of the data;
            a standard deviation of 0 is replaced by 1.
        train_size, val_size: number of sequences.
    """

    def __init__(
        self,
        config: SequencesConfig,
        seed: int,
        train: Sequences,
        held: Sequences,
        rule: str,
        mean: tuple[float, ...] = (),
        deviation: tuple[float, ...] = (),
    ) -> None:
        self._config, self._seed, self._rule = config, seed, rule
        self.columns = train.columns
        self.length = train.values.shape[1]
        self.train_size, self.val_size = len(train.values), len(held.values)
        steps = train.values[np.isfinite(train.values[..., 0])].astype(np.float64)
        self.mean = mean or tuple(map(float, steps.mean(axis=0)))
        self.deviation = deviation or tuple(float(value) or 1.0 for value in steps.std(axis=0))
        self._digest = digest(*(part for one in (train, held) for part in (one.values, *one.names, *one.labels)))
        self._lengths = np.concatenate([train.lengths, held.lengths])
        with tf.device("CPU:0"):
            self._train, self._held = tf.constant(train.values), tf.constant(held.values)

    def describe(self) -> str:
        """A summary to print: how many sequences, their source and split, lengths and features."""
        shortest, longest = self._lengths.min(), self._lengths.max()
        steps = f"{longest}" if shortest == longest else f"{shortest} to {longest}"
        count = len(self.columns)
        return (
            f"{self.train_size} training and {self.val_size} validation sequences from {shown(self._config.data)} "
            f"({self._rule})\n"
            f"{steps} steps of {count} feature{'s' * (count > 1)}: {', '.join(map(shown, self.columns[:8]))}"
            f"{', ...' * (count > 8)}"
        )

    def attributes(self) -> dict[str, Any]:
        """Those of every data set, and `length`, `columns`, `mean` and `deviation`."""
        return {
            **super().attributes(),
            **{name: getattr(self, name) for name in ("length", "columns", "mean", "deviation")},
        }

    def streams(self, training: bool) -> tuple[Stream, ...]:
        """One stream, of (sequence,)."""
        table, size = (self._train, self.train_size) if training else (self._held, self.val_size)
        return (Stream(partial(_gathered, table), _alone, size),)


def _gathered(table: tf.Tensor, numbers: tf.Tensor, keys: tf.Tensor) -> tuple[tf.Tensor]:
    return (tf.gather(table, numbers),)


def _alone(sequences: tf.Tensor) -> tuple[tf.Tensor]:
    return (sequences,)


def _opened(config: SequencesConfig, seed: int, model: Any) -> SequencesData:
    length, columns, mean, deviation = (
        (0, (), (), ()) if model is None else (model.length, model.columns, model.mean, model.deviation)
    )
    waves_seed = _waves_seed(config.data)
    if waves_seed is not None:
        parts = ((WAVES_TRAIN, _TRAIN), (WAVES_HELD, _HELD))
        train, held = (_named(normal_waves(count, waves_seed, part)) for count, part in parts)
        rule = "a part of its own for validation"
    else:
        found = read_files(config.data, _layout(config, columns))
        normal = np.flatnonzero([label == NORMAL for label in found.labels] or np.ones(len(found.values), bool))
        unit = "normal sequence" if found.labels else "sequence"
        chosen, others, rule = every_last(len(normal), config.val_every, config.data, unit)
        train, held = found[normal[chosen]], found[normal[others]]
        if anomalies := len(found.values) - len(normal):
            rule += f"; anomalies left out: {anomalies}"
    train, held = (_fitting(part, length, columns, config.data) for part in (train, held))
    return SequencesData(config, seed, train, held, rule, mean, deviation)


def read_sequences(config: SequencesConfig, *, length: int, columns: tuple[str, ...]) -> Sequences:
    """All sequences of a SPEC in order, normal or not; for the waves, their test split, which has anomalies.

    Args:
        config: what to read.
        length, columns: those of the model that the sequences must fit.

    Raises:
        UserError: the data cannot be read, lack a column, or have a sequence that is too long.
    """
    waves_seed = _waves_seed(config.data)
    if waves_seed is not None:
        found = _named(waves_to_test(waves_seed))
    else:
        found = read_files(config.data, _layout(config, columns))
    return _fitting(found, length, columns, config.data)


def waves_to_test(seed: int) -> Waves:
    """The test split of the waves: normal ones first, then as many with anomalies, each kind equally often."""
    parts = (normal_waves(WAVES_TEST, seed, _TEST), anomalous_waves(WAVES_TEST, seed, _TEST_ANOMALOUS))
    fields = ((getattr(part, name) for part in parts) for name in ("values", "kinds", "places"))
    return Waves(*map(np.concatenate, map(tuple, fields)))


def _waves_seed(spec: str) -> int | None:
    """The seed in a SPEC of waves; None for any other SPEC."""
    name, _, seed = spec.partition(":")
    if name != "waves":
        return None
    if (seed and not seed.isdecimal()) or spec.endswith(":"):
        raise UserError(f"--data got {shown(spec)}; accepted are waves and waves:SEED, a whole number from 0 on.")
    return int(seed or 0)


def _named(waves: Waves) -> Sequences:
    names = tuple(str(number) for number in range(len(waves.kinds)))
    labels = tuple(KINDS[kind - 1] if kind else NORMAL for kind in waves.kinds)
    return Sequences(waves.values, names, labels, ("value",))


def _layout(config: SequencesConfig, columns: tuple[str, ...]) -> Layout:
    return Layout(
        columns or config.columns,
        config.id_column,
        config.label_column,
        config.missing == "interpolate",
        config.window,
        config.max_bytes,
    )


def _fitting(sequences: Sequences, length: int, columns: tuple[str, ...], spec: str) -> Sequences:
    """The sequences padded to the length of the model, if it has one yet.

    Raises:
        UserError: the features differ, or a sequence is too long.
    """
    if columns and len(columns) != len(sequences.columns):
        raise UserError(
            f"{shown(spec)} has the features {', '.join(map(shown, sequences.columns))}; accepted by the model are "
            f"{', '.join(map(shown, columns))}."
        )
    if length and sequences.values.shape[1] > length:
        number = int(sequences.lengths.argmax())
        raise UserError(
            f"{shown(spec)}: sequence '{shown(sequences.names[number])}' has {sequences.lengths[number]} steps; "
            f"accepted by the model are up to {length}."
        )
    return replace(sequences.padded(length), columns=columns or sequences.columns)
