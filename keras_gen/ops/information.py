"""Mutual information [nats]: lower bounds of that of a code and what was drawn from it, and that of image and class.

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


def class_information(logits: tf.Tensor) -> tf.Tensor:
    """What a classifier tells of an image by its class: I = H(E p) - E H(p), the means over the batch.

    It is log K where each image is surely of one class and all classes are equally frequent, and 0 where all images get
    the same probabilities (Krause, Perona and Gomes 2010, NeurIPS, equation 2). Of n images H(E p) is low by about
    (K - 1) / 2n.

    Args:
        logits: (batch, K), of which p is the softmax.
    """
    log_p = tf.nn.log_softmax(tf.cast(logits, tf.float32))
    p = tf.exp(log_p)
    frequencies = tf.reduce_mean(p, axis=0)
    return tf.reduce_mean(tf.reduce_sum(p * log_p, axis=-1)) - tf.reduce_sum(tf.math.xlogy(frequencies, frequencies))
