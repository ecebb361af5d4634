"""Autoregressive distributions over maps of codes: each code depends on those before it in raster order.

    log p(c) = sum_i log p(c_i | c_1 ... c_(i-1))

A network gives the logits of all places at once, (batch, h, w, codes) of (batch, h, w) int32, and those of a place must
not depend on the codes at that place and after it.
"""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf


def negative_log_likelihood(logits: tf.Tensor, indices: tf.Tensor) -> tf.Tensor:
    """-log p of each map in nats: (batch, h, w, codes), (batch, h, w) -> (batch,)."""
    terms = tf.nn.sparse_softmax_cross_entropy_with_logits(indices, tf.cast(logits, tf.float32))
    return tf.reduce_sum(terms, axis=(1, 2))


def sample(network: Callable[[tf.Tensor], tf.Tensor], shape: tuple[int, int, int], seed: tf.Tensor) -> tf.Tensor:
    """Maps drawn from the distribution, place after place: (batch, h, w) int32, the same for the same seed.

    Args:
        network: (batch, h, w) int32 -> logits (batch, h, w, codes).
        shape: (batch, h, w).
        seed: two integers.
    """
    _, height, width = shape

    def draw(place: tf.Tensor, indices: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        logits = tf.cast(network(indices)[:, place // width, place % width], tf.float32)
        own_seed = tf.random.experimental.stateless_fold_in(seed, place)
        drawn = tf.random.stateless_categorical(logits, 1, own_seed, tf.int32)
        here = tf.reshape(tf.range(height * width) == place, (height, width))
        return place + 1, tf.where(here, drawn[:, :, None], indices)

    start = (tf.constant(0), tf.zeros(shape, tf.int32))
    return tf.while_loop(lambda place, _: place < height * width, draw, start)[1]
