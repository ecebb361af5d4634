"""Metrics between saliency maps: KL divergence, correlation, similarity and normalised scanpath saliency.

Bylinskii, Judd, Oliva, Torralba, Durand: What do different evaluation metrics tell us about saliency models?, 2019,
arXiv 1604.03605, section 4. AUC and NSS are defined for single fixations. Here only a density of fixations is given, so
NSS is the expectation under that density, and AUC is left out.

Maps are (batch, H, W, 1) with values of at least 0; their scale does not matter. An all-zero map counts as uniform.
Every result is float32 (batch,).

Examples:
    >>> import tensorflow as tf
    >>> saliency = tf.reshape([0.0, 1.0, 2.0, 5.0], (1, 2, 2, 1))
    >>> round(float(similarity(saliency, saliency)[0]), 3), round(float(correlation(saliency, 3.0 * saliency)[0]), 3)
    (1.0, 1.0)
"""

from __future__ import annotations

import tensorflow as tf

_EPSILON = 1e-7  # added to every pixel, so that an all-zero map is uniform and logarithms are finite


def density(saliency: tf.Tensor) -> tf.Tensor:
    """Maps as probability densities over pixels, (batch, H * W): each map is divided by its sum."""
    flat = tf.reshape(tf.cast(saliency, tf.float32), (tf.shape(saliency)[0], -1)) + _EPSILON
    return flat / tf.reduce_sum(flat, axis=1, keepdims=True)


def kl_divergence(saliency: tf.Tensor, reference: tf.Tensor) -> tf.Tensor:
    """KL(reference || saliency) of the densities [nats]: 0 if they are equal; lower is better."""
    expected, predicted = density(reference), density(saliency)
    return tf.reduce_sum(expected * (tf.math.log(expected) - tf.math.log(predicted)), axis=1)


def correlation(saliency: tf.Tensor, reference: tf.Tensor) -> tf.Tensor:
    """Pearson's correlation coefficient over pixels (CC), in [-1, 1]; 0 if one of the maps is constant."""
    return tf.reduce_mean(_standardised(density(saliency)) * _standardised(density(reference)), axis=1)


def similarity(saliency: tf.Tensor, reference: tf.Tensor) -> tf.Tensor:
    """Histogram intersection of the densities (SIM), from 0 to 1; 1 if they are equal."""
    return tf.reduce_sum(tf.minimum(density(saliency), density(reference)), axis=1)


def normalised_scanpath(saliency: tf.Tensor, reference: tf.Tensor) -> tf.Tensor:
    """Normalised scanpath saliency (NSS): the expectation of the standardised map under the reference's density.

    It is in units of the map's standard deviation; 0 is chance level, and higher is better.
    """
    return tf.reduce_sum(_standardised(density(saliency)) * density(reference), axis=1)


def _standardised(values: tf.Tensor) -> tf.Tensor:
    """Standardises rows of (batch, n) to mean 0 and standard deviation 1; rows that are constant become 0."""
    centred = values - tf.reduce_mean(values, axis=1, keepdims=True)
    deviation = tf.math.reduce_std(values, axis=1, keepdims=True)
    tiny = 1e-5 * tf.reduce_mean(values, axis=1, keepdims=True)  # a smaller deviation is rounding
    return tf.where(deviation > tiny, centred / tf.maximum(deviation, tiny), 0.0)
