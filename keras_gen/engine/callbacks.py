"""Callbacks of a run: logs, previews, checkpoints, and reasons to stop."""

from __future__ import annotations

import math
import signal
import statistics
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tensorboard.plugins.hparams import api as hparams
from tensorboard.plugins.image import metadata as image_metadata

from keras_gen.console import shown
from keras_gen.engine.checkpoints import Checkpoints, Progress
from keras_gen.engine.config import Setup
from keras_gen.engine.event_files import EventWriters, sizes
from keras_gen.engine.strategy import any_worker, several_workers
from keras_gen.engine.terms import described
from keras_gen.visual.event_writer import EventWriter, write_scalars
from keras_gen.visual.sheets import write_film, write_sheet
from keras_gen.visual.views import Histogram, Scalar, View

_WARM = 2  # graph calls at the start of a process that compile and fill caches; they are not profiled
_RATE_EVERY = 10  # steps between two logged values of speed and learning rates


class StepCallback(keras.callbacks.Callback):
    """Base class of callbacks that know the step of the run, including steps before a resume.

    Attributes:
        progress: the progress of the run.
    """

    def __init__(self, progress: Progress) -> None:
        super().__init__()
        self.progress = progress
        self._taken = 0

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        values = {name: np.reshape(value, -1) for name, value in (logs or {}).items()}
        self._taken = len(next(iter(values.values())))
        self.after_steps(values)

    def after_steps(self, logs: Mapping[str, np.ndarray]) -> None:
        """Called after each graph call, which runs one or several steps.

        Args:
            logs: term -> its values in the n steps of the call, (n,). `self.progress.step` is the last of them.
        """

    def due(self, every: int) -> bool:
        """Whether one of the steps of the last call was a multiple of `every`."""
        return self.progress.step % every < self._taken


class NotFinite(Exception):
    """A loss or another logged term is NaN or infinite; the message says which one, and at which step."""


class Counter(StepCallback):
    """Counts the steps, and raises `NotFinite` at the first term that is not finite. Must be the first callback."""

    def after_steps(self, logs: Mapping[str, np.ndarray]) -> None:
        before = self.progress.step
        self.progress.step += self._taken
        wrong = [(int(np.argmin(np.isfinite(values))), name) for name, values in logs.items()]
        wrong = [(place, name) for place, name in wrong if not math.isfinite(logs[name][place])]
        # All workers must stop at the first step at which a term is not finite on any of them.
        if any_worker(self.model.distribute_strategy, bool(wrong)):
            if not wrong:
                raise NotFinite(f"a term of another worker is not finite at step {self.progress.step}")
            place, name = min(wrong, key=lambda found: found[0])
            raise NotFinite(f"{name} became {logs[name][place]} at step {before + place + 1}")


