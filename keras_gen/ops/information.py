"""Entropies, and lower bounds on the mutual information between a code and the images generated from it [nats].

    I(c; x)  >=  H(c) + E log Q(c|x)

Q(c|x) is the recogniser's prediction of the code c. The bound is tight if it equals the true posterior (Barber and
Agakov 2003; Chen et al. 2016, arXiv 1606.03657, equation 4). Every result is a float32 scalar, the mean over the batch.
"""

from __future__ import annotations

import math

import tensorflow as tf


def categorical_information(logits: tf.Tensor, codes: tf.Tensor) -> tf.Tensor:
    """The bound for a uniform categorical code with K values; at most log K.

    Args:
        logits: logits of Q, (batch, K).
        codes: the true codes, int (batch,).
    """
    log_q = -tf.nn.sparse_softmax_cross_entropy_with_logits(codes, tf.cast(logits, tf.float32))
    return math.log(logits.shape[-1]) + tf.reduce_mean(log_q)


def normal_information(means: tf.Tensor, codes: tf.Tensor) -> tf.Tensor:
    """The bound for independent codes from N(0, 1), summed over codes; at most half a nat for each code.

    Q is normal with standard deviation 1. The entropy of N(0, 1) is (1 + log 2 pi) / 2, and log Q = -(log 2 pi + (c -
    mean)^2) / 2.

    Args:
        means: means of Q, (batch, codes).
        codes: the true codes, (batch, codes).
    """
    errors = tf.square(tf.cast(codes, tf.float32) - tf.cast(means, tf.float32))
    return tf.reduce_mean(tf.reduce_sum(0.5 * (1.0 - errors), axis=-1))


def mean_entropy(logits: tf.Tensor) -> tf.Tensor:
    """Mean entropy E H(p) of a classifier's predictions p, from 0 (always certain) to log K (always uniform).

    Args:
        logits: logits of p, (batch, K).
    """
    log_p = tf.nn.log_softmax(tf.cast(logits, tf.float32))
    return -tf.reduce_mean(tf.reduce_sum(tf.exp(log_p) * log_p, axis=-1))


def imbalance(logits: tf.Tensor) -> tf.Tensor:
    """Class imbalance KL(E p || 1/K) = log K - H(E p), from 0 (all classes equally frequent) to log K (only one class).

    log K - `mean_entropy` - `imbalance` is the mutual information between an image and its class (Krause, Perona and
    Gomes 2010, NeurIPS, equation 2). Because E p is estimated from a batch of n examples, the result is too large by
    about (K - 1) / 2n.

    Args:
        logits: logits of p, (batch, K).
    """
    p = tf.reduce_mean(tf.nn.softmax(tf.cast(logits, tf.float32)), axis=0)
    return math.log(logits.shape[-1]) + tf.reduce_sum(tf.math.xlogy(p, p))
