"""Adversarial objectives as pure functions of logits.

Each takes logits of any shape and returns the scalar mean over all of them, in float32. The names are those of
`--gan-loss`.
"""

from __future__ import annotations

from typing import Literal

import tensorflow as tf

Objective = Literal["nonsaturating", "lsgan", "wgangp"]


def discriminator_loss(objective: Objective, real: tf.Tensor, fake: tf.Tensor) -> tf.Tensor:
    """What the discriminator (the critic, for `wgangp`) minimises.

    - nonsaturating: -E log s(real) - E log(1 - s(fake)), s the logistic function (Goodfellow et al. 2014, eq. 1);
    - lsgan: E (real - 1)^2 + E fake^2, the 0-1 coding (Mao et al. 2017, eq. 9, without its factor 1/2);
    - wgangp: E fake - E real (Gulrajani et al. 2017, eq. 3; the penalty is `ops.penalties.gradient_penalty`).

    Args:
        objective: one of the names above.
        real: logits of real examples.
        fake: logits of generated examples.
    """
    real, fake = tf.cast(real, tf.float32), tf.cast(fake, tf.float32)
    if objective == "nonsaturating":
        return tf.reduce_mean(tf.nn.softplus(-real)) + tf.reduce_mean(tf.nn.softplus(fake))
    if objective == "lsgan":
        return tf.reduce_mean(tf.square(real - 1.0)) + tf.reduce_mean(tf.square(fake))
    if objective == "wgangp":
        return tf.reduce_mean(fake) - tf.reduce_mean(real)
    raise ValueError(f"objective got {objective!r}; accepted are nonsaturating, lsgan and wgangp.")


def generator_loss(objective: Objective, fake: tf.Tensor) -> tf.Tensor:
    """What the generator minimises, given the logits of what it made.

    - nonsaturating: -E log s(fake) (Goodfellow et al. 2014, section 3);
    - lsgan: E (fake - 1)^2 (Mao et al. 2017, eq. 9, without its factor 1/2);
    - wgangp: -E fake.
    """
    fake = tf.cast(fake, tf.float32)
    if objective == "nonsaturating":
        return tf.reduce_mean(tf.nn.softplus(-fake))
    if objective == "lsgan":
        return tf.reduce_mean(tf.square(fake - 1.0))
    if objective == "wgangp":
        return -tf.reduce_mean(fake)
    raise ValueError(f"objective got {objective!r}; accepted are nonsaturating, lsgan and wgangp.")
