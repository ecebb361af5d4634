"""Keeping other people's chatter off the screen."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Iterator


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
