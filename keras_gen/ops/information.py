"""Lower bounds of the mutual information of a code and what was drawn from it, and entropies [nats].

    I(c; x)  >=  H(c) + E log Q(c|x),

equal where Q(c|x), what a recogniser says of c, is the true posterior (Barber and Agakov 2003; Chen et al. 2016,
arXiv 1606.03657, equation 4). Each is the scalar mean over the examples, in float32.
"""

from __future__ import annotations

import math

import tensorflow as tf


def categorical_information(logits: tf.Tensor, codes: tf.Tensor) -> tf.Tensor:
    """Of a code that takes K values equally often; at most log K.

    Args:
        logits: of Q, (batch, K).
        codes: int (batch,).
    """
    log_q = -tf.nn.sparse_softmax_cross_entropy_with_logits(codes, tf.cast(logits, tf.float32))
    return math.log(logits.shape[-1]) + tf.reduce_mean(log_q)


def normal_information(means: tf.Tensor, codes: tf.Tensor) -> tf.Tensor:
    """Of independent codes from N(0, 1), added up, where Q is normal with deviation 1; at most half a nat for each.

    The entropy of N(0, 1) is (1 + log 2 pi) / 2, and log Q = -(log 2 pi + (c - mean)^2) / 2.

    Args:
        means: of Q, (batch, codes).
        codes: (batch, codes).
    """
    errors = tf.square(tf.cast(codes, tf.float32) - tf.cast(means, tf.float32))
    return tf.reduce_mean(tf.reduce_sum(0.5 * (1.0 - errors), axis=-1))


def mean_entropy(logits: tf.Tensor) -> tf.Tensor:
    """E H(p) of the distributions over K classes that a classifier gives, from 0 (all sure) to log K.

    Args:
        logits: (batch, K), of which p is the softmax.
    """
    log_p = tf.nn.log_softmax(tf.cast(logits, tf.float32))
    return -tf.reduce_mean(tf.reduce_sum(tf.exp(log_p) * log_p, axis=-1))


def imbalance(logits: tf.Tensor) -> tf.Tensor:
    """KL(E p || 1/K) = log K - H(E p), from 0 (all classes equally frequent) to log K (one class alone).

    Less `mean_entropy` from log K, it leaves the mutual information of an image and its class (Krause, Perona and Gomes
    2010, NeurIPS, equation 2). The mean being of a batch of n, it is too large by about (K - 1) / 2n.

    Args:
        logits: (batch, K), of which p is the softmax.
    """
    p = tf.reduce_mean(tf.nn.softmax(tf.cast(logits, tf.float32)), axis=0)
    return math.log(logits.shape[-1]) + tf.reduce_sum(tf.math.xlogy(p, p))
