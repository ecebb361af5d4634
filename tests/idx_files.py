"""Writes idx files, the layout of MNIST."""

import gzip
import struct
from pathlib import Path

import numpy as np


def idx(array: np.ndarray, kind: int = 8) -> bytes:
    """The content of an idx file for an array; `kind` is the code of the type, 8 for unsigned bytes."""
    return bytes([0, 0, kind, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def write_idx(folder: Path, name: str, array: np.ndarray) -> Path:
    """Writes a uint8 array; the file is compressed if its name ends in .gz."""
    folder.mkdir(exist_ok=True)
    content = idx(array)
    (folder / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    return folder / name
