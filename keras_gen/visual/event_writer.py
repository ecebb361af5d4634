"""A writer of TensorBoard's event files that survives a full disk."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.compat.proto.tensor_pb2 import TensorProto
from tensorboard.compat.proto.types_pb2 import DT_FLOAT
from tensorboard.plugins.scalar.metadata import create_summary_metadata

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


def write_scalars(values: Mapping[str, float], step: int, descriptions: Mapping[str, str] | None = None) -> None:
    """Logs the scalars of one step to the default writer as one event.

    TensorBoard shows the same as for `tf.summary.scalar`, which takes a graph call for each value. In a small network
    that is longer than the step itself.

    Args:
        values: tag -> value.
        step: the step of all values.
        descriptions: tag -> description in Markdown. TensorBoard reads it from the first value of a tag.
    """
    described = descriptions or {}
    summary = Summary()
    for tag, value in values.items():
        metadata = create_summary_metadata(display_name=None, description=described.get(tag))
        summary.value.add(tag=tag, tensor=TensorProto(dtype=DT_FLOAT, float_val=[value]), metadata=metadata)
    tf.summary.experimental.write_raw_pb(summary.SerializeToString(), step)
