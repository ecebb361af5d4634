"""The parametric model behind the heads: a reduced mesh of ICT-FaceKit, see `head_model` and benchmarks/heads_model.py.

Lengths are in centimetres, in the frame of the head: x to the right of the picture, y up, z towards the viewer.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path

import numpy as np

SKIN, MOUTH, TEETH, LEFT_EYE, RIGHT_EYE = range(5)
"""Parts of the mesh; left and right as the head sees them, so that the left eye is on the right of the picture."""

SKULL = np.array([0.0, 4.0, 0.0])
"""Centre of the skull."""

EYES = np.array([[3.114, 3.604, 7.984], [-3.114, 3.604, 7.984]])
"""Centres of the eyeballs of the neutral head."""

EXPRESSIONS = {
    "smile": {
        "mouthSmile_L": 1.0,
        "mouthSmile_R": 1.0,
        "mouthUpperUp_L": 0.12,
        "mouthUpperUp_R": 0.12,
        "cheekSquint_L": 0.8,
        "cheekSquint_R": 0.8,
        "eyeSquint_L": 0.3,
        "eyeSquint_R": 0.3,
    },
    "frown": {"mouthFrown_L": 1.0, "mouthFrown_R": 1.0, "mouthPress_L": 0.3, "mouthPress_R": 0.3},
    "jaw": {"jawOpen": 1.0},
    "pucker": {"mouthPucker": 1.0},
    "eyes_closed": {"eyeBlink_L": 1.0, "eyeBlink_R": 1.0},
    "brows_up": {
        "browInnerUp_L": 1.0,
        "browInnerUp_R": 1.0,
        "browOuterUp_L": 0.8,
        "browOuterUp_R": 0.8,
        "eyeWide_L": 0.4,
        "eyeWide_R": 0.4,
    },
    "brows_down": {"browDown_L": 1.0, "browDown_R": 1.0, "noseSneer_L": 0.15, "noseSneer_R": 0.15},
    "look_up": {"eyeLookUp_L": 1.0, "eyeLookUp_R": 1.0},
    "look_down": {"eyeLookDown_L": 1.0, "eyeLookDown_R": 1.0},
    "look_left": {"eyeLookOut_L": 1.0, "eyeLookIn_R": 1.0},
    "look_right": {"eyeLookOut_R": 1.0, "eyeLookIn_L": 1.0},
}
"""The model's expressions, as sums of those of ICT-FaceKit."""


@dataclass(frozen=True)
class Model:
    """The arrays of model.npz; v vertices, t triangles.

    Attributes:
        neutral: float32 (v, 3), the mean head.
        triangles: int64 (t, 3), counter-clockwise from outside.
        part: uint8 (v,): SKIN, MOUTH, ...
        landmarks: int64 (68,), vertices of the landmarks of iBUG 300-W.
        identities: float32 (40, v, 3), offsets of one standard deviation along principal components.
        sex: float32 (40,), a unit vector in their space that points towards masculine proportions.
        expressions: float32 (11, v, 3), offsets in the order of `EXPRESSIONS`.
        sees: float32 (v, 16), how far light from a direction reaches a vertex of the neutral head, as coefficients
            of `harmonics`.
        open_sky: float32 (v,), the fraction of the surroundings that a vertex sees: ambient occlusion.
        socket: bool (v,), the insides of the mouth and of the eye sockets.
        charts: uint8 (512, 512, 4), signed distances from the borders of lips, eyebrows, beard and goatee; see
            `chart_points`.
        scalp, scalp_weights: int64 and float32 (25, 48, 3), the skull's surface in directions from its centre, as
            weighted vertices. Rows: elevations from 90 to -60 degrees. Columns: angles from the front.
        lids: the edges of the upper eyelids, left and right, from the nose outwards: int64 (n,) each.
    """

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
    lids: tuple[np.ndarray, np.ndarray]


@functools.cache
def head_model() -> Model:
    """Reads the model."""
    with np.load(Path(__file__).with_name("model.npz"), allow_pickle=False) as file:
        arrays = {name: file[name] for name in file}
    wide = {np.dtype(np.float16): np.float32, np.dtype(np.uint16): np.int64}
    arrays = {name: array.astype(wide.get(array.dtype, array.dtype)) for name, array in arrays.items()}
    return Model(lids=(arrays.pop("left_lid"), arrays.pop("right_lid")), **arrays)


def harmonics(directions: np.ndarray) -> np.ndarray:
    """Real spherical harmonics of degrees 0 to 3, without their constants: unit vectors (n, 3) -> (n, 16)."""
    x, y, z = directions.T
    linear = [np.ones_like(x), x, y, z]
    quadratic = [x * y, y * z, 3 * z * z - 1, x * z, x * x - y * y]
    cubic = [y * (3 * x * x - y * y), x * y * z, y * (5 * z * z - 1), z * (5 * z * z - 3), x * (5 * z * z - 1)]
    cubic += [z * (x * x - y * y), x * (x * x - 3 * y * y)]
    return np.stack(linear + quadratic + cubic, axis=-1)


def chart_points(points: np.ndarray) -> np.ndarray:
    """Where points (n, 3) of the neutral head's front are in the charts: (n, 2), [0, 1].

    The first coordinate is the angle around the vertical axis, from -90 to 90 degrees. The second is the height, from
    15 down to -17 cm.
    """
    angle = np.arctan2(points[:, 0], points[:, 2])
    return np.stack([angle / np.pi + 0.5, (15 - points[:, 1]) / 32], axis=1)
