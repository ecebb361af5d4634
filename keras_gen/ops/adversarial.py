"""Adversarial objectives as pure functions of logits.

Each takes logits of any shape and returns the scalar mean over all of them, in float32, or in float64 as they are. A
logit is larger the more real an example seems; s is the logistic function.
"""

from __future__ import annotations

from typing import Literal

import tensorflow as tf

Objective = Literal["nonsaturating", "minimax", "lsgan", "hinge", "wasserstein"]


def discriminator_loss(
    objective: Objective, real: tf.Tensor, fake: tf.Tensor, targets: tuple[float, float] = (1.0, 0.0)
) -> tf.Tensor:
    """What the discriminator (the critic, for `wasserstein`) minimises.

    - nonsaturating, minimax: the cross-entropy -E log s(real) - E log(1 - s(fake)) (Goodfellow et al. 2014, eq. 1);
    - lsgan: E (real - b)^2 + E (fake - a)^2 (Mao et al. 2017, eq. 2, without its factor 1/2);
    - hinge: E max(0, 1 - real) + E max(0, 1 + fake) (Miyato et al. 2018, eq. 16);
    - wasserstein: E fake - E real (Arjovsky et al. 2017, eq. 3).

    Args:
        objective: one of the names above.
        real: logits of real examples.
        fake: logits of generated examples.
        targets: of real and of generated examples: the probabilities of the cross-entropy, of which the first below 1
            is one-sided label smoothing (Salimans et al. 2016, section 3.4), and b and a of lsgan.
    """
    real, fake = _wide(real), _wide(fake)
    of_real, of_fake = targets
    if objective in ("nonsaturating", "minimax"):
        return _cross_entropy(real, of_real) + _cross_entropy(fake, of_fake)
    if objective == "lsgan":
        return tf.reduce_mean(tf.square(real - of_real)) + tf.reduce_mean(tf.square(fake - of_fake))
    if objective == "hinge":
        return tf.reduce_mean(tf.nn.relu(1.0 - real)) + tf.reduce_mean(tf.nn.relu(1.0 + fake))
    if objective == "wasserstein":
        return tf.reduce_mean(fake) - tf.reduce_mean(real)
    raise ValueError(_unknown(objective))


def generator_loss(objective: Objective, fake: tf.Tensor, target: float = 1.0) -> tf.Tensor:
    """What the generator minimises, given the logits of what it made.

    - nonsaturating: -E log s(fake) (Goodfellow et al. 2014, section 3);
    - minimax: E log(1 - s(fake)) (there, eq. 1), whose gradient vanishes where the discriminator is sure;
    - lsgan: E (fake - c)^2 (Mao et al. 2017, eq. 2, without its factor 1/2), c being `target`;
    - hinge, wasserstein: -E fake.
    """
    fake = _wide(fake)
    if objective == "nonsaturating":
        return tf.reduce_mean(tf.nn.softplus(-fake))
    if objective == "minimax":
        return -tf.reduce_mean(tf.nn.softplus(fake))
    if objective == "lsgan":
        return tf.reduce_mean(tf.square(fake - target))
    if objective in ("hinge", "wasserstein"):
        return -tf.reduce_mean(fake)
    raise ValueError(_unknown(objective))


def feature_matching(real: tf.Tensor, fake: tf.Tensor) -> tf.Tensor:
    """||E real - E fake||_2^2, what a generator may minimise instead (Salimans et al. 2016, section 3.1).

    It compares means over the batch, so it couples the examples.

    Args:
        real: features of real examples, (batch, ...).
        fake: features of generated ones of the same form.
    """
    real, fake = _wide(real), _wide(fake)
    return tf.reduce_sum(tf.square(tf.reduce_mean(real, axis=0) - tf.reduce_mean(fake, axis=0)))


def decision_boundary(objective: Objective, targets: tuple[float, float] = (1.0, 0.0)) -> float:
    """The logit at which an example counts as real as well as generated; a critic's scores have no such point: 0."""
    return sum(targets) / 2.0 if objective == "lsgan" else 0.0


def decisions(real: tf.Tensor, fake: tf.Tensor, decision_boundary: float = 0.0) -> dict[str, tf.Tensor]:
    """Mean logits and the fractions on the correct side of `decision_boundary`: the terms of the health monitor."""
    real, fake = _wide(real), _wide(fake)
    return {
        "real_logit": tf.reduce_mean(real),
        "fake_logit": tf.reduce_mean(fake),
        "real_accuracy": tf.reduce_mean(tf.cast(real > decision_boundary, real.dtype)),
        "fake_accuracy": tf.reduce_mean(tf.cast(fake < decision_boundary, fake.dtype)),
    }


def _wide(logits: tf.Tensor) -> tf.Tensor:
    logits = tf.convert_to_tensor(logits)
    return logits if logits.dtype == tf.float64 else tf.cast(logits, tf.float32)


def _cross_entropy(logits: tf.Tensor, probability: float) -> tf.Tensor:
    return tf.reduce_mean(tf.nn.softplus(logits) - probability * logits)


def _unknown(objective: str) -> str:
    return f"objective got {objective!r}; accepted are nonsaturating, minimax, lsgan, hinge and wasserstein."
