"""Log-likelihoods of images under what a decoder draws, and the picture that it means.

A decoder gives unbounded *parameters*, NHWC: for "bernoulli" one logit for each channel; for "gaussian" and "logistic"
a location and a log scale for each. Images are NHWC in [-1, 1]. Every log-likelihood is a sum over pixels and channels,
in nats, of shape (batch,).
"""

from __future__ import annotations

import math
from typing import Literal

import tensorflow as tf

Likelihood = Literal["bernoulli", "gaussian", "logistic"]
_LEAST_LOG_SCALE = -7.0
"""Below it a density has no bound; exp(-7) is a quarter of the distance of two levels of 8 bits in [-1, 1]."""


def parameters_per_channel(likelihood: Likelihood) -> int:
    """How many channels a decoder gives for each of the image."""
    return 1 if likelihood == "bernoulli" else 2


def picture(likelihood: Likelihood, parameters: tf.Tensor) -> tf.Tensor:
    """The mean of the likelihood as an image in [-1, 1]."""
    if likelihood == "bernoulli":
        return tf.tanh(0.5 * parameters)  # 2 sigmoid(x) - 1
    location, _ = tf.split(parameters, 2, axis=-1)
    return tf.clip_by_value(location, -1.0, 1.0)


def log_likelihood(likelihood: Likelihood, parameters: tf.Tensor, images: tf.Tensor) -> tf.Tensor:
    """log p(images | parameters).

    - bernoulli: of (1 + x) / 2, also where it is a grey value between 0 and 1, as is common for MNIST.
    - gaussian: a density over [-1, 1].
    - logistic: the probability of each of 256 levels, a logistic distribution cut at their edges, whose first and last
      cell reach to infinity (Salimans et al. 2017, arXiv 1701.05517, equation 2, with one component).
    """
    parameters, images = tf.cast(parameters, tf.float32), tf.cast(images, tf.float32)
    if likelihood == "bernoulli":
        # Two passes over memory; the cross-entropy operation of TensorFlow takes eight.
        terms = 0.5 * (images + 1.0) * parameters - tf.nn.softplus(parameters)
        return tf.reduce_sum(terms, axis=(1, 2, 3))
    location, log_scale = tf.split(parameters, 2, axis=-1)
    log_scale = tf.maximum(log_scale, _LEAST_LOG_SCALE)
    if likelihood == "gaussian":
        terms = -0.5 * tf.square((images - location) * tf.exp(-log_scale)) - log_scale - 0.5 * math.log(2 * math.pi)
    else:
        terms = _log_cell(images, location, log_scale)
    return tf.reduce_sum(terms, axis=(1, 2, 3))


def _log_cell(images: tf.Tensor, location: tf.Tensor, log_scale: tf.Tensor) -> tf.Tensor:
    """Log of sigmoid(upper) - sigmoid(lower) for the cell of each level, without cancellation."""
    half, inverse = 1.0 / 255.0, tf.exp(-log_scale)
    upper, lower = (images - location + half) * inverse, (images - location - half) * inverse
    # sigmoid(u) - sigmoid(l) = sigmoid(u) sigmoid(-l) (1 - exp(l - u)), and u - l = 2 half / scale
    inner = tf.math.log_sigmoid(upper) + tf.math.log_sigmoid(-lower) + _log_of_rest(math.log(2.0 * half) - log_scale)
    first, last = images < -1.0 + half, images > 1.0 - half
    return tf.where(first, tf.math.log_sigmoid(upper), tf.where(last, tf.math.log_sigmoid(-lower), inner))


def _log_of_rest(log_width: tf.Tensor) -> tf.Tensor:
    """log(1 - exp(-w)) for a width w of any size, by its logarithm: where w vanishes it is log w - w / 2 + w^2 / 24."""
    width = tf.exp(log_width)
    narrow = width < 0.1
    series = log_width - width / 2.0 + tf.square(width) / 24.0
    wide = tf.math.log(-tf.math.expm1(-tf.where(narrow, 1.0, width)))  # 1: a value whose gradient is finite
    return tf.where(narrow, series, wide)
