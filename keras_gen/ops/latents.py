"""Latent vectors from N(0, 1): by seed, truncated, or chosen by an image; and paths between two of them."""

from __future__ import annotations

import math

import numpy as np
import tensorflow as tf

_ROWS = 4096  # rows of the table that `hashed_vectors` chooses from


def latent_vectors(count: int, units: int, seed: int, truncation: float = math.inf) -> tf.Tensor:
    """Vectors from N(0, 1), (count, units) float32, which depend only on the seed.

    Args:
        count: number of vectors.
        units: length of each vector.
        seed: an integer.
        truncation: threshold of the truncation trick, see `truncated`.

    Examples:
        >>> latent_vectors(2, 3, seed=7).shape
        TensorShape([2, 3])
        >>> float(tf.reduce_max(tf.abs(latent_vectors(100, 100, seed=7, truncation=0.5)))) <= 0.5
        True
    """
    return truncated(tf.random.stateless_normal((count, units), (seed, 0)), truncation)


@tf.function(reduce_retracing=True, autograph=False)  # eagerly, `map_fn` takes a millisecond for each seed
def seeded_vectors(seeds: tf.Tensor, units: int) -> tf.Tensor:
    """One vector from N(0, 1) for each seed, (n, units). Row i equals `latent_vectors(1, units, seeds[i])`."""
    return tf.map_fn(
        lambda seed: tf.random.stateless_normal((units,), tf.stack([seed, 0])),
        tf.cast(seeds, tf.int32),
        fn_output_signature=tf.TensorSpec((units,), tf.float32),
    )


def truncated(z: tf.Tensor, threshold: float) -> tf.Tensor:
    """The truncation trick: maps values from N(0, 1) to the normal distribution truncated at +-threshold.

    Samples become less diverse, but on average better (Brock, Donahue, Simonyan 2019, arXiv 1809.11096, section 3.1).
    The paper redraws values beyond the threshold. Here each value keeps its quantile instead, so the image of a seed
    changes gradually with the threshold. A threshold of infinity changes nothing.

    Args:
        z: values from N(0, 1), of any shape.
        threshold: largest absolute value of the result, greater than 0.
    """
    if math.isinf(threshold):
        return z
    tail = 0.5 * math.erfc(threshold / math.sqrt(2.0))
    quantile = 0.5 * tf.math.erfc(-z / math.sqrt(2.0))
    return tf.clip_by_value(tf.math.ndtri(tail + quantile * (1.0 - 2.0 * tail)), -threshold, threshold)


def hashed_vectors(images: tf.Tensor, units: int) -> tf.Tensor:
    """A vector from N(0, 1) for each image, (batch, units): a row of a fixed table, chosen by a hash of the pixels.

    Equal images get equal vectors in any batch, and different images almost always get different ones. Use it as noise
    in measurements that must be repeatable.

    Args:
        images: (batch, ...) in [-1, 1].
        units: length of each vector.
    """
    table = tf.random.stateless_normal((_ROWS, units), (0, 1))
    levels = tf.reshape(tf.cast(tf.round((images + 1.0) * 127.5), tf.int64), (tf.shape(images)[0], -1))
    factors = tf.range(1, tf.shape(levels)[1] + 1, dtype=tf.int64)
    return tf.gather(table, tf.reduce_sum(levels * factors, axis=-1) % _ROWS)


def straight(start: np.ndarray, end: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Linear interpolation from `start` to `end`, (size,), at fractions `shares` of the way: (len(shares), size)."""
    shares = np.asarray(shares)[:, None]
    return (1.0 - shares) * start + shares * end


def spherical(start: np.ndarray, end: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """Spherical linear interpolation (slerp) from `start` to `end` at fractions `shares` of the way.

    The direction follows the great circle at constant speed, and the length changes linearly. In many dimensions,
    vectors from N(0, 1) lie near a sphere, and a straight line would cut through its empty inside. If a vector is 0 or
    the two are parallel or opposite, the great circle is not unique, and the path is straight.

    Shoemake: Animating Rotation with Quaternion Curves, SIGGRAPH 1985.
    White: Sampling Generative Networks, 2016, arXiv 1609.04468.
    """
    lengths = np.linalg.norm(start), np.linalg.norm(end)
    if not min(lengths):
        return straight(start, end, shares)
    one, other = start / lengths[0], end / lengths[1]
    angle = np.arccos(np.clip(one @ other, -1.0, 1.0))
    if np.sin(angle) < 1e-4:
        return straight(start, end, shares)
    shares = np.asarray(shares)[:, None]
    directions = (np.sin((1.0 - shares) * angle) * one + np.sin(shares * angle) * other) / np.sin(angle)
    return directions * ((1.0 - shares) * lengths[0] + shares * lengths[1])
