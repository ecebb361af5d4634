"""From the command line to configurations, and from exceptions to exit codes.

`app` wraps the `main` of every app: a `UserError`, or a file that fails in the middle, ends with exit code 2 and one
sentence, an interrupted run with 130 or 143, anything else with Python's traceback. `parse` and `parse_setup` turn
dataclasses into flat flags by tyro.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import io
import re
import sys
import textwrap
import typing
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import tensorflow as tf
import tyro

from keras_gen.engine.config import CONFIG_FILE, Preset, RunConfig, Setup, from_plain, read_config
from keras_gen.errors import Stopped, UserError, from_system

T = TypeVar("T")
_MARKERS = (tyro.conf.OmitArgPrefixes, tyro.conf.HelptextFromCommentsOff)


def app(main: Callable[[Sequence[str] | None], None]) -> Callable[..., int]:
    """Make `main(argv)` an entry point that returns an exit code: 0, 2 (UserError), 130 or 143 (stopped)."""

    @functools.wraps(main)
    def run(argv: Sequence[str] | None = None) -> int:
        warnings.filterwarnings("ignore", module=r"keras\.|tensorflow\.|google\.")
        try:
            main(argv)
        except (UserError, OSError, tf.errors.OpError) as error:
            fault = error if isinstance(error, UserError) else from_system(error)
            if fault is None:
                raise
            print(f"error: {fault}", file=sys.stderr)
            return 2
        except Stopped as stop:
            print(stop, file=sys.stderr)
            return stop.code
        except KeyboardInterrupt:
            print("interrupted", file=sys.stderr)
            return 130
        return 0

    return run


def parse(
    kind: type[T],
    argv: Sequence[str] | None,
    *,
    example: str,
    default: T | None = None,
    both_ways: bool = False,
) -> T:
    """An instance of a dataclass (fields may be dataclasses) from flags.

    `--help` prints `example` and the flags with their defaults on one screen; `-H` (`--help-verbose`) the text of each
    flag, by tyro.

    Args:
        kind: the dataclass.
        argv: the words after the program's name; None for those of the process.
        example: a command to begin the help with.
        default: values of the flags that are not given, instead of the dataclass' own.
        both_ways: accept --flag and --no-flag for every switch, also the one that its default has already.

    Raises:
        UserError: for an unknown flag or a value of the wrong type, in one sentence.
        SystemExit: with code 0 after a help text.
    """
    argv = sys.argv[1:] if argv is None else list(argv)
    if {"-h", "--help"} & set(argv):
        print(short_help(kind, default, example))
        raise SystemExit(0)
    complaint = io.StringIO()
    settings: dict[str, Any] = {} if default is None else {"default": default}
    if {"-H", "--help-verbose"} & set(argv):
        argv = ["--help"]  # tyro's own help is the long one
        print(f"example: {example}\n")
    try:
        with contextlib.redirect_stderr(complaint):
            markers = _MARKERS if both_ways else (*_MARKERS, tyro.conf.FlagCreatePairsOff)
            return tyro.cli(kind, prog=_program(example), description="", args=argv, config=markers, **settings)
    except SystemExit as stop:
        if stop.code in (0, None):
            raise
        raise UserError(_one_sentence(complaint.getvalue())) from None


def short_help(kind: type, default: Any, example: str) -> str:
    """Every flag with its default on one screen of 80 columns; choices are listed with the default first."""
    groups: dict[str, list[str]] = {}
    positional = _flags(kind, default, "options", groups)
    lines = [f"example: {example}", "", f"usage: {_program(example)} {' '.join([*positional, '[FLAGS]'])}"]
    for group, flags in groups.items():
        lines += ["", f"{group} (with defaults):"] if flags else []
        lines += textwrap.wrap(
            "   ".join(flags), 78, initial_indent="  ", subsequent_indent="  ", break_on_hyphens=False
        )
    lines += ["", "-H tells what each flag means: its unit, its default and where that comes from."]
    return "\n".join(line.replace("\N{NO-BREAK SPACE}", " ") for line in lines)


def _flags(kind: type, default: Any, group: str, groups: dict[str, list[str]]) -> list[str]:
    """Add `kind`'s flags to `groups`, nested dataclasses as groups of their own; returns its positionals."""
    hints = typing.get_type_hints(kind, include_extras=True)
    positional = []
    for field in dataclasses.fields(kind):
        hint, marks = hints[field.name], ()
        if typing.get_origin(hint) is typing.Annotated:
            marks, hint = hint.__metadata__, typing.get_args(hint)[0]
        given = default is not None and default is not dataclasses.MISSING
        value = getattr(default, field.name) if given else _default(field)
        if dataclasses.is_dataclass(hint):
            positional += _flags(hint, value, f"{field.name} flags", groups)
        elif any(mark in marks for mark in tyro.conf.Positional[int].__metadata__):
            shown = f"{field.name.upper()}{' ...' if typing.get_origin(hint) in (tuple, list) else ''}"
            positional.append(shown if value is dataclasses.MISSING else f"[{shown}]")
        elif not any(mark in marks for mark in tyro.conf.Suppress[int].__metadata__):
            groups.setdefault(group, []).append(_flag(field.name, hint, value))
    return positional


