"""The meaning of names in a data set: which part they denote, and the order of classes.

The same rules apply to folders, shards, splits, arrays and idx files, and to training, checking and packing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from keras_gen.data.files.folders import shown
from keras_gen.errors import UserError

Part = Literal["train", "val", "test"]

_SPELLINGS: dict[Part, tuple[str, ...]] = {
    "train": ("train", "training"),
    "val": ("val", "valid", "validation", "dev", "development"),
    "test": ("test", "testing", "t10k"),  # t10k is the test part of MNIST
}
_PART_OF = {spelling: part for part, spellings in _SPELLINGS.items() for spelling in spellings}
_NAME = re.compile(r"([a-z0-9]+?)(?:[ _-]?(?:set|split|data|images|imgs))?", re.IGNORECASE)
HELD: tuple[Part, ...] = ("val", "test")
"""Parts that are not trained on; the first one that exists is used for validation."""


def part_of(name: str) -> Part | None:
    """The part that a name denotes, in any letter case: "Train", "validation", "test_set"; None for other names.

    Examples:
        >>> [part_of(name) for name in ("Training", "dev", "test_images", "cats")]
        ['train', 'val', 'test', None]
    """
    match = _NAME.fullmatch(name)
    return _PART_OF.get(match[1].lower()) if match else None


def part_in(name: str) -> Part | None:
    """The part that one of the words in a name denotes: "x_train", "emnist-letters-test"; None if there is none."""
    return next(filter(None, map(part_of, re.split(r"[\W_]+", name))), None)


@dataclass(frozen=True)
class Parts:
    """Names, sorted by their meaning.

    Attributes:
        train, held: names of the training and the validation part; "" if there is none.
        unused: names of parts that are not used: test if there is also val.
        others: names that denote no part.
    """

    train: str
    held: str
    unused: tuple[str, ...]
    others: tuple[str, ...]


def sort_parts(names: Iterable[str], where: object) -> Parts:
    """Decides which of some names is the training part and which the validation part: val, or else test.

    Args:
        names: names of folders, splits or arrays.
        where: where they are, for the message.

    Raises:
        UserError: two names denote the same part.
    """
    found: dict[Part, str] = {}
    others = []
    for name in names:
        part = part_of(name)
        if part is None:
            others.append(name)
        elif found.setdefault(part, name) != name:
            raise UserError(
                f"{shown(where)} holds both {shown(found[part])} and {shown(name)}; accepted is one {part} part."
            )
    held = next((found[part] for part in HELD if part in found), "")
    unused = [name for part, name in found.items() if part in HELD and name != held]
    return Parts(found.get("train", ""), held, tuple(unused), tuple(others))


def not_used(names: Iterable[object]) -> str:
    """A clause that lists names that are not read: "; not used: extra, test"; "" if there are none."""
    names = sorted({shown(name) for name in names})
    return f"; not used: {', '.join(names[:8])}{f' and {len(names) - 8} more' * (len(names) > 8)}" if names else ""


def in_order(names: Iterable[str]) -> list[str]:
    """Sorts class names alphabetically, but numbers in them by value, so that 2 comes before 10.

    Examples:
        >>> in_order(["10", "2", "b", "a"])
        ['2', '10', 'a', 'b']
    """
    return sorted(names, key=lambda name: (_with_numbers(name), name))


def _with_numbers(name: str) -> list[tuple[int, int, str]]:
    pieces = re.findall(r"[0-9]+|[^0-9]+", name)
    return [(0, int(piece), "") if piece[0] in "0123456789" else (1, 0, piece) for piece in pieces]
