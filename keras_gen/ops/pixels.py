"""Conversion between the float images of networks and the integer images of files (NumPy)."""

from __future__ import annotations

import numpy as np


def to_float(image: np.ndarray) -> np.ndarray:
    """Convert uint8 or uint16 to float32 in [-1, 1]: 0 becomes -1, and the maximum of the type becomes 1.

    Args:
        image: of any shape.

    Examples:
        >>> to_float(np.array([0, 51, 255], np.uint8))
        array([-1. , -0.6,  1. ], dtype=float32)
    """
    return image.astype(np.float32) / np.float32(np.iinfo(image.dtype).max / 2) - np.float32(1)


def to_uint8(image: np.ndarray) -> np.ndarray:
    """Convert float in [-1, 1] to uint8 in [0, 255], rounded; values outside the range are clipped.

    Args:
        image: of any shape.

    Examples:
        >>> to_uint8(np.array([-3.0, -1.0, 0.9, 1.0]))
        array([  0,   0, 242, 255], dtype=uint8)
    """
    return np.rint(np.clip((np.asarray(image, np.float32) + 1) * 127.5, 0, 255)).astype(np.uint8)
