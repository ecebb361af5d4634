"""Vector quantisation: each vector is replaced by the nearest code of a codebook, so its index is enough to store it.

van den Oord, Vinyals, Kavukcuoglu: Neural Discrete Representation Learning, NeurIPS 2017, arXiv 1711.00937. The
codebook is not trained by gradients. Each code follows the moving average of the vectors assigned to it (appendix A.1):

    N_i <- decay N_i + (1 - decay) n_i       n_i: number of vectors of the batch that are assigned to code i
    m_i <- decay m_i + (1 - decay) s_i       s_i: their sum
    e_i  = m_i / N_i

A code without assigned vectors would never move, and might never get any (codebook collapse). So a code that has been
unused for some time is restarted at a random vector of the batch, as in Williams et al. 2020 (arXiv 2002.08111) and
Dhariwal et al. 2020 (arXiv 2005.00341, section 3.1). At the first step, this applies to all codes without vectors.
"""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

_MIN_COUNT = 1e-5  # a code whose average count is smaller does not move, because m / N would be dominated by rounding


def nearest(vectors: tf.Tensor, codebook: tf.Tensor) -> tf.Tensor:
    """Index of the code with the smallest Euclidean distance to each vector.

    Args:
        vectors: (..., size).
        codebook: (codes, size).

    Returns:
        int32 (...).
    """
    flat = tf.reshape(vectors, (-1, codebook.shape[1]))
    # |z - e|^2 without |z|^2, which is the same for all codes.
    distances = tf.reduce_sum(tf.square(codebook), axis=1) - 2.0 * tf.matmul(flat, codebook, transpose_b=True)
    return tf.reshape(tf.argmin(distances, axis=1, output_type=tf.int32), tf.shape(vectors)[:-1])


