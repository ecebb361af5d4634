"""What happens between the steps of a run: logs, sample sheets, checkpoints, and the reasons to stop."""

from __future__ import annotations

import math
import signal
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tensorboard.plugins.hparams import api as hparams

from keras_gen.engine.checkpoints import Checkpoints
from keras_gen.engine.config import Setup
from keras_gen.engine.samples import sheet, sheet_path, write_sheet

_RATE_EVERY = 10  # steps between two readings of the clock and of the learning rates


class Bar(keras.callbacks.ProgbarLogger):
    """Keras' progress bar with the losses alone: gradient norms go to TensorBoard."""

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        super().on_train_batch_end(batch, _losses(logs))

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        super().on_epoch_end(epoch, _losses(logs))


def _losses(logs: Mapping[str, Any] | None) -> dict[str, Any]:
    return {name: value for name, value in (logs or {}).items() if not name.endswith("_gradient_norm")}


class StepCallback(keras.callbacks.Callback):
    """A callback that counts the updates since the first step of the run, also over a resume."""

    def __init__(self, first_step: int) -> None:
        super().__init__()
        self.step = first_step

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        self.step += self.model.steps_per_execution
        self.after_step(logs or {})

    def after_step(self, logs: Mapping[str, Any]) -> None:
        """Called after each update with `self.step` updates done."""


class NotFinite(Exception):
    """A loss is NaN or infinite; says which, and when."""


class FiniteGuard(StepCallback):
    """Stops the run at the first term that is not finite."""

    def after_step(self, logs: Mapping[str, Any]) -> None:
        for name, value in logs.items():
            if not math.isfinite(float(value)):
                raise NotFinite(f"{name} became {float(value)} at step {self.step}")


class TensorBoardLog(StepCallback):
    """Every term per step and per epoch, learning rates, speed; the configuration as text and hparams."""

    def __init__(self, first_step: int, writer: tf.summary.SummaryWriter, setup: Setup) -> None:
        super().__init__(first_step)
        self._writer = writer
        self._setup = setup
        self._clock: tuple[float, int] | None = None

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        if self.step == 0:
            flat = {f"{s}.{k}": v for s, fields in self._setup.sections().items() for k, v in fields.items()}
            with self._writer.as_default(step=0):
                rows = "\n".join(f"| {key} | {value} |" for key, value in flat.items())
                tf.summary.text("config", f"| field | value |\n|---|---|\n{rows}")
                tf.summary.text("config.json", f"```json\n{self._setup.to_json()}\n```")
                given = {key: value for key, value in flat.items() if value not in (None, "")}
                hparams.hparams({k: v if isinstance(v, bool | int | float) else str(v) for k, v in given.items()})

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        self._clock = None  # validation and compilation are no training speed

    def after_step(self, logs: Mapping[str, Any]) -> None:
        with self._writer.as_default(step=self.step):
            for name, value in logs.items():
                tf.summary.scalar(f"step/{name}", tf.reshape(value, ()))
            if self.step % _RATE_EVERY == 0:
                for player, rate in self.model.learning_rates().items():
                    tf.summary.scalar(f"learning_rate/{player}", rate)
                self._speed()

    def _speed(self) -> None:
        now = time.perf_counter()
        if self._clock is not None:
            seconds, since = self._clock
            rate = (self.step - since) * self._setup.run.batch_size / (now - seconds)
            tf.summary.scalar("images_per_second", rate)
        self._clock = (now, self.step)

    def forget_clock(self) -> None:
        """Leave the time since the last reading out: something other than training took it."""
        self._clock = None

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        with self._writer.as_default(step=self.step):
            for name, value in (logs or {}).items():
                tag = f"validation/{name[4:]}" if name.startswith("val_") else f"epoch/{name}"
                tf.summary.scalar(tag, value)
        self._writer.flush()


class Preview(StepCallback):
    """Sample sheets of the same validation examples, as PNG and in TensorBoard."""

    def __init__(
        self,
        first_step: int,
        batch: Any,
        folder: Path,
        writer: tf.summary.SummaryWriter,
        every: int,
        log: TensorBoardLog,
    ) -> None:
        super().__init__(first_step)
        self._batch, self._folder, self._writer, self._every, self._log = batch, folder, writer, every, log

    def after_step(self, logs: Mapping[str, Any]) -> None:
        if self.step % self._every == 0:
            self.draw()

    def draw(self) -> None:
        """Draw the sheets now."""
        if sheet_path(self._folder, self.step).exists():
            return
        with self._writer.as_default(step=self.step):
            for title, columns in self.model.preview(self._batch).items():
                picture = sheet({name: np.asarray(images) for name, images in columns.items()})
                tf.summary.image(title, picture[None])
                if title == "samples":
                    write_sheet(self._folder, self.step, picture)
        self._writer.flush()
        self._log.forget_clock()


class Checkpointing(StepCallback):
    """The newest checkpoint every so many steps, and the best one by validation."""

    def __init__(
        self, first_step: int, checkpoints: Checkpoints, every: int, monitor: str, log: TensorBoardLog
    ) -> None:
        super().__init__(first_step)
        self._checkpoints, self._every, self._monitor, self._log = checkpoints, every, monitor, log

    def after_step(self, logs: Mapping[str, Any]) -> None:
        if self.step % self._every == 0:
            self.save()

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        value = (logs or {}).get(f"val_{self._monitor}")
        if value is not None:
            self._checkpoints.save_best(self.step, float(value))

    def save(self) -> None:
        """Write the newest checkpoint now; weights that are not finite end the run instead."""
        if self._checkpoints.save(self.step) is None:
            raise NotFinite(f"the weight {self._checkpoints.not_finite()} became not finite by step {self.step}")
        self._log.forget_clock()


class Interrupted(Exception):
    """The run was asked to end by a signal, after step `step`."""

    def __init__(self, number: int, step: int) -> None:
        super().__init__(number, step)
        self.signal, self.step = number, step


class StopOnSignal(StepCallback):
    """Ctrl-C and SIGTERM end the run after the current step; a second Ctrl-C ends it at once.

    Must be the last callback: those before it have then seen the step.
    """

    def __init__(self, first_step: int) -> None:
        super().__init__(first_step)
        self._signal: int | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> StopOnSignal:
        if threading.current_thread() is threading.main_thread():  # elsewhere signals are the caller's business
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: Any) -> None:
        if self._signal is not None and number == signal.SIGINT:
            raise KeyboardInterrupt
        self._signal = number
        print("\nstopping after this step; Ctrl-C again stops at once", file=sys.stderr, flush=True)

    def after_step(self, logs: Mapping[str, Any]) -> None:
        if self._signal is not None:
            raise Interrupted(self._signal, self.step)
