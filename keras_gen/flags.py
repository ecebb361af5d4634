"""Configurations: frozen dataclasses whose fields are arguments in Python and flags on the command line.

All configurations are subclasses of `BaseConfig`. The annotations of the fields say which values are accepted, and the
values are checked when an instance is created:

    @dataclasses.dataclass(frozen=True)
    class Config(BaseConfig):
        filters: Positive[int] = 64
        dropout: Rate = 0.5
        norm: Literal["instance", "batch"] = "instance"

        def check_together(self) -> None:  # which combinations are accepted
            super().check_together()
            if self.filters % 8 and self.norm == "batch":
                raise self.fault("<filters got> with <norm=>; accepted are multiples of 8.")

A value that is not accepted raises a `UserError`. Its message is worded for Python (`norm got 'foo'`), and for the
command line too (`--norm got foo`). `cli.parsing` turns the dataclasses into flags.
"""

from __future__ import annotations

import ast
import dataclasses
import difflib
import functools
import inspect
import itertools
import math
import numbers
import os
import re
import textwrap
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import tyro

from keras_gen.errors import UserError

T = TypeVar("T")

_RUN_FOLDER = "a run that is copied into the run's folder"

RunFolder = Annotated[Path | None, _RUN_FOLDER]
"""A field of a family's `Config` that names another run, which is an input of this one. The run folder gets a copy."""
C = TypeVar("C", bound="BaseConfig")

Hidden = tyro.conf.Suppress
"""Marks a field that is set from the data and is not a flag: `channels: Hidden[int] = 3`."""

OF_TRAINING = "of the data that a run was trained on"
"""Marks a hidden field that may differ for other data of a finished run: `Annotated[Hidden[int], OF_TRAINING]`."""


@dataclasses.dataclass(frozen=True)
class Range:
    """Accepted numbers, as part of an annotation: `Annotated[float, Range(0, 1)]`.

    Attributes:
        low: the minimum.
        high: the maximum; infinity for none.
        open_low: whether `low` itself is excluded.
        open_high: whether `high` itself is excluded.
        infinite: whether a float may be infinite.
    """

    low: float
    high: float = math.inf
    open_low: bool = False
    open_high: bool = False
    infinite: bool = False

    def __contains__(self, value: float) -> bool:
        above = value > self.low if self.open_low else value >= self.low
        return above and (value < self.high if self.open_high else value <= self.high)

    def accepted(self, whole: bool) -> str:
        """The accepted values in words: "numbers from 0 to below 1"."""
        kind = "whole numbers" if whole else "numbers"
        low, high = (int(end) if end % 1 == 0 else end for end in (self.low, self.high))
        if self.high == math.inf:
            return (
                f"{kind} greater than {low}" if self.open_low and not whole else f"{kind} from {low + self.open_low} on"
            )
        if self.open_low and self.open_high:
            return f"{kind} between {low} and {high}"
        start = f"above {low} up" if self.open_low else f"from {low}"
        return f"{kind} {start} to {'below ' * self.open_high}{high}"


Positive = Annotated[T, Range(0, open_low=True)]
"""`Positive[int]`, `Positive[float]`: greater than 0."""

NonNegative = Annotated[T, Range(0)]
"""`NonNegative[int]`, `NonNegative[float]`: 0 or greater."""

Rate = Annotated[float, Range(0, 1, open_high=True)]
"""A rate or a decay, from 0 to below 1."""

Share = Annotated[float, Range(0, 1)]
"""A fraction or a probability, from 0 to 1."""


@dataclasses.dataclass(frozen=True)
class BaseConfig:
    """Base class of all configurations. It checks the fields of its subclasses.

    A field is a bool, an int, a float, a str, a Path, a Literal, a tuple of these, another configuration, or one of
    these or None. Numbers may have a `Range`. Integers are accepted for floats, lists for tuples, NumPy numbers for
    Python numbers, and strings and paths for each other.
    """

    def __post_init__(self) -> None:
        for name, accept in _checks(type(self)).items():
            try:
                object.__setattr__(self, name, accept(getattr(self, name)))
            except _Wrong as wrong:
                raise self.fault(f"<{name} got>; accepted are {wrong}.") from None
        self.check_together()

    def check_together(self) -> None:
        """Raises a `fault` if fields do not go together. A subclass calls this method first."""

    def fault(self, sentence: str) -> UserError:
        """The error to raise about fields, worded for Python and for the shell.

        Args:
            sentence: the message. <name> stands for a field's name, <name=> for its name and value, and <name got> for
                the same with "got" between them.
        """

        def told(flags: bool) -> str:
            return re.sub(r"<(\w+)(=| got)?>", lambda m: _told(m[1], m[2] or "", getattr(self, m[1]), flags), sentence)

        return UserError(told(flags=False), told(flags=True))


