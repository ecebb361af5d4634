"""Points in the plane, sampled from known densities, which make mode collapse of a generator visible.

An example is an image of one pixel whose two channels are x, to the right, and y, upwards. The mixtures are those of
Srivastava et al. 2017 (VEEGAN, arXiv 1705.07761, section 4.1), with the parameters of Lin et al. 2018 (PacGAN, arXiv
1712.04086, section 4.1); the ring is that of Metz et al. 2017 (arXiv 1611.02163) at half the size. The swiss roll is
that of Gulrajani et al. 2017 (arXiv 1704.00028), two of the three coordinates of scikit-learn's.

Each density is scaled so that its outermost centres, or the end of the roll, are 0.8 from the origin. Normal random
numbers are at most 5.77 standard deviations from their mean here, beyond which the probability is 6e-8. So all
coordinates are within [-0.9, 0.9], and nothing is clipped.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import tensorflow as tf

from keras_gen.data.dataset import uniforms

TRAIN, VALIDATION = 100_000, 10_000  # number of points per epoch, and of validation points
REACH = 0.8  # distance of the outermost centres from the origin; the plane is [-1, 1]^2


@dataclass(frozen=True, eq=False)
class Mixture:
    """A mixture of isotropic normal densities with equal standard deviations and weights.

    Attributes:
        centres: float64 (modes, 2), in [-1, 1].
        deviation: standard deviation of each coordinate, in the same units.
    """

    centres: np.ndarray
    deviation: float

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the labels, which are the indices of the modes."""
        return tuple(map(str, range(len(self.centres))))

    def labels(self, count: int) -> np.ndarray:
        """The modes of examples 0 to `count` - 1, int32 (count,). They alternate, so all are equally frequent."""
        return np.arange(count, dtype=np.int32) % len(self.centres)

    def draw(self, keys: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        """Points of the modes `labels` (n,), each a function of its key, (n, 2): float32 (n, 1, 1, 2)."""
        middles = tf.gather(tf.constant(self.centres, tf.float32), labels)
        return _pixels(middles + self.deviation * _normals(uniforms(keys, 2)))


@dataclass(frozen=True)
class SwissRoll:
    """A spiral of one and a half turns, at radius t for angles t from 1.5 pi to 4.5 pi, with normal noise.

    Attributes:
        deviation: standard deviation of the noise, in units of the images.
        scale: factor from radians to units of the images.
    """

    deviation: float
    scale: float

    classes: ClassVar[tuple[str, ...]] = ()

    def labels(self, count: int) -> np.ndarray:
        """-1 for each of `count` examples, because there are no modes."""
        return np.full(count, -1, np.int32)

    def draw(self, keys: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        """Like `Mixture.draw`, but the labels are ignored."""
        chance = uniforms(keys, 3)
        angle = 1.5 * np.pi * (1.0 + 2.0 * chance[:, 0])
        spiral = self.scale * angle[:, None] * tf.stack([tf.cos(angle), tf.sin(angle)], axis=-1)
        return _pixels(spiral + self.deviation * _normals(chance[:, 1:]))


def _normals(chance: tf.Tensor) -> tf.Tensor:
    """Standard normal numbers from uniform ones in [0, 1), (n, 2) each (Box and Muller 1958).

    Because 1 - u is at least 2^-24, their magnitude is at most sqrt(2 log 2^24) = 5.77.
    """
    radius = tf.sqrt(-2.0 * tf.math.log(1.0 - chance[:, :1]))
    angle = 2.0 * np.pi * chance[:, 1:]
    return radius * tf.concat([tf.cos(angle), tf.sin(angle)], axis=-1)


def _pixels(points: tf.Tensor) -> tf.Tensor:
    return points[:, None, None, :]


def _ring() -> Mixture:
    """Eight modes on a circle of radius 1, standard deviation 0.01, counter-clockwise from the right, then scaled."""
    angle = 2 * np.pi * np.arange(8) / 8
    return Mixture(REACH * np.stack([np.cos(angle), np.sin(angle)], axis=-1), REACH * 0.01)


def _grid() -> Mixture:
    """Modes at (x, y) in {-4, -2, 0, 2, 4}^2, standard deviation 0.05, y varying fastest, then scaled."""
    places = np.arange(-4, 5, 2)
    centres = np.stack(np.meshgrid(places, places, indexing="ij"), axis=-1).reshape(-1, 2)
    return Mixture(REACH / 4 * centres, REACH / 4 * 0.05)


def _swiss_roll() -> SwissRoll:
    """A spiral that ends at radius 4.5 pi, with noise of standard deviation 0.25, then scaled."""
    scale = REACH / (4.5 * np.pi)
    return SwissRoll(scale * 0.25, scale)


RING, GRID, SWISS_ROLL = _ring(), _grid(), _swiss_roll()
POINT_SETS: dict[str, Mixture | SwissRoll] = {"ring": RING, "grid": GRID, "swiss-roll": SWISS_ROLL}
