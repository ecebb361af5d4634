"""Adversarial objectives as functions of logits.

A logit is larger the more real an example seems; s is the logistic function.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Literal, TypeAlias, get_args

import tensorflow as tf

Objective = Literal["nonsaturating", "minimax", "lsgan", "hinge", "wasserstein", "energy"]
Logits: TypeAlias = tf.Tensor | Sequence[tf.Tensor]
"""The logits of a discriminator, of any shape, or those of several, as of one for each scale of an image."""


@dataclasses.dataclass(frozen=True)
class AdversarialLoss:
    """What two players minimise, and how the logits of the discriminator (the critic, for wasserstein) are read.

    Losses are scalars, means over all logits; of several discriminators the mean of their losses, so that their number
    does not change the weight of the objective beside others. They are float32, or float64 as the logits are.

    - nonsaturating: the discriminator minimises the cross-entropy -E log s(real) - E log(1 - s(fake)), the generator
      -E log s(fake) (Goodfellow et al. 2014, eq. 1 and section 3);
    - minimax: the same discriminator; the generator minimises E log(1 - s(fake)), whose gradient vanishes where the
      discriminator is sure (there, eq. 1);
    - lsgan: E (real - b)^2 + E (fake - a)^2, and E (fake - c)^2 (Mao et al. 2017, eq. 2, without its factor 1/2);
    - hinge: E max(0, 1 - real) + E max(0, 1 + fake), and -E fake (Miyato et al. 2018, eq. 16 and 17);
    - wasserstein: E fake - E real, and -E fake (Arjovsky et al. 2017, eq. 3);
    - energy: of logits that are energies with the other sign, -E real + E max(0, margin + fake), and -E fake (Zhao et
      al. 2017, eq. 1 and 2).

    Attributes:
        objective: one of the names above.
        targets: what the discriminator is to say of real and of generated examples: the probabilities of the
            cross-entropy, of which the first below 1 is one-sided label smoothing (Salimans et al. 2016, section 3.4),
            and b and a of lsgan.
        generator_target: c of lsgan.
        margin: of energy.

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
        """What the discriminator minimises, given the logits of real and of generated examples."""
        return _mean(self._discriminator, real, fake)

    def generator(self, fake: Logits) -> tf.Tensor:
        """What the generator minimises, given the logits of what it made."""
        return _mean(self._generator, fake)

    def _discriminator(self, real: tf.Tensor, fake: tf.Tensor) -> tf.Tensor:
        of_real, of_fake = self.targets
        if self.objective in ("nonsaturating", "minimax"):
            return _cross_entropy(real, of_real) + _cross_entropy(fake, of_fake)
        if self.objective == "lsgan":
            return tf.reduce_mean(tf.square(real - of_real)) + tf.reduce_mean(tf.square(fake - of_fake))
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
        """Whether `targets` matter, so that they can be smoothed."""
        return self.objective in ("nonsaturating", "minimax", "lsgan")

    @property
    def decision_boundary(self) -> float | None:
        """The logit at which an example counts as real as well as generated; None of a critic, which only scores.

        It is what the best discriminator says where both kinds are equally likely, and of energy half the margin.
        """
        middle = sum(self.targets) / 2.0
        if self.objective in ("nonsaturating", "minimax"):
            return math.log(middle / (1.0 - middle))
        return {"lsgan": middle, "hinge": 0.0, "energy": -0.5 * self.margin}.get(self.objective)

    @property
    def terms(self) -> tuple[str, ...]:
        """The names of `decisions`."""
        logits = ("real_logit", "fake_logit")
        return logits if self.decision_boundary is None else (*logits, "real_accuracy", "fake_accuracy")

    def decisions(self, real: Logits, fake: Logits) -> dict[str, tf.Tensor]:
        """Means of the logits, and the shares of them on the right side of the boundary if there is one: what
        `diagnostics.gan_health` reads."""
        boundary = self.decision_boundary
        values = {"real_logit": _mean(tf.reduce_mean, real), "fake_logit": _mean(tf.reduce_mean, fake)}
        if boundary is not None:
            values["real_accuracy"] = _mean(lambda x: tf.reduce_mean(tf.cast(x > boundary, x.dtype)), real)
            values["fake_accuracy"] = _mean(lambda x: tf.reduce_mean(tf.cast(x < boundary, x.dtype)), fake)
        return values

    def mean_sign(self, real: Logits) -> tf.Tensor:
        """E sign(real - boundary): 1 if all count as real, -1 if all as generated (r_t of Karras et al. 2020)."""
        return _mean(lambda x: tf.reduce_mean(tf.sign(x - self.decision_boundary)), real)

    def score_map(self, logits: tf.Tensor) -> tf.Tensor:
        """Logits as an image in [-1, 1], float32: 1 for real, -1 for generated, 0 at the boundary.

        It is the probability of being real where the logits are of one, and elsewhere the score between what the
        discriminator is to say of either kind, clipped.

        Raises:
            ValueError: for a critic, whose scores have no such scale.
        """
        logits = tf.cast(logits, tf.float32)
        if self.decision_boundary is None:
            raise ValueError(f"{self.objective} has no decision boundary, so its scores have no scale.")
        if self.objective in ("nonsaturating", "minimax"):
            return tf.tanh(0.5 * (logits - self.decision_boundary))  # 2 s - 1
        of_real, of_fake = {"hinge": (1.0, -1.0), "energy": (0.0, -self.margin)}.get(self.objective, self.targets)
        return tf.clip_by_value((logits - self.decision_boundary) / (0.5 * (of_real - of_fake)), -1.0, 1.0)


def example_scores(logits: Logits) -> tf.Tensor:
    """The mean of the logits of each example, (batch,): over all patches, and over all discriminators alike."""
    parts = logits if isinstance(logits, list | tuple) else [logits]
    means = [tf.reduce_mean(tf.reshape(_wide(part), (tf.shape(part)[0], -1)), axis=1) for part in parts]
    return tf.add_n(means) / len(means)


def feature_matching(real: tf.Tensor, fake: tf.Tensor) -> tf.Tensor:
    """||E real - E fake||_2^2, what a generator may minimise instead (Salimans et al. 2016, section 3.1).

    It compares means over the batch, so it couples the examples.

    Args:
        real: features of real examples, (batch, ...).
        fake: features of generated ones of the same form.
    """
    real, fake = _wide(real), _wide(fake)
    return tf.reduce_sum(tf.square(tf.reduce_mean(real, axis=0) - tf.reduce_mean(fake, axis=0)))


def _mean(function: Callable[..., tf.Tensor], *logits: Logits) -> tf.Tensor:
    """The mean of a scalar function over the discriminators."""
    by_discriminator = zip(*(x if isinstance(x, list | tuple) else [x] for x in logits), strict=True)
    means = [function(*map(_wide, own)) for own in by_discriminator]
    return tf.add_n(means) / len(means)


def _wide(logits: tf.Tensor) -> tf.Tensor:
    logits = tf.convert_to_tensor(logits)
    return logits if logits.dtype == tf.float64 else tf.cast(logits, tf.float32)


def _cross_entropy(logits: tf.Tensor, probability: float) -> tf.Tensor:
    return tf.reduce_mean(tf.nn.softplus(logits) - probability * logits)
