"""Output to the terminal: messages, a status line, commands and figures as text, and silencing other packages."""

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
_status = False  # whether the last line of the terminal is a status line


def command(words: str) -> str:
    """A command of this project as the user would type it, which depends on how the process was started.

    Args:
        words: the command from the app's name on, such as "export RUN".

    Returns:
        "python -m apps.export RUN" in a checkout, "keras-gen export RUN" for an installed package.
    """
    here = Path(__file__).parents[1] / "apps" / "_train.py"
    return (_program or (_CHECKOUT if here.is_file() else _INSTALLED)) + words


def started_as_installed() -> None:
    """Makes `command` return commands of `keras-gen`, which this process is."""
    global _program
    _program = _INSTALLED


def shown(name: Path | str) -> str:
    """A name as messages print it, with escapes for characters that are not printable: `\\n`, `\\xff`, `\\u202e`.

    Bytes of a file name that are not UTF-8, which are lone surrogates in Python, appear as `\\x..`. So no name can
    break a line, send control codes to a terminal, or fail to be encoded.
    """
    return "".join(_printable(character) for character in str(name))


def _printable(character: str) -> str:
    if character.isprintable():
        return character
    if "\udc80" <= character <= "\udcff":
        return f"\\x{ord(character) - 0xDC00:02x}"
    return character.encode("unicode_escape").decode()


def say(*lines: str) -> None:
    """Prints lines, below the status line if there is one."""
    end_status()
    print(*lines, sep="\n", flush=True)


def note(text: str) -> None:
    """Prints a line about the progress, with date and time if standard output is not a terminal."""
    say(text if sys.stdout.isatty() else f"{datetime.datetime.now():%Y-%m-%d %H:%M:%S} {text}")


def show_status(text: str) -> None:
    """Replaces the status line of the terminal. The text is cut to the width of the terminal."""
    global _status
    width = shutil.get_terminal_size().columns
    sys.stdout.write(f"\r{text[: width - 1]}\033[K")
    sys.stdout.flush()
    _status = True


def end_status() -> None:
    """Ends the status line, so that later output appears below it."""
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
    """Silences standard output from Python, and standard error from Python and C++. Exceptions are not affected.

    TensorFlow and its converters write to file descriptor 2 from C++, where Python's settings have no effect.
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
"""PSNR [dB] above which two results are called equal: the rest is rounding of float32."""


def size_text(count: float) -> str:
    """A number of bytes as text: "312 bytes", "4.2 KB", "45.1 MB"."""
    if count < 1000:
        return f"{count:.0f} bytes"
    return f"{count / 1e3:.1f} KB" if count < 1e6 else f"{count / 1e6:.1f} MB"


def psnr_text(decibels: float, digits: int = 1) -> str:
    """A PSNR [dB] as text: "31.4", or "equal" above 100 dB, infinity included."""
    return "equal" if decibels > EQUAL else f"{decibels:.{digits}f}"
