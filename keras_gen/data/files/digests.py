"""Digests by which a run knows its data again: of names and sizes of files, and of the contents of arrays."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np


def digest(*parts: str | np.ndarray) -> str:
    """32 hexadecimal digits of texts and of arrays, their types and shapes included."""
    hashed = hashlib.blake2b(digest_size=16)
    for part in parts:
        if isinstance(part, np.ndarray):
            hashed.update(f"{part.dtype.str} {part.shape}\0".encode())
            hashed.update(np.ascontiguousarray(part))
        else:
            hashed.update(part.encode("utf-8", "surrogateescape") + b"\0")
    return hashed.hexdigest()


def of_files(files: Iterable[Path]) -> str:
    """Of the names below the folder that all have in common, and the sizes: it is the same wherever the folder lies.

    A size is read for each file, which is cheap; a file that is written anew with as many bytes is not noticed.
    """
    files = list(files)
    root = os.path.commonpath([file.parent.absolute() for file in files]) if files else ""
    return digest(*(f"{os.path.relpath(file.absolute(), root)} {file.stat().st_size}" for file in files))
