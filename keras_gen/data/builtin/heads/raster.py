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
        triangles: index of the nearest triangle, int64 (n,).
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
    far_first = np.argsort(near[triangles].sum(axis=1), kind="stable")  # so most pixels get the nearest one last
    corners = triangles[far_first]
    # From top to bottom, so that an edge is computed in the same way for both of its triangles.
    falling = np.argsort(points[corners, 1], axis=1, kind="stable")
    order = np.argsort(falling, axis=1)
    corners = np.take_along_axis(corners, falling, axis=1)
    (x0, y0), (x1, y1), (x2, y2) = np.moveaxis(points[corners], (1, 2), (0, 1))
    area = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
    rows = np.clip(np.ceil(np.stack([y0, y1, y2]) - 0.5), 0, size).astype(np.int64)
    counts = rows[2] - rows[0]
    counts[(area == 0) | (np.max([x0, x1, x2], axis=0) <= 0.5) | (np.min([x0, x1, x2], axis=0) > size - 0.5)] = 0
    with np.errstate(divide="ignore", invalid="ignore"):
        # Edges as columns x, y and dx/dy: the long one, the upper, the lower.
        edges = np.stack(
            [
                np.concatenate([x0, x0, x1]),
                np.concatenate([y0, y0, y1]),
                np.concatenate([(x2 - x0) / (y2 - y0), (x1 - x0) / (y1 - y0), (x2 - x1) / (y2 - y1)]),
            ],
            axis=1,
        )
        area = np.where(area == 0, np.inf, area)

    which, step = _expanded(counts)
    row = rows[0][which] + step
    across = []
    for edge in (which, which + len(corners) * np.where(row < rows[1][which], 1, 2)):
        x, y, slope = edges[edge].T
        across.append(np.clip(np.ceil(x + (row + 0.5 - y) * slope - 0.5), 0, size).astype(np.int64))
    first = np.minimum(*across)
    span, step = _expanded(np.maximum(*across) - first)

    # 1 / depth and the shares of the second and third corner are linear in the image.
    n0, n1, n2 = near[corners].T
    planes = np.stack(
        [x0, y0, (y2 - y0) / area, (x0 - x2) / area, (y0 - y1) / area, (x1 - x0) / area, n0, n1, n2], axis=1
    )
    slope = planes[:, 2] * (n1 - n0) + planes[:, 4] * (n2 - n0)
    rise = planes[:, 3] * (n1 - n0) + planes[:, 5] * (n2 - n0)
    at_left = n0[which] + slope[which] * (first + 0.5 - x0[which]) + rise[which] * (row + 0.5 - y0[which])
    drawn = which[span]
    closeness = at_left[span] + slope[drawn] * step
    pixel = (row * size + first)[span] + step

    def weights_of(chosen: np.ndarray, pixels: np.ndarray) -> np.ndarray:
        """Perspective-correct, in the order of `triangles`."""
        x, y, a1, b1, a2, b2, n0, n1, n2 = planes[chosen].T
        right, down = pixels % size + 0.5 - x, pixels // size + 0.5 - y
        second, third = a1 * right + b1 * down, a2 * right + b2 * down
        shares = np.stack([(1 - second - third) * n0, second * n1, third * n2], axis=1)
        shares /= shares.sum(axis=1, keepdims=True)
        return np.take_along_axis(shares, order[chosen], axis=1).astype(np.float32)

    if keep is not None:
        begin, function = keep
        ragged = np.flatnonzero(far_first[drawn] >= begin)
        weights = weights_of(drawn[ragged], pixel[ragged])
        visible = np.ones(len(drawn), bool)
        visible[ragged] = function(far_first[drawn[ragged]], weights)
        drawn, pixel, closeness = drawn[visible], pixel[visible], closeness[visible]
    nearest = _nearest(pixel, closeness, size * size)
    pixels = np.flatnonzero(nearest >= 0)
    nearest = nearest[pixels]
    drawn, closeness = drawn[nearest], closeness[nearest]
    weights = weights_of(drawn, pixels)
    return Seen(pixels, far_first[drawn], weights, (1 / closeness).astype(np.float32))


def _expanded(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For counts (2, 0, 3): the owners (0, 0, 2, 2, 2), and their positions (0, 1, 0, 1, 2)."""
    owners = np.repeat(np.arange(len(counts)), counts)
    return owners, np.arange(len(owners)) - np.repeat(np.cumsum(counts) - counts, counts)


def _nearest(pixel: np.ndarray, closeness: np.ndarray, count: int) -> np.ndarray:
    """For each of `count` pixels the fragment with the greatest closeness, -1 without one."""
    nearest = np.full(count, -1)
    left = np.arange(len(pixel))
    while len(left):
        nearest[pixel[left]] = left  # of several fragments of a pixel, the last one stays
        left = left[closeness[left] > closeness[nearest[pixel[left]]]]
    return nearest
