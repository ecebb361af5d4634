"""Points of the plane, drawn from known densities: the sets by which one sees a generator lose modes.

An example is an image of one pixel whose two channels are x, to the right, and y, upwards. The mixtures are those of
Srivastava et al. 2017 (VEEGAN, arXiv 1705.07761, section 4.1), with the numbers of Lin et al. 2018 (PacGAN, arXiv
1712.04086, section 4.1); the ring is that of Metz et al. 2017 (arXiv 1611.02163) at half the size. The swiss roll is
the one of Gulrajani et al. 2017 (arXiv 1704.00028), two of the coordinates of scikit-learn's.

Each is scaled so that what carries it, the outermost centres or the end of the roll, lies 0.8 from the middle. A normal
number here is never farther than 5.77 deviations from its mean, the density beyond being 6e-8, so every point lies
within 0.9 and nothing is clipped.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import tensorflow as tf

from keras_gen.data.dataset import uniforms

TRAIN, VALIDATION = 100_000, 10_000  # points that count as one epoch, and those held back
REACH = 0.8  # of the scaled sets; the plane is [-1, 1]^2


@dataclass(frozen=True, eq=False)
class Mixture:
    """Normal densities, round, of one deviation and of equal weight.

    Attributes:
      centres: float64 (modes, 2), in [-1, 1].
      deviation: of each coordinate, in the same units.
    """

    centres: np.ndarray
    deviation: float

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the labels: the numbers of the modes."""
        return tuple(map(str, range(len(self.centres))))

    def labels(self, count: int) -> np.ndarray:
        """The modes of examples 0 to `count` - 1, int32: they take turns, so that all are equally frequent."""
        return np.arange(count, dtype=np.int32) % len(self.centres)

    def draw(self, keys: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        """Points of the modes `labels` (n,), each a function of its own key, (n, 2): float32 (n, 1, 1, 2)."""
        middles = tf.gather(tf.constant(self.centres, tf.float32), labels)
        return _pixels(middles + self.deviation * _normals(uniforms(keys, 2)))


@dataclass(frozen=True)
class SwissRoll:
    """A spiral of one and a half turns, angle t from 1.5 pi to 4.5 pi, at radius t, with normal noise.

    Attributes:
      deviation: of the noise, in units of the images.
      scale: from radians to units of the images.
    """

    deviation: float
    scale: float

    classes: ClassVar[tuple[str, ...]] = ()

    def labels(self, count: int) -> np.ndarray:
        """-1 for each of `count` examples: there are no modes."""
        return np.full(count, -1, np.int32)

    def draw(self, keys: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        """As `Mixture.draw`; the labels tell nothing."""
        chance = uniforms(keys, 3)
        angle = 1.5 * np.pi * (1.0 + 2.0 * chance[:, 0])
        spiral = self.scale * angle[:, None] * tf.stack([tf.cos(angle), tf.sin(angle)], axis=-1)
        return _pixels(spiral + self.deviation * _normals(chance[:, 1:]))


def _normals(chance: tf.Tensor) -> tf.Tensor:
    """Two standard normal numbers of two uniform ones in [0, 1), (n, 2) each (Box and Muller 1958).

    1 - u is at least 2^-24, so they lie within sqrt(2 log 2^24) = 5.77 of 0.
    """
    radius = tf.sqrt(-2.0 * tf.math.log(1.0 - chance[:, :1]))
    angle = 2.0 * np.pi * chance[:, 1:]
    return radius * tf.concat([tf.cos(angle), tf.sin(angle)], axis=-1)


def _pixels(points: tf.Tensor) -> tf.Tensor:
    return points[:, None, None, :]


def _ring() -> Mixture:
    """Eight modes on a circle of radius 1 with deviation 0.01, counted counter-clockwise from the right."""
    angle = 2 * np.pi * np.arange(8) / 8
    return Mixture(REACH * np.stack([np.cos(angle), np.sin(angle)], axis=-1), REACH * 0.01)


def _grid() -> Mixture:
    """Modes at (x, y) in {-4, -2, 0, 2, 4}^2 with deviation 0.05; y runs fastest."""
    places = np.arange(-4, 5, 2)
    centres = np.stack(np.meshgrid(places, places, indexing="ij"), axis=-1).reshape(-1, 2)
    return Mixture(REACH / 4 * centres, REACH / 4 * 0.05)


def _swiss_roll() -> SwissRoll:
    """Noise of deviation 0.25 where the spiral ends at radius 4.5 pi."""
    scale = REACH / (4.5 * np.pi)
    return SwissRoll(scale * 0.25, scale)


RING, GRID, SWISS_ROLL = _ring(), _grid(), _swiss_roll()
POINT_SETS: dict[str, Mixture | SwissRoll] = {"ring": RING, "grid": GRID, "swiss-roll": SWISS_ROLL}