def _flag(name: str, hint: Any, value: Any) -> str:
    """`--name value`, kept on one line by a no-break space."""
    flag = name.replace("_", "-")
    if hint is bool:
        return f"--no-{flag}" if value else f"--{flag}"
    if typing.get_origin(hint) is typing.Literal:
        choices = sorted(typing.get_args(hint), key=lambda choice: choice != value)
        return f"--{flag}\N{NO-BREAK SPACE}{'|'.join(map(str, choices))}"
    shown = name.upper() if value in (None, "", dataclasses.MISSING) else value
    if isinstance(value, tuple) and value:
        shown = "\N{NO-BREAK SPACE}".join(map(str, value))
    return f"--{flag}\N{NO-BREAK SPACE}{shown}"


def _default(field: dataclasses.Field) -> Any:
    return field.default_factory() if field.default_factory is not dataclasses.MISSING else field.default


def _program(example: str) -> str:
    return " ".join(example.split()[:3])


def parse_setup(
    family: str,
    presets: Mapping[str, Preset],
    data: Any,
    argv: Sequence[str] | None,
    *,
    example: str,
) -> Setup:
    """The configuration of a training app.

    `--preset NAME` chooses the values that the other flags change. With `--resume DIR` they come from that run's
    config.json instead, and whatever differs from it is refused, except a larger `--epochs`, another `--max-hours` and
    `--profile`; if there is none yet and `--out DIR` names the same folder, the run is begun there.

    Args:
        family: stem of the family's module.
        presets: by name; the first is the default.
        data: the data layer's configuration with its defaults, which a preset may change.
        argv: the words after the program's name; None for those of the process.
        example: a command to begin the help with.

    Raises:
        UserError: see `parse`; also for a `--resume` that does not fit.
    """
    argv = sys.argv[1:] if argv is None else list(argv)
    asked = _value_of("--preset", argv)
    if asked is not None and asked not in presets:
        raise UserError(f"--preset got {asked!r}; accepted are {', '.join(presets)}.")
    resume = _value_of("--resume", argv)
    out = _value_of("--out", argv)
    begun = resume is not None and (Path(resume) / CONFIG_FILE).exists()
    if resume is not None and not begun and out is not None and Path(out).resolve() == Path(resume).resolve():
        resume = None
    if resume is None:
        preset = asked or next(iter(presets))
        model, run, changes = presets[preset]
        saved = Setup(family, preset, model, dataclasses.replace(data, **changes), run)
    else:
        saved = _saved_setup(family, next(iter(presets.values())).model, data, Path(resume))
        preset = saved.preset
        if asked not in (None, preset):
            raise UserError(f"--preset got {asked!r}, but {resume} was started with {preset!r}: leave the flag out.")

    names = tuple(presets)
    kind = dataclasses.make_dataclass(
        "Flags",
        [
            (
                "preset",
                typing.Annotated[
                    _literal(names),
                    tyro.conf.arg(
                        help="What the other flags change: a demo for two cores, the paper, a test, or what it is for."
                    ),
                ],
                dataclasses.field(default=preset),
            ),
            ("model", type(saved.model), dataclasses.field(default=saved.model)),
            ("data", type(saved.data), dataclasses.field(default=saved.data)),
            ("run", RunConfig, dataclasses.field(default=saved.run)),
        ],
        frozen=True,
    )
    # A command that is given again with --resume may repeat a switch that config.json holds already.
    flags = parse(kind, argv, example=example, both_ways=resume is not None)
    setup = Setup(family, preset, flags.model, flags.data, flags.run)
    if resume is None:
        return dataclasses.replace(setup, run=dataclasses.replace(flags.run, resume=None))
    return _agreed(saved, setup, Path(resume))


