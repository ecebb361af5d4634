"""How an app starts: it parses its flags, then imports TensorFlow, then does its work.

The package of the apps calls `begin` when it is imported. Until the `main` of an app runs, there is nothing to clean
up, so Ctrl-C ends the process at once, even in the middle of an import.
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
    """Raised once the flags are parsed, before TensorFlow is imported. `except Exception` does not catch it."""


def begin(package: str) -> None:
    """Checks the flags if Python was started with `-m package.NAME`, then imports TensorFlow if the app needs it.

    Args:
        package: name of the package of the apps.

    Raises:
        SystemExit: after printing the help or an error in the flags.
    """
    module = None if standins.active() else _module_of_command_line(package)
    if module is not None and check_flags(module, sys.argv[1:]):
        import_tensorflow()


def check_flags(module: str, argv: Sequence[str]) -> bool:
    """Runs an app without TensorFlow until its flags are parsed.

    Args:
        module: module of the app, such as "apps.translate".
        argv: the arguments of the app.

    Returns:
        Whether the app needs TensorFlow.

    Raises:
        SystemExit: after printing the help or an error in the flags.
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
        except Exception:  # stand-ins do not suffice; the real modules will work, or raise the real error
            code = None
        needed = "tensorflow" in sys.modules
    if code is not None:
        sys.exit(finished(code))
    return needed


def accepted() -> None:
    """Returns if the app should run, and ends `check_flags` otherwise. Apps call it once their flags are parsed."""
    if standins.active():
        raise FlagsAccepted


def ready() -> None:
    """Makes Ctrl-C raise KeyboardInterrupt from here on, which is Python's default."""
    if not standins.active() and signal.getsignal(signal.SIGINT) is _leave:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def main_module(module: str) -> str:
    """The module that `python -m module` runs: `module` itself, or `__main__` of a package."""
    found = importlib.util.find_spec(module)
    return f"{module}.__main__" if found and found.submodule_search_locations else module


def import_tensorflow() -> None:
    """Imports TensorFlow without its log messages, now and later. Errors are exceptions and not affected."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    with quiet():
        import ai_edge_litert.interpreter  # noqa: F401
        import tensorflow  # noqa: F401


def open_streams() -> None:
    """Makes sure that the standard streams are open and accept any text.

    A closed stream (`>&-`) is opened on the null device, so that no file opened later gets its number. Characters that
    cannot be encoded, such as those of a file name that is not UTF-8, are written with backslashes.
    """
    for number, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # gets the lowest free number, which is this one
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, mode, closefd=False))
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def finished(code: int) -> int:
    """The exit code of an app that ends with `code`, after flushing its output.

    It is 141 if the reader of the output has exited (`| head -1`), and 2 if the output cannot be written
    (`> /dev/full`).
    """
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
    """Redirects standard output to the null device, and returns the exit code of a process ended by SIGPIPE."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
    return _SIGPIPE


def _module_of_command_line(package: str) -> str | None:
    """The module of `package` that `python -m` is about to run; None if Python was started in another way."""
    if sys.argv[:1] != ["-m"]:  # its value while Python looks for the module
        return None
    word = sys.orig_argv[len(sys.orig_argv) - len(sys.argv)]
    _, found, name = word.rpartition(f"{package}.")  # -m and the module may be a single argument
    return f"{package}.{name}" if found and importlib.util.find_spec(f"{package}.{name}") else None


_stderr = 2  # a descriptor of standard error that `quiet` does not silence


def _leave_at_ctrl_c() -> None:
    global _stderr
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # not in a background job, which ignores Ctrl-C
        _stderr = os.dup(2)
        signal.signal(signal.SIGINT, _leave)


def _leave(number: int, frame: Any) -> NoReturn:
    with contextlib.suppress(OSError):
        os.write(_stderr, b"interrupted\n")
    os._exit(130)
