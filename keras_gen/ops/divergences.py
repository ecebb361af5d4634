"""Log densities, divergences between distributions, and estimates and bounds that are built from them."""

from __future__ import annotations

import math
from typing import Literal

import tensorflow as tf

Sampling = Literal["weighted", "stratified"]
_SMALLEST_MEAN = 1e-6  # a unit that is always off (or on) keeps a finite divergence and a gradient


def kl_to_standard_normal(mean: tf.Tensor, log_variance: tf.Tensor) -> tf.Tensor:
    """KL(N(mean, exp(log_variance)) || N(0, 1)) of each unit [nats], in the shape of `mean`.

    Kingma and Welling 2014 (arXiv 1312.6114), appendix B.
    """
    return 0.5 * (tf.square(mean) + tf.exp(log_variance) - log_variance - 1.0)


def active_units(means: tf.Tensor, threshold: float = 0.01) -> tf.Tensor:
    """The latent units that are in use: those whose posterior mean varies over the data.

    Burda, Grosse, Salakhutdinov 2016 (arXiv 1509.00519), section 5.2.

    Args:
        means: posterior means of many images, (n, latent_dim).
        threshold: a unit is active if its variance exceeds this; 0.01 in the paper.

    Returns:
        bool (latent_dim,).
    """
    return tf.math.reduce_variance(tf.cast(means, tf.float32), axis=0) > threshold


def log_normal(z: tf.Tensor, mean: tf.Tensor | float = 0.0, log_variance: tf.Tensor | float = 0.0) -> tf.Tensor:
    """Log density of independent normal units at `z` [nats], summed over the last axis."""
    return tf.reduce_sum(_log_normal_units(z, mean, log_variance), axis=-1)


def _log_normal_units(z: tf.Tensor, mean: tf.Tensor | float, log_variance: tf.Tensor | float) -> tf.Tensor:
    return -0.5 * (tf.square(z - mean) * tf.exp(-log_variance) + log_variance + math.log(2 * math.pi))


def log_mean_exp(values: tf.Tensor, axis: int = 0) -> tf.Tensor:
    """log(mean(exp(values))) over an axis, without overflow.

    Applied to log importance weights, this is the importance-weighted bound (Burda, Grosse, Salakhutdinov 2016, arXiv
    1509.00519, equation 8).
    """
    count = tf.cast(tf.shape(values)[axis], values.dtype)
    return tf.reduce_logsumexp(values, axis=axis) - tf.math.log(count)


def kl_bernoulli(target: tf.Tensor | float, mean: tf.Tensor) -> tf.Tensor:
    """KL(Bernoulli(target) || Bernoulli(mean)) of each unit [nats], in the shape of `mean`.

    Args:
        target: in [0, 1].
        mean: in [0, 1]; clipped away from both ends.
    """
    mean = tf.clip_by_value(mean, _SMALLEST_MEAN, 1.0 - _SMALLEST_MEAN)
    return tf.math.xlogy(target, target / mean) + tf.math.xlogy(1.0 - target, (1.0 - target) / (1.0 - mean))


def kl_bernoulli_slope(target: tf.Tensor | float, mean: tf.Tensor) -> tf.Tensor:
    """The derivative of `kl_bernoulli` with respect to `mean`, also where `mean` is clipped."""
    mean = tf.clip_by_value(mean, _SMALLEST_MEAN, 1.0 - _SMALLEST_MEAN)
    return (mean - target) / (mean * (1.0 - mean))


def decomposed_kl(
    z: tf.Tensor, mean: tf.Tensor, log_variance: tf.Tensor, train_size: int, sampling: Sampling = "weighted"
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """The mean KL divergence to the prior, decomposed into three terms that are estimated from a batch.

    Chen, Li, Grosse, Duvenaud 2018 (arXiv 1802.04942), equation 2. The aggregate posterior q(z) is the mean of the
    posteriors of all training examples:

        E_x KL(q(z|x) || p(z)) = I(z; x) + KL(q(z) || prod_j q(z_j)) + sum_j KL(q(z_j) || p(z_j))

    With any estimate of q(z), the terms add up to E log q(z|x) - log p(z).

    Args:
        z: a sample from each posterior, (n, latent_dim).
        mean, log_variance: parameters of the posteriors, (n, latent_dim).
        train_size: number of training examples N.
        sampling: how q(z) is estimated from the batch. "weighted" (minibatch weighted sampling, appendix C.1) sums all
            posteriors of the batch with weight 1/(nN). It underestimates q(z), so the mutual information is too large
            by up to log n and the total correlation by up to (latent_dim - 1) log nN. These offsets hardly depend on
            the weights. "stratified" (minibatch stratified sampling, appendix C.2, averaged over the orders of the
            batch) weights the posterior of the sample's own example by 1/N and shares the rest among the others. This
            estimate of q(z) is unbiased. It needs n > 1.

    Returns:
        The index-code mutual information I(z; x), the total correlation, and the dimension-wise KL divergence: three
        scalars in nats.
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
    """Shuffles each latent unit over the batch independently, which gives samples from prod_j q(z_j).

    Kim, Mnih 2018 (arXiv 1802.05983), algorithm 1.

    Args:
        z: (n, latent_dim).
        keys: random numbers in the shape of `z`; sorting them determines the permutation of each unit.
    """
    order = tf.argsort(tf.transpose(keys), axis=1)
    return tf.transpose(tf.gather(tf.transpose(z), order, batch_dims=1))


def energy_score(examples: tf.Tensor, samples: tf.Tensor) -> tf.Tensor:
    """The energy score of samples as a prediction of each example, (batch,). Lower is better.

        E |Y - x|  -  1/2 E |Y - Y'|        Y, Y': independent samples

    This is a proper scoring rule: its mean is lowest if the samples come from the distribution of the examples. The
    second term rewards diversity, so samples that are all alike do not score well (Gneiting and Raftery 2007, Journal
    of the American Statistical Association 102, eq. 22). |.| is the root mean square over the values of an example.

    Args:
        examples: (batch, ...).
        samples: (n, ...), n > 1.
    """
    x, y = (tf.reshape(tf.cast(part, tf.float32), (tf.shape(part)[0], -1)) for part in (examples, samples))
    count = tf.cast(tf.shape(y)[0], tf.float32)
    between = tf.reduce_sum(_root_mean_squares(y, y)) / (count * (count - 1.0))
    return tf.reduce_mean(_root_mean_squares(x, y), axis=1) - 0.5 * between


def _root_mean_squares(x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    """Pairwise root-mean-square distances, (n, m), between (n, d) and (m, d)."""
    squares = tf.reduce_sum(tf.square(x), axis=1)[:, None] + tf.reduce_sum(tf.square(y), axis=1)[None]
    squares -= 2.0 * tf.matmul(x, y, transpose_b=True)
    return tf.sqrt(tf.maximum(squares, 0.0) / tf.cast(tf.shape(x)[1], tf.float32))
