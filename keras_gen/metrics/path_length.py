"""Perceptual path length: how much images change along a path between two latent vectors.

    PPL = E [1/eps^2 d(G(slerp(z1, z2; t)), G(slerp(z1, z2; t + eps)))],   t from U(0, 1), eps = 1e-4

Karras, Laine, Aila: A Style-Based Generator Architecture for GANs, CVPR 2019, arXiv 1812.04948, section 4.1, equations
2 and 3. d is a perceptual distance such as LPIPS. As in the authors' program, the lowest and the highest hundredth of
the values are left out of the mean.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Literal

import numpy as np

from keras_gen.ops.latents import spherical, straight

Path = Literal["spherical", "straight"]
SAMPLES, EPSILON = 10_000, 1e-4
"""Number of paths, and step along each of them as a share of its length. The paper has 100,000 paths."""
_LEFT_OUT = 0.01  # share of the values at each end


def path_length(
    draw: Callable[[np.ndarray], np.ndarray],
    distance: Callable[[np.ndarray, np.ndarray], np.ndarray],
    latent_dim: int,
    *,
    samples: int = SAMPLES,
    epsilon: float = EPSILON,
    path: Path = "spherical",
    batch: int = 100,
    seed: int = 0,
) -> float:
    """The perceptual path length of a generator.

    Args:
        draw: maps latent vectors float32 (n, latent_dim) to images (n, height, width, channels).
        distance: maps two batches of images to distances (n,) that grow with the square of small differences, as LPIPS
            does.
        latent_dim: length of a latent vector.
        samples: number of paths between vectors from N(0, 1).
        epsilon: step along the path. Much smaller steps drown in the rounding of float32.
        path: "spherical" for normal latent vectors (equation 2), "straight" for an intermediate latent space (3).
        batch: paths at a time.
        seed: seed of the latent vectors and places.

    Examples:
        For a generator that returns the vector, d is the squared Euclidean distance, and the path turns by the angle
        between two random vectors, which in many dimensions is about pi / 2:

        >>> squared = lambda one, other: np.square(np.float64(one) - other).sum(axis=(1, 2, 3)) / 1000
        >>> found = path_length(lambda z: z[:, None, None], squared, 1000, samples=50, epsilon=1e-2)
        >>> round((found / (np.pi / 2) ** 2), 1)
        1.0
    """
    steps = steps_along(latent_dim, samples, epsilon, path, seed)
    found = []
    while len(found) < samples:
        pairs = np.array(list(islice(steps, batch)), np.float32)
        # Two calls: a generator that draws classes in turn draws both images of a pair with the same class.
        images = [np.asarray(draw(pairs[:, place])) for place in (0, 1)]
        found += list(np.asarray(distance(*images), np.float64) / epsilon**2)
    low, high = np.quantile(found, (_LEFT_OUT, 1.0 - _LEFT_OUT))
    return float(np.mean([value for value in found if low <= value <= high]))


def steps_along(latent_dim: int, samples: int, epsilon: float, path: Path, seed: int) -> Iterator[np.ndarray]:
    """Pairs of latent vectors, (2, latent_dim): a random place on a path, and the place a step further on."""
    rng, walk = np.random.default_rng(seed), {"spherical": spherical, "straight": straight}[path]
    for _ in range(samples):
        start, end = rng.normal(size=(2, latent_dim))
        place = rng.uniform(0.0, 1.0 - epsilon)
        yield walk(start, end, np.array([place, place + epsilon]))
