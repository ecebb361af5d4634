"""What names in a data set mean: which part they stand for, and in which order classes come.

One rule for folders, shards, splits, arrays and idx files, and for training, checking and packing.
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
    "test": ("test", "testing", "t10k"),  # the last one is MNIST's
}
_PART_OF = {spelling: part for part, spellings in _SPELLINGS.items() for spelling in spellings}
_NAME = re.compile(r"([a-z0-9]+?)(?:[ _-]?(?:set|split|data|images|imgs))?", re.IGNORECASE)
HELD: tuple[Part, ...] = ("val", "test")
"""Parts that are not trained on; the first one that there is serves for validation."""


def part_of(name: str) -> Part | None:
    """The part that a name stands for, whatever its case: "Train", "validation", "test_set"; None for other names.

    Examples:
        >>> [part_of(name) for name in ("Training", "dev", "test_images", "cats")]
        ['train', 'val', 'test', None]
    """
    match = _NAME.fullmatch(name)
    return _PART_OF.get(match[1].lower()) if match else None


def part_in(name: str) -> Part | None:
    """The part that one of the words in a name stands for: "x_train", "emnist-letters-test"; None if there is none."""
    return next(filter(None, map(part_of, re.split(r"[\W_]+", name))), None)


@dataclass(frozen=True)
class Parts:
    """Names by what they are.

    Attributes:
      train, held: for training and for validation; "" where there is none.
      unused: parts for which there is no use: test beside val.
      others: names of no part.
    """

    train: str
    held: str
    unused: tuple[str, ...]
    others: tuple[str, ...]


def sort_parts(names: Iterable[str], where: object) -> Parts:
    """Says which of some names is trained on and which is held out: val, or else test.

    Args:
      names: of folders, splits or arrays.
      where: what holds them, for the message.

    Raises:
      UserError: two names stand for one part.
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
    """What a line about the data adds for names that nothing is read from: "; not used: extra, test", or ""."""
    names = sorted({shown(name) for name in names})
    return f"; not used: {', '.join(names[:8])}{f' and {len(names) - 8} more' * (len(names) > 8)}" if names else ""


def in_order(names: Iterable[str]) -> list[str]:
    """Names of classes in order: numbers in them by their value, so that 2 is before 10; else letter by letter.

    Examples:
        >>> in_order(["10", "2", "b", "a"])
        ['2', '10', 'a', 'b']
    """
    return sorted(names, key=lambda name: (_with_numbers(name), name))


def _with_numbers(name: str) -> list[tuple[int, int, str]]:
    pieces = re.findall(r"[0-9]+|[^0-9]+", name)
    return [(0, int(piece), "") if piece[0] in "0123456789" else (1, 0, piece) for piece in pieces]
