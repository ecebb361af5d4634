"""Balls in volumes of 8x8x8 voxels, drawn by code."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from keras_gen.data.config import DataConfig
from keras_gen.data.dataset import Dataset, Stream, uniforms


@dataclass(frozen=True)
class VoxelsConfig(DataConfig):
    """Nothing to choose."""

    accepted = "balls"
    data: str = "balls"

    def open(self, seed: int = 0, model: Any = None) -> Voxels:
        """See `DataConfig.open`."""
        return Voxels(self, seed)


class Voxels(Dataset):
    """Batches of (volume, label), float32 in {-1, 1}, (batch, 8, 8, 8, 1); there are no labels."""

    train_size, val_size = 64, 32

    def __init__(self, config: VoxelsConfig, seed: int) -> None:
        self._config, self._seed = config, seed

    def streams(self, training: bool) -> tuple[Stream, ...]:
        """Balls at random places."""
        axis = tf.range(8.0)
        grid = tf.stack(tf.meshgrid(axis, axis, axis, indexing="ij"), axis=-1)

        def load(numbers, keys):
            centres = 2.0 + 4.0 * uniforms(keys, 3)[:, None, None, None]
            return (tf.reduce_sum(tf.square(grid - centres), axis=-1, keepdims=True) < 4.0,)

        def finish(inside):
            return tf.where(inside, 1.0, -1.0), tf.fill(tf.shape(inside)[:1], -1)

        return (Stream(load, finish, self.train_size if training else self.val_size),)

    def describe(self) -> str:
        """A summary to print."""
        return "balls"
