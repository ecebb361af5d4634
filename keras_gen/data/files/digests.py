"""Digests that identify the data of a run, from the names and sizes of files or the contents of arrays."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np


def digest(*parts: str | np.ndarray) -> str:
    """A digest of strings and arrays, including their types and shapes: 32 hexadecimal digits."""
    hashed = hashlib.blake2b(digest_size=16)
    for part in parts:
        if isinstance(part, np.ndarray):
            hashed.update(f"{part.dtype.str} {part.shape}\0".encode())
            hashed.update(np.ascontiguousarray(part))
        else:
            hashed.update(part.encode("utf-8", "surrogateescape") + b"\0")
    return hashed.hexdigest()


def of_files(files: Iterable[Path]) -> str:
    """A digest of the sizes of files and of their paths relative to their common parent folder.

    It does not depend on the location of the folder. A file that is replaced by one of the same size is not noticed.
    """
    files = list(files)
    root = os.path.commonpath([file.parent.absolute() for file in files]) if files else ""
    return digest(*(f"{os.path.relpath(file.absolute(), root)} {file.stat().st_size}" for file in files))
