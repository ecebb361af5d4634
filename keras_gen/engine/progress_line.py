"""The progress of a run and its remaining time: a status line in a terminal, or a line every 10 seconds in a log."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from keras_gen.console import duration, note, show_status
from keras_gen.diagnostics.gan_health import TERMS
from keras_gen.engine.callbacks import StepCallback
from keras_gen.engine.checkpoints import Progress

_LINE_EVERY = 10.0  # seconds between two lines in a log
_STATUS_EVERY = 0.1  # seconds between two updates of the status line in a terminal


class ProgressLine(StepCallback):
    """Prints the epoch, the step, the losses (means over the epoch so far) and the remaining time of the run.

    The remaining time is the number of remaining steps times the mean time per step in this process, including
    previews, validation and checkpoints. The first graph call, which compiles, does not count.
    """

    def __init__(self, progress: Progress, steps_per_epoch: int, epochs: int) -> None:
        """Args:
        progress: the progress of the run. `Counter`, which updates it, must be an earlier callback.
        steps_per_epoch: number of steps per epoch.
        epochs: number of epochs of the whole run.
        """
        super().__init__(progress)
        self._steps, self._epochs = steps_per_epoch, epochs
        self._sums: dict[str, float] = {}
        self._counted = 0
        self._first: tuple[int, float] | None = None  # step and time after the first call
        self._said = -math.inf

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        self._sums, self._counted = {}, 0

    def after_steps(self, logs: Mapping[str, np.ndarray]) -> None:
        now = time.monotonic()
        self._first = self._first or (self.progress.step, now)
        for name, values in logs.items():
            self._sums[name] = self._sums.get(name, 0.0) + float(np.sum(values))
        self._counted += self._taken
        every = _STATUS_EVERY if sys.stdout.isatty() else _LINE_EVERY
        # In a log too, the first line waits until there is an estimate of the remaining time.
        if self._left(now) and now - self._said >= every:
            self._said = now
            done = (self.progress.step - 1) % self._steps + 1
            means = {name: value / self._counted for name, value in self._sums.items()}
            text = self._text((self.progress.step - 1) // self._steps, f", step {done} of {self._steps}", means, now)
            (show_status if sys.stdout.isatty() else note)(text)

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        note(self._text(epoch, "", logs or {}, time.monotonic()))

    def _text(self, epoch: int, where: str, terms: Mapping[str, Any], now: float) -> str:
        losses = ((k, v) for k, v in terms.items() if k not in TERMS and not k.endswith("_gradient_norm"))
        values = ", ".join(f"{name} {float(np.mean(value)):.4g}" for name, value in losses)
        left = self._left(now)
        return f"epoch {epoch + 1}/{self._epochs}{where}: {values}" + (f"; {left} left" if left else "")

    def _left(self, now: float) -> str:
        """The remaining time of the run; "" before it can be estimated, and at the end."""
        total = self._steps * self._epochs
        if self._first is None or not self._first[0] < self.progress.step < total:
            return ""
        first, begun = self._first
        return duration((now - begun) / (self.progress.step - first) * (total - self.progress.step))
