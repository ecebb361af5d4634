"""Latent vectors to draw from."""

from __future__ import annotations

import math

import tensorflow as tf

_ROWS = 4096  # of the table that pixels choose from


def latent_vectors(count: int, units: int, seed: int, truncation: float = math.inf) -> tf.Tensor:
    """Vectors from N(0, 1), (count, units), the same for the same seed whatever draws from them.

    Args:
        count: of vectors.
        units: of each.
        seed: an integer.
        truncation: see `truncated`.
    """
    return truncated(tf.random.stateless_normal((count, units), (seed, 0)), truncation)


def seeded_vectors(seeds: tf.Tensor, units: int) -> tf.Tensor:
    """A vector from N(0, 1) for each seed, (n, units): that of `latent_vectors(1, units, seed)`."""
    return tf.map_fn(
        lambda seed: tf.random.stateless_normal((units,), tf.stack([seed, 0])),
        tf.cast(seeds, tf.int32),
        fn_output_signature=tf.TensorSpec((units,), tf.float32),
    )


def truncated(z: tf.Tensor, threshold: float) -> tf.Tensor:
    """Units from N(0, 1) as units from the normal distribution that ends at +-threshold, in the same order.

    The truncation trick: fewer kinds of pictures, of which more are good (Brock, Donahue, Simonyan 2019, arXiv
    1809.11096, section 3.1). Each unit keeps its quantile, where the authors draw again what lies outside, so a seed's
    picture changes gradually with the threshold; infinity changes nothing.
    """
    if math.isinf(threshold):
        return z
    edge = 0.5 * math.erfc(threshold / math.sqrt(2.0))
    share = 0.5 * tf.math.erfc(-z / math.sqrt(2.0))
    return tf.clip_by_value(tf.math.ndtri(edge + share * (1.0 - 2.0 * edge)), -threshold, threshold)


def vectors_of(images: tf.Tensor, units: int) -> tf.Tensor:
    """A vector from N(0, 1) for each image, (batch, units): a row of a fixed table, chosen by the pixels.

    Equal images have equal vectors, whatever batch they come in, and any two images other ones but by accident: noise
    for measurements that are to agree when they are repeated.
    """
    table = tf.random.stateless_normal((_ROWS, units), (0, 1))
    levels = tf.reshape(tf.cast(tf.round((images + 1.0) * 127.5), tf.int64), (tf.shape(images)[0], -1))
    places = tf.range(1, tf.shape(levels)[1] + 1, dtype=tf.int64)
    return tf.gather(table, tf.reduce_sum(levels * places, axis=-1) % _ROWS)
