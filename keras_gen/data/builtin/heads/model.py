"""The parametric model of a head."""
from __future__ import annotations
import functools
from dataclasses import dataclass
from pathlib import Path

import numpy as np

SKULL = np.array([0.0, 4.0, 0.0])
EXPRESSIONS = {
    "smile": {"mouthSmile_L": 1.0, "mouthSmile_R": 1.0, "cheekSquint_L": 0.8, "cheekSquint_R": 0.8, "eyeSquint_L": 0.3, "eyeSquint_R": 0.3, "mouthUpperUp_L": 0.12, "mouthUpperUp_R": 0.12},
    "frown": {"mouthFrown_L": 1.0, "mouthFrown_R": 1.0, "mouthPress_L": 0.3, "mouthPress_R": 0.3},
    "jaw": {"jawOpen": 1.0},
    "eyes_closed": {"eyeBlink_L": 1.0, "eyeBlink_R": 1.0},
    "brows_up": {"browInnerUp_L": 1.0, "browInnerUp_R": 1.0, "browOuterUp_L": 0.8, "browOuterUp_R": 0.8, "eyeWide_L": 0.4, "eyeWide_R": 0.4},
    "brows_down": {"browDown_L": 1.0, "browDown_R": 1.0, "noseSneer_L": 0.15, "noseSneer_R": 0.15},
    "pucker": {"mouthPucker": 1.0},
    "look_up": {"eyeLookUp_L": 1.0, "eyeLookUp_R": 1.0},
    "look_down": {"eyeLookDown_L": 1.0, "eyeLookDown_R": 1.0},
    "look_left": {"eyeLookOut_L": 1.0, "eyeLookIn_R": 1.0},
    "look_right": {"eyeLookOut_R": 1.0, "eyeLookIn_L": 1.0},
}


def harmonics(d):
    """Real spherical harmonics of degree 0 to 3 at unit vectors (n, 3): (n, 16), up to constants."""
    x, y, z = d.T
    one = np.ones_like(x)
    return np.stack([one, x, y, z, x * y, y * z, 3 * z * z - 1, x * z, x * x - y * y,
        y * (3 * x * x - y * y), x * y * z, y * (5 * z * z - 1), z * (5 * z * z - 3), x * (5 * z * z - 1), z * (x * x - y * y), x * (x * x - 3 * y * y)], -1)


def chart_points(vertices):
    """Where points of the neutral head are in the charts, [0, 1]: the angle around the vertical axis, and the height."""
    return np.stack([np.arctan2(vertices[:, 0], vertices[:, 2]) / np.pi + 0.5, (15 - vertices[:, 1]) / 32], 1)


@dataclass(frozen=True)
class Model:
    neutral: np.ndarray
    triangles: np.ndarray
    part: np.ndarray
    landmarks: np.ndarray
    identities: np.ndarray
    sex: np.ndarray
    expressions: np.ndarray
    sees: np.ndarray
    open_sky: np.ndarray
    socket: np.ndarray
    charts: np.ndarray
    scalp: np.ndarray
    scalp_weights: np.ndarray
    lid_left_lower: np.ndarray
    lid_left_upper: np.ndarray
    lid_right_lower: np.ndarray
    lid_right_upper: np.ndarray


@functools.cache
def model() -> Model:
    with np.load(Path(__file__).with_name("model.npz"), allow_pickle=False) as file:
        arrays = {name: file[name] for name in file}
    wide = {np.dtype(np.float16): np.float32, np.dtype(np.uint16): np.int64}
    return Model(**{name: array.astype(wide.get(array.dtype, array.dtype)) for name, array in arrays.items()})
