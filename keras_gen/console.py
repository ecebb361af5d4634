"""The screen: messages, a line of status, how commands and figures are written, and nobody else's chatter."""

from __future__ import annotations

import contextlib
import datetime
import io
import math
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

_CHECKOUT = "python -m apps."
_INSTALLED = "keras-gen "
_program = ""
_status = False  # whether the cursor stands behind a status


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


def shown(name: Path | str) -> str:
    """A name as messages print it: what is no printable character is escaped, `\\n`, `\\xff`, `\\u202e`.

    Bytes of a file name that are not UTF-8 (lone surrogates in Python) appear as `\\x..`: a name cannot break a line,
    send codes to a terminal or fail to be encoded.
    """
    return "".join(_printable(character) for character in str(name))


def _printable(character: str) -> str:
    if character.isprintable():
        return character
    if "\udc80" <= character <= "\udcff":
        return f"\\x{ord(character) - 0xDC00:02x}"
    return character.encode("unicode_escape").decode()


def say(*lines: str) -> None:
    """Print lines, below a line that shows a status."""
    end_status()
    print(*lines, sep="\n", flush=True)


def note(text: str) -> None:
    """Print a line about what happens; in a log (standard output is no terminal) with date and time."""
    say(text if sys.stdout.isatty() else f"{datetime.datetime.now():%Y-%m-%d %H:%M:%S} {text}")


def show_status(text: str) -> None:
    """Write a line of a terminal over the last one, cut to the width."""
    global _status
    width = shutil.get_terminal_size().columns
    sys.stdout.write(f"\r{text[: width - 1]}\033[K")
    sys.stdout.flush()
    _status = True


def end_status() -> None:
    """Leave the line of a status, so that what follows stands below it."""
    global _status
    if _status:
        _status = False
        print(flush=True)


def duration(seconds: float) -> str:
    """A time in the two largest units: "45 s", "12 min", "3 h 20 min", "2 d 5 h"."""
    if seconds < 60:
        return f"{math.ceil(seconds)} s"
    minutes = round(seconds / 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = [f"{count} {unit}" for count, unit in ((days, "d"), (hours, "h"), (minutes, "min")) if count]
    return " ".join(parts[:2])


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


EQUAL = 100.0
"""PSNR [dB] from which two things are called equal: what is left is the rounding of float32."""


def size_text(count: float) -> str:
    """A number of bytes for people: "312 bytes", "4.2 KB", "45.1 MB"."""
    if count < 1000:
        return f"{count:.0f} bytes"
    return f"{count / 1e3:.1f} KB" if count < 1e6 else f"{count / 1e6:.1f} MB"


def psnr_text(decibels: float, digits: int = 1) -> str:
    """A PSNR [dB] for people: "31.4", or "equal" above 100 dB, and where it is infinite."""
    return "equal" if decibels > EQUAL else f"{decibels:.{digits}f}"
