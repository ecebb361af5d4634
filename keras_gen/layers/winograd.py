"""Convolutions by Winograd's minimal filtering: the same function in fewer products.

A filter of r taps takes m r products for m neighbouring outputs; from the n = m + r - 1 inputs d that they look at, n
products are enough:

    small = A^T ((G g) * (B^T d))       g: the taps; * is value by value

A, B, G are fixed: they evaluate polynomials at n points and interpolate between them (Toom and Cook; Winograd,
Arithmetic Complexity of Computations, 1980). In two dimensions each acts on rows and on columns, which is one matrix of
Kronecker products, and the values of all channels are multiplied and summed as one matrix product for each of the n^2
(Lavin and Gray 2016, arXiv 1509.09308). For each pair of channels, 4x4 outputs of a 4x4 kernel take 49 products instead
of 256, those of a 3x3 kernel 36 instead of 144.

A convolution of stride 2 is one of stride 1 on an image whose 2x2 pixels are one, of four times the channels, by a
kernel of half the side: 4x4 outputs of a 4x4 kernel take 100 products instead of 256. A transposed convolution is the
adjoint, and has as many; so has the gradient of an image.

The price is rounding: in float32 the error is about four times that of the plain sum, a few millionths of an output's
spread. In 16 bits the transforms would leave nothing.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

Padding = tuple[tuple[int, int], tuple[int, int]]
"""Zeros before and after the rows, before and after the columns."""

MOST = 8
"""Points that are used at most: `tile` + side / stride is no more."""
# Small numbers have the smallest rounding errors; the last point is infinity.
_POINTS = (0.0, 1.0, -1.0, 2.0, -2.0, 0.5, -0.5)


def convolve(image: tf.Tensor, kernel: tf.Tensor, stride: int, padding: Padding, tile: int = 4) -> tf.Tensor:
    """What `tf.nn.conv2d(image, kernel, stride, padding)` is.

    Args:
        image: (batch, height, width, channels) of known height and width, float32 or float64.
        kernel: (side, side, channels, filters).
        stride: of rows and columns, a divisor of the kernel's side.
        padding: zeros around the image [pixels].
        tile: m, the side of the tiles of outputs. Larger ones take fewer products and have larger rounding errors.

    Returns:
        (batch, rows, columns, filters).

    Raises:
        ValueError: unless stride divides the side and is less, the kernel fits into the image, and the tile has from
            side / stride - 1 to 8 - side / stride pixels.
    """
    return _convolve(_Tiling.of(kernel, stride, padding, tile, (image.shape[1], image.shape[2])), image, kernel)


def convolve_transposed(image: tf.Tensor, kernel: tf.Tensor, stride: int, padding: Padding, tile: int = 4) -> tf.Tensor:
    """The adjoint of `convolve`: what `tf.nn.conv2d_transpose` is.

    Args:
        image: (batch, height, width, filters) of known height and width, float32 or float64.
        kernel: (side, side, channels, filters).
        stride: how many rows and columns of the result each of the image's stands for.
        padding: rows and columns that the result lacks around it [pixels].
        tile: as for `convolve`.

    Returns:
        (batch, rows, columns, channels), with (height - 1) stride + side - padding rows.

    Raises:
        ValueError: as `convolve`.
    """
    sides = zip(image.shape[1:3], kernel.shape[:2], padding, strict=True)
    large = tuple((side - 1) * stride + taps - sum(around) for side, taps, around in sides)
    return _convolve_transposed(_Tiling.of(kernel, stride, padding, tile, large), image, kernel)


def _convolve(tiling: _Tiling, image: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    @tf.custom_gradient
    def function(
        large: tf.Tensor, kernel: tf.Tensor
    ) -> tuple[tf.Tensor, Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]]:
        values = tiling.spread(large)
        small = tiling.join(tf.matmul(values, tiling.weights(kernel)))

        def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            by_kernel = tf.matmul(values, tiling.cut(upstream), transpose_a=True)
            return _convolve_transposed(tiling, upstream, kernel), tiling.gather_weights(by_kernel)

        return small, gradient

    return function(image, kernel)


def _convolve_transposed(tiling: _Tiling, image: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    @tf.custom_gradient
    def function(
        small: tf.Tensor, kernel: tf.Tensor
    ) -> tuple[tf.Tensor, Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]]:
        values = tiling.cut(small)
        large = tiling.gather(tf.matmul(values, tiling.weights(kernel), transpose_b=True))

        def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            by_kernel = tf.matmul(tiling.spread(upstream), values, transpose_a=True)
            return _convolve(tiling, upstream, kernel), tiling.gather_weights(by_kernel)

        return large, gradient

    return function(image, kernel)


@dataclasses.dataclass(frozen=True)
class _Tiling:
    """How the maps of a convolution are cut into tiles, and what is done to them. Each function is linear; of a pair,
    one is the adjoint of the other, with the same matrix.

    "Values" are (n^2, batch * tiles, channels): the transform of each tile, at stride 2 with channels of 2x2 pixels.
    """

    stride: int
    taps: int  # r, of a row of the kernel at stride 1
    tile: int  # m
    padding: Padding
    large: tuple[int, int]

    @classmethod
    def of(cls, kernel: tf.Tensor, stride: int, padding: Padding, tile: int, large: tuple[int, int]) -> _Tiling:
        side, other = kernel.shape[:2]
        if side != other or side % stride:
            raise ValueError(f"The kernel has {side}x{other} taps; accepted are squares whose side {stride} divides.")
        taps = side // stride
        if taps < 2:
            raise ValueError(f"stride got {stride}; accepted are strides below the kernel's side of {side}.")
        if not taps - 1 <= tile <= MOST - taps:
            raise ValueError(f"tile got {tile}; accepted are {taps - 1} to {MOST - taps}.")
        if any(pixels + sum(around) < side for pixels, around in zip(large, padding, strict=True)):
            raise ValueError(f"The image has {large} pixels; accepted are at least {side} in each direction, padded.")
        return cls(stride, taps, tile, padding, large)

    @property
    def small(self) -> tuple[int, int]:
        """Rows and columns of the outputs."""
        side = self.taps * self.stride
        return tuple(
            (pixels + sum(around) - side) // self.stride + 1
            for pixels, around in zip(self.large, self.padding, strict=True)
        )

    @property
    def tiles(self) -> tuple[int, int]:
        """Rows and columns of tiles."""
        return tuple(-(-pixels // self.tile) for pixels in self.small)

    @property
    def _grid(self) -> tuple[int, int]:
        """Rows and columns of tiles of the large map: one more, as a tile looks at `taps` - 1 pixels of the next."""
        return tuple(tiles + 1 for tiles in self.tiles)

    @property
    def _around(self) -> list[list[int]]:
        """What to add around the large map, negative where it has more than is looked at."""
        block = self.tile * self.stride
        return [
            [before, grid * block - before - pixels]
            for pixels, grid, (before, _) in zip(self.large, self._grid, self.padding, strict=True)
        ]

    def spread(self, large: tf.Tensor) -> tf.Tensor:
        """B^T d: (batch, H, W, channels) -> values."""
        m, s, (rows, columns) = self.tile, self.stride, self._grid
        large = resized(large, self._around)
        large = tf.reshape(large, (-1, m, s, columns, m, s * large.shape[3]))
        places = tf.transpose(large, (1, 4, 0, 3, 2, 5))  # pixel of a tile, pixel; image and tile, tile; within stride
        places = tf.reshape(places, (m, m, -1, rows, columns, s * places.shape[5]))
        parts = [
            tf.reshape(places[:high, :wide, :, down : down + rows - 1, right : right + columns - 1], (high * wide, -1))
            for down, high in self._overlap
            for right, wide in self._overlap
        ]
        values = tf.matmul(self._matrix("b", large, True), tf.concat(parts, 0))
        return tf.reshape(values, (values.shape[0], -1, places.shape[5]))

    def gather(self, values: tf.Tensor) -> tf.Tensor:
        """The adjoint of `spread`: values -> (batch, H, W, channels)."""
        m, s, (rows, columns) = self.tile, self.stride, self._grid
        channels = values.shape[2] // s**2
        parts = tf.matmul(self._matrix("b", values), tf.reshape(values, (values.shape[0], -1)))
        blocks, start = [], 0
        for down, high in self._overlap:
            for right, wide in self._overlap:
                part = parts[start : start + high * wide]
                part = tf.reshape(part, (high, wide, -1, rows - 1, columns - 1, values.shape[2]))
                tail = ((down, 1 - down), (right, 1 - right), (0, 0))
                blocks.append(tf.pad(part, ((0, m - high), (0, m - wide), (0, 0), *tail)))
                start += high * wide
        places = tf.reshape(tf.add_n(blocks), (m, m, -1, columns, s, s * channels))
        large = tf.reshape(tf.transpose(places, (2, 0, 4, 3, 1, 5)), (-1, rows * m * s, columns * m * s, channels))
        return resized(large, [[-before, -after] for before, after in self._around])

    def join(self, values: tf.Tensor) -> tf.Tensor:
        """A^T p: values -> (batch, h, w, channels)."""
        m, (rows, columns) = self.tile, self.tiles
        places = tf.matmul(self._matrix("a", values, True), tf.reshape(values, (values.shape[0], -1)))
        places = tf.reshape(places, (m, m, -1, columns, values.shape[2]))
        small = tf.reshape(tf.transpose(places, (2, 0, 3, 1, 4)), (-1, rows * m, columns * m, values.shape[2]))
        return small[:, : self.small[0], : self.small[1]]

    def cut(self, small: tf.Tensor) -> tf.Tensor:
        """The adjoint of `join`: (batch, h, w, channels) -> values."""
        m, (rows, columns), channels = self.tile, self.tiles, small.shape[3]
        after = (rows * m - self.small[0], columns * m - self.small[1])
        small = tf.reshape(resized(small, [[0, rest] for rest in after]), (-1, m, columns, m, channels))
        places = tf.reshape(tf.transpose(small, (1, 3, 0, 2, 4)), (m * m, -1))
        values = tf.matmul(self._matrix("a", small), places)
        return tf.reshape(values, (values.shape[0], -1, channels))

    def weights(self, kernel: tf.Tensor) -> tf.Tensor:
        """G g: (side, side, channels, filters) -> (n^2, stride^2 * channels, filters)."""
        r, s, (channels, filters) = self.taps, self.stride, kernel.shape[2:]
        kernel = tf.transpose(tf.reshape(kernel, (r, s, r, s, channels, filters)), (0, 2, 1, 3, 4, 5))
        values = tf.matmul(self._matrix("g", kernel), tf.reshape(kernel, (r * r, -1)))
        return tf.reshape(values, (values.shape[0], s * s * channels, filters))

    def gather_weights(self, values: tf.Tensor) -> tf.Tensor:
        """The adjoint of `weights`."""
        r, s, filters = self.taps, self.stride, values.shape[2]
        channels = values.shape[1] // s**2
        kernel = tf.matmul(self._matrix("g", values, True), tf.reshape(values, (values.shape[0], -1)))
        kernel = tf.transpose(tf.reshape(kernel, (r, r, s, s, channels, filters)), (0, 2, 1, 3, 4, 5))
        return tf.reshape(kernel, (r * s, r * s, channels, filters))

    @property
    def _overlap(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """Of the pixels that a tile looks at, in one direction: tiles to go on, and how many there."""
        return (0, self.tile), (1, self.taps - 1)

    def _matrix(self, name: str, like: tf.Tensor, transposed: bool = False) -> tf.Tensor:
        # Transposed here, not by the product, which takes up to a quarter longer then.
        matrix = _matrices(self.tile, self.taps)[name]
        return tf.constant(matrix.T if transposed else matrix, like.dtype)


@functools.cache
def _matrices(tile: int, taps: int) -> dict[str, np.ndarray]:
    """A (n^2, m^2), G (n^2, r^2), B (n^2, n^2), in two dimensions; the rows of B in the order of `_Tiling.spread`."""
    count = tile + taps - 1
    points = np.array(_POINTS[: count - 1])

    def powers(degrees: int) -> np.ndarray:
        """The values of polynomials of so many coefficients at the points: (n, degrees)."""
        finite = points[:, None] ** np.arange(degrees)
        return np.vstack([finite, np.eye(degrees)[-1]])

    # G and B share a factor for each point: here B has integers where the points are.
    differences = points[:, None] - points
    np.fill_diagonal(differences, 1.0)
    scale = np.append(differences.prod(1), 1.0)
    a, g, b = powers(tile), powers(taps) / scale[:, None], np.linalg.inv(powers(count)) * scale
    places = np.arange(count**2).reshape(count, count)
    halves = (slice(0, tile), slice(tile, count))
    order = np.concatenate([places[rows, columns].ravel() for rows in halves for columns in halves])
    return {"a": np.kron(a, a), "g": np.kron(g, g), "b": np.kron(b, b)[order]}


def resized(image: tf.Tensor, around: Sequence[Sequence[int]]) -> tf.Tensor:
    """(batch, rows, columns, channels) with so many zeros before and after, or so many fewer pixels where negative."""
    if any(min(sides) < 0 for sides in around):
        (top, bottom), (left, right) = ((max(-before, 0), max(-after, 0)) for before, after in around)
        image = image[:, top : image.shape[1] - bottom, left : image.shape[2] - right]
    if any(max(sides) > 0 for sides in around):
        image = tf.pad(image, [[0, 0], *([max(before, 0), max(after, 0)] for before, after in around), [0, 0]])
    return image
