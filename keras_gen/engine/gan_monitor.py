"""The health monitor of a GAN run: takes measurements at each preview, and reports the verdict of `gan_health`."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import Any, Protocol

import numpy as np
import tensorflow as tf

from keras_gen.diagnostics.gan_health import TOO_EARLY, Health, Measurements, Record, judge
from keras_gen.engine.callbacks import NotFinite, StepCallback
from keras_gen.engine.checkpoints import Progress
from keras_gen.ops.diversity import MIN_IMAGES, Reference, modes_reached
from keras_gen.visual.event_writer import EventWriter

_MOST, _VALUES = 256, 2**20  # maximum number of samples to compare, and of values in them
_PART = 2**21  # number of values to generate at a time
_FIGURES = {
    "distance": "Mean distance between two samples, relative to that of the data; far below 1 means mode collapse.",
    "kinds": "Effective number of modes of the samples, relative to the data; far below 1 means mode collapse.",
    "structure": "Mean structural difference of two samples (1 - MS-SSIM), relative to the data.",
    "modes": "Fraction of the known modes of the data that the samples cover.",
    "noise": "How much samples change with their noise, relative to the distance of two images of the data; near 0 the "
    "generator ignores its noise.",
}


class Validation(Protocol):
    """What the monitor needs from a data set; see `engine.data.Data`."""

    val_size: int
    mode_centres: np.ndarray | None

    def validation(self, batch_size: int, *, limit: int | None = None) -> Iterable[Any]:
        """The validation examples, in order."""


def how_many(values: int) -> int:
    """Number of samples to compare: 256, or fewer for large images, but at least 32.

    Args:
        values: number of values in an image.
    """
    return int(np.clip(_VALUES // values, MIN_IMAGES, _MOST))


class HealthMonitor(StepCallback):
    """Prints a line about the health of the run at each preview, and logs verdict and measurements in TensorBoard.

    Must come before `Preview`, whose page shows the verdicts. A context manager, which logs a last verdict if a loss is
    not finite.

    Attributes:
        record: the measurements and verdicts so far, which are part of checkpoints.
    """

    def __init__(
        self,
        progress: Progress,
        health: Health,
        data: Validation,
        example: Any,
        writer: EventWriter,
        say: Callable[[str], None],
        *,
        every: int,
        end: int,
    ) -> None:
        """Args:
        progress: the progress of the run.
        health: the result of `GenerativeModel.health`.
        data: data whose validation examples, and modes if they are known, are compared with samples.
        example: a batch of validation examples.
        writer: writer of TensorBoard's event files.
        say: a function that prints a line.
        every: steps between two measurements.
        end: the last step of the run.
        """
        super().__init__(progress)
        self.record = Record()
        progress.remember("health", self)
        self._health, self._writer, self._say = health, writer, say
        self._every, self._end = every, end
        self._before: dict[str, list[np.ndarray]] = {}
        self._ratios: dict[str, float] = {}
        pictures = np.asarray(health.real(example))
        count = min(how_many(pictures[0].size), data.val_size)
        self._part = max(1, _PART // pictures[0].size)
        self._batch, self._reference, self._centres = None, None, data.mode_centres
        if count >= MIN_IMAGES:
            self._batch = next(iter(data.validation(count, limit=count)))
            reference = Reference(health.real(self._batch))
            self._reference = reference if reference.distance else None  # if all images are equal, ratios are undefined

    def state(self) -> dict[str, Any]:
        """The record."""
        return dataclasses.asdict(self.record)

    def restore(self, state: Mapping[str, Any]) -> None:
        """Sets the record."""
        self.record = Record(**state)

    def __enter__(self) -> HealthMonitor:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if isinstance(error, NotFinite):
            with self._writer.as_default(step=self.progress.step):
                tf.summary.text("health", f"not finite: {error}")

    def on_train_batch_begin(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        most = self.model.steps_per_call  # maximum number of steps in the next graph call
        step = self.progress.step
        if step % self._every + most >= self._every or step + most >= self._end:
            # `np.array` copies; without a copy, updates of the variable could show up in the array.
            self._before = {
                player: [np.array(v) for v in self.model.player_variables(player)] for player in self.model.players
            }

    def after_steps(self, logs: Mapping[str, np.ndarray]) -> None:
        self.record.add(logs, self.progress.step)
        self._ratios = {player: self._change(player) / self._taken for player in self._before}
        self._before = {}
        if self.due(self._every):
            self.look()

    def _change(self, player: str) -> float:
        """Norm of the change of a player's weights in the last graph call, relative to their norm before it."""
        before, after = self._before[player], self.model.player_variables(player)
        change = sum(float(np.sum((np.asarray(v) - old) ** 2)) for v, old in zip(after, before, strict=True))
        size = sum(float(np.sum(old**2)) for old in before)
        return float((change / max(size, 1e-30)) ** 0.5)

    def look(self) -> None:
        """Measures and judges the run at this step, unless that has been done."""
        record, step = self.record, self.progress.step
        if record.looked == step:
            return
        look = self._measure(step)
        verdict = judge(record, look, critic=self._health.critic, offset=self._health.offset)
        with self._writer.as_default(step=step):
            tf.summary.text("health", verdict, description="Verdict of the health monitor.")
            for name, about in _FIGURES.items():
                if getattr(look, name) is not None:
                    tf.summary.scalar(f"health/{name}", getattr(look, name), description=about)
            for player, ratio in look.update_ratio.items():
                about = f"How much one step changes the weights of the {player}, relative to their norm."
                tf.summary.scalar(f"health/update_ratio/{player}", ratio, description=about)
        if verdict != TOO_EARLY or record.verdicts[-1][0] == step:
            self._say(f"health at step {step}: {verdict}")

    def report(self) -> dict[str, Any]:
        """The last verdict with its measurements, and all earlier verdicts, for report.json."""
        record = self.record
        return {
            "verdict": record.verdicts[-1][1],
            "step": record.looked,
            **dataclasses.asdict(record.look),
            "verdicts": [{"step": step, "verdict": verdict} for step, verdict in record.verdicts],
        }

    def _measure(self, step: int) -> Measurements:
        look = Measurements(update_ratio=self._ratios)
        if self._reference is None:
            return look
        count = len(self._health.real(self._batch))
        latents = self._health.latents
        # New noise each time; otherwise an unlucky draw would affect every verdict.
        samples = self._draw(latents and latents(count, 2 * step))
        if latents is None:
            look.structure = self._reference.structure(samples)
            return look
        found = self._reference.diversity(samples)
        look.distance, look.kinds, look.structure = found.distance, found.kinds, found.structure
        if self._centres is not None:
            look.modes = modes_reached(samples, self._centres)
        look.noise = self._reference.change(samples, self._draw(latents(count, 2 * step + 1)))
        return look

    def _draw(self, latents: Any) -> tf.Tensor:
        count = len(self._health.real(self._batch))
        parts = []
        for start in range(0, count, self._part):
            part = slice(start, start + self._part)
            batch = tf.nest.map_structure(lambda x, part=part: x[part], self._batch)
            parts.append(self._health.draw(batch, None if latents is None else latents[part]))
        return tf.concat(parts, axis=0)
