"""Learning-rate schedules over the steps of a run."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from keras_gen.engine.config import Decay


class Schedule(keras.optimizers.schedules.LearningRateSchedule):
    """A learning-rate schedule with linear warm-up and decay.

    rate(step) = initial * min(1, (step + 1) / warm_up) * decay(step), where decay(step) is

        constant                1
        constant-then-linear    1 in the first half of the run, then linear to 0 (pix2pix, CycleGAN)
        linear                  1 - step / total
        step                    factor^n after n of the steps `step_at`
        cosine                  (1 + cos(pi step / total)) / 2    (Loshchilov and Hutter 2017, without restarts)

    Schedules that fall to 0 stay there from `total` on.

    Examples:
        >>> rate = Schedule(1e-3, total=100, decay="cosine", warm_up=10)
        >>> [round(float(rate(step)), 6) for step in (0, 9, 50, 100)]
        [0.0001, 0.00098, 0.0005, 0.0]
    """

    def __init__(
        self,
        initial: float,
        total: int,
        decay: Decay = "constant-then-linear",
        *,
        warm_up: int = 0,
        step_at: Sequence[int] = (),
        step_factor: float = 0.1,
    ) -> None:
        """Args:
        initial: learning rate after the warm-up and before any decay.
        total: number of steps of the run, at least 1.
        decay: one of the schedules above.
        warm_up: number of steps over which the rate rises linearly; 0: none.
        step_at: for "step": steps from which on the rate is multiplied by `step_factor`.
        step_factor: for "step": the factor.
        """
        self.initial, self.total, self.decay = initial, total, decay
        self.warm_up, self.step_at, self.step_factor = warm_up, tuple(step_at), step_factor

    def __call__(self, step: tf.Tensor | int) -> tf.Tensor:
        step = tf.cast(step, tf.float32)
        rate = self.initial * self._decay(step)
        return rate * tf.minimum(1.0, (step + 1.0) / self.warm_up) if self.warm_up else rate

    def _decay(self, step: tf.Tensor) -> tf.Tensor:
        if self.decay == "constant":
            return tf.ones(())
        if self.decay == "step":
            return tf.pow(self.step_factor, tf.reduce_sum([tf.cast(step >= at, tf.float32) for at in self.step_at]))
        if self.decay == "cosine":
            return 0.5 * (1.0 + tf.cos(math.pi * tf.minimum(1.0, step / self.total)))
        turn = self.total // 2 if self.decay == "constant-then-linear" else 0
        return tf.clip_by_value((self.total - step) / (self.total - turn), 0.0, 1.0)

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor."""
        return {
            "initial": self.initial,
            "total": self.total,
            "decay": self.decay,
            "warm_up": self.warm_up,
            "step_at": self.step_at,
            "step_factor": self.step_factor,
        }


class _Scaled(keras.optimizers.schedules.LearningRateSchedule):
    """factor * rate(step / steps)."""

    def __init__(self, rate: keras.optimizers.schedules.LearningRateSchedule, factor: float, steps: int) -> None:
        self.rate, self.factor, self.steps = rate, factor, steps

    def __call__(self, step: tf.Tensor) -> tf.Tensor:
        return self.factor * self.rate(tf.cast(step, tf.float32) / self.steps)

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor."""
        return {"rate": self.rate, "factor": self.factor, "steps": self.steps}


def scaled(rate: Any, factor: float, steps: int = 1) -> Any:
    """A learning rate or schedule, multiplied by `factor`.

    Args:
        rate: number or schedule of a player that takes one step per step of the run.
        factor: factor of the rate.
        steps: number of steps that this player takes per step of the run; its schedule still ends with the run.
    """
    if isinstance(rate, keras.optimizers.schedules.LearningRateSchedule):
        return rate if factor == steps == 1 else _Scaled(rate, factor, steps)
    return rate * factor
