"""NumPy's .npy and .npz files from an untrusted source: nothing is unpickled, and their size is limited."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np

from keras_gen.data.files.folders import shown
from keras_gen.errors import UserError

_DAMAGE = (OSError, EOFError, ValueError, KeyError, NotImplementedError, MemoryError, zlib.error, zipfile.BadZipFile)


def read_arrays(
    path: Path, max_bytes: int, *, name: str, wanted: Callable[[str], object]
) -> dict[str, np.ndarray | None]:
    """Reads the arrays of a file.

    Args:
        path: a .npy or .npz file.
        max_bytes: maximum size, uncompressed.
        name: name for the only array of a .npy file.
        wanted: whether to read an array of a .npz file, given its name.

    Returns:
        The arrays by name; None for those that are not wanted.

    Raises:
        UserError: the file is too large or damaged, is no NumPy file, or holds Python objects.
    """
    try:
        if path.suffix.lower() == ".npy":
            require_size(path.stat().st_size, max_bytes, path)
            return {name: np.load(path, allow_pickle=False)}
        with zipfile.ZipFile(path) as archive:
            require_size(sum(member.file_size for member in archive.infolist()), max_bytes, path)
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] if wanted(name) else None for name in archive.files}
    except _DAMAGE as error:
        raise UserError(
            f"{shown(path)} is damaged, is not a NumPy file, or holds Python objects instead of numbers."
        ) from error


def require_size(size: int, max_bytes: int, file: Path) -> None:
    """Raises UserError for a file with more than `max_bytes` of data."""
    if size > max_bytes:
        raise UserError(
            f"{shown(file)} holds {size / 2**30:.2f} GiB of data; --cache-gib {max_bytes / 2**30:g} is the limit."
        )


def described(array: np.ndarray) -> str:
    """Type and shape of an array, for messages."""
    return f"an array of type {array.dtype} and shape {array.shape}"
