"""Divergences and earth mover's distances, of histograms and of two sets of points.

    KL(p || q) = sum_i p_i log(p_i / q_i)          JS(p, q) = 1/2 KL(p || m) + 1/2 KL(q || m),   m = (p + q) / 2
    EMD(p, q) = min over plans T >= 0 with sum_j T_ij = p_i and sum_i T_ij = q_j of sum_ij T_ij c_ij

KL and JS compare bin by bin. If p and q have no bin in common, KL is infinite and JS is log 2, however far apart they
are. The earth mover's distance, which is the Wasserstein-1 distance, still tells how far mass has to be moved; this is
the argument of Arjovsky, Chintala, Bottou: Wasserstein GAN, 2017, arXiv 1701.07875, section 2. All logarithms are
natural.

Two sets of points have no densities, so their divergences are estimated from distances to nearest neighbours.
"""

from __future__ import annotations

import numpy as np
from scipy import sparse
from scipy.optimize import linear_sum_assignment, linprog
from scipy.spatial import KDTree
from scipy.special import digamma, rel_entr

NEIGHBOURS = 5
"""Nearest neighbours of the estimates from points. More neighbours lower the variance and raise the bias."""


# -- histograms ------------------------------------------------------------------------------------------------------


def kl_divergence(p: np.ndarray, q: np.ndarray) -> float:
    """KL(p || q) of two histograms [nats], 0 or more; infinite if q is 0 where p is not.

    Args:
        p: counts or probabilities, of any shape; they are divided by their sum.
        q: those of the other histogram, in the same shape.

    Raises:
        ValueError: if the shapes differ, a value is negative, or all are 0.

    Examples:
        >>> kl_divergence([1, 1], [1, 0]), round(kl_divergence([1, 0], [1, 1]), 4)
        (inf, 0.6931)
    """
    return float(np.sum(rel_entr(*_normalised(p, q))))


def js_divergence(p: np.ndarray, q: np.ndarray) -> float:
    """The Jensen-Shannon divergence of two histograms [nats], from 0 to log 2. For arguments see `kl_divergence`.

    Examples:
        >>> round(js_divergence([1, 0], [0, 1]), 4)
        0.6931
    """
    p, q = _normalised(p, q)
    middle = 0.5 * (p + q)
    return float(0.5 * np.sum(rel_entr(p, middle)) + 0.5 * np.sum(rel_entr(q, middle)))


def earth_movers_distance(p: np.ndarray, q: np.ndarray, cost: np.ndarray | None = None) -> float:
    """The exact earth mover's distance of two histograms.

    Args:
        p: counts or probabilities, (n,); they are divided by their sum.
        q: those of the other histogram, (m,).
        cost: c_ij of moving a unit of mass from bin i of p to bin j of q, (n, m). None: the bins are at 0, 1, 2, ...
            and the cost is |i - j|; then the distance is the area between the cumulative histograms, and n = m.

    Raises:
        ValueError: if the shapes do not go together, a value is negative, or all are 0.

    Examples:
        >>> earth_movers_distance([1, 1, 0], [0, 1, 1])
        1.0
    """
    if cost is None:
        p, q = _normalised(p, q)
        return float(np.abs(np.cumsum(p - q)[:-1]).sum())
    return float(np.sum(transport_plan(p, q, cost) * cost))


def transport_plan(p: np.ndarray, q: np.ndarray, cost: np.ndarray) -> np.ndarray:
    """A plan T of least cost, (n, m), by linear programming. There may be others of the same cost.

    For arguments and errors see `earth_movers_distance`.
    """
    p, q, cost = _distribution(p), _distribution(q), np.asarray(cost, np.float64)
    if cost.shape != (*p.shape, *q.shape) or p.ndim != 1:
        raise ValueError(
            f"the cost has the shape {cost.shape}; accepted is that of p and of q, {(*p.shape, *q.shape)}."
        )
    count, other = cost.shape
    rows = sparse.kron(sparse.eye_array(count), np.ones((1, other)))
    columns = sparse.kron(np.ones((1, count)), sparse.eye_array(other))
    # The last equation follows from the others.
    conditions, sums = sparse.vstack([rows, columns]).tocsr()[:-1], np.concatenate([p, q])[:-1]
    found = linprog(cost.ravel(), A_eq=conditions, b_eq=sums, method="highs")
    return found.x.reshape(cost.shape)


