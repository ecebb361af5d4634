"""Exceptions that a user is meant to read, and what of the system's own exceptions becomes one."""

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
"""Exceptions of `tf.errors`, by name: TensorFlow is not imported for its errors, it raised them or it is not there."""


class UserError(Exception):
    """What the user gave cannot be used.

    The message is one sentence that names the field, flag or file, what was found there and what is accepted. The apps
    print it and end with exit code 2.

    Attributes:
        in_flags: the sentence in the words of the command line, where these differ from Python's.
    """

    def __init__(self, message: str, in_flags: str | None = None) -> None:
        super().__init__(message)
        self.in_flags = message if in_flags is None else in_flags


class Stopped(Exception):
    """A run ended early on request; carries the exit code and what to tell."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


def from_pipeline(error: tf.errors.OpError) -> UserError | None:
    """The `UserError` that was raised within a tf.data pipeline: TensorFlow makes an error of its own of it.

    Returns:
        A `UserError` with the same sentence; None if the error began elsewhere.
    """
    kinds = "|".join(kind.__name__ for kind in (UserError, *UserError.__subclasses__()))
    found = re.search(rf"(?:^|\s)(?:{kinds}): (.+)", error.message)
    return UserError(found[1]) if found else None


def from_system(error: Exception) -> UserError | None:
    """The fault of a file that Python or a TensorFlow operation met in the middle of its work.

    Returns:
        One sentence to show; None if the error is of another kind and its traceback is needed.
    """
    if isinstance(error, OSError):
        return UserError(f"{error.filename or 'a file, or standard output'}: {error.strerror or error}.")
    tf = sys.modules.get("tensorflow")
    if tf is None or not isinstance(error, tf.errors.OpError):
        return None
    if fault := from_pipeline(error):
        return fault
    # A variable, table or writer of TensorFlow can be missing just as a file can, but that is no user's fault.
    of_a_resource = re.search(r"\b(Resource|resource:|Container) localhost\b", error.message)
    if of_a_resource or type(error).__name__ not in _OF_FILES:
        return None
    return UserError(f"{complaint(error)}.")


def complaint(error: tf.errors.OpError) -> str:
    """What an operation itself says, without the trace before it and the names of nodes and functions around it.

    Of log files it says first which one and why, then how many events they lost.
    """
    before_nodes = re.split(r"\n\t \[\[|\n\tFailed to flush", error.message, maxsplit=1)[0]
    return re.sub(r"\{\{.*?\}\} *| \[Op:\w+\].*$", "", before_nodes).strip().rsplit("\n", 1)[-1]
