"""Folders of image files: which files count, what is left out, and how names are shown.

A folder is untrusted like the files in it: names may hold any byte but "/", links may lead in circles, a file may be
larger than any image.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from keras_gen.console import shown
from keras_gen.errors import UserError

SUFFIXES = {
    "PNG": (".png", ".apng"),
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif", ".pjpeg", ".pjp"),
    "WEBP": (".webp",),
    "BMP": (".bmp", ".dib"),
    "GIF": (".gif",),
}
"""Endings of each format, in lower case; a file of another name counts if it begins as an image does."""
IMAGE_SUFFIXES = tuple(suffix for suffixes in SUFFIXES.values() for suffix in suffixes)
SOUGHT = "images (PNG, JPEG, WebP, BMP or GIF)"

_MAX_BYTES = 2**30  # larger than any file that holds an image of the accepted number of pixels and is compressed
_LISTED = 3  # things that a sentence names before it counts the rest


def listed(sentences: Iterable[object]) -> str:
    """The first of several complaints inside one sentence: "a.png is empty; b.png is truncated; and 4 more"."""
    sentences = [str(sentence).rstrip(".") for sentence in sentences]
    more = len(sentences) - _LISTED
    return "; ".join(sentences[:_LISTED] + [f"and {more} more"] * (more > 0))


def require_usable(
    spec: str,
    what: str,
    *,
    total: int,
    bad: Sequence[str],
    skip_bad: bool,
    counts: tuple[int, int],
    done: Literal["read", "used"] = "read",
) -> None:
    """Refuses data of which something is bad, or nothing is left.

    Args:
      spec: what `--data` got.
      what: the examples, such as "images".
      total: number of all examples.
      bad: what is wrong with each that cannot be used, a sentence.
      skip_bad: whether they were to be left out.
      counts: training and validation examples that are left.
      done: what cannot be done with bad ones.

    Raises:
      UserError: there are bad ones, which were not to be left out, or there is no example of a part.
    """
    if bad and not skip_bad:
        raise UserError(
            f"--data {shown(spec)}: {len(bad)} of {total} {what} cannot be {done} ({listed(bad)}), and --skip-bad "
            "leaves them out."
        )
    if not all(counts):
        raise UserError(
            f"--data {shown(spec)}: {counts[0]} training and {counts[1]} validation {what} can be {done}, and at "
            "least one of each is needed."
        )


def list_images(folder: Path, suffixes: tuple[str, ...] = IMAGE_SUFFIXES) -> list[Path]:
    """The image files, or those of other endings, directly in `folder`, sorted by name, hidden files left out.

    Raises:
      UserError: one of them is larger than an image can be.
    """
    return listing(folder, suffixes).images


@dataclass
class Listing:
    """What lies in a folder, or also below it; hidden files do not count.

    Attributes:
      images: files with the suffix of an image, or that begin as one.
      broken: links with such a suffix that lead nowhere or in a circle, and folders that cannot be opened.
      others: files of another kind.
      folders: folders directly inside, links to folders included.
    """

    images: list[Path] = field(default_factory=list)
    broken: list[Path] = field(default_factory=list)
    others: list[Path] = field(default_factory=list)
    folders: list[Path] = field(default_factory=list)


def walk(root: Path) -> Listing:
    """All images in `root` and the folders below it, sorted by name.

    Links to folders are followed, except to folders that were seen already or hold `root` itself: those are circles.

    Raises:
      UserError: `root` cannot be opened, or a file is larger than an image can be.
    """
    root = root.expanduser()
    seen = {_identity(folder) for folder in (root.resolve(), *root.resolve().parents)}
    tree = listing(root)
    waiting = tree.folders[::-1]
    while waiting:
        folder = waiting.pop()
        try:
            if (identity := _identity(folder)) in seen:
                continue
            seen.add(identity)
            inside = listing(folder)
        except UserError:
            raise
        except OSError:
            tree.broken.append(folder)
            continue
        tree.images += inside.images
        tree.broken += inside.broken
        tree.others += inside.others
        waiting += inside.folders[::-1]
    return tree


def listing(folder: Path, suffixes: tuple[str, ...] = IMAGE_SUFFIXES) -> Listing:
    """What lies directly in `folder`, sorted by name; `suffixes` are the endings, in lower case, of what is looked for.

    Raises:
      UserError: a file is larger than an image can be.
    """
    found = Listing()
    for entry in sorted(_entries(folder), key=lambda entry: entry.name):
        path, named = folder / entry.name, entry.name.lower().endswith(suffixes)
        try:
            status = entry.stat()
        except OSError:
            found.broken += [path] * named
            continue
        if stat.S_ISDIR(status.st_mode):
            found.folders.append(path)
        elif not stat.S_ISREG(status.st_mode) or not (named or (suffixes is IMAGE_SUFFIXES and _begins_as_image(path))):
            found.others.append(path)
        elif status.st_size > _MAX_BYTES:
            raise UserError(
                f"{shown(path)} has {status.st_size:,} bytes, and accepted are image files of at most {_MAX_BYTES:,}."
            )
        else:
            found.images.append(path)
    return found


def every_last(size: int, every: int, what: str, unit: str) -> tuple[np.ndarray, np.ndarray, str]:
    """Splits what has no validation part: of every `every` examples in order, the last; at least one.

    Returns:
      Numbers for training, numbers for validation, and the rule in words.

    Raises:
      UserError: there are fewer than 2.
    """
    if size < 2:
        raise UserError(f"{shown(what)} holds {size} {unit}, and at least 2 are needed, one of them for validation.")
    numbers = np.arange(size)
    held = numbers % every == every - 1
    held[-1] |= not held.any()
    rule = f"of every {every} {unit}s in order, the last is held back for validation"
    return numbers[~held], numbers[held], rule


def _entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    with os.scandir(folder) as entries:
        yield from (entry for entry in entries if not entry.name.startswith("."))


def _begins_as_image(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            head = file.read(12)
    except OSError:
        return False
    return (
        head.startswith((b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF87a", b"GIF89a"))
        or (head[:4] == b"RIFF" and head[8:] == b"WEBP")
        or (head[:2] == b"BM" and head[6:10] == bytes(4))  # two letters alone begin many a text
    )


def _identity(folder: Path) -> tuple[int, int]:
    status = folder.stat()
    return status.st_dev, status.st_ino
