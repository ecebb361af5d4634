"""Diversity of images: the MS-SSIM of random pairs, which is high if images are alike.

Odena, Olah, Shlens: Conditional Image Synthesis with Auxiliary Classifier GANs, ICML 2017, arXiv 1610.09585, section
4.2, who compare 100 pairs of each class. The value of a set of samples means little without that of the data.
"""

from __future__ import annotations

import numpy as np

from keras_gen.ops.reconstruction import ms_ssim, scales_that_fit

PAIRS = 1000
"""Number of random pairs."""
_BATCH = 100  # pairs at a time


def pair_similarity(images: np.ndarray, *, pairs: int = PAIRS, seed: int = 0) -> tuple[float, float]:
    """Mean MS-SSIM of random pairs of different images, in [0, 1], and its standard error.

    Args:
        images: (n, height, width, channels) in [-1, 1], n > 1, with sides of at least 11 pixels. There are as many
            scales as fit (`ops.reconstruction.scales_that_fit`).
        pairs: number of pairs.
        seed: seed of the pairs.

    Raises:
        ValueError: for smaller or fewer images.

    Examples:
        >>> pair_similarity(np.zeros((5, 16, 16, 1)))
        (1.0, 0.0)
    """
    scales = scales_that_fit(*images.shape[1:3])
    if not scales or len(images) < 2:
        raise ValueError(f"images have the shape {images.shape}; accepted are two or more of at least 11x11 pixels.")
    rng = np.random.default_rng(seed)
    one = rng.integers(0, len(images), pairs)
    other = (one + rng.integers(1, len(images), pairs)) % len(images)
    found = [
        np.asarray(ms_ssim(images[one[start : start + _BATCH]], images[other[start : start + _BATCH]], scales))
        for start in range(0, pairs, _BATCH)
    ]
    values = np.concatenate(found).astype(np.float64)
    return float(values.mean()), float(values.std() / np.sqrt(pairs))