def _normalised(p: np.ndarray, q: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    p, q = _distribution(p), _distribution(q)
    if p.shape != q.shape:
        raise ValueError(f"the histograms have the shapes {p.shape} and {q.shape}; accepted are equal shapes.")
    return p, q


def _distribution(values: np.ndarray) -> np.ndarray:
    values = np.asarray(values, np.float64)
    if (values < 0).any() or not values.sum() > 0:
        raise ValueError("a histogram is negative or empty; accepted are counts of 0 or more, not all 0.")
    return values / values.sum()


# -- sets of points --------------------------------------------------------------------------------------------------


def kl_of_points(one: np.ndarray, other: np.ndarray, k: int = NEIGHBOURS) -> float:
    """An estimate of KL(P || Q) [nats] from samples of both densities; it can be slightly negative.

        d/n sum_i log(s_k(x_i) / r_k(x_i)) + log(m / (n - 1))

    r_k and s_k are the distances of x_i to its k-th neighbour among the other samples of P and among those of Q. Wang,
    Kulkarni, Verdu: Divergence Estimation for Multidimensional Densities via k-Nearest-Neighbor Distances, IEEE
    Transactions on Information Theory 55, 2009, equation 14.

    Args:
        one: samples of P, (n, d), n > k.
        other: samples of Q, (m, d), m >= k.
        k: number of neighbours.

    Raises:
        ValueError: for too few samples, or k + 1 equal ones, which have no density.
    """
    one, other = _points(one, other, k)
    within = KDTree(one).query(one, [k + 1])[0]  # the first neighbour of a sample is itself
    between = KDTree(other).query(one, [k])[0]
    if not within.all() or not between.all():
        raise ValueError(f"more than {k} points are equal; accepted are samples of a density.")
    return float(one.shape[1] * np.mean(np.log(between / within)) + np.log(len(other) / (len(one) - 1)))


def js_of_points(one: np.ndarray, other: np.ndarray, k: int = NEIGHBOURS) -> float:
    """An estimate of the Jensen-Shannon divergence [nats] from as many samples of both densities.

    It is the mutual information of a point and the set it comes from, which Ross (2014, PLoS ONE 9, e87357, equation 2)
    estimates without densities:

        psi(N) + psi(k) - psi(n) - mean_i psi(m_i)

    N = 2n is the number of all points, and m_i the number of other points of both sets that are not farther from x_i
    than its k-th neighbour in its own set.

    Args:
        one: samples of P, (n, d), n > k.
        other: samples of Q, (n, d).
        k: number of neighbours.

    Raises:
        ValueError: for different numbers of samples, or too few.
    """
    one, other = _points(one, other, k)
    if len(one) != len(other):
        raise ValueError(f"the sets have {len(one)} and {len(other)} points; accepted are equal numbers.")
    everything = KDTree(np.concatenate([one, other]))
    found = []
    for side in (one, other):
        radii = KDTree(side).query(side, [k + 1])[0][:, 0]
        # Without the k-th neighbour itself, whose place in the count the point takes.
        found.append(everything.query_ball_point(side, np.nextafter(radii, 0), return_length=True))
    inside = np.maximum(np.concatenate(found), 1)
    total = len(one) + len(other)
    return float(digamma(total) + digamma(k) - digamma(len(one)) - np.mean(digamma(inside)))


def distance_of_points(one: np.ndarray, other: np.ndarray) -> float:
    """The exact Wasserstein-1 distance of two sets of points with Euclidean cost.

    All points of a set weigh the same. With equal numbers, the best plan is a permutation (Birkhoff), which is found by
    assignment in about n^3 steps.

    Args:
        one: (n, d).
        other: (m, d).

    Examples:
        >>> distance_of_points(np.array([[0.0, 0.0], [1.0, 0.0]]), np.array([[1.0, 3.0], [0.0, 3.0]]))
        3.0
    """
    one, other = _points(one, other, 1)
    cost = np.linalg.norm(one[:, None] - other, axis=-1)
    if len(one) == len(other):
        return float(cost[linear_sum_assignment(cost)].mean())
    return earth_movers_distance(np.ones(len(one)), np.ones(len(other)), cost)


def _points(one: np.ndarray, other: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    one, other = np.asarray(one, np.float64), np.asarray(other, np.float64)
    if one.ndim != 2 or other.ndim != 2 or one.shape[1] != other.shape[1]:
        raise ValueError(f"the sets have the shapes {one.shape} and {other.shape}; accepted are (n, d) and (m, d).")
    if min(len(one) - 1, len(other)) < k:
        raise ValueError(f"the sets have {len(one)} and {len(other)} points; accepted are {k + 1} or more.")
    return one, other
