"""Autoregressive distributions over maps of codes: each code depends on those before it in raster order.

    log p(c) = sum_i log p(c_i | c_1 ... c_(i-1))

A network maps codes, int32 (batch, h, w), to the logits of all positions at once, (batch, h, w, codes). The logits at a
position must not depend on the codes at that position or later ones.
"""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf


def negative_log_likelihood(logits: tf.Tensor, indices: tf.Tensor) -> tf.Tensor:
    """-log p of each map in nats, (batch,).

    Args:
        logits: (batch, h, w, codes).
        indices: the codes, int32 (batch, h, w).
    """
    terms = tf.nn.sparse_softmax_cross_entropy_with_logits(indices, tf.cast(logits, tf.float32))
    return tf.reduce_sum(terms, axis=(1, 2))


def sample(network: Callable[[tf.Tensor], tf.Tensor], shape: tuple[int, int, int], seed: tf.Tensor) -> tf.Tensor:
    """Draws maps of codes from the distribution, position by position: int32 (batch, h, w).

    The network is called once for each position. The same seed gives the same maps.

    Args:
        network: maps int32 (batch, h, w) to logits (batch, h, w, codes).
        shape: (batch, h, w).
        seed: two integers.
    """
    _, height, width = shape

    def draw(position: tf.Tensor, indices: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        logits = tf.cast(network(indices)[:, position // width, position % width], tf.float32)
        own_seed = tf.random.experimental.stateless_fold_in(seed, position)
        drawn = tf.random.stateless_categorical(logits, 1, own_seed, tf.int32)
        here = tf.reshape(tf.range(height * width) == position, (height, width))
        return position + 1, tf.where(here, drawn[:, :, None], indices)

    start = (tf.constant(0), tf.zeros(shape, tf.int32))
    return tf.while_loop(lambda position, _: position < height * width, draw, start)[1]