def _told(name: str, form: str, value: Any, flags: bool) -> str:
    if not flags:
        value = str(value) if isinstance(value, os.PathLike) else value
        return name + {"": "", "=": f"={value!r}", " got": f" got {value!r}"}[form]
    flag = f"--{name.replace('_', '-')}"
    if isinstance(value, bool) and form == "=":
        return flag if value else f"--no-{flag[2:]}"
    shown = " ".join(map(str, value)) if isinstance(value, tuple | list) else str(value)
    return flag + {"": "", "=": f" {shown}".rstrip(), " got": f" got {shown or 'nothing'}"}[form]


class _Wrong(Exception):
    """A value is not accepted. The message lists what is."""


Accept = Callable[[Any], Any]


@functools.cache
def _checks(kind: type) -> dict[str, Accept]:
    """Name of each field of a dataclass -> a function that converts its value or raises `_Wrong`."""
    hints = typing.get_type_hints(kind, include_extras=True)
    return {field.name: _check(hints[field.name]) for field in dataclasses.fields(kind)}


def _check(hint: Any) -> Accept:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is Annotated:
        ranges = [mark for mark in hint.__metadata__ if isinstance(mark, Range)]
        return _number(arguments[0], ranges[0]) if ranges else _check(arguments[0])
    if hint in (int, float):
        return _number(hint)
    if origin is Literal:
        return functools.partial(_one_of, arguments)
    if origin is tuple:
        return _tuple(arguments)
    if origin in (typing.Union, types.UnionType):
        return functools.partial(_any_of, [_check(argument) for argument in arguments])
    if hint is type(None):
        return functools.partial(_one_of, (None,))
    if hint is bool:
        return functools.partial(_one_of, (False, True))
    if hint is str:
        return functools.partial(_text, str, "strings")
    if hint is Path:
        return functools.partial(_text, Path, "paths")
    if dataclasses.is_dataclass(hint):
        return functools.partial(_instance, hint)
    raise TypeError(f"a field of a configuration cannot be {hint}")


def _number(kind: type, within: Range | None = None) -> Accept:
    whole = kind is int
    accepted = within.accepted(whole) if within else "whole numbers" if whole else "finite numbers"

    def accept(value: Any) -> Any:
        fits = isinstance(value, numbers.Integral if whole else numbers.Real) and not isinstance(value, bool)
        if fits and math.isinf(value) and within and within.infinite:
            return float(value)
        if not fits or not math.isfinite(value) or (within and value not in within):
            raise _Wrong(accepted)
        return kind(value)

    return accept


def _one_of(choices: tuple[Any, ...], value: Any) -> Any:
    for choice in choices:
        alike = isinstance(value, bool) == isinstance(choice, bool) and isinstance(value, str | numbers.Number)
        if value is choice or (alike and value == choice):
            return choice
    raise _Wrong(", ".join(map(str, choices)))


def _any_of(alternatives: list[Accept], value: Any) -> Any:
    wanted = []
    for accept in alternatives:
        try:
            return accept(value)
        except _Wrong as wrong:
            wanted.append(str(wrong))
    raise _Wrong(", ".join(dict.fromkeys(", ".join(wanted).split(", "))))


def _tuple(arguments: tuple[Any, ...]) -> Accept:
    any_length = arguments[-1:] == (...,)
    inner = [_check(argument) for argument in arguments if argument is not ...]

    def accept(value: Any) -> tuple[Any, ...]:
        if not isinstance(value, tuple | list) or not (any_length or len(value) == len(inner)):
            raise _Wrong("tuples" if any_length else f"tuples of {len(inner)}")
        checks = inner * len(value) if any_length else inner
        return tuple(check(v) for check, v in zip(checks, value, strict=True))

    return accept


def _text(kind: type, accepted: str, value: Any) -> Any:
    if not isinstance(value, str | os.PathLike):
        raise _Wrong(accepted)
    return kind(value)


def _instance(kind: type, value: Any) -> Any:
    if not isinstance(value, kind):
        raise _Wrong(f"instances of {kind.__qualname__}")
    return value


def configured(kind: type[C], config: C | None, fields: Mapping[str, Any]) -> C:
    """A configuration with some fields replaced.

    Args:
        kind: class of the configuration.
        config: an instance of it; None: its defaults.
        fields: name -> value.

    Raises:
        UserError: if `config` is of another class, a field does not exist, or its value is not accepted.
    """
    if not isinstance(config, kind | None):
        raise UserError(f"config got {config!r}; accepted are instances of {kind.__module__}.{kind.__qualname__}.")
    known = [field.name for field in dataclasses.fields(kind)]
    for name in set(fields) - set(known):
        close = difflib.get_close_matches(name, known, n=1)
        meant = f" (did you mean {close[0]}?)" if close else ""
        raise UserError(f"there is no field {name!r}{meant}; accepted are {', '.join(known)}.")
    return kind(**fields) if config is None else dataclasses.replace(config, **fields)


