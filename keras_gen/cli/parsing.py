"""Converts command-line flags to configurations, and exceptions to exit codes.

`app` wraps the `main` of every app. A `UserError`, or an error about a file, ends the process with one sentence and
exit code 2, and an interruption with 130 or 143; other exceptions show Python's traceback. `parse` and `parse_setup`
turn dataclasses into flat flags with tyro.
"""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import functools
import io
import re
import sys
import textwrap
import typing
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import tyro

from keras_gen.cli import start
from keras_gen.console import command
from keras_gen.engine.config import CONFIG_FILE, Preset, RunConfig, Setup, from_plain, read_config
from keras_gen.errors import Stopped, UserError, from_system
from keras_gen.flags import hidden_fields, texts_of

T = TypeVar("T")
_about: ContextVar[str] = ContextVar("about", default="")  # a sentence about the running app, for its help
_PRESETS = {"demo": "demo (two CPU cores)", "paper": "paper (the paper's values)", "tiny": "tiny (a smoke test)"}
MARKERS = (tyro.conf.OmitArgPrefixes, tyro.conf.HelptextFromCommentsOff)
"""Settings of tyro for turning dataclasses into flags."""


def app(main: Callable[[Sequence[str] | None], None]) -> Callable[..., int]:
    """Decorates `main(argv)` to return an exit code: 0, 2 (UserError), that of `Stopped`, or 130 (Ctrl-C)."""

    paragraph = (main.__globals__["__doc__"] or "").strip().split("\n\n")[0]

    @functools.wraps(main)
    def run(argv: Sequence[str] | None = None) -> int:
        _about.set(" ".join(paragraph.split()))
        warnings.filterwarnings("ignore", module=r"keras\.|tensorflow\.|google\.")
        start.ready()
        try:
            main(argv)
        except Stopped as stop:
            print(stop, file=sys.stderr)
            return start.finished(stop.code)
        except BrokenPipeError:
            return start.reader_gone()
        except Exception as error:
            fault = error if isinstance(error, UserError) else from_system(error)
            if fault is None:
                raise
            print(f"error: {fault.in_flags}", file=sys.stderr)
            return start.finished(2)
        except KeyboardInterrupt:
            print("interrupted", file=sys.stderr)
            return 130
        return start.finished(0)

    return run


def parse(
    kind: type[T],
    argv: Sequence[str] | None,
    *,
    example: str,
    default: T | None = None,
    both_ways: bool = False,
) -> T:
    """Parses flags to an instance of a dataclass, whose fields may be dataclasses.

    `--help` prints a sentence about the app, `example`, the required flags, and all flags with their defaults.
    `-H` (`--help-verbose`) also prints the help text of each flag.

    Args:
        kind: the dataclass.
        argv: the arguments; None: those of the process.
        example: a command for the help: from an app's name on, or a complete one.
        default: defaults of the flags; None: those of the dataclass.
        both_ways: accept --flag and --no-flag for every switch, even the one that equals the default.

    Raises:
        UserError: for an unknown flag or a value that is not accepted.
        SystemExit: with code 0, after printing the help.
    """
    parsed = _parse(kind, argv, example=example, default=default, both_ways=both_ways)
    start.accepted()
    return parsed


def _parse(
    kind: type[T], argv: Sequence[str] | None, *, example: str, default: T | None = None, both_ways: bool = False
) -> T:
    if _describing.get():
        raise _Described(kind, default)
    argv = sys.argv[1:] if argv is None else list(argv)
    for flags, long in (({"-h", "--help"}, False), ({"-H", "--help-verbose"}, True)):
        if flags & set(argv):
            print(help_text(kind, default, example, long=long))
            raise SystemExit(0)
    complaint = io.StringIO()
    settings: dict[str, Any] = {} if default is None else {"default": default}
    markers = MARKERS if both_ways else (*MARKERS, tyro.conf.FlagCreatePairsOff)
    try:
        with contextlib.redirect_stderr(complaint):
            return tyro.cli(kind, prog=_program(example), description="", args=argv, config=markers, **settings)
    except SystemExit as stop:
        if stop.code in (0, None):
            raise
        raise UserError(_one_sentence(complaint.getvalue())) from None


class _Described(Exception):
    """Raised inside an app by `flags_of`, with the dataclass of its flags and its default."""


_describing: ContextVar[bool] = ContextVar("describing", default=False)


def flags_of(main: Callable[..., int]) -> tuple[type, Any]:
    """The dataclass of an app's flags, and the defaults of the flags; None: those of the dataclass."""
    token = _describing.set(True)
    try:
        main.__wrapped__([])
    except _Described as described:
        return described.args
    finally:
        _describing.reset(token)
    raise ValueError(f"{main.__module__} does not parse its flags first")