class VectorQuantiser(keras.layers.Layer):
    """Maps vectors (..., size) to the indices of their nearest codes, int32 (...), and the codes, (..., size).

    Gradients pass from the codes to the vectors unchanged (straight-through estimator); the codebook gets none. It
    changes when the model assigns `running_state`, once per training step.

    Attributes:
        codebook: (codes, size).
        counts, sums: the moving averages N (codes,) and m (codes, size).
        idle: steps since each code was last used or restarted, int32 (codes,).

    Examples:
        >>> import numpy as np
        >>> quantiser = VectorQuantiser(2)
        >>> quantiser.build((None, 1))
        >>> _ = quantiser.codebook.assign([[0.0], [1.0]])
        >>> indices, codes = quantiser(np.array([[0.9], [-0.2]], np.float32))
        >>> indices.numpy().tolist(), codes.numpy().tolist()
        ([1, 0], [[1.0], [0.0]])
    """

    def __init__(self, codes: int, *, decay: float = 0.99, restart_after: int = 100, **settings: Any) -> None:
        """Args:
        codes: number of codes.
        decay: decay of the moving averages per step, in [0, 1).
        restart_after: number of steps without use after which a code is restarted; 0: never.
        settings: arguments of `keras.layers.Layer`; the dtype is always float32.
        """
        super().__init__(**settings | {"dtype": "float32", "trainable": False})
        self.codes, self.decay, self.restart_after = codes, decay, restart_after
        self.chance = keras.random.SeedGenerator()

    def build(self, input_shape: Any) -> None:
        """Creates the codebook and the moving averages."""
        size = input_shape[-1]
        uniform = keras.initializers.RandomUniform(-1 / self.codes, 1 / self.codes)
        unused = keras.initializers.Constant(self.restart_after)
        self.codebook = self.add_weight(name="codebook", shape=(self.codes, size), initializer=uniform)
        self.counts = self.add_weight(name="counts", shape=(self.codes,), initializer="zeros")
        self.sums = self.add_weight(name="sums", shape=(self.codes, size), initializer="zeros")
        self.idle = self.add_weight(name="idle", shape=(self.codes,), initializer=unused, dtype="int32")

    def call(self, vectors: tf.Tensor, training: bool = False) -> tuple[tf.Tensor, tf.Tensor]:
        """The indices and the codes; in training with straight-through gradients."""
        codebook = tf.convert_to_tensor(self.codebook)
        indices = nearest(vectors, codebook)
        codes = tf.gather(codebook, indices)
        return indices, vectors + tf.stop_gradient(codes - vectors) if training else codes

    def statistics(
        self, vectors: tf.Tensor, indices: tf.Tensor, part: tuple[Any, int] = (0, 1)
    ) -> dict[str, tf.Tensor]:
        """Statistics of a batch for `running_state`. They are sums, so those of parts of a batch can be added up.

        Args:
            vectors: the vectors that were quantised, (..., size).
            indices: the indices of their codes, (...).
            part: index of this part, and number of equal parts of the whole batch.

        Returns:
            "counts" (codes,) and "sums" (codes, size): number and sum of the vectors assigned to each code.
            "candidates" (codes, size), if codes are restarted: a random vector of the whole batch for each code, or 0
            if that vector lies in another part.
        """
        flat, indices = tf.reshape(vectors, (-1, self.codebook.shape[1])), tf.reshape(indices, (-1,))
        statistics = {
            "counts": tf.math.bincount(indices, minlength=self.codes, maxlength=self.codes, dtype=tf.float32),
            "sums": tf.math.unsorted_segment_sum(flat, indices, self.codes),
        }
        if self.restart_after:
            number, parts = part
            size = tf.shape(flat)[0]
            chosen = tf.random.stateless_uniform((self.codes,), self.chance.state.value, 0, size * parts, tf.int32)
            chosen -= number * size
            here = (chosen >= 0) & (chosen < size)
            candidates = tf.gather(flat, tf.clip_by_value(chosen, 0, size - 1))
            statistics["candidates"] = tf.where(here[:, None], candidates, 0.0)
        return statistics

    def running_state(self, statistics: dict[str, tf.Tensor]) -> list[tuple[keras.Variable, tf.Tensor]]:
        """The layer's variables, and their values after a step with these statistics of the whole batch."""
        counts = self.decay * self.counts + (1.0 - self.decay) * statistics["counts"]
        sums = self.decay * self.sums + (1.0 - self.decay) * statistics["sums"]
        moved = sums / tf.maximum(counts, _MIN_COUNT)[:, None]
        codebook = tf.where((counts >= _MIN_COUNT)[:, None], moved, self.codebook)
        idle = tf.where(statistics["counts"] > 0.0, 0, self.idle + 1)
        if self.restart_after:
            dead = idle >= self.restart_after
            codebook = tf.where(dead[:, None], statistics["candidates"], codebook)
            # Averages restart at 0, so the code moves to the mean of the first vectors that are assigned to it.
            counts, sums = tf.where(dead, 0.0, counts), tf.where(dead[:, None], 0.0, sums)
            idle = tf.where(dead, 0, idle)
        next_chance = self.chance.state + tf.constant([0, 1], self.chance.state.dtype)
        return [
            (self.codebook, codebook),
            (self.counts, counts),
            (self.sums, sums),
            (self.idle, idle),
            (self.chance.state, next_chance),
        ]

    def perplexity(self) -> tf.Tensor:
        """Perplexity of the codes by their moving averages, from 1 to `codes` (if all are used equally often)."""
        frequency = tf.math.divide_no_nan(self.counts, tf.reduce_sum(self.counts))
        return tf.exp(-tf.reduce_sum(tf.math.xlogy(frequency, frequency)))

    def used(self) -> tf.Tensor:
        """Fraction of the codes that were used within about the last 100 steps, in [0, 1]."""
        threshold = (1.0 - self.decay) * self.decay**100  # the average of a code that one vector chose 100 steps ago
        return tf.reduce_mean(tf.cast(self.counts > threshold, tf.float32))

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor."""
        return super().get_config() | {
            "codes": self.codes,
            "decay": self.decay,
            "restart_after": self.restart_after,
        }
