"""`keras-gen NAME`, the command of an installed package; in a checkout, `python -m apps.NAME` runs the same apps."""

from __future__ import annotations

import ast
import difflib
import importlib
import importlib.util
import pkgutil
import sys
import textwrap
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path

import tyro

import keras_gen
from keras_gen.cli import start
from keras_gen.cli.standins import stand_ins
from keras_gen.console import command, started_as_installed

PROGRAM = "keras-gen"
_PACKAGE = "keras_gen.apps"
_COMPLETION = ("--tyro-print-completion", "--tyro-write-completion")
_TRAINING = "train_"


def main(argv: Sequence[str] | None = None) -> int:
    """Runs an app.

    Args:
        argv: name and flags of the app; None: the arguments of the process.

    Returns:
        The exit code of the app; 2 if there is no app of this name.
    """
    argv = sys.argv[1:] if argv is None else list(argv)
    started_as_installed()
    start.open_streams()
    found = apps()
    name, words = argv[0] if argv else "--help", argv[1:]
    if name in found:
        module = f"{_PACKAGE}.{name}"
        if start.check_flags(module, words):
            start.import_tensorflow()
        return importlib.import_module(start.main_module(module)).main(words)
    if name in ("-h", "--help"):
        print(listing(found))
    elif name == "--version":
        print(f"{PROGRAM} {keras_gen.__version__}")
    elif name in _COMPLETION:
        print_completion(found, argv)
    else:
        near = difflib.get_close_matches(name, found, 1)
        meant = f"; did you mean {near[0]}?" if near else "."
        print(f"error: there is no command {name!r}; {PROGRAM} --help lists them{meant}", file=sys.stderr)
        return start.finished(2)
    return start.finished(0)


def apps() -> dict[str, str]:
    """Name of each app -> a sentence about what it does. Does not import the apps."""
    checkout = Path(keras_gen.__file__).parents[1]
    if (checkout / "apps" / "_train.py").is_file() and str(checkout) not in keras_gen.__path__:
        keras_gen.__path__.append(str(checkout))  # in a checkout, the package apps is not inside keras_gen
    spec = importlib.util.find_spec(_PACKAGE)
    folders = [Path(folder) for folder in spec.submodule_search_locations]
    names = sorted(module.name for module in pkgutil.iter_modules(map(str, folders)) if module.name[0] != "_")
    return {name: _sentence(folders[0], name) for name in names}


def _sentence(folder: Path, name: str) -> str:
    path = folder / name / "__main__.py" if (folder / name).is_dir() else folder / f"{name}.py"
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return " ".join(text.split("\n\n")[0].split())


def listing(found: Mapping[str, str]) -> str:
    """The text of `--help`: all commands with their sentences.

    Args:
        found: the result of `apps`.
    """
    training = [name for name in found if name.startswith(_TRAINING)]
    groups = {"train": training, "use trained models, and data": [n for n in found if n not in training]}
    width = max(map(len, found)) + 4
    lines = [
        "Generative image models for TensorFlow and Keras 3.",
        "",
        f"usage: {PROGRAM} COMMAND [FLAGS]     {command('COMMAND --help')} explains a command",
    ]
    for title, names in groups.items():
        lines += ["", f"{title}:"]
        for name in names:
            indent = " " * width
            lines += textwrap.wrap(found[name], 100, initial_indent=f"  {name}".ljust(width), subsequent_indent=indent)
    return "\n".join([*lines, "", f"{_COMPLETION[0]} bash|zsh|tcsh prints a completion script for that shell."])


def print_completion(found: Mapping[str, str], argv: Sequence[str]) -> None:
    """Prints or writes tyro's script for completing commands and flags in a shell.

    Args:
        found: the result of `apps`.
        argv: the arguments, which begin with one of tyro's completion flags.
    """
    with stand_ins():
        parsing = importlib.import_module("keras_gen.cli.parsing")
        commands = []
        for name, text in found.items():
            module = importlib.import_module(start.main_module(f"{_PACKAGE}.{name}"))
            kind, default = parsing.flags_of(module.main)
            settings = {} if default is None else {"default": default}
            commands.append(typing.Annotated[kind, tyro.conf.subcommand(name, description=text, **settings)])
        tyro.cli(typing.Union[tuple(commands)], prog=PROGRAM, args=list(argv), config=parsing.MARKERS)  # noqa: UP007
