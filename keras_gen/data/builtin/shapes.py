"""White shapes on black, one for each combination of known factors, as in dSprites (Matthey et al. 2017).

The grid is that of dSprites: 3 shapes x 6 scales x 40 orientations x 32 x 32 positions, which are 737,280 binary images
of 64x64 pixels, in this order, with position y varying fastest. Images are drawn on demand. The outlines are different,
so the pixels are not those of the published file.

The 720 combinations of shape, scale and orientation are rasterised once, without antialiasing. A step in position is
one pixel.
"""

import numpy as np
import tensorflow as tf

SIZE = 64  # pixels
LEVELS = {"shape": 3, "scale": 6, "orientation": 40, "x": 32, "y": 32}  # number of values of each factor
CLASSES = ("square", "ellipse", "heart")
COUNT = int(np.prod(list(LEVELS.values())))

_SHAPES = tuple(LEVELS.values())
_PLACES = LEVELS["x"]  # positions along each axis
_SPRITE = SIZE - _PLACES + 1  # side of a sprite [pixels], small enough to be visible as a whole at every position
_WINDOW = SIZE + _PLACES - 1  # side of a sprite padded with black [pixels], of which every image is a crop


class Shapes:
    """The grid of shapes. A factor is an integer from 0; `values` gives its physical meaning."""

    def __init__(self) -> None:
        with tf.device("CPU:0"):
            self._windows = tf.constant(_windows().ravel())

    def images(self, index: tf.Tensor) -> tf.Tensor:
        """Draws images by index, in a graph or eagerly: int64 (n,) -> uint8 (n, 64, 64, 1), 0 or 255."""
        sprite, x, y = index // _PLACES**2, index // _PLACES % _PLACES, index % _PLACES
        pixels = tf.range(SIZE, dtype=tf.int64) + _PLACES - 1
        rows, columns = (pixels - place[:, None] for place in (y, x))
        places = (sprite[:, None, None] * _WINDOW + rows[:, :, None]) * _WINDOW + columns[:, None, :]
        return tf.gather(self._windows, places)[..., None]

    @staticmethod
    def factors(index: np.ndarray) -> np.ndarray:
        """Factors (n, 5) of images by index (n,): shape, scale, orientation, x and y."""
        return np.stack(np.unravel_index(index, _SHAPES), axis=-1)

    @staticmethod
    def index(factors: np.ndarray) -> np.ndarray:
        """The inverse of `factors`."""
        return np.ravel_multi_index(tuple(np.moveaxis(factors, -1, 0)), _SHAPES)

    @staticmethod
    def values() -> dict[str, np.ndarray]:
        """The physical values of each factor, as published.

        Scale is a factor, orientation is in radians counter-clockwise (the first and the last are the same), and
        positions are in [0, 1], to the right and downwards.
        """
        return {
            "shape": np.arange(1.0, 4.0),
            "scale": np.linspace(0.5, 1, LEVELS["scale"]),
            "orientation": np.linspace(0, 2 * np.pi, LEVELS["orientation"]),
            "x": np.linspace(0, 1, LEVELS["x"]),
            "y": np.linspace(0, 1, LEVELS["y"]),
        }


def _windows() -> np.ndarray:
    """Every shape, scale and orientation, centred on black: uint8 (720, 95, 95)."""
    values = Shapes.values()
    offsets = np.arange(_SPRITE) - (_SPRITE - 1) / 2
    right, up = np.meshgrid(offsets, -offsets)
    angle = values["orientation"][:, None, None]
    # Coordinates in the frame of the shape: rotated back, then rescaled to scale 1.
    across = (np.cos(angle) * right + np.sin(angle) * up)[None] / values["scale"][:, None, None, None]
    along = (np.cos(angle) * up - np.sin(angle) * right)[None] / values["scale"][:, None, None, None]
    sprites = np.stack([_square(across, along), _ellipse(across, along), _heart(across, along)])
    windows = np.zeros((*sprites.shape[:3], _WINDOW, _WINDOW), np.uint8)
    inner = slice(_PLACES - 1, _PLACES - 1 + _SPRITE)
    windows[..., inner, inner] = sprites * np.uint8(255)
    return windows.reshape(-1, _WINDOW, _WINDOW)


# All three cover about 424 pixels at scale 1. No pixel centre is on an edge, where rounding would decide.


def _square(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.maximum(np.abs(x), np.abs(y)) < 10.3


def _ellipse(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return (x / 15.3) ** 2 + (y / 8.83) ** 2 < 1


def _heart(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    x, y = x / 10.76, y / 10.76
    return (x**2 + y**2 - 1) ** 3 < x**2 * y**3
