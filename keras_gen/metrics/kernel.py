"""Kernel distance between two sets of features: the squared maximum mean discrepancy with a polynomial kernel.

    k(x, y) = (x'y / d + 1)^3
    MMD^2 = mean_{i != j} k(x_i, x_j) + mean_{i != j} k(y_i, y_j) - 2 mean_{i, j} k(x_i, y_j)

Binkowski, Sutherland, Arbel, Gretton: Demystifying MMD GANs, ICLR 2018, arXiv 1801.01401, section 4. The estimate is
unbiased, so unlike the Frechet distance it does not depend on the number of features, and it can be negative. With the
features of the Inception network of 2015 it is called kernel Inception distance (KID).
"""

from __future__ import annotations

import numpy as np

SUBSETS, SUBSET_SIZE = 100, 1000
"""Number of random subsets, and features of each side in one of them, as in the authors' program."""


def squared_mmd(one: np.ndarray, other: np.ndarray) -> float:
    """The unbiased estimate of MMD^2 from all pairs of features, in float64.

    Args:
        one: (n, d), n > 1.
        other: (m, d), m > 1.

    Examples:
        >>> one, other = np.array([[0.0], [1.0]]), np.array([[1.0], [2.0]])
        >>> squared_mmd(one, other)  # 1 + 27 - 2 (1 + 1 + 8 + 27) / 4
        9.5
    """
    one, other = np.asarray(one, np.float64), np.asarray(other, np.float64)
    within = sum(_mean_of_others(_kernel(side, side)) for side in (one, other))
    return float(within - 2.0 * _kernel(one, other).mean())


def _kernel(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    return (one @ other.T / one.shape[1] + 1.0) ** 3


def _mean_of_others(kernel: np.ndarray) -> float:
    """Mean over pairs of different features."""
    count = len(kernel)
    return (kernel.sum() - np.trace(kernel)) / (count * (count - 1))


def kernel_distance(
    one: np.ndarray, other: np.ndarray, *, subsets: int = SUBSETS, subset_size: int = SUBSET_SIZE, seed: int = 0
) -> tuple[float, float]:
    """Mean and standard deviation (divisor n) of MMD^2 over random subsets.

    Args:
        one: features (n, d).
        other: features (m, d).
        subsets: number of subsets.
        subset_size: features of each side in a subset, drawn without replacement; at most as many as there are.
        seed: seed of the subsets.
    """
    rng = np.random.default_rng(seed)
    size = min(subset_size, len(one), len(other))
    found = [squared_mmd(*(_chosen(side, size, rng) for side in (one, other))) for _ in range(subsets)]
    return float(np.mean(found)), float(np.std(found))


def _chosen(features: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
    return features[rng.choice(len(features), size, replace=False)]
