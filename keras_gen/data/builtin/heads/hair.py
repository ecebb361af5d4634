"""Hair as a sheet of strands: from a parting over the skull to the hair line, and down from there if it is long."""

from __future__ import annotations

import functools

import numpy as np

from keras_gen.data.builtin.heads.factors import Head
from keras_gen.data.builtin.heads.model import SKULL, head_model

ROWS, COLUMNS = 17, 56
"""Vertices along and across the strands."""

_RADIUS = 9.6  # of the skull, for lengths along it [cm]
_STEPS = np.deg2rad(np.arange(0.0, 174.0, 6.0)).astype(np.float32)

# The hair line: angles from the front, its elevation above the skull's centre, and how much it can recede [degrees].
_ANGLE = [0, 15, 30, 42, 52, 60, 66, 72, 80, 90, 102, 114, 128, 150, 180]
_LINE = [36, 36.5, 36, 33, 27, 19, 8, 2, 12, 19, 17, 4, -18, -36, -40]
_RECESSION = [6, 9, 18, 24, 20, 9, 3, 0, 0, 0, 0, 0, 0, 0, 0]


def above_line(directions: np.ndarray, recession: float) -> np.ndarray:
    """How far directions (..., 3) from the skull's centre are inside the hair line [degrees], negative outside."""
    return _above(*_angles(directions), recession)


def _above(elevation: np.ndarray, angle: np.ndarray, recession: float) -> np.ndarray:
    """`above_line` for directions as `_angles`."""
    line, by = _line()
    return elevation - (line + np.float32(recession) * by).take((2 * np.abs(angle) + 0.5).astype(np.int32))


@functools.cache
def _line() -> tuple[np.ndarray, np.ndarray]:
    """`_LINE` and `_RECESSION` at every half degree."""
    return tuple(np.interp(np.arange(361) / 2, _ANGLE, v).astype(np.float32) for v in (_LINE, _RECESSION))


