"""Diversity of a set of images, relative to that of the data.

1 means as diverse as the data, 0 means the same image over and over. There are three measures, because each of them
misses some kinds of mode collapse:

- distance: the mean distance between the features of two images. If k of n equally common and equally distant modes
  are left, it is (1 - 1/k) / (1 - 1/n). This is still above 1/2 when only two modes are left.
- kinds: the effective number of modes, relative to the data's. Two images from k equally common modes belong to the
  same mode with probability 1/k (Simpson 1949, Nature 163, 688). So the fraction of close pairs in the data, divided
  by that in the samples, is about k/n. "Close" means within the closest tenth of the data's pairs, so the value is at
  least 0.1. Counting near duplicates is also the birthday paradox test of Arora, Risteski and Zhang (2018, ICLR).
- structure: 1 - MS-SSIM of two images (Odena, Olah and Shlens 2017, arXiv 1610.09585, section 4.2).

If the modes are known, as for points in the plane, `modes_reached` counts them.

The features need no download. They are ReLU outputs of random filters at several scales, averaged over the cells of a
grid, so small shifts and noise on single pixels have little effect. Random filters with ReLU and pooling separate
objects nearly as well as trained ones of the same architecture (Jarrett et al. 2009, ICCV; Saxe et al. 2011, ICML).
They are also used to compare generated and real images of domains far from ImageNet (Naeem et al. 2020, arXiv
2002.09797, section 5). They carry no meaning of their own, so compare them only with features of the data.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import tensorflow as tf
from scipy.spatial.distance import cdist, pdist

from keras_gen.ops.reconstruction import ms_ssim, scales_that_fit

MIN_IMAGES = 32
"""The smallest number of images for a `Reference`. They form 496 pairs, of which 50 are close, so the fraction of close
pairs has a relative error of 10 to 20 %."""

REACHED = 0.1
"""A mode counts as reached if it gets at least this fraction of the samples that are expected of it. With 256 samples
and the 25 modes of a grid, about ten are expected; by chance, one mode in 2,500 gets fewer than two."""

_CLOSE = 0.1  # fraction of the data's pairs that count as close; with ten classes, roughly the pairs of equal class
_FILTERS, _SEED = 16, 0  # random filters per scale
_CELLS = 4  # cells along each side of the grid
_SMALLEST = 4  # smallest side at which filters are applied [pixels]


def features(images: tf.Tensor) -> np.ndarray:
    """Features of images, float32 (n, d), scaled so that Euclidean distances are root-mean-square differences.

    For images with a side below 4 pixels, such as points (1x1), the features are the pixels.

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
    """Diversity of a set of images. All values are relative to the data, whose value is 1.

    Attributes:
        distance: mean distance between the features of two images.
        kinds: effective number of modes.
        structure: mean of 1 - MS-SSIM of two images, at as many scales as fit; None for images below 11 pixels.
    """

    distance: float
    kinds: float
    structure: float | None


class Reference:
    """Real images, with which the diversity of samples is compared.

    Attributes:
        distance: mean distance between the features of two real images.

    Examples:
        >>> import numpy as np
        >>> images = np.random.default_rng(0).uniform(-1.0, 1.0, (32, 16, 16, 1)).astype(np.float32)
        >>> reference = Reference(images)
        >>> reference.diversity(images)
        Diversity(distance=1.0, kinds=1.0, structure=1.0)
        >>> reference.diversity(np.repeat(images[:1], 32, axis=0)).distance
        0.0
    """

    def __init__(self, images: tf.Tensor) -> None:
        """Args:
        images: different real images, (n, h, w, channels) in [-1, 1].
        """
        distances = pdist(features(images))
        self.distance = float(distances.mean())
        self._radius = np.quantile(distances, _CLOSE)
        self._close = float(np.mean(distances <= self._radius))
        self._dissimilarity = _dissimilarity(images) or None

    def diversity(self, samples: tf.Tensor) -> Diversity:
        """The diversity of `samples`, (n, h, w, channels): images of the same shape and about as many as the data."""
        distances = pdist(features(samples))
        # Assume at least one close pair: without any, the number of modes would be infinite.
        close = max(float(np.mean(distances <= self._radius)), 1.0 / len(distances))
        return Diversity(
            float(distances.mean()) / self.distance,
            self._close / close,
            self.structure(samples),
        )

    def structure(self, samples: tf.Tensor) -> float | None:
        """`Diversity.structure` of `samples` alone."""
        return None if self._dissimilarity is None else _dissimilarity(samples) / self._dissimilarity

    def change(self, samples: tf.Tensor, others: tf.Tensor) -> float:
        """Mean feature distance between corresponding images of two sets, relative to `distance`."""
        return float(np.linalg.norm(features(samples) - features(others), axis=1).mean()) / self.distance


def modes_reached(samples: np.ndarray, centres: np.ndarray) -> float:
    """Fraction of equally common modes that the samples reach, in [0, 1].

    Each sample is assigned to the nearest mode, however far away it is. A mode is reached if it gets at least `REACHED`
    of the samples that are expected of it. So a generator that has not learnt the modes yet, and spreads its samples
    over all of them, does not look collapsed.

    Args:
        samples: points (n, d), or images with d values each.
        centres: centres of the modes, (modes, d).
    """
    nearest = cdist(np.asarray(samples).reshape(len(samples), -1), centres).argmin(axis=1)
    counts = np.bincount(nearest, minlength=len(centres))
    return float(np.mean(counts >= REACHED * len(samples) / len(centres)))


def _dissimilarity(images: tf.Tensor) -> float | None:
    """Mean of 1 - MS-SSIM over pairs of images. Each image is paired with one other."""
    scales = scales_that_fit(*images.shape[1:3])
    if not scales:
        return None
    # Shuffled, because the images may be sorted by class; with a fixed seed, so that all sets have the same pairs.
    order = np.random.default_rng(_SEED).permutation(len(images))
    pairs = (tf.gather(images, order), tf.gather(images, np.roll(order, 1)))
    return max(0.0, 1.0 - float(np.mean(ms_ssim(*pairs, scales))))
