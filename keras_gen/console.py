"""The screen: how commands are written there, and keeping other people's chatter off it."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Iterator
from pathlib import Path

_CHECKOUT = "python -m apps."
_INSTALLED = "keras-gen "
_program = ""


def command(words: str) -> str:
    """A command of this project as the user would type it, by what the process was started with.

    Args:
        words: from the app's name on, such as "export RUN".

    Returns:
        "python -m apps.export RUN" in a checkout, "keras-gen export RUN" for an installed package.
    """
    here = Path(__file__).parents[1] / "apps" / "_train.py"
    return (_program or (_CHECKOUT if here.is_file() else _INSTALLED)) + words


def started_as_installed() -> None:
    """Remember that the process is `keras-gen`, for `command`."""
    global _program
    _program = _INSTALLED


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Silence standard output from Python, and standard error from C++ too; exceptions pass as ever.

    TensorFlow and its converters write notes to file descriptor 2 from C++, where no Python setting reaches them.
    """
    kept = os.dup(2)
    try:
        with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(io.StringIO()):
            os.dup2(nowhere.fileno(), 2)
            yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
