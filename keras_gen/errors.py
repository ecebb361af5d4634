"""Exceptions with a message for the user, and the conversion of system and TensorFlow errors to them."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import tensorflow as tf

_OF_FILES = (
    "NotFoundError",
    "PermissionDeniedError",
    "FailedPreconditionError",  # a folder where a file is expected, and the other way round
    "DataLossError",
    "ResourceExhaustedError",  # a full disk or memory
    "OutOfRangeError",  # a file that has grown to its quota
)
"""Exceptions of `tf.errors` that concern files, by name, so that this module does not import TensorFlow."""


class UserError(Exception):
    """An input that cannot be used: an argument, a flag, or a file.

    The message is one sentence that names the argument, flag or file, its value and what is accepted. The apps print it
    and exit with code 2.

    Attributes:
        in_flags: the message for the command line, which names flags instead of arguments.
    """

    def __init__(self, message: str, in_flags: str | None = None) -> None:
        super().__init__(message)
        self.in_flags = message if in_flags is None else in_flags


class Stopped(Exception):
    """A command that ended before its normal end, with a message and an exit code."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


def from_pipeline(error: tf.errors.OpError) -> UserError | None:
    """The `UserError` raised inside a tf.data pipeline, which TensorFlow converts to an error of its own.

    Returns:
        A `UserError` with the original message; None if the error has another cause.
    """
    kinds = "|".join(kind.__name__ for kind in (UserError, *UserError.__subclasses__()))
    found = re.search(rf"(?:^|\s)(?:{kinds}): (.+)", error.message)
    return UserError(found[1]) if found else None


def from_system(error: Exception) -> UserError | None:
    """Converts an error about a file, from Python or from a TensorFlow operation, to a `UserError`.

    Returns:
        The `UserError`; None if the error is not about a file, so that its traceback should be shown.
    """
    if isinstance(error, OSError):
        return UserError(f"{error.filename or 'a file, or standard output'}: {error.strerror or error}.")
    tf = sys.modules.get("tensorflow")
    if tf is None or not isinstance(error, tf.errors.OpError):
        return None
    if fault := from_pipeline(error):
        return fault
    # The same exceptions report a missing variable, table or writer of TensorFlow, which is not the user's fault.
    of_a_resource = re.search(r"\b(Resource|resource:|Container) localhost\b", error.message)
    if of_a_resource or type(error).__name__ not in _OF_FILES:
        return None
    return UserError(f"{complaint(error)}.")


def complaint(error: tf.errors.OpError) -> str:
    """The message of an operation, without the trace before it and the names of nodes and functions around it.

    For an event file it is the part that names the file and the reason, without the number of lost events.
    """
    before_nodes = re.split(r"\n\t \[\[|\n\tFailed to flush", error.message, maxsplit=1)[0]
    return re.sub(r"\{\{.*?\}\} *| \[Op:\w+\].*$", "", before_nodes).strip().rsplit("\n", 1)[-1]
