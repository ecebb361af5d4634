"""A writer of TensorBoard's event files that survives a full disk."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import tensorflow as tf

from keras_gen.errors import complaint

PREFIX = "events.out.tfevents"
"""Prefix of the names of event files."""


class EventWriter:
    """A writer of event files for `tf.summary` that also works correctly if the disk is full.

    If a flush fails, TensorFlow's `as_default` leaves the writer as the default of the whole process, and its error can
    be an `OutOfRangeError`, which `keras.Model.fit` takes for the end of the data.
    """

    def __init__(self, folder: Path | str) -> None:
        """Args:
        folder: folder of the event file.
        """
        self._writer = tf.summary.create_file_writer(str(folder))

    @contextlib.contextmanager
    def as_default(self, step: int | None = None) -> Iterator[None]:
        """Makes this the default writer within the block, and restores the previous one even after an error.

        Args:
            step: default step of the values; None: each value must have its own.

        Raises:
            OSError: if the values cannot be written; the writer is then closed.
        """
        default = self._writer.as_default(step)
        default.__enter__()
        try:
            try:
                yield
            finally:
                self._leave(default)
        except tf.errors.OpError as error:
            if PREFIX not in error.message:
                raise
            file, _, reason = complaint(error).partition("; ")
            raise OSError(None, reason, file) from None

    def _leave(self, default: Any) -> None:
        """Exits `default`, a context of TensorFlow's `as_default`."""
        try:
            default.__exit__(None, None, None)
        except tf.errors.OpError:
            with contextlib.suppress(tf.errors.OpError):
                self.close()
            default.__exit__(None, None, None)  # a closed writer has nothing to flush
            raise

    def flush(self) -> None:
        """Writes all pending events to disk."""
        self._writer.flush()

    def close(self) -> None:
        """Flushes and closes the file."""
        self._writer.close()
