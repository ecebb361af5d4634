"""Vector quantisation: vectors replaced by the nearest of a few, whose indices are then all that has to be kept.

van den Oord, Vinyals, Kavukcuoglu: Neural Discrete Representation Learning, NeurIPS 2017, arXiv 1711.00937. The
codebook follows the vectors that choose its codes by moving averages (appendix A.1), not by a gradient:

    N_i <- decay N_i + (1 - decay) n_i       n_i: vectors of the batch that chose code i
    m_i <- decay m_i + (1 - decay) s_i       s_i: their sum
    e_i  = m_i / N_i

A code that nothing chooses never moves, and nothing ever comes near it. So one that was idle for a while is put on a
vector of the batch, drawn at random, as Williams et al. 2020 (arXiv 2002.08111) and Dhariwal et al. 2020 (arXiv
2005.00341, section 3.1) do; at the first step that are all codes but the few chosen.
"""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

_LEAST_COUNT = 1e-5  # a code with less of a moving average stays where it is: m / N would be rounding


def nearest(vectors: tf.Tensor, codebook: tf.Tensor) -> tf.Tensor:
    """Number of the code with the least Euclidean distance: (..., size), (codes, size) -> (...) int32."""
    flat = tf.reshape(vectors, (-1, codebook.shape[1]))
    # |z - e|^2 without |z|^2, which is the same for all codes.
    distances = tf.reduce_sum(tf.square(codebook), axis=1) - 2.0 * tf.matmul(flat, codebook, transpose_b=True)
    return tf.reshape(tf.argmin(distances, axis=1, output_type=tf.int32), tf.shape(vectors)[:-1])


class VectorQuantiser(keras.layers.Layer):
    """Vectors (..., size) -> the number of each one's code (...) int32, and the codes (..., size).

    The gradient of the codes goes to the vectors as it is (straight through); the codebook gets none. It moves when
    `running_state` is written, which the model does once for a step.

    Attributes:
        codebook: (codes, size).
        counts, sums: the moving averages N (codes,) and m (codes, size).
        idle: steps since each code was chosen or restarted, int32 (codes,).
    """

    def __init__(self, codes: int, *, decay: float = 0.99, restart_after: int = 100, **settings: Any) -> None:
        """Args:
        codes: in the codebook.
        decay: of the moving averages, per step.
        restart_after: steps without being chosen after which a code is restarted; 0: never.
        """
        super().__init__(**settings | {"dtype": "float32", "trainable": False})
        self.codes, self.decay, self.restart_after = codes, decay, restart_after
        self.chance = keras.random.SeedGenerator()

    def build(self, input_shape: Any) -> None:
        size = input_shape[-1]
        spread = keras.initializers.RandomUniform(-1 / self.codes, 1 / self.codes)
        never = keras.initializers.Constant(self.restart_after)
        self.codebook = self.add_weight(name="codebook", shape=(self.codes, size), initializer=spread)
        self.counts = self.add_weight(name="counts", shape=(self.codes,), initializer="zeros")
        self.sums = self.add_weight(name="sums", shape=(self.codes, size), initializer="zeros")
        self.idle = self.add_weight(name="idle", shape=(self.codes,), initializer=never, dtype="int32")

    def call(self, vectors: tf.Tensor, training: bool = False) -> tuple[tf.Tensor, tf.Tensor]:
        """The indices and the codes; in training the gradient goes straight through."""
        codebook = tf.convert_to_tensor(self.codebook)
        indices = nearest(vectors, codebook)
        codes = tf.gather(codebook, indices)
        return indices, vectors + tf.stop_gradient(codes - vectors) if training else codes

    def seen(self, vectors: tf.Tensor, indices: tf.Tensor, part: tuple[Any, int] = (0, 1)) -> dict[str, tf.Tensor]:
        """What `running_state` needs of a batch: sums, so that those of its parts can be added up.

        Args:
            vectors: (..., size), what was quantised.
            indices: (...), of their codes.
            part: which of how many equal parts of the whole batch they are.

        Returns:
            counts (codes,) and sums (codes, size) of the vectors that chose each code, and candidates (codes, size): a
            vector of the whole batch for each code, the same whatever the parts, 0 where it lies in another one.
        """
        flat, indices = tf.reshape(vectors, (-1, self.codebook.shape[1])), tf.reshape(indices, (-1,))
        seen = {
            "counts": tf.math.bincount(indices, minlength=self.codes, maxlength=self.codes, dtype=tf.float32),
            "sums": tf.math.unsorted_segment_sum(flat, indices, self.codes),
        }
        if self.restart_after:
            number, parts = part
            size = tf.shape(flat)[0]
            places = tf.random.stateless_uniform((self.codes,), self.chance.state.value, 0, size * parts, tf.int32)
            places -= number * size
            here = (places >= 0) & (places < size)
            candidates = tf.gather(flat, tf.clip_by_value(places, 0, size - 1))
            seen["candidates"] = tf.where(here[:, None], candidates, 0.0)
        return seen

    def running_state(self, seen: dict[str, tf.Tensor]) -> list[tuple[keras.Variable, tf.Tensor]]:
        """The variables and their values after a step that saw these sums."""
        counts = self.decay * self.counts + (1.0 - self.decay) * seen["counts"]
        sums = self.decay * self.sums + (1.0 - self.decay) * seen["sums"]
        moved = sums / tf.maximum(counts, _LEAST_COUNT)[:, None]
        codebook = tf.where((counts >= _LEAST_COUNT)[:, None], moved, self.codebook)
        idle = tf.where(seen["counts"] > 0.0, 0, self.idle + 1)
        if self.restart_after:
            dead = idle >= self.restart_after
            codebook = tf.where(dead[:, None], seen["candidates"], codebook)
            # Without a past, it goes to the mean of those that choose it first.
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
        """exp of the entropy of how often codes are chosen, by the moving average: the number of codes if equally."""
        share = tf.math.divide_no_nan(self.counts, tf.reduce_sum(self.counts))
        return tf.exp(-tf.reduce_sum(tf.math.xlogy(share, share)))

    def used(self) -> tf.Tensor:
        """Share of the codes that were chosen within about the last 100 steps, in [0, 1]."""
        least = (1.0 - self.decay) * self.decay**100
        return tf.reduce_mean(tf.cast(self.counts > least, tf.float32))

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor."""
        return super().get_config() | {
            "codes": self.codes,
            "decay": self.decay,
            "restart_after": self.restart_after,
        }
