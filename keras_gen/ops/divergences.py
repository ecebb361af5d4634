"""Divergences between distributions, and bounds of the likelihood made of them."""

from __future__ import annotations

import math

import tensorflow as tf

_LEAST = 1e-6  # a unit that is always off, or on, still has a divergence and a way back


def kl_to_standard_normal(mean: tf.Tensor, log_variance: tf.Tensor) -> tf.Tensor:
    """KL(N(mean, exp(log_variance)) || N(0, 1)) of each unit, in nats: the shape of `mean`.

    Kingma and Welling 2014 (arXiv 1312.6114), appendix B.
    """
    return 0.5 * (tf.square(mean) + tf.exp(log_variance) - log_variance - 1.0)


def active_units(means: tf.Tensor, threshold: float = 0.01) -> tf.Tensor:
    """Which latent units tell images apart: those whose posterior mean varies over the data.

    Burda, Grosse, Salakhutdinov 2016 (arXiv 1509.00519), section 5.

    Args:
        means: of the posteriors of many images, (n, latent).
        threshold: that the variance has to exceed; the paper's by default.

    Returns:
        bool (latent,).
    """
    return tf.math.reduce_variance(tf.cast(means, tf.float32), axis=0) > threshold


def log_normal(z: tf.Tensor, mean: tf.Tensor | float = 0.0, log_variance: tf.Tensor | float = 0.0) -> tf.Tensor:
    """Log density of independent normal units at `z`, summed over the last axis, in nats."""
    terms = tf.square(z - mean) * tf.exp(-log_variance) + log_variance + math.log(2 * math.pi)
    return -0.5 * tf.reduce_sum(terms, axis=-1)


def log_mean_exp(values: tf.Tensor, axis: int = 0) -> tf.Tensor:
    """log mean exp, without overflow: of log weights, the importance-weighted bound.

    Burda, Grosse, Salakhutdinov 2016 (arXiv 1509.00519), equation 8.
    """
    count = tf.cast(tf.shape(values)[axis], values.dtype)
    return tf.reduce_logsumexp(values, axis=axis) - tf.math.log(count)


def kl_bernoulli(target: tf.Tensor | float, mean: tf.Tensor) -> tf.Tensor:
    """KL(Bernoulli(target) || Bernoulli(mean)) of each unit, in nats: the shape of `mean`, both in (0, 1)."""
    mean = tf.clip_by_value(mean, _LEAST, 1.0 - _LEAST)
    return tf.math.xlogy(target, target / mean) + tf.math.xlogy(1.0 - target, (1.0 - target) / (1.0 - mean))


def kl_bernoulli_slope(target: tf.Tensor | float, mean: tf.Tensor) -> tf.Tensor:
    """The derivative of `kl_bernoulli` by `mean`."""
    mean = tf.clip_by_value(mean, _LEAST, 1.0 - _LEAST)
    return (mean - target) / (mean * (1.0 - mean))
