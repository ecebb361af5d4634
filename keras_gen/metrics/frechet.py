"""Frechet distance between two sets of features, each described by its mean and covariance.

    d^2 = |m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^(1/2))

Heusel et al.: GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash Equilibrium, NeurIPS 2017, arXiv
1706.08500, equation 6; for normal distributions it is the squared Wasserstein-2 distance (Dowson and Landau 1982).
With the features of the Inception network of 2015 it is called Frechet Inception distance (FID).

The estimate from finite samples is too large: its expectation is d^2 + a/N + O(1/N^2). `frechet_infinity` fits a line
in 1/N and returns its value at 0 (Chong and Forsyth 2020, arXiv 1911.07023, section 4).
"""

from __future__ import annotations

import contextlib
from typing import NamedTuple

import numpy as np

_SIZES = 12  # sizes of subsets that the line is fitted to, from half of the features to all of them


class Moments:
    """Mean and covariance of features, collected batch by batch in float64. Memory does not grow with their number.

    Each batch is centred on its own mean before its products are added (Chan, Golub, LeVeque 1979), so features whose
    mean is large compared with their deviation lose no digits.

    Attributes:
        count: number of features so far.
        mean: (size,).

    Examples:
        >>> moments = Moments.of(np.array([[0.0, 1.0], [2.0, 1.0], [4.0, 4.0]]))
        >>> moments.mean.tolist(), moments.covariance.tolist()
        ([2.0, 2.0], [[4.0, 3.0], [3.0, 3.0]])
    """

    def __init__(self, size: int) -> None:
        """Args:
        size: length of a feature vector.
        """
        self.count = 0
        self.mean = np.zeros(size)
        self._products = np.zeros((size, size))

    @classmethod
    def of(cls, features: np.ndarray) -> Moments:
        """The moments of features (n, size)."""
        moments = cls(features.shape[1])
        moments.update(features)
        return moments

    @classmethod
    def stored(cls, count: int, mean: np.ndarray, covariance: np.ndarray) -> Moments:
        """Moments that were computed before: the number of features, (size,), and (size, size) with divisor n - 1."""
        moments = cls(len(mean))
        moments.count, moments.mean = int(count), np.asarray(mean, np.float64)
        moments._products = np.asarray(covariance, np.float64) * max(moments.count - 1, 1)
        return moments

    def update(self, features: np.ndarray) -> None:
        """Adds features, (n, size)."""
        features = np.asarray(features, np.float64)
        if not len(features):
            return
        mean = features.mean(axis=0)
        centred = features - mean
        total = self.count + len(features)
        step = mean - self.mean
        self._products += centred.T @ centred
        self._products += np.outer(step, step) * (self.count * len(features) / total)
        self.mean = self.mean + step * (len(features) / total)
        self.count = total

    @property
    def covariance(self) -> np.ndarray:
        """The unbiased covariance, (size, size), with the divisor n - 1.

        Raises:
            ValueError: for fewer than two features.
        """
        if self.count < 2:
            raise ValueError(f"the covariance of {self.count} features is not defined; accepted are 2 or more.")
        return self._products / (self.count - 1)


def frechet_distance(one: Moments, other: Moments) -> float:
    """The squared distance d^2 of the module, at least 0.

    The trace of (S1 S2)^(1/2) is the sum of the singular values of L1' L2, where S = L L'. This needs no square root of
    a matrix that is not symmetric, has no imaginary part, and also holds where S1 or S2 is singular.

    Args:
        one: moments of features.
        other: moments of as many values.

    Raises:
        ValueError: if the features differ in length.

    Examples:
        Two normal distributions in one dimension: (m1 - m2)^2 + (s1 - s2)^2.

        >>> one, other = (Moments.stored(100, np.array([m]), np.array([[s * s]])) for m, s in ((0.0, 1.0), (3.0, 5.0)))
        >>> round(frechet_distance(one, other), 9)
        25.0
    """
    if one.mean.shape != other.mean.shape:
        raise ValueError(f"features have {len(one.mean)} and {len(other.mean)} values; accepted are equal lengths.")
    return _distance(_Normal.of(one), _Normal.of(other))


class _Normal(NamedTuple):
    """A normal distribution, whose covariance is L L'."""

    mean: np.ndarray
    factor: np.ndarray  # L, (size, rank)

    @classmethod
    def of(cls, side: Moments | np.ndarray) -> _Normal:
        if isinstance(side, np.ndarray) and len(side) <= side.shape[1]:
            mean = side.mean(axis=0, dtype=np.float64)
            return cls(mean, (side - mean).T / np.sqrt(len(side) - 1))
        moments = side if isinstance(side, Moments) else Moments.of(side)
        covariance = moments.covariance
        if moments.count > len(covariance):
            with contextlib.suppress(np.linalg.LinAlgError):  # some feature is constant or depends on others
                return cls(moments.mean, np.linalg.cholesky(covariance))
        values, vectors = np.linalg.eigh(covariance)
        kept = values > len(values) * np.finfo(np.float64).eps * max(values[-1], 0.0)  # the others are rounding
        return cls(moments.mean, vectors[:, kept] * np.sqrt(values[kept]))


def _distance(one: _Normal, other: _Normal) -> float:
    difference = one.mean - other.mean
    overlap = np.linalg.svd(one.factor.T @ other.factor, compute_uv=False).sum()
    traces = np.sum(np.square(one.factor)) + np.sum(np.square(other.factor))
    return max(float(difference @ difference + traces - 2.0 * overlap), 0.0)


class Extrapolation(NamedTuple):
    """A Frechet distance at infinitely many features, and how well the line fits."""

    value: float
    residual: float  # root-mean-square distance of the subsets from the line


def frechet_infinity(one: np.ndarray | Moments, other: np.ndarray | Moments, seed: int = 0) -> Extrapolation:
    """The Frechet distance extrapolated to infinitely many features.

    Random subsets with a share t of the features have the expected distance d^2 + a/t. A line in 1/t is fitted by least
    squares to subsets from half of the features to all of them. A side that is given as moments keeps its size, and its
    bias stays. With fewer features than values in each, 1/t is not the only term, and much of the bias stays too.

    Args:
        one: features (n, size), or moments.
        other: features (m, size), or moments. At least one side must be features.
        seed: seed of the subsets.

    Raises:
        ValueError: if neither side is features.
    """
    sides = (one, other)
    if all(isinstance(side, Moments) for side in sides):
        raise ValueError("both sides are moments; accepted are features on at least one side.")
    rng = np.random.default_rng(seed)
    fixed = [_Normal.of(side) if isinstance(side, Moments) else None for side in sides]
    inverse = np.linspace(1.0, 2.0, _SIZES)
    distances = [
        _distance(*(known or _subset(side, 1.0 / t, rng) for known, side in zip(fixed, sides, strict=True)))
        for t in inverse
    ]
    slope, value = np.polyfit(inverse, distances, 1)
    residual = np.sqrt(np.mean(np.square(slope * inverse + value - distances)))
    return Extrapolation(float(value), float(residual))


def _subset(features: np.ndarray, share: float, rng: np.random.Generator) -> _Normal:
    count = max(2, round(share * len(features)))
    return _Normal.of(features[rng.permutation(len(features))[:count]])
