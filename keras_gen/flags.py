"""Fields of configurations, which are the command line's flags: what they may be.

Every frozen dataclass of an app is turned into flags by tyro (`cli.parsing`); this is what such a dataclass of any
floor says about its fields.
"""

import math
import typing
from typing import Any

import tyro

from keras_gen.errors import UserError

Hidden = tyro.conf.Suppress
"""Marks a field that follows the data and is no flag: `channels: Hidden[int] = 3`."""

OF_TRAINING = "of the data that a run was trained on"
"""Marks a hidden field in which other data of a finished run may differ: `Annotated[Hidden[int], OF_TRAINING]`."""


def hidden_fields(config: type, *, of_training: bool = True) -> tuple[str, ...]:
    """Names of the fields of a dataclass that are marked as `Hidden`; those marked `OF_TRAINING` may be left out."""
    (mark,) = Hidden[int].__metadata__
    hints = typing.get_type_hints(config, include_extras=True)
    marks = {name: getattr(hint, "__metadata__", ()) for name, hint in hints.items()}
    return tuple(name for name, own in marks.items() if mark in own and (of_training or OF_TRAINING not in own))


def positive(config: Any, *fields: str) -> None:
    """Raise a UserError that names the flag unless each field is greater than 0 and finite."""
    for field in fields:
        value = getattr(config, field)
        if not 0 < value < math.inf:
            raise UserError(f"--{field.replace('_', '-')} got {value}; accepted are numbers greater than 0.")


def non_negative(config: Any, *fields: str) -> None:
    """Raise a UserError that names the flag unless each field is at least 0 and finite."""
    for field in fields:
        value = getattr(config, field)
        if not 0 <= value < math.inf:
            raise UserError(f"--{field.replace('_', '-')} got {value}; accepted are 0 and greater numbers.")


def require_labels(num_classes: int, model: str) -> None:
    """Raise a UserError that names `--data` unless there are classes, which `model` ("a conditional VAE") needs."""
    if num_classes < 1:
        raise UserError(
            f"--data has images without labels, and {model} needs classes; accepted are digits, shapes, a folder of "
            "one subfolder per class, and arrays or tfds:NAME with labels."
        )


def require_class(label: int, num_classes: int) -> None:
    """Raise a UserError that names `--label` unless there is such a class."""
    if not 0 <= label < num_classes:
        raise UserError(f"--label got {label}; accepted are the classes 0 to {num_classes - 1}.")
