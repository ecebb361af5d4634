"""Divergences between distributions, and bounds of the likelihood made of them."""

from __future__ import annotations

import math
from typing import Literal

import tensorflow as tf

Sampling = Literal["weighted", "stratified"]
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
        means: of the posteriors of many images, (n, latent_dim).
        threshold: that the variance has to exceed; the paper's by default.

    Returns:
        bool (latent,).
    """
    return tf.math.reduce_variance(tf.cast(means, tf.float32), axis=0) > threshold


def log_normal(z: tf.Tensor, mean: tf.Tensor | float = 0.0, log_variance: tf.Tensor | float = 0.0) -> tf.Tensor:
    """Log density of independent normal units at `z`, summed over the last axis, in nats."""
    return tf.reduce_sum(_log_normal_units(z, mean, log_variance), axis=-1)


def _log_normal_units(z: tf.Tensor, mean: tf.Tensor | float, log_variance: tf.Tensor | float) -> tf.Tensor:
    return -0.5 * (tf.square(z - mean) * tf.exp(-log_variance) + log_variance + math.log(2 * math.pi))


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


def decomposed_kl(
    z: tf.Tensor, mean: tf.Tensor, log_variance: tf.Tensor, train_size: int, sampling: Sampling = "weighted"
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """The three parts of the mean KL divergence to the prior, estimated from a batch.

    Chen, Li, Grosse, Duvenaud 2018 (arXiv 1802.04942), equation 2, where q(z) is the mean of the posteriors of all
    training examples:

        E_x KL(q(z|x) || p(z)) = I(z; x) + KL(q(z) || prod_j q(z_j)) + sum_j KL(q(z_j) || p(z_j))

    The parts add up to E log q(z|x) - log p(z) whatever the estimate of q(z) is.

    Args:
        z: a sample of each posterior, (n, latent_dim).
        mean, log_variance: of the posteriors, (n, latent_dim).
        train_size: number of training examples N.
        sampling: how q(z) is estimated from the batch's posteriors. "weighted" (appendix C.1) adds up all with the
            weight 1/(nN), which underestimates it: its parts are off by constants, I by up to log n and the total
            correlation by up to (latent - 1) log nN, which move no weights. "stratified" (appendix C.2, averaged over
            the orders of the batch) gives a z its own posterior with 1/N and the others with the rest, and q(z) is then
            its own in expectation; it needs n > 1.

    Returns:
        The index-code mutual information I(z; x), the total correlation, and the dimension-wise KL divergence, scalars
        in nats.
    """
    count = tf.shape(z)[0]
    n, total = tf.cast(count, z.dtype), tf.cast(train_size, z.dtype)
    if sampling == "weighted":
        log_weights = tf.fill((count, count), -tf.math.log(n * total))
    else:
        others = tf.math.log((total - 1.0) / (total * (n - 1.0)))
        log_weights = tf.linalg.set_diag(tf.fill((count, count), others), tf.fill((count,), -tf.math.log(total)))
    # (i, j, unit): the density of sample i under the posterior of example j
    by_unit = _log_normal_units(z[:, None], mean[None], log_variance[None])
    log_q = tf.reduce_logsumexp(tf.reduce_sum(by_unit, axis=-1) + log_weights, axis=1)
    log_q_units = tf.reduce_sum(tf.reduce_logsumexp(by_unit + log_weights[..., None], axis=1), axis=-1)
    return (
        tf.reduce_mean(log_normal(z, mean, log_variance) - log_q),
        tf.reduce_mean(log_q - log_q_units),
        tf.reduce_mean(log_q_units - log_normal(z)),
    )


def permuted_units(z: tf.Tensor, keys: tf.Tensor) -> tf.Tensor:
    """Each unit of latent vectors shuffled over the batch on its own: draws from the product of q(z_j).

    Kim, Mnih 2018 (arXiv 1802.05983), algorithm 1.

    Args:
        z: (n, latent_dim).
        keys: of the shape of `z`; the rank of a unit's keys is its new order.
    """
    order = tf.argsort(tf.transpose(keys), axis=1)
    return tf.transpose(tf.gather(tf.transpose(z), order, batch_dims=1))


def energy_score(examples: tf.Tensor, samples: tf.Tensor) -> tf.Tensor:
    """How badly samples of a distribution predict each example, (batch,): smaller is better.

        E |Y - x|  -  1/2 E |Y - Y'|        Y, Y': independent samples

    A proper scoring rule: its mean over examples is least for samples of the examples' own distribution; those that
    all look alike lose by the second term what they win by the first (Gneiting and Raftery 2007, eq. 22). |.| is the
    root of the mean square over the values of an example.

    Args:
        examples: (batch, ...).
        samples: (n, ...), n > 1.
    """
    x, y = (tf.reshape(tf.cast(part, tf.float32), (tf.shape(part)[0], -1)) for part in (examples, samples))
    count = tf.cast(tf.shape(y)[0], tf.float32)
    between = tf.reduce_sum(_root_mean_squares(y, y)) / (count * (count - 1.0))
    return tf.reduce_mean(_root_mean_squares(x, y), axis=1) - 0.5 * between


def _root_mean_squares(x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    """Distances of each of (n, d) from each of (m, d): (n, m)."""
    squares = tf.reduce_sum(tf.square(x), axis=1)[:, None] + tf.reduce_sum(tf.square(y), axis=1)[None]
    squares -= 2.0 * tf.matmul(x, y, transpose_b=True)
    return tf.sqrt(tf.maximum(squares, 0.0) / tf.cast(tf.shape(x)[1], tf.float32))
