"""Glasses and a shirt, fitted to a head."""

from __future__ import annotations

import functools

import numpy as np

from keras_gen.data.builtin.heads.factors import Head
from keras_gen.data.builtin.heads.model import SKIN, head_model

TUBE = 5
"""Vertices around a tube."""

_RIM = 28
FRAME_PATHS = ((_RIM, True), (_RIM, True), (6, False), (8, False), (8, False))
"""Points of the paths that the frame's tubes follow, and whether they are closed: rims, bridge and temples."""

SHIRT_ROWS, SHIRT_COLUMNS = 9, 40

# Rings from the neckline to below the picture: half width, reach to the front and to the back, and heights at the
# front, the sides and the back.
_RINGS = np.array(
    [
        [6.2, 5.4, 7.0, -12.2, -10.3, -9.6],
        [6.6, 6.0, 7.5, -11.8, -9.9, -9.2],
        [7.1, 6.4, 7.9, -12.1, -10.3, -9.6],
        [9.3, 6.8, 8.8, -13.6, -11.6, -10.6],
        [12.5, 7.4, 9.4, -15.0, -12.9, -12.0],
        [16.0, 7.8, 9.6, -16.4, -14.3, -13.6],
        [19.2, 8.4, 9.8, -18.4, -16.6, -15.6],
        [20.6, 9.2, 10.0, -21.5, -20.0, -18.0],
        [21.2, 9.8, 10.2, -27.0, -26.0, -24.0],
    ]
)
_COLLAR = 3  # rings that follow the neck


def glasses(landmarks: np.ndarray, eyes: np.ndarray, head: Head) -> np.ndarray:
    """The frame's vertices, float64 (f, 3).

    Args:
        landmarks: (68, 3) of the head without expression.
        eyes: (2, 3), centres of the eyeballs.
        head: all factors.
    """
    size, square = head["glasses_size"], head["glasses_shape"]
    front = max(landmarks[[19, 24], 2].max() + 0.55, eyes[:, 2].max() + 2.85)
    width, height, power = 2.75 + 0.25 * size, 1.75 + 0.55 * size, 2 / (2.2 + 1.6 * square)
    gap, thick = 1.12, 0.17 + 0.06 * square
    angle = 2 * np.pi * np.arange(_RIM) / _RIM
    cos, sin = (np.sign(v) * np.abs(v) ** power for v in (np.cos(angle), np.sin(angle)))
    rims, temples = [], []
    for side, eye in zip((1, -1), eyes, strict=True):
        centre = side * max(abs(eye[0]) + 0.15, gap + width)
        x = centre + width * cos
        y = eye[1] - 0.25 + height * sin * (1 - 0.12 * side * cos * (sin < 0))
        z = front - 0.012 * x**2 - 0.03 * (eye[1] - y)
        rims.append(_tube(np.stack([x, y, z], axis=1), thick, closed=True))
        edge = centre + side * width * 0.97
        hinge = np.array([edge, eye[1] + 0.55, front - 0.012 * edge**2])
        corner = np.array([edge + side * 0.45, eye[1] + 0.6, hinge[2] - 0.9])
        ear = np.array([side * 8.05, eye[1] + 0.6, 0.2])
        along = corner + (ear - corner) * np.linspace(0.2, 1, 5)[:, None]
        path = np.vstack([hinge, corner, along, ear + np.array([0, -1.2, -1.6])])
        temples.append(_tube(path, 0.16, across=(1.0, 0.0, 0.0)))
    u = np.linspace(-1, 1, 6)
    arc = 1 - u * u
    bridge = np.stack([u * (gap + 0.08), landmarks[27, 1] - 0.55 + 0.35 * arc, front + 0.1 * arc], axis=1)
    return np.concatenate([*rims, _tube(bridge, 0.16), *temples])


def _tube(
    path: np.ndarray, radius: float, closed: bool = False, across: tuple[float, float, float] = (0.0, 0.0, 1.0)
) -> np.ndarray:
    """A tube around a path (n, 3): (n * TUBE, 3). `across` is a direction that the path never takes."""
    ahead = np.roll(path, -1, axis=0) - np.roll(path, 1, axis=0) if closed else np.gradient(path, axis=0)
    side = np.cross(ahead, across)
    side /= np.linalg.norm(side, axis=1, keepdims=True)
    up = np.cross(side, ahead / np.linalg.norm(ahead, axis=1, keepdims=True))
    angle = 2 * np.pi * np.arange(TUBE)[:, None] / TUBE
    return (path[:, None] + radius * (np.cos(angle) * side[:, None] + np.sin(angle) * up[:, None])).reshape(-1, 3)


@functools.cache
def _neck() -> np.ndarray:
    """Vertices around the neck."""
    height = head_model().neutral[:, 1]
    return np.flatnonzero((height > -10.2) & (height < -8.8) & (head_model().part == SKIN))


def shirt(still: np.ndarray, head: Head) -> tuple[np.ndarray, np.ndarray]:
    """The shirt's vertices, (s, 3), and the position on it: around from 0 to 1, down from 0 to 1, and 0.

    Args:
        still: the mesh without expression, which has the neck that the collar fits.
        head: all factors.
    """
    angle = 2 * np.pi * np.arange(SHIRT_COLUMNS) / SHIRT_COLUMNS
    sin, cos = np.sin(angle), np.cos(angle)
    half, front, back, y_front, y_side, y_back = _RINGS.T[..., None]
    neck, shoulders = np.abs(still[_neck(), 0]).max() / 5.75, 1 + 0.06 * head["sex"]
    wide = np.where(np.arange(SHIRT_ROWS)[:, None] < _COLLAR, neck, shoulders)
    ahead = cos > 0
    y = y_side + np.where(ahead, y_front - y_side, y_back - y_side) * cos**2
    points = np.stack([half * wide * sin, y, np.where(ahead, front, back) * cos - 0.8], axis=-1)
    down = np.linspace(0, 1, SHIRT_ROWS)[:, None] + 0 * sin
    rest = np.stack([np.broadcast_to(angle / (2 * np.pi), down.shape), down, 0 * down], axis=-1)
    return points.reshape(-1, 3), rest.reshape(-1, 3)