class _Flag(NamedTuple):
    """A flag, or a positional argument if `shown` does not begin with a dash."""

    shown: str
    text: str
    required: bool


def help_text(kind: type, default: Any, example: str, *, long: bool = False) -> str:
    """The text of `--help`, 80 columns wide: a sentence, an example, the required flags, and all flags with defaults.

    Args:
        kind: the dataclass of the flags.
        default: defaults of the flags; None: those of the dataclass.
        example: see `parse`.
        long: add the help text of each flag.
    """
    groups: dict[str, list[_Flag]] = {}
    words = _flags(kind, default, "options", groups)
    flags = [flag for group in groups.values() for flag in group]
    required = [flag.shown for flag in flags if flag.required]
    usage = " ".join([_program(example), *(word.shown for word in words), *required, "[FLAGS]"])
    lines = [*textwrap.wrap(_about.get(), 80), ""] if _about.get() else []
    lines += [f"example: {_whole(example)}", "", f"usage: {usage}"]
    needed = [*(word.shown for word in words if word.required), *required]
    lines += [f"required: {', '.join(needed)}"] if needed else []
    if long and words:
        lines += ["", *(line for word in words for line in _explained(word))]
    for group, own in groups.items():
        optional = [flag for flag in own if long or not flag.required]
        lines += ["", f"{group} (with defaults):"] if optional else []
        if long:
            lines += [line for flag in optional for line in _explained(flag)]
        else:
            lines += _wrapped("   ".join(flag.shown for flag in optional), 2)
    if not long:
        preset = [flag.text for flag in flags if flag.shown.startswith("--preset\N{NO-BREAK SPACE}")]
        lines += ["", *textwrap.wrap(f"--preset: {preset[0][0].lower()}{preset[0][1:]}", 80)] if preset else []
        lines += ["", "-H explains each flag."]
    return "\n".join(line.replace("\N{NO-BREAK SPACE}", " ") for line in lines)


def _explained(flag: _Flag) -> list[str]:
    return [*_wrapped(flag.shown, 2), *_wrapped(flag.text or "No text.", 6)]


def _wrapped(text: str, indent: int) -> list[str]:
    space = " " * indent
    return textwrap.wrap(text, 80, initial_indent=space, subsequent_indent=space, break_on_hyphens=False)


def _flags(kind: type, default: Any, group: str, groups: dict[str, list[_Flag]]) -> list[_Flag]:
    """Adds the flags of `kind` to `groups`, those of nested dataclasses as groups of their own.

    Returns:
        The positional arguments.
    """
    hints, texts = typing.get_type_hints(kind, include_extras=True), texts_of(kind)
    words = []
    for field in dataclasses.fields(kind):
        hint, marks = hints[field.name], ()
        if typing.get_origin(hint) is typing.Annotated:
            marks, hint = hint.__metadata__, typing.get_args(hint)[0]
        given = default is not None and default is not dataclasses.MISSING
        value = getattr(default, field.name) if given else _default(field)
        own = [mark for mark in marks if hasattr(mark, "metavar")]  # what tyro.conf.arg made
        text = next((mark.help for mark in own if mark.help), texts.get(field.name, ""))
        required = value is dataclasses.MISSING
        if dataclasses.is_dataclass(hint):
            words += _flags(hint, value, f"{field.name} flags", groups)
        elif any(mark in marks for mark in tyro.conf.Positional[int].__metadata__):
            shown = next((mark.metavar for mark in own if mark.metavar), field.name.upper())
            words.append(_Flag(shown if required else f"[{shown}]", text, required))
        elif not any(mark in marks for mark in tyro.conf.Suppress[int].__metadata__):
            if hint is bool and value is True:
                text = f"Turns this off: {text}"
            groups.setdefault(group, []).append(_Flag(_flag(field.name, hint, value), text, required))
    return words


def _flag(name: str, hint: Any, value: Any) -> str:
    """`--name value`, with a no-break space, so that it is not wrapped."""
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


def _whole(example: str) -> str:
    """An example as a complete command. Examples outside the apps are complete: "python -m benchmarks.edge"."""
    return example if example.startswith("python ") else command(example)


def _program(example: str) -> str:
    words = _whole(example).split()
    return " ".join(words[:3] if words[0] == "python" else words[:2])


_MAY_DIFFER = ("resume", "overwrite", "max_hours", "profile", "check", "allow_changed_data", "export")


