"""How an app starts: its flags first, TensorFlow after that, its work last.

`begin` is what the package of the apps does when it is imported. Until an app's `main` runs there is nothing to clean
up, so Ctrl-C ends the process at once, whichever module is half imported.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import os
import signal
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from keras_gen.cli import standins
from keras_gen.console import quiet

_SIGPIPE = 141  # the exit code; not every system has the signal


class FlagsAccepted(BaseException):
    """Ends the look at the flags before TensorFlow is imported; no `except Exception` may take it."""


def begin(package: str) -> None:
    """Read the flags if Python was started as `python -m package.NAME`, then import TensorFlow if the app needs it.

    Raises:
        SystemExit: after a help text, or an error of flags.
    """
    module = None if standins.active() else _module_of_command_line(package)
    if module is not None and check_flags(module, sys.argv[1:]):
        import_tensorflow()


def check_flags(module: str, argv: Sequence[str]) -> bool:
    """Run an app up to its flags, without TensorFlow.

    Args:
        module: of the app, such as "apps.translate".
        argv: the words after the program's name.

    Returns:
        Whether the app needs TensorFlow.

    Raises:
        SystemExit: after a help text, or an error of flags.
    """
    open_streams()
    _leave_at_ctrl_c()
    needed = True
    with standins.stand_ins():
        try:
            code = importlib.import_module(main_module(module)).main(argv)
        except FlagsAccepted:
            code = None
        except SystemExit as stop:
            code = stop.code or 0
        except Exception:  # something at import that stand-ins cannot do; the modules themselves say what it is
            code = None
        needed = "tensorflow" in sys.modules
    if code is not None:
        sys.exit(finished(code))
    return needed


def accepted() -> None:
    """Go on with flags that were read, unless they were all that was wanted."""
    if standins.active():
        raise FlagsAccepted


def ready() -> None:
    """From here on Ctrl-C is an exception, as Python has it."""
    if not standins.active() and signal.getsignal(signal.SIGINT) is _leave:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def main_module(module: str) -> str:
    """What `python -m module` runs: the module, or `__main__` of a package."""
    found = importlib.util.find_spec(module)
    return f"{module}.__main__" if found and found.submodule_search_locations else module


def import_tensorflow() -> None:
    """Import TensorFlow without its notes on the machine, and on its graph optimiser later; faults are exceptions."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with quiet():
        import ai_edge_litert.interpreter  # noqa: F401
        import tensorflow  # noqa: F401


def open_streams() -> None:
    """Make standard streams that can be written to, and take any text.

    A stream that was closed (`>&-`) leads nowhere, so that no file that is opened later takes its number. What a
    terminal cannot show, as a file name that is not UTF-8, is written with backslashes.
    """
    for number, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free, which is this one
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, mode, closefd=False))
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def finished(code: int) -> int:
    """The exit code of an app that ended with `code`: 141 if nobody reads its output any more (`| head -1`), 2 if the
    output cannot be written (`> /dev/full`)."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        return reader_gone()
    except OSError as error:
        reader_gone()
        print(f"error: standard output cannot be written: {error.strerror}.", file=sys.stderr)
        return 2
    return code


def reader_gone() -> int:
    """Let standard output lead nowhere from here on, and return the exit code of a process that SIGPIPE ended."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
    return _SIGPIPE


def _module_of_command_line(package: str) -> str | None:
    """The module of `package` that `python -m` is about to run; None where Python was started otherwise."""
    if sys.argv[:1] != ["-m"]:  # what it is while `-m` looks for the module
        return None
    word = sys.orig_argv[len(sys.orig_argv) - len(sys.argv)]
    _, found, name = word.rpartition(f"{package}.")  # -m and the module may be one word
    return f"{package}.{name}" if found and importlib.util.find_spec(f"{package}.{name}") else None


_stderr = 2  # also while it is silenced


def _leave_at_ctrl_c() -> None:
    global _stderr
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # not of a job in the background, which has none
        _stderr = os.dup(2)
        signal.signal(signal.SIGINT, _leave)


def _leave(number: int, frame: Any) -> NoReturn:
    with contextlib.suppress(OSError):
        os.write(_stderr, b"interrupted\n")
    os._exit(130)