def _saved_setup(family: str, model: Any, data: Any, folder: Path) -> Setup:
    content = read_config(folder)
    if content["family"] != family:
        raise UserError(f"--resume got {folder}, a run of {content['family']}; accepted is a run of {family}.")
    kinds = {"model": type(model), "data": type(data), "run": RunConfig}
    sections = {name: from_plain(kind, content[name], folder / CONFIG_FILE) for name, kind in kinds.items()}
    return Setup(family, content["preset"], **sections)


def _agreed(saved: Setup, given: Setup, folder: Path) -> Setup:
    """`saved` with the folder, the larger number of epochs and what concerns this process alone of `given`, if nothing
    else differs."""
    for section, before in saved.sections().items():
        for field, value in given.sections()[section].items():
            flag = f"--{field.replace('_', '-')}"
            if field in ("resume", "overwrite", "max_hours", "profile", "check") or value == before[field]:
                continue
            if field == "epochs":
                if value < before[field]:
                    raise UserError(f"{flag} got {value}, but {folder} has {before[field]}; accepted are more.")
                continue
            if field == "out" and Path(value).resolve() == folder.resolve():
                continue
            raise UserError(f"{flag} got {value}, but {folder} was started with {before[field]}: leave the flag out.")
    free = {field: getattr(given.run, field) for field in ("epochs", "max_hours", "profile")}
    run = dataclasses.replace(saved.run, out=folder, resume=folder, **free)
    return dataclasses.replace(saved, run=run)


def _value_of(flag: str, argv: Sequence[str]) -> str | None:
    """The value that `argv` gives to a flag, the last one as in all parsers, before everything else is parsed."""
    value = None
    for word, following in zip(argv, [*argv[1:], None], strict=False):
        if word == flag:
            value = following
        elif word.startswith(flag + "="):
            value = word[len(flag) + 1 :]
    return value


def _literal(names: tuple[str, ...]) -> Any:
    return typing.Literal[names]  # type: ignore[valid-type]


def _one_sentence(box: str) -> str:
    """The complaint inside the box that tyro draws, without the frame and the help that it repeats."""
    lines = [re.sub(r"[│╭╮╰╯─]+|^[+|]|[+|]$|-{3,}", " ", line.strip()).strip() for line in box.splitlines()]
    lines = [line for line in lines[1:] if line]
    kept: list[str] = []
    for line in lines:
        if line.startswith(("For full helptext", "Argument helptext")):
            break
        if any("Perhaps you meant" in word for word in kept) and not line.startswith("--"):
            continue  # the flag's own text
        kept.append(line)
    sentence = re.sub(r"\s+", " ", " ".join(kept)) or "the flags could not be read; --help lists them."
    return re.sub(r"^Missing from .*?: (\S+).*", r"\1 is missing; --help shows what is needed.", sentence)
