"""Learning rates over the steps of a run."""

from __future__ import annotations

import keras
import tensorflow as tf


class ConstantThenLinear(keras.optimizers.schedules.LearningRateSchedule):
    """Constant, then linearly to 0: the schedule of pix2pix and CycleGAN.

    rate(step) = initial * min(1, (total - step) / (total - turn)), never below 0.
    """

    def __init__(self, initial: float, turn: int, total: int) -> None:
        """Args:
        initial: the rate up to step `turn`.
        turn: the step at which the decay begins.
        total: the step at which the rate is 0; at least `turn` + 1.
        """
        self.initial, self.turn, self.total = initial, turn, total

    def __call__(self, step: tf.Tensor) -> tf.Tensor:
        left = (self.total - tf.cast(step, tf.float32)) / (self.total - self.turn)
        return self.initial * tf.clip_by_value(left, 0.0, 1.0)

    def get_config(self) -> dict[str, float]:
        """The arguments of the constructor."""
        return {"initial": self.initial, "turn": self.turn, "total": self.total}


def scaled(rate: float | ConstantThenLinear, factor: float, steps: int = 1) -> float | ConstantThenLinear:
    """A learning rate, or a schedule of one, times `factor` at every step.

    Args:
        rate: of a player that takes one step with each of the run.
        factor: of the rate.
        steps: that this player takes with each of the run; its schedule ends with the run all the same.
    """
    if isinstance(rate, ConstantThenLinear):
        return ConstantThenLinear(rate.initial * factor, rate.turn * steps, rate.total * steps)
    return rate * factor
