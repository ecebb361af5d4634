"""Convolutions by Winograd's minimal filtering: the same function in fewer products.

A filter of r taps takes m r products for m neighbouring outputs; from the n = m + r - 1 inputs d that they look at, n
products are enough:

    small = A^T ((G g) * (B^T d))       g: the taps; * is value by value

A, B, G are fixed: they evaluate polynomials at n points and interpolate between them (Toom and Cook; Winograd,
Arithmetic Complexity of Computations, 1980). In two dimensions each acts on rows and then on columns, and the values of
all channels are multiplied and summed as one matrix product for each of the n^2 (Lavin and Gray 2016, arXiv
1509.09308). For each pair of channels, 4x4 outputs of a 4x4 kernel take 49 products instead of 256, those of a 3x3
kernel 36 instead of 144.

A convolution of stride 2 is one of stride 1 on an image whose 2x2 pixels are one, of four times the channels, by a
kernel of half the side: 4x4 outputs of a 4x4 kernel take 100 products instead of 256. A transposed convolution is the
adjoint, and has as many; so has the gradient of an image.

The price is rounding: in float32 the error is about four times that of the plain sum, a few millionths of an output's
spread. In 16 bits the transforms would leave nothing.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import tensorflow as tf

Padding = tuple[tuple[int, int], tuple[int, int]]
"""Zeros before and after the rows, before and after the columns."""

MOST = 8
"""Points that are used at most: `tile` + side / stride is no more."""
# Small numbers have the smallest rounding errors; the last point is infinity.
_POINTS = (0.0, 1.0, -1.0, 2.0, -2.0, 0.5, -0.5)
_NOWHERE = 2**30  # behind the pixels of any batch


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
        small = tiling.join(tiling.multiplied(values, kernel))

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

    "Values" are (n^2, tiles, channels): the transform of each of the `_Tiles`, at stride 2 with channels of 2x2 pixels.
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
        """Rows and columns of tiles of an image."""
        return tuple(-(-pixels // self.tile) for pixels in self.small)

    def spread(self, large: tf.Tensor) -> tf.Tensor:
        """B^T d: (batch, H, W, channels) -> values."""
        return self._transformed("b", self._large.of_image(large), True)

    def gather(self, values: tf.Tensor) -> tf.Tensor:
        """The adjoint of `spread`: values -> (batch, H, W, channels)."""
        places = self._transformed("b", values)
        # A pixel is looked at by one tile and, where they overlap, by the one before, in either direction.
        return tf.add_n([self._large.to_image(places, back) for back in np.ndindex(2, 2)])

    def join(self, values: tf.Tensor) -> tf.Tensor:
        """A^T p: values -> (batch, h, w, channels)."""
        return self._small.to_image(self._transformed("a", values, True))

    def cut(self, small: tf.Tensor) -> tf.Tensor:
        """The adjoint of `join`: (batch, h, w, channels) -> values."""
        return self._transformed("a", self._small.of_image(small))

    @property
    def _large(self) -> _Tiles:
        before = tuple(around[0] for around in self.padding)
        return _Tiles(self.large, self.tiles, self.tile, self.tile + self.taps - 1, self.stride, before)

    @property
    def _small(self) -> _Tiles:
        return _Tiles(self.small, self.tiles, self.tile, self.tile, 1, (0, 0))

    def multiplied(self, values: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
        """(G g) * (B^T d), summed over channels: values of `large` -> values of `small`."""
        if _multiplies_fast():
            return tf.matmul(values, self.weights(kernel))  # the very weights of the gradient: transformed once
        return tf.matmul(values, self.weights(kernel, swapped=True), transpose_b=True)

    def weights(self, kernel: tf.Tensor, swapped: bool = False) -> tf.Tensor:
        """G g: (side, side, channels, filters) -> (n^2, stride^2 * channels, filters), or the last two swapped.

        For products whose second factor is transposed: it is then read along its rows. Numbers of channels are mostly
        powers of two, and of columns that lie so far apart few fit into a cache.
        """
        r, s, (channels, filters) = self.taps, self.stride, kernel.shape[2:]
        order = (0, 2, 5, 1, 3, 4) if swapped else (0, 2, 1, 3, 4, 5)
        kernel = tf.transpose(tf.reshape(kernel, (r, s, r, s, channels, filters)), order)
        sides = (filters, s * s * channels) if swapped else (s * s * channels, filters)
        return self._transformed("g", tf.reshape(kernel, (r * r, *sides)))

    def gather_weights(self, values: tf.Tensor) -> tf.Tensor:
        """The adjoint of `weights`."""
        r, s, filters = self.taps, self.stride, values.shape[2]
        channels = values.shape[1] // s**2
        kernel = tf.reshape(self._transformed("g", values, True), (r, r, s, s, channels, filters))
        return tf.reshape(tf.transpose(kernel, (0, 2, 1, 3, 4, 5)), (r * s, r * s, channels, filters))

    def _transformed(self, name: str, values: tf.Tensor, transposed: bool = False) -> tf.Tensor:
        """The matrix, or its transpose, by the rows and by the columns of (k^2, ...): (n^2, ...)."""
        matrix = _matrices(self.tile, self.taps)[name]
        # Transposed here, not by the product, which takes up to a quarter longer then.
        matrix = matrix.T if transposed else matrix
        n, k = matrix.shape
        if _multiplies_fast():  # more operations, but each value is read and written once
            both = tf.matmul(tf.constant(np.kron(matrix, matrix), values.dtype), tf.reshape(values, (k * k, -1)))
        else:
            matrix = tf.constant(matrix, values.dtype)
            rows = tf.reshape(tf.matmul(matrix, tf.reshape(values, (k, -1))), (n, k, -1))
            both = tf.matmul(matrix[tf.newaxis], rows)
        return tf.reshape(both, (n * n, -1, values.shape[2]))


@functools.cache
def _multiplies_fast() -> bool:
    """Whether this processor has AVX-512, and so multiplies fast beside what it reads and writes.

    With it, one product that transforms rows and columns takes 0.5 to 0.6 of the time of two; without, up to 1.7.
    """
    information = Path("/proc/cpuinfo")  # of Linux; elsewhere nothing tells
    return information.exists() and " avx512f " in information.read_text(encoding="utf-8", errors="replace")


@functools.cache
def _matrices(tile: int, taps: int) -> dict[str, np.ndarray]:
    """A (n, m), G (n, r), B (n, n)."""
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
    return {"a": a, "g": g, "b": b}


@dataclasses.dataclass(frozen=True)
class _Tiles:
    """The tiles of a map, each of `side` x `side` places of `within` x `within` pixels.

    As tensors they are (places, tiles, pixels of a place and channels): those of all images and, last, one of zeros,
    which is what pixels outside are taken from. Without it the rows of places would mostly lie powers of two apart;
    such rows share few lines of a cache, and products with them take up to twice as long.
    """

    image: tuple[int, int]
    tiles: tuple[int, int]
    step: int  # places from one tile to the next
    side: int
    within: int
    before: tuple[int, int]  # pixels of the first tiles that lie outside of the image

    def of_image(self, image: tf.Tensor) -> tf.Tensor:
        """(batch, rows, columns, channels) -> tiles."""
        batch, size = _length(image, 0), math.prod(self.image)
        index = _pixels(self)[:, None] + size * tf.range(batch)[:, None]
        index = tf.reshape(tf.minimum(index, batch * size), (self.side**2, -1))
        index = tf.pad(index, ((0, 0), (0, self.within**2)), constant_values=batch * size)
        pixels = tf.pad(tf.reshape(image, (-1, image.shape[3])), ((0, 1), (0, 0)))
        return tf.reshape(tf.gather(pixels, index), (self.side**2, -1, self.within**2 * image.shape[3]))

    def to_image(self, tiles: tf.Tensor, back: tuple[int, int] = (0, 0)) -> tf.Tensor:
        """Tiles -> (batch, rows, columns, channels): each pixel as the last tile has it that reaches it, or the one so
        many rows and columns before; zero where that does not reach."""
        count, pixels = _length(tiles, 1), self.within**2
        each = math.prod(self.tiles)
        places, others = _places(self, back)
        index = places * (count * pixels) + others + (each * pixels * tf.range((count - 1) // each))[:, None, None]
        index = tf.minimum(index, self.side**2 * count * pixels - 1)
        return tf.gather(tf.reshape(tiles, (-1, tiles.shape[2] // pixels)), index)


@functools.cache
def _pixels(tiles: _Tiles) -> np.ndarray:
    """Number of each pixel of the tiles in their image: (places, tiles and pixels of a place)."""
    rows, columns = (
        (np.add.outer(np.arange(tiles.side), tiles.step * np.arange(count))[..., None] * tiles.within)
        + np.arange(tiles.within)
        - before
        for count, before in zip(tiles.tiles, tiles.before, strict=True)
    )
    rows, columns = rows[:, None, :, None, :, None], columns[None, :, None, :, None, :]
    height, width = tiles.image
    inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    return np.where(inside, rows * width + columns, _NOWHERE).astype(np.int32).reshape(tiles.side**2, -1)


@functools.cache
def _places(tiles: _Tiles, back: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Place of each pixel of an image in its tile, and its number among that place's pixels of all tiles: (rows,
    columns) each."""
    step = tiles.step * tiles.within
    lines = []
    for pixels, count, before, less in zip(tiles.image, tiles.tiles, tiles.before, back, strict=True):
        line = np.arange(pixels) + before
        tile = np.minimum(line // step, count - 1) - less
        place, within = np.divmod(line - tile * step, tiles.within)
        lines.append((tile, place, within, (tile >= 0) & (place < tiles.side)))
    (row, down, upper, has_row), (column, right, left, has_column) = lines
    reached = has_row[:, None] & has_column
    places = np.where(reached, down[:, None] * tiles.side + right, tiles.side**2)  # that many: none of them
    others = ((row[:, None] * tiles.tiles[1] + column) * tiles.within + upper[:, None]) * tiles.within + left
    return places.astype(np.int32), np.where(reached, others, 0).astype(np.int32)


def _length(tensor: tf.Tensor, axis: int) -> int | tf.Tensor:
    return tf.shape(tensor)[axis] if tensor.shape[axis] is None else tensor.shape[axis]
