"""Folders of image files: which files are read, and which are left out.

Folders are as untrusted as the files in them: names may contain any byte except "/", links may be circular, and a file
may be larger than any image.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

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
"""Suffixes of each format, in lower case. Other files count as images if they begin with the magic bytes of one."""
IMAGE_SUFFIXES = tuple(suffix for suffixes in SUFFIXES.values() for suffix in suffixes)
SOUGHT = "images (PNG, JPEG, WebP, BMP or GIF)"

_MAX_BYTES = 2**30  # larger than any compressed image with the accepted number of pixels
_LISTED = 3  # number of items that a message lists; it only counts the rest


def listed(sentences: Iterable[object]) -> str:
    """The first of several messages as one clause: "a.png is empty; b.png is truncated; and 4 more"."""
    sentences = [str(sentence).rstrip(".") for sentence in sentences]
    more = len(sentences) - _LISTED
    return "; ".join(sentences[:_LISTED] + [f"and {more} more"] * (more > 0))


def list_images(folder: Path, suffixes: tuple[str, ...] = IMAGE_SUFFIXES) -> list[Path]:
    """The image files directly in `folder`, or those with other suffixes, sorted by name, without hidden files.

    Raises:
        UserError: a file is too large for an image.
    """
    return listing(folder, suffixes).images


@dataclass
class Listing:
    """The contents of a folder, without hidden files.

    Attributes:
        images: files with the suffix or the magic bytes of an image.
        broken: broken or circular links with such a suffix, and folders that cannot be opened.
        others: all other files.
        folders: subfolders, including links to folders.
    """

    images: list[Path] = field(default_factory=list)
    broken: list[Path] = field(default_factory=list)
    others: list[Path] = field(default_factory=list)
    folders: list[Path] = field(default_factory=list)


def walk(root: Path) -> Listing:
    """All images in `root` and its subfolders, sorted by name.

    Links to folders are followed, except to folders that were visited before or that contain `root`.

    Raises:
        UserError: `root` cannot be opened, or a file is too large for an image.
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
    """The contents of `folder` itself, sorted by name.

    Args:
        folder: an existing folder.
        suffixes: lower-case suffixes of the files that count as images.

    Raises:
        UserError: a file is too large for an image.
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
                f"{shown(path)} has {status.st_size:,} bytes; accepted are image files of at most {_MAX_BYTES:,} bytes."
            )
        else:
            found.images.append(path)
    return found


def every_last(size: int, every: int, what: str, unit: str) -> tuple[np.ndarray, np.ndarray, str]:
    """Splits examples without a validation part by holding out every N-th one, and at least one.

    Args:
        size: number of examples.
        every: N.
        what: where the examples are, for messages.
        unit: what an example is called, in the singular.

    Returns:
        Training indices, validation indices, and the rule in words.

    Raises:
        UserError: there are fewer than 2 examples.
    """
    if size < 2:
        raise UserError(
            f"{shown(what)} holds {size} {unit}{'s' * (size != 1)}; at least 2 are needed, one of them for validation."
        )
    numbers = np.arange(size)
    held = numbers % every == every - 1
    held[-1] |= not held.any()
    rule = f"every {ordinal(every)} {unit} is held out for validation"
    return numbers[~held], numbers[held], rule


def ordinal(number: int) -> str:
    """1st, 2nd, 3rd, 4th, ..."""
    suffix = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{suffix}"


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
        or (head[:2] == b"BM" and head[6:10] == bytes(4))  # a text file may also begin with "BM"
    )


def _identity(folder: Path) -> tuple[int, int]:
    status = folder.stat()
    return status.st_dev, status.st_ino
