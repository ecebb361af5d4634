"""A rasteriser for triangles: which triangle each pixel sees, and where on it.

All triangles are handled at once by NumPy. A triangle becomes one span per row, a span becomes one fragment per pixel
centre, and of the fragments of a pixel the nearest remains. A pixel centre on an edge that two triangles share belongs
to exactly one of them, so closed surfaces have no holes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

Keep = Callable[[np.ndarray, np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Seen:
    """The pixels that see a surface.

    Attributes:
        pixels: their indices in the flattened image, int64 (n,), increasing.
        triangles: index of the nearest triangle, int32 (n,).
        weights: the position on it as weights of its corners, float32 (n, 3): perspective-correct barycentric
            coordinates, with sum 1.
        depth: distance from the camera along its axis, float32 (n,), in the units of the input.
    """

    pixels: np.ndarray
    triangles: np.ndarray
    weights: np.ndarray
    depth: np.ndarray


def rasterise(
    points: np.ndarray, depth: np.ndarray, triangles: np.ndarray, size: int, keep: tuple[int, Keep] | None = None
) -> Seen:
    """Finds what every pixel centre of a square image sees.

    Args:
        points: projected vertices, float64 (vertices, 2), x to the right and y down [pixels]; the centre of the first
            pixel is at (0.5, 0.5).
        depth: distance of the vertices from the camera along its axis, positive, (vertices,).
        triangles: vertices of the triangles, (triangles, 3), both windings are drawn.
        size: height and width of the image [pixels].
        keep: (first, function): fragments of the triangles from `first` on are discarded where the function of
            their triangles and weights is False, for surfaces with ragged edges.
    """
    near = 1.0 / depth
    x, y = (np.ascontiguousarray(points[:, k])[triangles.T] for k in (0, 1))
    # Corners from top to bottom, so that an edge is computed in the same way for both of its triangles.
    top, bottom = y.argmin(axis=0), y.argmax(axis=0)
    order = np.stack([top, (3 - top - bottom) % 3, bottom])
    every = np.arange(len(triangles))
    x0, x1, x2 = x[order, every]
    y0, y1, y2 = y = y[order, every]
    n0, n1, n2 = near[triangles.T[order, every]]
    area = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
    area[area == 0] = np.inf
    rows = np.clip(np.ceil(y - 0.5), 0, size).astype(np.int32)
    counts = np.where(np.isinf(area), 0, rows[2] - rows[0])

    which, step = _expanded(counts)
    row = rows[0].take(which) + step
    with np.errstate(divide="ignore", invalid="ignore"):
        # Where rows cross the long edge, and the upper or the lower one.
        long, upper, lower = (x2 - x0) / (y2 - y0), (x1 - x0) / (y1 - y0), (x2 - x1) / (y2 - y1)
    start_x, start_y, slopes = (np.concatenate(columns) for columns in ((x0, x1), (y0, y1), (upper, lower)))
    middle = row + 0.5
    from_top = middle - y0.take(which)
    short = which + len(every) * (row >= rows[1].take(which))
    left = x0.take(which) + from_top * long.take(which)
    right = start_x.take(short) + (middle - start_y.take(short)) * slopes.take(short)
    first, end = (
        np.clip(np.ceil(edge - 0.5), 0, size).astype(np.int32)
        for edge in (np.minimum(left, right), np.maximum(left, right))
    )
    span, step = _expanded(end - first)

    # 1 / depth and the shares of the second and third corner are linear in the image.
    rights, downs = ((y2 - y0) / area, (y0 - y1) / area), ((x0 - x2) / area, (x1 - x0) / area)
    slope, rise = (a * (n1 - n0) + b * (n2 - n0) for a, b in (rights, downs))
    at_first = n0.take(which) + rise.take(which) * from_top
    at_first += slope.take(which) * (first + 0.5 - x0.take(which))
    drawn = which.take(span)
    closeness = at_first.astype(np.float32).take(span) + slope.astype(np.float32).take(drawn) * step
    pixel = (row * size + first).take(span) + step
    planes = np.stack([x0, y0, rights[0], downs[0], rights[1], downs[1], n0, n1, n2])

    def weights_of(chosen: np.ndarray, pixels: np.ndarray) -> np.ndarray:
        """Perspective-correct weights in the order of `triangles`."""
        x, y, a1, b1, a2, b2, n0, n1, n2 = planes.take(chosen, axis=1)
        right, down = pixels % size + 0.5 - x, pixels // size + 0.5 - y
        second, third = (a1 * right + b1 * down) * n1, (a2 * right + b2 * down) * n2
        first = n0 - second * (n0 / n1) - third * (n0 / n2)
        total = first + second + third
        weights = np.empty((3, len(chosen)), np.float32)
        weights[order.take(chosen, axis=1), np.arange(len(chosen))] = first / total, second / total, third / total
        return weights.T

    if keep is not None:
        begin, function = keep
        ragged = np.flatnonzero(drawn >= begin)
        visible = np.ones(len(drawn), bool)
        visible[ragged] = function(drawn[ragged], weights_of(drawn[ragged], pixel[ragged]))
        drawn, pixel, closeness = drawn[visible], pixel[visible], closeness[visible]
    nearest = _nearest(pixel, closeness, size * size)
    pixels = np.flatnonzero(nearest >= 0)
    nearest = nearest[pixels]
    drawn = drawn[nearest]
    return Seen(pixels, drawn, weights_of(drawn, pixels), 1 / closeness[nearest])


def _expanded(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For counts (2, 0, 3): the owners (0, 0, 2, 2, 2), and their positions (0, 1, 0, 1, 2); int32."""
    owners = np.repeat(np.arange(len(counts), dtype=np.int32), counts)
    starts = (np.cumsum(counts) - counts).astype(np.int32)
    return owners, np.arange(len(owners), dtype=np.int32) - starts.take(owners)


def _nearest(pixel: np.ndarray, closeness: np.ndarray, count: int) -> np.ndarray:
    """For each of `count` pixels the fragment with the greatest closeness, -1 without one."""
    nearest = np.full(count, -1, np.int32)
    left = np.arange(len(pixel), dtype=np.int32)
    while len(left):
        at = pixel.take(left)
        nearest[at] = left  # of several fragments of a pixel, the last one stays
        left = left[closeness.take(left) > closeness.take(nearest.take(at))]
    return nearest
