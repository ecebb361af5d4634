"""Penalties on a critic's gradient."""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf


def gradient_penalty(
    critic: Callable[[tf.Tensor], tf.Tensor], real: tf.Tensor, fake: tf.Tensor, mix: tf.Tensor
) -> tf.Tensor:
    """E (||grad critic(x)||_2 - 1)^2 on lines between real and fake examples (Gulrajani et al. 2017, eq. 3).

    One norm per example. For a critic with several logits per example (a PatchGAN) the gradient is that of their mean,
    so that the bound holds for the score of the whole example.

    Args:
        critic: maps examples like `real` to logits of shape (batch, ...).
        real: real examples, shape (batch, ...), any range.
        fake: generated examples of the same shape.
        mix: uniform numbers in [0, 1), shape (batch, 1, ...): the share of `real`.

    Returns:
        The scalar penalty, without its weight, in float32.
    """
    mix = tf.cast(mix, real.dtype)
    between = mix * real + (1.0 - mix) * fake
    with tf.GradientTape() as tape:
        tape.watch(between)
        logits = tf.cast(critic(between), tf.float32)
        scores = tf.reduce_mean(tf.reshape(logits, (tf.shape(logits)[0], -1)), axis=1)
    gradient = tf.cast(tape.gradient(scores, between), tf.float32)
    squares = tf.reduce_sum(tf.square(gradient), axis=list(range(1, len(gradient.shape))))
    norms = tf.sqrt(squares + 1e-12)  # the derivative of a square root at 0 is infinite
    return tf.reduce_mean(tf.square(norms - 1.0))
