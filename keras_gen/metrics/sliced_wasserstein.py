"""Sliced Wasserstein distance: of two sets of points, and of the local structure of two sets of images.

A random direction projects both sets to a line, where the Wasserstein distance is that of the sorted values. The mean
over directions is the sliced distance (Rabin, Peyre, Delon, Bernot 2011).

For images, the points are patches of 7x7 pixels from each level of a Laplacian pyramid, from the full size down to 16
pixels; each channel of the patches of a level has mean 0 and deviation 1. The distances of the levels tell at which
scale the sets differ. Karras, Aila, Laine, Lehtinen: Progressive Growing of GANs, ICLR 2018, arXiv 1710.10196, section
5, whose tables show 1000 times the distance.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

PATCHES, SIDE = 128, 7
"""Patches of each image at each level, and their side [pixels]."""
DIRECTIONS = 512
"""Number of random directions."""
_SMALLEST = 16  # smallest side of a level [pixels]
_CHUNK = 64  # directions at a time
_KERNEL = np.array([1.0, 4.0, 6.0, 4.0, 1.0]) / 16.0  # of the pyramid (Burt and Adelson 1983)


def sliced_wasserstein(one: np.ndarray, other: np.ndarray, *, directions: int = DIRECTIONS, seed: int = 0) -> float:
    """Mean over directions of the Wasserstein-1 distance of the projections.

    Args:
        one: points (n, d).
        other: as many points, (n, d).
        directions: number of random directions, uniform on the sphere.
        seed: seed of the directions.

    Raises:
        ValueError: if the shapes differ.

    Examples:
        In one dimension, points that are moved by 2 have the distance 2.

        >>> points = np.arange(5.0)[:, None]
        >>> sliced_wasserstein(points, points + 2.0)
        2.0
    """
    if one.shape != other.shape:
        raise ValueError(f"points have the shapes {one.shape} and {other.shape}; accepted are equal shapes.")
    axes = np.random.default_rng(seed).normal(size=(one.shape[1], directions))
    axes = (axes / np.linalg.norm(axes, axis=0)).astype(np.result_type(one, np.float32))
    found = []
    for start in range(0, directions, _CHUNK):
        a, b = (np.sort((side @ axes[:, start : start + _CHUNK]).T, axis=1) for side in (one, other))
        found.append(np.abs(a - b).mean(axis=1, dtype=np.float64))
    return float(np.mean(np.concatenate(found)))


def patch_distances(
    one: np.ndarray, other: np.ndarray, *, patches: int = PATCHES, directions: int = DIRECTIONS, seed: int = 0
) -> dict[int, float]:
    """The sliced Wasserstein distance of patches at each level of the pyramid.

    Args:
        one: images (n, height, width, channels), in any range.
        other: as many images of the same shape.
        patches: patches of each image at each level, at random places.
        directions: number of random directions.
        seed: seed of places and directions.

    Returns:
        Smaller side of a level [pixels] -> distance, from the full size down to 16.

    Raises:
        ValueError: if the shapes differ, or the images are smaller than a patch.
    """
    if one.shape != other.shape or min(one.shape[1:3]) < SIDE:
        raise ValueError(
            f"images have the shapes {one.shape} and {other.shape}; accepted are equal shapes and sides of {SIDE} "
            "pixels or more."
        )
    found, levels = {}, zip(laplacian_pyramid(one), laplacian_pyramid(other), strict=True)
    for level, pair in enumerate(levels):
        # The same places on both sides: then equal sets have the distance 0.
        sides = [_standardised(_patches(images, patches, np.random.default_rng([seed, level]))) for images in pair]
        found[min(pair[0].shape[1:3])] = sliced_wasserstein(*sides, directions=directions, seed=seed)
    return found


def laplacian_pyramid(images: np.ndarray) -> list[np.ndarray]:
    """Levels whose sum, each enlarged to the size of the one before it, is the image; the last one is low-pass.

    Args:
        images: (n, height, width, channels).

    Returns:
        float32 arrays. A level has half the sides of the one before it, as long as these are even and at least twice 16
        pixels.
    """
    levels, images = [], np.asarray(images, np.float32)
    while min(images.shape[1:3]) >= 2 * _SMALLEST and not (images.shape[1] % 2 or images.shape[2] % 2):
        smaller = _smooth(images)[:, ::2, ::2]
        levels.append(images - _enlarged(smaller))
        images = smaller
    return [*levels, images]


def _smooth(images: np.ndarray, gain: float = 1.0) -> np.ndarray:
    for axis in (1, 2):
        images = ndimage.correlate1d(images, gain * _KERNEL, axis=axis, mode="mirror")
    return images


def _enlarged(images: np.ndarray) -> np.ndarray:
    count, height, width, channels = images.shape
    spread = np.zeros((count, 2 * height, 2 * width, channels), np.float32)
    spread[:, ::2, ::2] = images
    return _smooth(spread, gain=2.0)


def _patches(images: np.ndarray, patches: int, rng: np.random.Generator) -> np.ndarray:
    """Patches at random places of each image, (n * patches, SIDE, SIDE, channels)."""
    count, height, width, _ = images.shape
    top = rng.integers(0, height - SIDE + 1, (count, patches, 1, 1))
    left = rng.integers(0, width - SIDE + 1, (count, patches, 1, 1))
    step = np.arange(SIDE)
    found = images[np.arange(count)[:, None, None, None], top + step[:, None], left + step]
    return found.reshape(-1, *found.shape[2:])


def _standardised(patches: np.ndarray) -> np.ndarray:
    """Patches as vectors, with mean 0 and deviation 1 of each channel; a constant channel becomes 0."""
    mean = patches.mean(axis=(0, 1, 2), dtype=np.float64)
    deviation = patches.std(axis=(0, 1, 2), dtype=np.float64)
    scaled = (patches - mean) / np.where(deviation > 0, deviation, 1.0)
    return scaled.astype(np.float32).reshape(len(patches), -1)