def parse_setup(
    family: str,
    presets: Mapping[str, Preset],
    data: Any,
    argv: Sequence[str] | None,
    *,
    example: str,
) -> Setup:
    """Parses the flags of a training app.

    `--preset NAME` selects the defaults of the other flags. With `--resume DIR`, the defaults are those in config.json
    of that run, and other values are refused, except for flags that do not change the training steps (a larger
    `--epochs`, `--max-hours`, `--profile`, `--allow-changed-data`, `--no-export`). If DIR contains no run yet and
    `--out` names the same folder, a new run is started there.

    Args:
        family: name of the family's module.
        presets: name -> preset; the first one is the default.
        data: the default configuration of the data, which a preset may change.
        argv: the arguments; None: those of the process.
        example: see `parse`.

    Raises:
        UserError: see `parse`; also if the run of `--resume` does not match.
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
        data = dataclasses.replace(data, **changes)
        saved = Setup(family, preset, _of_size(model, data, argv), data, run)
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
                        help="Starting values that the other flags override: "
                        f"{', '.join(_PRESETS.get(name, name) for name in names)}."
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
    # If a command is repeated with --resume, its switches equal the defaults from config.json.
    flags = _parse(kind, argv, example=example, both_ways=resume is not None)
    setup = Setup(family, preset, flags.model, flags.data, flags.run)
    if resume is None:
        setup = dataclasses.replace(setup, run=dataclasses.replace(flags.run, resume=None))
    else:
        setup = _agreed(saved, setup, Path(resume))
    start.accepted()
    return setup


def _of_size(model: Any, data: Any, argv: Sequence[str]) -> Any:
    """The defaults of a model with the fields that follow from the data, such as the image size.

    The result is not checked, because flags may still change what does not fit this size; all fields are checked
    together afterwards.
    """
    settings = {"prog": "", "default": data, "args": argv, "config": (*MARKERS, tyro.conf.FlagCreatePairsOff)}
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            given, _ = tyro.cli(type(data), return_unknown_args=True, **settings)
    except (SystemExit, UserError):  # a wrong flag, or help: left to the parser of all flags
        return model
    known, sized = given.attributes(), copy.copy(model)
    for field in set(hidden_fields(type(model))) & set(known):
        object.__setattr__(sized, field, known[field])
    return sized


def _saved_setup(family: str, model: Any, data: Any, folder: Path) -> Setup:
    content = read_config(folder)
    if content["family"] != family:
        raise UserError(f"--resume got {folder}, a run of {content['family']}; accepted is a run of {family}.")
    if content["data_kind"] != data.kind():
        raise UserError(
            f"--resume got {folder}, a run on data of the kind {content['data_kind']}; accepted is one on data of the "
            f"kind {data.kind()}."
        )
    kinds = {"model": type(model), "data": type(data), "run": RunConfig}
    sections = {name: from_plain(kind, content[name], folder / CONFIG_FILE) for name, kind in kinds.items()}
    return Setup(family, content["preset"], **sections)


def _agreed(saved: Setup, given: Setup, folder: Path) -> Setup:
    """The configuration of a resumed run: `saved`, with those fields of `given` that may change in a resume.

    Raises:
        UserError: if another field differs.
    """
    for section, before in saved.sections().items():
        for field, value in given.sections()[section].items():
            flag = f"--{field.replace('_', '-')}"
            if field in _MAY_DIFFER or value == before[field]:
                continue
            if field == "epochs":
                if value < before[field]:
                    raise UserError(f"{flag} got {value}, but {folder} has {before[field]}; accepted are more.")
                continue
            if field == "out" and Path(value).resolve() == folder.resolve():
                continue
            raise UserError(f"{flag} got {value}, but {folder} was started with {before[field]}: leave the flag out.")
    own = ("epochs", "max_hours", "profile", "allow_changed_data", "export")
    free = {field: getattr(given.run, field) for field in own}
    run = dataclasses.replace(saved.run, out=folder, resume=folder, **free)
    return dataclasses.replace(saved, run=run)


def _value_of(flag: str, argv: Sequence[str]) -> str | None:
    """The value of one flag in `argv`, found without parsing the others; the last one counts, as in all parsers."""
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
    """The error message in the box that tyro prints, without the frame and the repeated help."""
    lines = [re.sub(r"[│╭╮╰╯─]+|^[+|]|[+|]$|-{3,}", " ", line.strip()).strip() for line in box.splitlines()]
    lines = [line for line in lines[1:] if line]
    kept: list[str] = []
    for line in lines:
        if line.startswith(("For full helptext", "Argument helptext")):
            break
        if any("Perhaps you meant" in word for word in kept) and not line.startswith("--"):
            continue  # the help text of the flag
        kept.append(line)
    sentence = re.sub(r"\s+", " ", " ".join(kept)) or "the flags could not be read; --help lists them."
    if found := re.match(r"Missing value for argument '([^']+)'", sentence):
        name = found[1] if found[1].startswith("-") else found[1].upper()
        return f"{name} {'needs a value' if name.startswith('-') else 'is missing'}; --help shows what is needed."
    return re.sub(r"^Missing from .*?: (\S+).*", r"\1 is missing; --help shows what is needed.", sentence)
