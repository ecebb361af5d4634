"""What a run asks of a data set."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import tensorflow as tf


class Data(Protocol):
    """What a run asks of a data set: a stream that is a pure function of the seed and the position, and a fixed one."""

    train_size: int
    val_size: int
    mode_centres: np.ndarray | None

    def train(self, batch_size: int, *, start: int = 0, shard: tuple[int, int] = (0, 1)) -> tf.data.Dataset:
        """Batches for ever from example `start` on; `shard` is (worker, workers)."""

    def validation(
        self, batch_size: int, *, limit: int | None = None, shard: tuple[int, int] = (0, 1)
    ) -> tf.data.Dataset:
        """The validation examples once, in order, the last batch partial."""
