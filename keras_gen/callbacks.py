"""Callbacks for a plain `fit`: sample sheets of a model, and the health of a GAN."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_gen.engine.callbacks import Preview, StepCallback
from keras_gen.engine.checkpoints import Progress
from keras_gen.engine.feeding import dataset_of, given
from keras_gen.engine.gan_monitor import HealthMonitor
from keras_gen.errors import UserError
from keras_gen.visual.event_writer import EventWriter

_LOG = logging.getLogger("keras_gen")


class _NoWriter:
    """A writer that writes nothing. TensorFlow's own no-op writer would leave another default writer active."""

    @contextlib.contextmanager
    def as_default(self, step: int | None = None) -> Iterator[None]:
        with tf.summary.record_if(False):
            yield

    def flush(self) -> None:
        """Does nothing."""


class _OfRun(keras.callbacks.Callback):
    """Wraps a callback of training runs, `self.inner`: creates it when `fit` begins, and counts the steps for it."""

    inner: StepCallback

    def __init__(self, logs: str | Path | None) -> None:
        super().__init__()
        self._progress = Progress()
        self._writer = EventWriter(logs) if logs else _NoWriter()

    def make(self) -> StepCallback:
        """Creates the callback."""
        raise NotImplementedError

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        self._progress.step = int(self.model.step)
        self.inner = self.make()
        self.inner.set_model(self.model)

    def on_train_batch_begin(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        self.inner.on_train_batch_begin(batch, logs)

    def on_train_batch_end(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        self._progress.step += np.size(next(iter(logs.values())))
        self.inner.on_train_batch_end(batch, logs)

    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:
        self._writer.flush()


class Previews(_OfRun):
    """Writes sheets of a model's results for the same examples, as PNG files and a page that scrolls through them.

    Examples:
        >>> model = keras_gen.VAE(image_size=8, latent_dim=2, hidden_units=(8,), filters=2)
        >>> model.compile(learning_rate=1e-3)
        >>> images = np.random.default_rng(0).uniform(-1, 1, (16, 8, 8, 1))
        >>> previews = keras_gen.callbacks.Previews(folder, images[:4], every=2)
        >>> history = model.fit(images, batch_size=4, callbacks=[previews], verbose=0)
        >>> sorted(path.name for path in folder.glob("*.png"))
        ['step-0000002.png', 'step-0000004.png']
    """

    def __init__(self, folder: str | Path, batch: Any, *, every: int = 500, logs: str | Path | None = None) -> None:
        """Args:
        folder: folder for the sheets and their page, index.html.
        batch: validation examples: an array or a tuple of arrays, as for `fit`; a `tf.data.Dataset`, whose first batch
            is used; or a data set of `keras_gen.data`, whose first 8 validation examples are used.
        every: number of steps between two sheets; another one is written at the end of `fit`.
        logs: folder for TensorBoard's event files; None: none are written.
        """
        super().__init__(logs)
        self._folder, self._batch, self._every = Path(folder), batch, every

    def make(self) -> Preview:
        if hasattr(self._batch, "validation"):
            batch = next(iter(self._batch.validation(8, limit=8)))
        else:
            batch = next(iter(_as_read(self.model, self._batch, 8)))
        return Preview(self._progress, batch, self._folder, self._writer, every=self._every, end=-1)

    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:
        self.inner.draw()
        super().on_train_end(logs)


class Health(_OfRun):
    """Monitors the health of a GAN, as training runs do: mode collapse, ignored noise, oscillation and others.

    Attributes:
        verdicts: (step, sentence) for each change of the verdict, which the logger "keras_gen" also gets (level INFO).

    Examples:
        >>> model = keras_gen.GAN(image_size=8, latent_dim=4, hidden_units=(8,))
        >>> model.compile()
        >>> images = np.random.default_rng(0).uniform(-1, 1, (64, 8, 8, 1))
        >>> health = keras_gen.callbacks.Health(images, every=2)
        >>> history = model.fit(images, batch_size=16, callbacks=[health], verbose=0)
        >>> health.report()["step"]
        4
    """

    def __init__(self, data: Any, *, every: int = 500, logs: str | Path | None = None) -> None:
        """Args:
        data: at least 32 real examples to compare with: an array or a tuple of arrays, as for `fit`, or a data set of
            `keras_gen.data`, whose validation part is used.
        every: number of steps between two measurements; another one is taken at the end of `fit`.
        logs: folder for TensorBoard's event files; None: none are written.
        """
        super().__init__(logs)
        self._data, self._every = data, every

    def make(self) -> HealthMonitor:
        health = self.model.health()
        if health is None:
            raise UserError(f"{self.model.family} has no players that train against each other; Health is for GANs.")
        data = self._data if hasattr(self._data, "validation") else _Examples(self.model, self._data)
        example = next(iter(data.validation(8, limit=8)))
        return HealthMonitor(self._progress, health, data, example, self._writer, _LOG.info, every=self._every, end=-1)

    @property
    def verdicts(self) -> list[tuple[int, str]]:
        return [(step, verdict) for step, verdict in self.inner.record.verdicts]

    def report(self) -> dict[str, Any]:
        """The last verdict with its measurements, and all earlier verdicts."""
        return self.inner.report()

    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:
        self.inner.look()
        super().on_train_end(logs)


class _Examples:
    """Arrays as the validation part of a data set."""

    mode_centres = None

    def __init__(self, model: Any, arrays: Any) -> None:
        self._model, self._arrays = model, arrays
        self.val_size = len(given(arrays)[0])

    def validation(self, batch_size: int, *, limit: int | None = None) -> tf.data.Dataset:
        """The examples, in order."""
        return _as_read(self._model, self._arrays, batch_size)


def _as_read(model: Any, examples: Any, batch_size: int) -> Any:
    return dataset_of(given(examples), model.batch_parts(training=False), batch_size)
