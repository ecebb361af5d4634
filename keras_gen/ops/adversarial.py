"""Adversarial objectives as functions of logits.

The more real an example looks to the discriminator, the larger its logit. s is the logistic function.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Literal, TypeAlias, get_args

import tensorflow as tf

Objective = Literal["nonsaturating", "minimax", "lsgan", "hinge", "wasserstein", "energy"]
Logits: TypeAlias = tf.Tensor | Sequence[tf.Tensor]
"""Logits of any shape, or a sequence of them if there are several discriminators, such as one per image scale."""


@dataclasses.dataclass(frozen=True)
class AdversarialLoss:
    """The losses of both players, and how to read the discriminator's logits (for wasserstein, the critic's scores).

    Each loss is a scalar, the mean over all logits. With several discriminators it is the mean of their losses, so
    their number does not change the weight of this objective relative to others. Losses are float32, or float64 if the
    logits are.

    - nonsaturating: the discriminator minimises the cross-entropy -E log s(real) - E log(1 - s(fake)), the generator
      minimises -E log s(fake) (Goodfellow et al. 2014, eq. 1 and section 3).
    - minimax: the same discriminator; the generator minimises E log(1 - s(fake)). This gradient vanishes when the
      discriminator is confident (same paper, eq. 1).
    - lsgan: E (real - b)^2 + E (fake - a)^2 and E (fake - c)^2 (Mao et al. 2017, eq. 2, without its factor of 1/2).
    - hinge: E max(0, 1 - real) + E max(0, 1 + fake) and -E fake (Miyato et al. 2018, eq. 16 and 17).
    - wasserstein: E fake - E real and -E fake (Arjovsky et al. 2017, eq. 3).
    - energy: -E real + E max(0, margin + fake) and -E fake, where a logit is the negative energy (Zhao et al. 2017,
      eq. 1 and 2).

    Attributes:
        objective: one of the names above.
        targets: the discriminator's targets for real and for generated examples. For the cross-entropy they are
            probabilities; a first value below 1 is one-sided label smoothing (Salimans et al. 2016, section 3.4). For
            lsgan they are b and a. Other objectives do not use them.
        generator_target: c of lsgan.
        margin: margin of energy.

    Raises:
        ValueError: for any other objective.

    Examples:
        >>> import tensorflow as tf
        >>> loss = AdversarialLoss("lsgan")
        >>> real, fake = tf.constant([[0.8], [0.6]]), tf.constant([[0.2], [0.4]])
        >>> round(float(loss.discriminator(real, fake)), 3), round(float(loss.generator(fake)), 3)
        (0.2, 0.5)
        >>> loss.decision_boundary
        0.5
        >>> round(float(loss.discriminator([real, real], [fake, fake])), 3)  # at two scales
        0.2
    """

    objective: Objective
    targets: tuple[float, float] = (1.0, 0.0)
    generator_target: float = 1.0
    margin: float = 1.0

    def __post_init__(self) -> None:
        if self.objective not in get_args(Objective):
            *some, last = get_args(Objective)
            raise ValueError(f"objective got {self.objective!r}; accepted are {', '.join(some)} and {last}.")

    def discriminator(self, real: Logits, fake: Logits) -> tf.Tensor:
        """The discriminator's loss, given the logits of real and of generated examples."""
        return _mean(self._discriminator, real, fake)

    def generator(self, fake: Logits) -> tf.Tensor:
        """The generator's loss, given the logits of generated examples."""
        return _mean(self._generator, fake)

    def _discriminator(self, real: tf.Tensor, fake: tf.Tensor) -> tf.Tensor:
        real_target, fake_target = self.targets
        if self.objective in ("nonsaturating", "minimax"):
            return _cross_entropy(real, real_target) + _cross_entropy(fake, fake_target)
        if self.objective == "lsgan":
            return tf.reduce_mean(tf.square(real - real_target)) + tf.reduce_mean(tf.square(fake - fake_target))
        if self.objective == "hinge":
            return tf.reduce_mean(tf.nn.relu(1.0 - real)) + tf.reduce_mean(tf.nn.relu(1.0 + fake))
        if self.objective == "energy":
            return -tf.reduce_mean(real) + tf.reduce_mean(tf.nn.relu(self.margin + fake))
        return tf.reduce_mean(fake) - tf.reduce_mean(real)

    def _generator(self, fake: tf.Tensor) -> tf.Tensor:
        if self.objective == "nonsaturating":
            return tf.reduce_mean(tf.nn.softplus(-fake))
        if self.objective == "minimax":
            return -tf.reduce_mean(tf.nn.softplus(fake))
        if self.objective == "lsgan":
            return tf.reduce_mean(tf.square(fake - self.generator_target))
        return -tf.reduce_mean(fake)

    @property
    def has_targets(self) -> bool:
        """Whether the objective uses `targets`, so that label smoothing has an effect."""
        return self.objective in ("nonsaturating", "minimax", "lsgan")

    @property
    def decision_boundary(self) -> float | None:
        """The logit above which an example counts as real. None for a critic, whose scores have no such value.

        It is the output of the optimal discriminator where real and generated examples are equally likely; for energy,
        half the margin.
        """
        midpoint = sum(self.targets) / 2.0
        if self.objective in ("nonsaturating", "minimax"):
            return math.log(midpoint / (1.0 - midpoint))
        return {"lsgan": midpoint, "hinge": 0.0, "energy": -0.5 * self.margin}.get(self.objective)

    @property
    def terms(self) -> tuple[str, ...]:
        """The keys of `decisions`."""
        logits = ("real_logit", "fake_logit")
        return logits if self.decision_boundary is None else (*logits, "real_accuracy", "fake_accuracy")

    def decisions(self, real: Logits, fake: Logits) -> dict[str, tf.Tensor]:
        """Mean logits of real and generated examples and, if there is a decision boundary, the accuracies.

        `diagnostics.gan_health` reads these values.
        """
        boundary = self.decision_boundary
        values = {"real_logit": _mean(tf.reduce_mean, real), "fake_logit": _mean(tf.reduce_mean, fake)}
        if boundary is not None:
            values["real_accuracy"] = _mean(lambda x: tf.reduce_mean(tf.cast(x > boundary, x.dtype)), real)
            values["fake_accuracy"] = _mean(lambda x: tf.reduce_mean(tf.cast(x < boundary, x.dtype)), fake)
        return values

    def mean_sign(self, real: Logits) -> tf.Tensor:
        """E sign(real - boundary), in [-1, 1]: 1 if all examples count as real (r_t of Karras et al. 2020, eq. 1)."""
        return _mean(lambda x: tf.reduce_mean(tf.sign(x - self.decision_boundary)), real)

    def score_map(self, logits: tf.Tensor) -> tf.Tensor:
        """Logits as an image in [-1, 1], float32: 1 for real, -1 for generated, 0 at the decision boundary.

        For a cross-entropy, the probability of being real is mapped to [-1, 1]. Otherwise the scale is linear between
        the discriminator's targets for real and generated examples, and values beyond them are clipped.

        Raises:
            ValueError: for a critic, whose scores have no such scale.
        """
        logits = tf.cast(logits, tf.float32)
        if self.decision_boundary is None:
            raise ValueError(f"{self.objective} has no decision boundary, so its scores have no scale.")
        if self.objective in ("nonsaturating", "minimax"):
            return tf.tanh(0.5 * (logits - self.decision_boundary))  # 2 s - 1
        fixed_targets = {"hinge": (1.0, -1.0), "energy": (0.0, -self.margin)}
        real_target, fake_target = fixed_targets.get(self.objective, self.targets)
        return tf.clip_by_value((logits - self.decision_boundary) / (0.5 * (real_target - fake_target)), -1.0, 1.0)


