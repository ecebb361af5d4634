"""The relief that painters draw on: colour, height above the wall, and shine of every pixel."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np


@functools.lru_cache(maxsize=64)
def _interpolation(size: int, cells: int) -> np.ndarray:
    """A matrix (size, cells + 1) that interpolates lattice values linearly at the pixel centres."""
    at = (np.arange(size) + 0.5) / size * cells
    return np.maximum(0, 1 - np.abs(at[:, None] - np.arange(cells + 1))).astype(np.float32)


def noise(rng: np.random.Generator, size: int, rows: int, columns: int) -> np.ndarray:
    """Smooth noise (size, size): standard normal values on a lattice, which is the same at every size, interpolated."""
    lattice = rng.standard_normal((rows + 1, columns + 1), np.float32)
    return _interpolation(size, rows) @ lattice @ _interpolation(size, columns).T


@dataclass
class Fragments:
    """All pixels that the rectangles of one kind touch; all arrays have one value per fragment.

    Attributes:
        at: index of the pixel.
        which: index of the rectangle.
        x, y: position in image coordinates.
        x0, y0, x1, y1: corners of the rectangle in image coordinates.
        width, height: size of the rectangle.
        u, v: position within the rectangle, 0 to 1.
    """

    at: np.ndarray
    which: np.ndarray
    x: np.ndarray
    y: np.ndarray
    x0: np.ndarray
    y0: np.ndarray
    x1: np.ndarray
    y1: np.ndarray

    def __post_init__(self) -> None:
        self.width, self.height = self.x1 - self.x0, self.y1 - self.y0
        self.u, self.v = (self.x - self.x0) / self.width, (self.y - self.y0) / self.height


class Canvas:
    """The relief, with n = size * size pixels.

    Attributes:
        size: height and width [pixels].
        metre: length of a metre in image coordinates.
        colour: linear colour (3, n).
        height: height above the wall [metres], (n,).
        shine: fraction of the colour that is reflected or emitted light, which sun and shadow do not change, (n,).
        centre: positions of the pixel centres along an axis, (size,).
    """

    def __init__(self, size: int, metre: float) -> None:
        self.size, self.metre = size, metre
        self.colour = np.zeros((3, size * size), np.float32)
        self.height = np.zeros(size * size, np.float32)
        self.shine = np.zeros(size * size, np.float32)
        self.centre = ((np.arange(size) + 0.5) / size).astype(np.float32)

    def coverage(self, distance: np.ndarray) -> np.ndarray:
        """Fraction of a pixel inside an edge at a signed distance in image coordinates (antialiasing)."""
        return np.clip(distance * self.size + 0.5, 0, 1)

    def line(self, distance: np.ndarray, half: float | np.ndarray) -> np.ndarray:
        """Fraction of a pixel that a line covers, given the distance from its axis and half its width."""
        reach = np.maximum(half, 0.5 / self.size)
        return self.coverage(reach - np.abs(distance)) * np.minimum(1, 2 * half * self.size)

    def fragments(self, parts: np.ndarray) -> Fragments:
        """The pixels of the rectangles in the first four columns of `parts`."""
        corners = np.ascontiguousarray(parts[:, :4].T)
        x0, y0 = np.clip(np.floor(corners[:2] * self.size), 0, self.size).astype(np.int32)
        x1, y1 = np.clip(np.ceil(corners[2:] * self.size), 0, self.size).astype(np.int32)
        wide = np.maximum(x1 - x0, 0)
        count = wide * np.maximum(y1 - y0, 0)
        which = np.repeat(np.arange(len(parts)), count)
        k = np.arange(len(which), dtype=np.int32) - (np.cumsum(count, dtype=np.int32) - count)[which]
        row, column = np.divmod(k, wide[which])
        row += y0[which]
        column += x0[which]
        return Fragments(row * self.size + column, which, self.centre[column], self.centre[row], *corners[:, which])

    def paint(self, f: Fragments, cover, colour=None, height=None, shine=0.0) -> None:
        """Blends colour, (3, 1) or (3, fragments), height and shine into the pixels of the fragments."""
        if colour is not None:
            old = self.colour[:, f.at]
            self.colour[:, f.at] = old + cover * (colour - old)
            old = self.shine[f.at]
            self.shine[f.at] = old + cover * (shine - old)
        if height is not None:
            old = self.height[f.at]
            self.height[f.at] = old + cover * (height - old)
