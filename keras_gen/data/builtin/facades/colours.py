"""Colours of the materials, and the appearance that the parts of one building share."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


def linear(*colours: tuple[int, int, int]) -> np.ndarray:
    """sRGB values 0 to 255 -> linear light in [0, 1], (n, 3); the camera's gamma is 2."""
    return (np.array(colours, np.float32) / 255) ** 2


PLASTER = linear(
    (228, 208, 164),
    (216, 174, 104),
    (216, 166, 146),
    (176, 192, 160),
    (204, 202, 194),
    (164, 180, 196),
    (192, 118, 88),
    (232, 226, 212),
    (234, 214, 140),
)
BRICK = linear((156, 80, 62), (120, 66, 52), (178, 102, 72), (194, 164, 118))
STONE = linear((208, 195, 168), (160, 158, 154), (196, 166, 126))
TRIM = linear((234, 230, 220), (206, 192, 164), (178, 175, 168))
FRAME = linear((238, 236, 230), (74, 48, 34), (44, 62, 50), (94, 96, 98))
PAINT = linear((84, 50, 32), (36, 62, 50), (104, 34, 30), (38, 52, 84), (40, 38, 38), (128, 92, 58))
AWNING = linear((176, 44, 38), (38, 98, 66), (44, 68, 132), (208, 142, 50), (118, 36, 52))
BLIND = linear((206, 202, 190), (168, 158, 140), (120, 96, 70), (92, 116, 98))
ROOF = linear((152, 82, 60), (92, 92, 98), (118, 74, 62))
IRON = linear((38, 38, 40), (44, 58, 52), (88, 86, 84))
GOODS = linear((206, 62, 52), (226, 178, 70), (82, 132, 172), (238, 226, 206), (96, 140, 84), (58, 46, 52))
CURTAIN = linear((226, 220, 206), (204, 180, 140), (168, 96, 84), (150, 168, 178), (240, 238, 232))


@dataclass
class Looks:
    """The appearance that the parts of one building share; colours are linear, (3, 1)."""

    trim: np.ndarray
    frame: np.ndarray
    door: np.ndarray
    blind: np.ndarray
    shutter: np.ndarray
    iron: np.ndarray
    pipe: np.ndarray
    reveal: np.ndarray
    sky: np.ndarray
    depth: float  # depth of the windows [metres]
    eye: tuple[float, float]  # the vanishing point in image coordinates
    skyline: np.ndarray  # the houses across the street, reflected in the glass
    grain: np.ndarray  # fine noise (n,), about -1 to 1


def pick(rng: np.random.Generator, colours: np.ndarray, spread: float = 0.06) -> np.ndarray:
    """One of the colours, (3, 1), with small random changes of brightness and hue."""
    colour = colours[rng.integers(len(colours))]
    return np.float32(colour * (1 + rng.normal(0, spread)) * (1 + rng.normal(0, spread / 3, 3)))[:, None]
