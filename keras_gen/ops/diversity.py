"""How much the pictures of a set differ from each other, as a share of how much the data do.

1 is the diversity of the data, 0 one picture over and over. Three measures, because each is blind to something:

- distance: mean distance of two pictures' features. For k of n equally common and equally distant modes it is
  (1 - 1/k) / (1 - 1/n), so a loss of all modes but two hardly shows;
- kinds: the share of near pairs, inverted. Two pictures of k equally common modes are of the same with probability 1/k
  (Simpson 1949, Nature 163, 688), so it is k/n: the effective number of modes. Near is what the nearest tenth of the
  data's pairs are, so it shows at most a loss of 9 in 10. Counting near duplicates is also the birthday paradox test of
  Arora, Risteski and Zhang (2018, ICLR);
- structure: 1 - MS-SSIM of two pictures (Odena, Olah and Shlens 2017, arXiv 1610.09585, section 4.2).

Where the modes are known, as those of points of the plane are, `modes_reached` counts them.

Features need no download: rectified random filters at every scale, averaged over the cells of a grid, so that a small
shift and noise on single pixels count little. Random filters, rectified and pooled, tell objects apart nearly as well
as trained ones of the same architecture (Jarrett et al. 2009, ICCV; Saxe et al. 2011, ICML), and serve to compare
generated with real pictures, also of domains far from ImageNet's (Naeem et al. 2020, arXiv 2002.09797, section 5). They
know nothing of what a picture means: they are to be compared with the same features of the data alone.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import tensorflow as tf
from scipy.spatial.distance import cdist, pdist

from keras_gen.ops.reconstruction import ms_ssim, scales_that_fit

FEWEST = 32
"""Pictures that `Reference` takes at least: 496 pairs, of which 50 are near, so their share is known within a tenth or
two."""

RARE = 0.1
"""Share of a mode's due below which it is lost: of 256 samples ten are due to each of the 25 modes of a grid, and
by chance fewer than two come to one mode in 2,500."""

_NEAR = 0.1  # share of the data's pairs that count as near: of ten classes, about those of the same
_FILTERS, _SEED = 16, 0  # random ones at each scale
_CELLS = 4  # along each side of the grid
_SMALLEST = 4  # side of the last scale [pixels]


def features(images: tf.Tensor) -> np.ndarray:
    """Features of pictures, float32 (n, d), whose Euclidean distance is the root of a mean square.

    Images with a side below 4 pixels (points are of one) are their own features.

    Args:
        images: (n, h, w, channels) in [-1, 1].
    """
    images = tf.cast(images, tf.float32)
    scales = []
    while min(images.shape[1:3]) >= _SMALLEST:
        channels = images.shape[-1]
        filters = tf.random.stateless_normal((3, 3, channels, _FILTERS), (_SEED, len(scales)))
        found = tf.nn.relu(tf.nn.conv2d(images, filters / (9 * channels) ** 0.5, 1, "SAME"))
        scales.append(_flat(tf.image.resize(found, (_CELLS, _CELLS), "area")))
        images = tf.nn.avg_pool2d(images, 2, 2, "SAME")
    scales = scales or [_flat(images)]
    return np.concatenate(scales, axis=1) / len(scales) ** 0.5


def _flat(images: tf.Tensor) -> np.ndarray:
    values = np.asarray(images).reshape(len(images), -1)
    return values / values.shape[1] ** 0.5


@dataclasses.dataclass(frozen=True)
class Diversity:
    """Of a set of pictures, each as a share of the data's: 1 is as diverse as they.

    Attributes:
        distance: mean distance of two pictures' features.
        kinds: effective number of modes.
        structure: 1 - MS-SSIM of two pictures, at as many scales as fit; None of images below 11 pixels.
    """

    distance: float
    kinds: float
    structure: float | None


class Reference:
    """The data that pictures are compared with."""

    def __init__(self, images: tf.Tensor) -> None:
        """Args:
        images: (n, h, w, channels) in [-1, 1], different ones, of the data's own distribution.
        """
        distances = pdist(features(images))
        self.distance = float(distances.mean())
        """Mean distance of the features of two pictures of the data."""
        self._radius = np.quantile(distances, _NEAR)
        self._near = float(np.mean(distances <= self._radius))
        self._unlike = _unlike(images) or None

    def diversity(self, samples: tf.Tensor) -> Diversity:
        """How diverse `samples`, (n, h, w, channels) of the same shape, are; they should be as many as the data."""
        distances = pdist(features(samples))
        # One pair at least, or a set without near pairs would be infinitely diverse.
        near = max(float(np.mean(distances <= self._radius)), 1.0 / len(distances))
        return Diversity(
            float(distances.mean()) / self.distance,
            self._near / near,
            self.structure(samples),
        )

    def structure(self, samples: tf.Tensor) -> float | None:
        """That of `Diversity` alone."""
        return None if self._unlike is None else _unlike(samples) / self._unlike

    def change(self, samples: tf.Tensor, others: tf.Tensor) -> float:
        """Mean distance of the features of each sample from those of its own other, as a share of the data's."""
        return float(np.linalg.norm(features(samples) - features(others), axis=1).mean()) / self.distance


def modes_reached(samples: np.ndarray, centres: np.ndarray) -> float:
    """Share of equally common modes that samples go to, in [0, 1].

    A mode is reached if it is the nearest one of at least `RARE` of the samples that are due to it. How near they are
    does not matter: those of a generator that has not learnt the modes yet are spread over all of them.

    Args:
        samples: points, (n, d), or pictures of d values each.
        centres: of the modes, (modes, d).
    """
    nearest = cdist(np.asarray(samples).reshape(len(samples), -1), centres).argmin(axis=1)
    counts = np.bincount(nearest, minlength=len(centres))
    return float(np.mean(counts >= RARE * len(samples) / len(centres)))


def _unlike(images: tf.Tensor) -> float | None:
    """Mean of 1 - MS-SSIM of each picture and another, the same pairs for every set; data may be in order of class."""
    scales = scales_that_fit(*images.shape[1:3])
    if not scales:
        return None
    order = np.random.default_rng(_SEED).permutation(len(images))
    pairs = (tf.gather(images, order), tf.gather(images, np.roll(order, 1)))
    return max(0.0, 1.0 - float(np.mean(ms_ssim(*pairs, scales))))
