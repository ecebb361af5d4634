"""Precision and recall, density and coverage: how two sets of features overlap.

The manifold of a set is approximated by balls around its features, which reach to their k-th nearest neighbour in the
set. X are real and Y generated features, B_k(X_i) is the ball around X_i.

    precision = 1/M sum_j 1[Y_j in some B_k(X_i)]               recall = 1/N sum_i 1[X_i in some B_k(Y_j)]
    density = 1/kM sum_j sum_i 1[Y_j in B_k(X_i)]               coverage = 1/N sum_i 1[some Y_j in B_k(X_i)]

Kynkaanniemi, Karras, Laine, Lehtinen, Aila: Improved Precision and Recall Metric for Assessing Generative Models,
NeurIPS 2019, arXiv 1904.06991, equations 1 and 2 (k = 3). Naeem, Oh, Uh, Choi, Yoo: Reliable Fidelity and Diversity
Metrics for Generative Models, ICML 2020, arXiv 2002.09797, section 3 (k = 5). A ball contains its surface.

Density may exceed 1. For two sets from the same distribution its expectation is 1, and that of coverage is
1 - (N - 1)...(N - k) / ((M + N - 1)...(M + N - k)), about 1 - 2^-k if N = M.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

PRECISION_NEIGHBOURS, DENSITY_NEIGHBOURS = 3, 5
"""k in the papers: of precision and recall, and of density and coverage."""
_VALUES = 2**24  # distances computed at a time: 128 MB


def precision_recall(real: np.ndarray, generated: np.ndarray, k: int = PRECISION_NEIGHBOURS) -> tuple[float, float]:
    """Precision and recall, each in [0, 1].

    Args:
        real: features (n, d), n > k.
        generated: features (m, d), m > k.
        k: number of neighbours.

    Raises:
        ValueError: for k features or fewer on a side.

    Examples:
        Half of the generated points lie among the real ones, and they surround half of these.

        >>> real = np.array([[0.0], [1.0], [10.0], [11.0]])
        >>> precision_recall(real, np.array([[0.5], [1.5], [50.0], [51.0]]), k=1)
        (0.5, 0.5)
    """
    radii = {"real": _radii(real, k), "generated": _radii(generated, k)}
    inside_real, inside_generated = np.zeros(len(generated), bool), np.zeros(len(real), bool)
    for part, distances in _squared_distances(real, generated):
        inside_real |= (distances <= radii["real"][part, None]).any(axis=0)
        inside_generated[part] = (distances <= radii["generated"]).any(axis=1)
    return float(inside_real.mean()), float(inside_generated.mean())


def density_coverage(real: np.ndarray, generated: np.ndarray, k: int = DENSITY_NEIGHBOURS) -> tuple[float, float]:
    """Density, 0 or more, and coverage, in [0, 1].

    Args:
        real: features (n, d), n > k.
        generated: features (m, d).
        k: number of neighbours.

    Raises:
        ValueError: for k real features or fewer.

    Examples:
        >>> real = np.array([[0.0], [1.0], [10.0], [11.0]])
        >>> density_coverage(real, np.array([[0.5], [50.0]]), k=1)
        (1.0, 0.5)
    """
    radii, inside, covered = _radii(real, k), 0, np.zeros(len(real), bool)
    for part, distances in _squared_distances(real, generated):
        within = distances <= radii[part, None]
        inside += int(within.sum())
        covered[part] = within.any(axis=1)
    return inside / (k * len(generated)), float(covered.mean())


def _radii(features: np.ndarray, k: int) -> np.ndarray:
    """Squared distance of each feature to its k-th nearest neighbour, (n,)."""
    if len(features) <= k:
        raise ValueError(f"{len(features)} features have no {k}-th neighbour; accepted are {k + 1} or more.")
    radii = np.empty(len(features))
    for part, distances in _squared_distances(features, features):
        rows = np.arange(len(distances))
        distances[rows, part.start + rows] = np.inf  # a feature is not its own neighbour
        radii[part] = np.partition(distances, k - 1, axis=1)[:, k - 1]
    return radii


def _squared_distances(one: np.ndarray, other: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
    """Squared Euclidean distances in float64, (part of n, m), for consecutive parts of `one`."""
    centre = np.mean(one, axis=0, dtype=np.float64)  # differences of large numbers lose digits
    one, other = one - centre, other - centre
    squares = np.einsum("ij,ij->i", other, other)
    step = max(1, _VALUES // max(len(other), 1))
    for start in range(0, len(one), step):
        part = slice(start, min(start + step, len(one)))
        rows = one[part]
        products = rows @ other.T
        products *= -2.0
        products += np.einsum("ij,ij->i", rows, rows)[:, None]
        products += squares
        yield part, np.maximum(products, 0.0, out=products)