def hair_sheet(still: np.ndarray, head: Head) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The sheet of hair on a head without expression.

    Args:
        still: vertices of the mesh, (v, 3).
        head: all factors.

    Returns:
        Vertices, (h, 3); coordinates on the sheet: position across the strands from 0 to 1, along them from 0 to 1, and
        their length [cm]; and the strands' directions, unit vectors (h, 3). h = ROWS * COLUMNS, in row-major order.
    """
    length, volume, curl = head["hair_length"], head["hair_volume"], head["curl"]
    short, parted, long = (_ramp(length, *between) for between in ((0, 0.45), (0.35, 0.65), (0.5, 0.62)))
    around = (2 * np.pi * np.arange(COLUMNS) / COLUMNS).astype(np.float32)
    start, ahead = _partings(parted, head["parting"] * _ramp(length, 0.2, 0.4), around)

    # Where the strands leave the skull: where they cross the hair line, which for long hair is below the ears.
    ways = np.cos(_STEPS)[:, None] * start[:, None] + np.sin(_STEPS)[:, None] * ahead[:, None]
    elevation, angle = _angles(ways)
    inside = _above(elevation, angle, head["hair_line"])
    beside = np.where(np.abs(angle) < 125, 0.9 * np.clip(elevation + 25, 0, 40), 10.0)
    inside = inside + long * _ramp(np.abs(angle), 68, 78) * beside
    outside = inside < 0
    outside[:, -1] = True
    last = np.maximum(outside.argmax(axis=1), 1)[:, None]
    before, after = (np.take_along_axis(inside, k, axis=1)[:, 0] for k in (last - 1, last))
    reach = _STEPS[last[:, 0] - 1] + _STEPS[1] * np.clip(before / (before - after + 1e-6), 0, 1)
    leave = np.abs(_angles(np.cos(reach)[:, None] * start + np.sin(reach)[:, None] * ahead)[1])

    # How far they hang from there.
    rng = np.random.default_rng(int(head["strands"] * 2**32))
    uneven = _waves(rng, 3 * around, 0 * around)
    fall = _ramp(length, 0.5, 1.0)
    fringe = 3.4 * head["fringe"] * _ramp(leave, 58, 46)
    hanging = (fall * (4 + 14 * fall) * _ramp(leave, 54, 66) + fringe) * (1 + 0.06 * uneven)
    cap = _RADIUS * reach
    total = cap + hanging
    along = np.linspace(0, 1, ROWS, dtype=np.float32) ** 0.9 * total[:, None]
    swept = np.minimum(along / _RADIUS, reach[:, None])[..., None]
    hang = np.maximum(along - cap[:, None], 0)[..., None]
    outwards = np.cos(swept) * start[:, None] + np.sin(swept) * ahead[:, None]

    # How thick the hair is: thin at the end of the strands and at the parting, and on the sides if it is short.
    thick = (0.18 + 0.9 * short) * (0.55 + 1.25 * volume) + curl * short * (0.5 + 1.8 * volume)
    elevation, angle = _angles(outwards)
    thick = thick * (
        1 - (0.7 - 0.52 * _ramp(length, 0.35, 0.6)) * _ramp(elevation, 60, 10) * _ramp(np.abs(angle), 36, 44)
    )
    least = np.where(hanging > 2.5, 0.7, 0.12 + 0.5 * (fringe > 1.0))[:, None]
    thick = thick * np.maximum(1 - np.exp(-(((total[:, None] - along) / (0.8 + 0.5 * short)) ** 1.2)), least)
    thick = thick * (1 - 0.55 * parted * np.exp(-((along / 1.6) ** 2)))
    thick = thick * (1 + (0.1 + 0.22 * curl) * short * _waves(rng, 2 * around[:, None], along / 2.2))
    points = scalp_points(still, elevation, angle) + thick[..., None] * outwards

    # What hangs spreads a little, more so if it is curled, and covers the ears.
    level = points * np.float32([1, 0, 1])
    level /= np.sqrt((level * level).sum(axis=-1, keepdims=True)) + 1e-6
    loose = 0.10 * hang + 0.12 * np.sin(hang / 2.2) - 0.01 * (1 - fall) * hang**2
    loose = loose + 0.5 * curl * np.clip(hang / 3, 0, 1) * np.sin(1.6 * hang + 5 * uneven[:, None, None])
    points = points + level * np.where((fringe > 0.5)[:, None, None], 0.16 * hang, loose)
    points[..., 1] -= hang[..., 0]
    x, y, z = np.moveaxis(points, -1, 0)
    at_ear = long * np.exp(-(((y - 2.6) / 4.0) ** 2)) * np.clip(1 - np.abs(z - 0.2) / 6.5, 0, 1)
    points[..., 0] = np.where(np.abs(x) > 5, np.sign(x) * np.maximum(np.abs(x), 9.3 * at_ear), x)

    strands = np.gradient(points, axis=1)
    strands /= np.sqrt((strands * strands).sum(axis=-1, keepdims=True)) + 1e-6
    across, whole = (np.broadcast_to(v[:, None], along.shape) for v in (around / (2 * np.pi), total))
    rest = np.stack([across, along / np.maximum(whole, 1e-3), whole], axis=-1)
    return tuple(np.swapaxes(grid, 0, 1).reshape(-1, 3) for grid in (points, rest, strands))


def scalp_points(vertices: np.ndarray, elevation: np.ndarray, angle: np.ndarray) -> np.ndarray:
    """The skull's surface in directions from its centre [degrees], bilinear in the model's grid: (..., 3)."""
    mesh = head_model()
    corners = vertices[mesh.scalp]
    grid = (mesh.scalp_weights[..., None] * corners).sum(axis=2)
    rows, columns = grid.shape[:2]
    row = np.clip((90 - elevation) / 150 * (rows - 1), 0, rows - 1.001)
    column = angle / 360 % 1 * columns
    i, j = row.astype(np.int64), column.astype(np.int64) % columns
    down, right = (row - i)[..., None], (column - np.floor(column))[..., None]
    k = (j + 1) % columns
    upper = (1 - right) * grid[i, j] + right * grid[i, k]
    return (1 - down) * upper + down * ((1 - right) * grid[i + 1, j] + right * grid[i + 1, k])


def _partings(parted: float, side: float, around: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where the strands begin, and their first directions: unit vectors (COLUMNS, 3) each, at right angles.

    Short hair begins at the crown. Long hair begins at a parting, a line from the front to the crown.
    """
    tilt, lean = np.deg2rad(44 * parted - 14), np.deg2rad(26) * side
    pole = np.array([np.sin(lean), np.cos(lean) * np.cos(tilt), np.cos(lean) * np.sin(tilt)])
    right = np.cross(pole, [0, -np.sin(tilt), np.cos(tilt)])
    right /= np.linalg.norm(right)
    front = np.cross(right, pole)
    back = (np.deg2rad(42) * parted * (np.cos(around) - 1) / 2)[:, None]
    start = np.cos(back) * pole + np.sin(back) * front
    onward = np.cos(back) * front - np.sin(back) * pole
    ahead = np.sin(around)[:, None] * right + np.cos(around)[:, None] * onward
    return start.astype(np.float32), ahead.astype(np.float32)


def _angles(directions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Elevation, and the angle from the front, positive to the right of the picture [degrees]."""
    x, y, z = np.moveaxis(directions, -1, 0)
    return np.rad2deg(np.arctan2(y, np.sqrt(x * x + z * z))), np.rad2deg(np.arctan2(x, z))


def _ramp(x: float | np.ndarray, start: float, end: float) -> float | np.ndarray:
    """0 up to `start`, 1 from `end` on, and linear between; start > end falls."""
    return np.clip((x - start) / (end - start), 0, 1)


def _waves(rng: np.random.Generator, across: np.ndarray, along: np.ndarray) -> np.ndarray:
    """Five random waves, periodic across."""
    total = np.zeros(np.broadcast_shapes(across.shape, along.shape), np.float32)
    for _ in range(5):
        total += np.sin(rng.integers(2, 9) * across + rng.uniform(0.5, 3) * along + rng.uniform(0, 2 * np.pi)) / 3
    return total


def scalp_line(recession: float) -> np.ndarray:
    """`above_line` of the mesh's vertices."""
    return above_line(head_model().neutral - SKULL.astype(np.float32), recession).astype(np.float32)