def by_discriminator(logits: Logits) -> Sequence[tf.Tensor]:
    """The logits of each discriminator: a list of one where there is one alone."""
    return logits if isinstance(logits, list | tuple) else [logits]


def example_scores(logits: Logits) -> tf.Tensor:
    """The mean of the logits of each example, (batch,): over all patches, and over all discriminators alike."""
    means = [
        tf.reduce_mean(tf.reshape(_at_least_float32(own), (tf.shape(own)[0], -1)), axis=1)
        for own in by_discriminator(logits)
    ]
    return tf.add_n(means) / len(means)


def feature_matching(real: tf.Tensor, fake: tf.Tensor) -> tf.Tensor:
    """Feature matching, an alternative loss of the generator: ||E real - E fake||_2^2, a scalar.

    It compares means over the batch, so examples are coupled (Salimans et al. 2016, arXiv 1606.03498, section 3.1).

    Args:
        real: discriminator features of real examples, (batch, ...).
        fake: features of generated examples, of the same shape.
    """
    real, fake = _at_least_float32(real), _at_least_float32(fake)
    return tf.reduce_sum(tf.square(tf.reduce_mean(real, axis=0) - tf.reduce_mean(fake, axis=0)))


def _mean(function: Callable[..., tf.Tensor], *logits: Logits) -> tf.Tensor:
    """The mean of a scalar function over the discriminators."""
    values = [function(*map(_at_least_float32, own)) for own in zip(*map(by_discriminator, logits), strict=True)]
    return tf.add_n(values) / len(values)


def _at_least_float32(logits: tf.Tensor) -> tf.Tensor:
    logits = tf.convert_to_tensor(logits)
    return logits if logits.dtype == tf.float64 else tf.cast(logits, tf.float32)


def _cross_entropy(logits: tf.Tensor, probability: float) -> tf.Tensor:
    return tf.reduce_mean(tf.nn.softplus(logits) - probability * logits)
