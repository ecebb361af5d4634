"""Likelihoods of images: the distribution p(x|z) that a decoder's output parameterises.

A decoder outputs unbounded parameters, NHWC. "bernoulli" has one logit per image channel, "gaussian" and "logistic"
have a location and a log scale. Images are NHWC in [-1, 1]. A log-likelihood is summed over pixels and channels, and
has shape (batch,) and the unit nats.
"""

from __future__ import annotations

import math
from typing import Literal

import tensorflow as tf

Likelihood = Literal["bernoulli", "gaussian", "logistic"]
_MIN_LOG_SCALE = -7.0
"""Lower limit of log scales, without which a Gaussian density could grow without bound. exp(-7) is about an eighth of
the distance between two 8-bit levels in [-1, 1]."""


def parameters_per_channel(likelihood: Likelihood) -> int:
    """Number of the decoder's output channels per image channel."""
    return 1 if likelihood == "bernoulli" else 2


def mean_image(likelihood: Likelihood, parameters: tf.Tensor) -> tf.Tensor:
    """The mean of p(x|z) as an image: (batch, H, W, channels) in [-1, 1]."""
    if likelihood == "bernoulli":
        return tf.tanh(0.5 * parameters)  # 2 sigmoid(x) - 1
    location, _ = tf.split(parameters, 2, axis=-1)
    return tf.clip_by_value(location, -1.0, 1.0)


def log_likelihood(likelihood: Likelihood, parameters: tf.Tensor, images: tf.Tensor) -> tf.Tensor:
    """log p(x|z) of each image [nats], float32 (batch,).

    - bernoulli: of (1 + x) / 2. Grey values between 0 and 1 are used as they are, as is common for MNIST.
    - gaussian: a density of x in [-1, 1].
    - logistic: the probability of each of 256 levels under a discretised logistic distribution. The lowest and the
      highest level include the tails (Salimans et al. 2017, arXiv 1701.05517, equation 2, with one component).

    Args:
        likelihood: one of the names above.
        parameters: the decoder's output, (batch, H, W, channels * parameters_per_channel).
        images: (batch, H, W, channels) in [-1, 1].
    """
    parameters, images = tf.cast(parameters, tf.float32), tf.cast(images, tf.float32)
    if likelihood == "bernoulli":
        # Written out, this takes two passes over memory; TensorFlow's cross-entropy takes eight.
        terms = 0.5 * (images + 1.0) * parameters - tf.nn.softplus(parameters)
        return tf.reduce_sum(terms, axis=(1, 2, 3))
    location, log_scale = tf.split(parameters, 2, axis=-1)
    log_scale = tf.maximum(log_scale, _MIN_LOG_SCALE)
    if likelihood == "gaussian":
        terms = -0.5 * tf.square((images - location) * tf.exp(-log_scale)) - log_scale - 0.5 * math.log(2 * math.pi)
    else:
        terms = _log_discretised_logistic(images, location, log_scale)
    return tf.reduce_sum(terms, axis=(1, 2, 3))


def _log_discretised_logistic(images: tf.Tensor, location: tf.Tensor, log_scale: tf.Tensor) -> tf.Tensor:
    """log(sigmoid(upper) - sigmoid(lower)), where upper and lower are the edges of each level, without cancellation."""
    half, inverse = 1.0 / 255.0, tf.exp(-log_scale)
    upper, lower = (images - location + half) * inverse, (images - location - half) * inverse
    # sigmoid(u) - sigmoid(l) = sigmoid(u) sigmoid(-l) (1 - exp(l - u)), and u - l = 2 half / scale
    log_difference = _log1mexp(math.log(2.0 * half) - log_scale)
    inner = tf.math.log_sigmoid(upper) + tf.math.log_sigmoid(-lower) + log_difference
    first, last = images < -1.0 + half, images > 1.0 - half
    return tf.where(first, tf.math.log_sigmoid(upper), tf.where(last, tf.math.log_sigmoid(-lower), inner))


def _log1mexp(log_width: tf.Tensor) -> tf.Tensor:
    """log(1 - exp(-w)), given log w. For small w it uses the series log w - w / 2 + w^2 / 24."""
    width = tf.exp(log_width)
    narrow = width < 0.1
    series = log_width - width / 2.0 + tf.square(width) / 24.0
    # Any value of finite gradient stands in for narrow widths: tf.where would pass on the NaN of the unused branch.
    wide = tf.math.log(-tf.math.expm1(-tf.where(narrow, 1.0, width)))
    return tf.where(narrow, series, wide)