def texts_of(kind: type) -> dict[str, str]:
    """Field -> the string below it in the source, for a dataclass and its base classes."""
    texts: dict[str, str] = {}
    for one in reversed(kind.__mro__):
        if "__dataclass_fields__" not in vars(one) or one.__module__ == "types":  # the latter is of make_dataclass
            continue
        (tree,) = ast.parse(textwrap.dedent(inspect.getsource(one))).body
        for field, text in itertools.pairwise(tree.body):
            if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr):
                texts[field.target.id] = " ".join(ast.literal_eval(text.value).split())
    return texts


class Fields:
    """The docstring of a class with a `Config`, followed by its fields, which are read only when it is accessed."""

    def __init__(self, text: str) -> None:
        """Args:
        text: the docstring without them.
        """
        self._text = inspect.cleandoc(text)

    def __get__(self, instance: Any, owner: type) -> str:
        config = owner.Config
        texts, defaults = texts_of(config), {field.name: field.default for field in dataclasses.fields(config)}
        lines = ["Args:", "    config: an instance of `Config`; None: its defaults. Or its fields:"]
        for name, default in defaults.items():
            text = re.sub(r"--no-([a-z0-9-]+)", lambda m: m[1].replace("-", "_") + "=False", texts.get(name, ""))
            text = re.sub(r"--([a-z][a-z0-9-]*)", lambda m: m[1].replace("-", "_"), text)
            told = f"{name}: {default!r}. {text or 'Follows the data.'}"
            lines += textwrap.wrap(told, 112, initial_indent=" " * 4, subsequent_indent=" " * 8, break_long_words=False)
        before, examples, after = self._text.partition("Examples:")
        return "\n\n".join([before.rstrip(), "\n".join(lines)] + [examples + after] * bool(examples))


def signature_of(config: type) -> inspect.Signature:
    """The signature of a constructor that takes an instance of `config`, or its fields by name."""
    fields = (
        inspect.Parameter(field.name, inspect.Parameter.KEYWORD_ONLY, default=field.default)
        for field in dataclasses.fields(config)
    )
    return inspect.Signature(
        [inspect.Parameter("config", inspect.Parameter.POSITIONAL_OR_KEYWORD, default=None), *fields]
    )


def hidden_fields(config: type, *, of_training: bool = True) -> tuple[str, ...]:
    """Names of the fields of a dataclass that are marked as `Hidden`; fields marked `OF_TRAINING` can be excluded."""
    (mark,) = Hidden[int].__metadata__
    hints = typing.get_type_hints(config, include_extras=True)
    marks = {name: getattr(hint, "__metadata__", ()) for name, hint in hints.items()}
    return tuple(name for name, own in marks.items() if mark in own and (of_training or OF_TRAINING not in own))


def input_runs(config: Any) -> dict[str, Path]:
    """Name -> folder, for the fields of a configuration that are a `RunFolder` and not None."""
    hints = typing.get_type_hints(type(config), include_extras=True)
    names = [name for name, hint in hints.items() if _RUN_FOLDER in getattr(hint, "__metadata__", ())]
    return {name: getattr(config, name) for name in names if getattr(config, name) is not None}


def require_labels(config: BaseConfig, model: str) -> None:
    """Raises a UserError that names `data` unless `config.num_classes` is positive.

    Args:
        config: configuration of `model`.
        model: the model that needs classes, in words: "a conditional VAE".
    """
    if config.num_classes < 1:
        told = (
            f"data has images without labels, and {model} needs classes; accepted are glyphs, digits, shapes, a "
            "folder of one subfolder per class, and arrays or tfds:NAME with labels."
        )
        raise UserError(told, f"--{told}")


def class_names(config: Any) -> tuple[str, ...]:
    """Names of the classes of a model: those of its data, otherwise their numbers."""
    return config.classes or tuple(map(str, range(config.num_classes)))


def class_of(wanted: int | str, num_classes: int, names: Sequence[str] = ()) -> int:
    """The class with a given name or number. Names take precedence, because classes may be named 2 or 0.

    Args:
        wanted: name or number.
        num_classes: number of classes; 0 for a model without classes.
        names: names of the classes in order of their numbers, where known.

    Raises:
        UserError: naming `label`, if there is no such class.
    """
    wanted = str(wanted)
    if wanted in names:
        return list(names).index(wanted)
    if wanted.isdecimal() and int(wanted) < num_classes:
        return int(wanted)
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    named = f" or their names, {', '.join(names[:_MOST_NAMES])}{more}" if names else ""
    told = f"label got {wanted}; accepted are the classes 0 to {num_classes - 1}{named}."
    if not num_classes:
        told = f"label got {wanted}, but the model knows no classes: leave it out."
    raise UserError(told, f"--{told}")


_MOST_NAMES = 20  # in a message