class Profile(StepCallback):
    """Traces some steps with TensorFlow's profiler, for TensorBoard's profile page.

    A context manager, which also writes the trace if the run is stopped early.
    """

    def __init__(self, progress: Progress, folder: Path, steps: int) -> None:
        """Args:
        progress: the progress of the run.
        folder: the run folder.
        steps: number of graph calls to trace, after the first two of this process; 0: none.
        """
        super().__init__(progress)
        self._folder, self._wanted = folder, steps
        self._done = 0
        self._tracing = False

    def __enter__(self) -> Profile:
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    def on_train_batch_begin(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        if self._wanted and self._done == _WARM:
            tf.profiler.experimental.start(str(self._folder))
            self._tracing = True

    def after_steps(self, logs: Mapping[str, np.ndarray]) -> None:
        self._done += 1
        if self._done >= _WARM + self._wanted:
            self._stop()

    def _stop(self) -> None:
        if self._tracing:
            self._tracing = False
            tf.profiler.experimental.stop()


class TensorBoardLog(StepCallback):
    """Logs all terms per step and per epoch, learning rates, speed, and the configuration, as text and as hparams.

    `epoch/TERM` shows training and validation in one chart. `best/TERM` is the best value so far of the validation term
    that selects checkpoints. Its name makes it the first metric in TensorBoard's hparams, which are in alphabetical
    order.
    """

    def __init__(self, progress: Progress, writers: EventWriters, setup: Setup) -> None:
        super().__init__(progress)
        self._writers = writers
        self._setup = setup
        self._begun = 0.0
        self._seconds: list[float] = []
        self._told: set[str] = set()  # terms whose description has been logged

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        if self.progress.step == 0:
            flat = {f"{s}.{k}": v for s, fields in self._setup.sections().items() for k, v in fields.items()}
            with self._writers.train.as_default(step=0):
                rows = "\n".join(f"| {key} | {shown(str(value))} |" for key, value in flat.items())
                about = "All fields of the configuration."
                tf.summary.text("config", f"| field | value |\n|---|---|\n{rows}", description=about)
                about = "The file config.json of the run."
                tf.summary.text("config.json", f"```json\n{self._setup.to_json()}\n```", description=about)
                given = {key: value for key, value in flat.items() if value not in (None, "") and key != "run.out"}
                values = {k: v if isinstance(v, bool | int | float) else shown(str(v)) for k, v in given.items()}
                folder = Path(self._setup.run.out)
                trial = shown(f"{folder.name} in {folder.parent}")  # the name first: TensorBoard truncates the end
                hparams.hparams(values, trial_id=trial)

    def on_train_batch_begin(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        self._begun = time.perf_counter()

    def after_steps(self, logs: Mapping[str, np.ndarray]) -> None:
        self._seconds.append((time.perf_counter() - self._begun) / self._taken)
        # TensorBoard reads the description from the first value; repeating it would only take space.
        about = {f"step/{n}": f"{self._described(n)} The value of each step." for n in logs if n not in self._told}
        self._told.update(logs)
        with self._writers.train.as_default():
            for number, step in enumerate(range(self.progress.step - self._taken + 1, self.progress.step + 1)):
                write_scalars({f"step/{name}": values[number] for name, values in logs.items()}, step, about)
                about = {}
        with self._writers.train.as_default(step=self.progress.step):
            if self.due(_RATE_EVERY):
                for player, rate in self.model.learning_rates().items():
                    about = f"Learning rate of the {player} at its next step."
                    tf.summary.scalar(f"learning_rate/{player}", rate, description=about)
                tf.summary.scalar(
                    "images_per_second",
                    self._setup.run.batch_size / statistics.median(self._seconds),  # the first step compiles
                    description="Training examples per second, by the median of the last steps.",
                )
                self._seconds.clear()

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        step, monitored = self.progress.step, f"val_{self.model.monitor}"
        for name, value in (logs or {}).items():
            held_back = name.startswith("val_")
            term = name.removeprefix("val_")
            with (self._writers.validation if held_back else self._writers.train).as_default():
                about = f"{self._described(term)} Training: mean over the epoch; validation: mean over all examples."
                tf.summary.scalar(f"epoch/{term}", value, step, description=about)
        if monitored in (logs or {}):
            best = min(value for value in (float(logs[monitored]), self.progress.best) if value is not None)
            about = f"Best validation so far, which selects the best checkpoint: {self._described(self.model.monitor)}"
            with self._writers.train.as_default():
                tf.summary.scalar(f"best/{self.model.monitor}", best, step, description=about)

    def _described(self, term: str) -> str:
        return described(type(self.model), term)


class Preview(StepCallback):
    """Shows the model's results for the same validation examples: images, as PNG and in TensorBoard, and statistics."""

    def __init__(
        self,
        progress: Progress,
        batch: Any,
        folder: Path,
        writer: EventWriter,
        *,
        every: int,
        end: int,
        views: Callable[[bool], Mapping[str, View]] | None = None,
        verdicts: Callable[[], list[list[Any]]] = list,
    ) -> None:
        """Args:
        progress: the progress of the run.
        batch: validation examples for `GenerativeModel.preview`.
        folder: folder of the images.
        writer: writer of TensorBoard's event files.
        every: steps between two previews.
        end: the last step of the run.
        views: a function that returns further views, by title, which take too long for every preview. It is called for
            the first preview, then whenever the number of steps has grown by a quarter, and for the last preview. Its
            argument is whether this is the last one.
        verdicts: a function that returns the health verdicts so far, [step, sentence] each, for the page of the images.
        """
        super().__init__(progress)
        self._batch, self._folder, self._writer = batch, folder, writer
        self._every, self._end, self._views, self._verdicts = every, end, views, verdicts
        self._drawn = -1  # step of the last preview
        progress.remember("preview", self)

    def state(self) -> dict[str, Any]:
        """The step of the last preview; -1 before the first."""
        return {"drawn": self._drawn}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Sets the step of the last preview."""
        self._drawn = state["drawn"]

    def after_steps(self, logs: Mapping[str, np.ndarray]) -> None:
        if self.due(self._every):
            self.draw()

    def draw(self) -> None:
        """Writes a preview, unless there is one for this step."""
        step, last = self.progress.step, self.progress.step == self._end
        if self._drawn == step:
            return
        with self._writer.as_default(step=step):
            shown = self.model.preview(self._batch)
            if self._views and (last or _age(step) > _age(self._drawn)):
                shown = {**shown, **self._views(last)}
            for title, value in shown.items():
                self._show(title, value)
            if last:
                self._show_film()
        self._drawn = step

    def _show(self, title: str, view: View) -> None:
        match view:
            case Histogram():
                tf.summary.histogram(title, view.values, description=view.description)
            case Scalar():
                tf.summary.scalar(title, view.value, description=view.description)
            case _:
                picture = view.draw()
                tf.summary.image(title, picture[None], description=view.description)
                write_sheet(self._folder, title, self.progress.step, picture, self._verdicts())

    def _show_film(self) -> None:
        """Writes an animation of all sheets, also to TensorBoard, where the browser plays the animated image."""
        if film := write_film(self._folder, self._verdicts()):
            content, size = film
            metadata = image_metadata.create_summary_metadata(
                display_name=None, description="All sheets of the run, as an animation.", converted_to_tensor=False
            )
            tf.summary.write("film", [*(str(side).encode() for side in size), content], metadata=metadata)


def _age(step: int) -> int:
    """A number that grows by one whenever the number of steps grows by a quarter; -1 before the first step."""
    return int(math.log(step, 1.25)) if step > 0 else -1


class Checkpointing(StepCallback):
    """Writes a checkpoint every N steps, and after each epoch the best one if the validation improved."""

    def __init__(
        self,
        progress: Progress,
        checkpoints: Checkpoints,
        every: int,
        monitor: str,
        writers: EventWriters,
        folder: Path,
    ) -> None:
        super().__init__(progress)
        self._checkpoints, self._every, self._monitor = checkpoints, every, monitor
        self._writers, self._folder = writers, folder

    def after_steps(self, logs: Mapping[str, np.ndarray]) -> None:
        if self.due(self._every):
            self.save()

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        progress = self.progress
        progress.epochs = epoch + 1
        value = (logs or {}).get(f"val_{self._monitor}")
        if value is not None and (progress.best is None or value < progress.best):
            progress.best, progress.best_step = float(value), progress.step
            self._read_logs()
            self._checkpoints.save_best(progress)

    def save(self) -> None:
        """Writes a checkpoint now.

        Raises:
            NotFinite: if a weight is not finite.
        """
        self._read_logs()
        if not self._checkpoints.save(self.progress):
            step = self.progress.step
            raise NotFinite(f"the weight {self._checkpoints.not_finite()} became not finite by step {step}")

    def _read_logs(self) -> None:
        # The checkpoint stores the sizes of the logs, so they must be on disk first.
        self._writers.flush()
        self.progress.logs = sizes(self._folder)


class Interrupted(Exception):
    """The run was asked to stop, by a signal or because its time limit was reached.

    Attributes:
        signal: number of the signal; None for the time limit.
    """

    def __init__(self, number: int | None) -> None:
        super().__init__(number)
        self.signal = number


class StopOnRequest(StepCallback):
    """Stops the run after the current step on Ctrl-C, SIGTERM or the end of `--max-hours`; at once on a second Ctrl-C.

    Must be the last callback, so that the others have processed the step. A context manager, which restores the
    previous signal handlers.
    """

    def __init__(self, progress: Progress, end: float = math.inf) -> None:
        """Args:
        progress: the progress of the run.
        end: time at which to stop, as a value of `time.monotonic` [s].
        """
        super().__init__(progress)
        self._signal: int | None = None
        self._end = end
        self._before: dict[int, Any] = {}

    def __enter__(self) -> StopOnRequest:
        if threading.current_thread() is threading.main_thread():  # Python accepts signal handlers only there
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

    def after_steps(self, logs: Mapping[str, np.ndarray]) -> None:
        asked = self._signal is not None or time.monotonic() >= self._end
        if any_worker(self.model.distribute_strategy, asked):
            raise Interrupted(self._signal)

    def on_test_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        # A long validation is interrupted too; the resumed run validates that epoch.
        if self._signal is not None and not several_workers(self.model.distribute_strategy):
            raise Interrupted(self._signal)
