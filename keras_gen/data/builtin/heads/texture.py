"""Textures: noise for skin, strands and cloth, and the charts of the face."""

from __future__ import annotations

import functools

import numpy as np
from scipy import ndimage

from keras_gen.data.builtin.heads.model import head_model

_SIZE = 512
_BLURS = (0.7, 2.5, 9.0)
FINE, MEDIUM, COARSE = range(3)
"""Kinds of noise, whose spots are about 3, 10 and 36 units wide."""


@functools.cache
def _noise(kind: int) -> np.ndarray:
    """Periodic noise with zero mean and unit variance, float32 (_SIZE, _SIZE)."""
    white = np.random.default_rng((7, kind)).normal(size=(_SIZE, _SIZE))
    smooth = ndimage.gaussian_filter(white, _BLURS[kind], mode="wrap")
    return (smooth / smooth.std()).astype(np.float32)


def noise(u: np.ndarray, v: np.ndarray, kind: int, smooth: bool) -> np.ndarray:
    """Noise at (u, v), with zero mean and unit variance; `smooth` interpolates between its pixels."""
    table = _noise(kind).ravel()
    if not smooth:
        x, y = u.astype(np.int32), v.astype(np.int32)
        return table.take(((y & (_SIZE - 1)) * _SIZE) + (x & (_SIZE - 1)))
    left, top = np.floor(u), np.floor(v)
    a, b = (u - left).astype(np.float32), (v - top).astype(np.float32)
    columns = [(left.astype(np.int32) + k) & (_SIZE - 1) for k in (0, 1)]
    rows = [((top.astype(np.int32) + k) & (_SIZE - 1)) * _SIZE for k in (0, 1)]
    upper, lower = ((1 - a) * table.take(row + columns[0]) + a * table.take(row + columns[1]) for row in rows)
    return (1 - b) * upper + b * lower


@functools.cache
def _charts() -> np.ndarray:
    charts = head_model().charts.astype(np.float32) / 127.5 - 1
    return charts.reshape(-1, charts.shape[-1])


def charts_at(places: np.ndarray, smooth: bool) -> np.ndarray:
    """The charts at places (n, 2), see `model.chart_points`: distances in [-1, 1], in units of their own, (n, 4)."""
    size = len(head_model().charts)
    table = _charts()
    at = np.clip(np.clip(places, 0, 1) * size - 0.5, 0, size - 1.001)
    if not smooth:
        column, row = (at + 0.5).astype(np.int32).T
        return table.take(row * size + column, axis=0)
    column, row = at.astype(np.int32).T
    a, b = (at % 1).astype(np.float32).T[..., None]
    upper, lower = (
        (1 - a) * table.take(k * size + column, axis=0) + a * table.take(k * size + column + 1, axis=0)
        for k in (row, row + 1)
    )
    return (1 - b) * upper + b * lower


def blend(colours: list[tuple[float, float, float]], position: float) -> np.ndarray:
    """A colour between several ones, for a position in [0, 1]: geometric means of neighbours."""
    logarithms = np.log(np.array(colours))
    at = min(max(position, 0.0), 1.0) * (len(colours) - 1)
    low = min(int(at), len(colours) - 2)
    return np.exp(logarithms[low] + (at - low) * (logarithms[low + 1] - logarithms[low]))
