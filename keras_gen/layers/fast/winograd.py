"""Convolutions by Winograd's minimal filtering: the same function with fewer multiplications.

A filter with r taps needs m r multiplications for m neighbouring outputs. These depend on n = m + r - 1 inputs d, and n
multiplications are enough:

    small = A^T ((G g) * (B^T d))       g: the taps; *: elementwise product

A, B and G are fixed matrices, which evaluate polynomials at n points and interpolate (the Toom-Cook algorithm;
Winograd, Arithmetic Complexity of Computations, 1980). In two dimensions they are applied to rows and then to columns.
The products over channels are then one matrix product for each of the n^2 transformed values (Lavin and Gray 2016,
arXiv 1509.09308). For each pair of channels, 4x4 outputs take 49 multiplications instead of 256 with a 4x4 kernel, and
36 instead of 144 with a 3x3 kernel.

A convolution of stride 2 is reduced to one of stride 1: blocks of 2x2 pixels become single pixels with four times the
channels, and the kernel has half the side. 4x4 outputs of a 4x4 kernel then take 100 multiplications instead of 256. A
transposed convolution is the adjoint of a convolution and takes as many, and so does the gradient with respect to the
image.

The cost is precision. In float32 the rounding error is about four times that of a direct sum, a few millionths of the
outputs' standard deviation. 16-bit precision is not enough for the transforms.
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
"""Zeros before and after the rows, and before and after the columns."""

MAX_SIZE = 8
"""Largest value of tile + side / stride: one more than the number of interpolation points."""
# Points of small magnitude have the smallest rounding errors. One more point is infinity.
_POINTS = (0.0, 1.0, -1.0, 2.0, -2.0, 0.5)
_OUTSIDE = 2**30  # an index beyond the pixels of any batch


def convolve(image: tf.Tensor, kernel: tf.Tensor, stride: int, padding: Padding, tile: int = 4) -> tf.Tensor:
    """Equals `tf.nn.conv2d(image, kernel, stride, padding)`.

    Args:
        image: (batch, height, width, channels) with known height and width, float32 or float64.
        kernel: (side, side, channels, filters).
        stride: stride of rows and columns, a divisor of the kernel's side.
        padding: zeros around the image [pixels].
        tile: side m of the output tiles. Larger tiles take fewer multiplications, but have larger rounding errors.

    Returns:
        (batch, rows, columns, filters).

    Raises:
        ValueError: unless the stride divides the kernel's side and is smaller, the kernel fits into the padded image,
            and the tile is from side / stride - 1 to 8 - side / stride.
    """
    return _convolve(_Tiling.of(kernel, stride, padding, tile, (image.shape[1], image.shape[2])), image, kernel)


def convolve_transposed(image: tf.Tensor, kernel: tf.Tensor, stride: int, padding: Padding, tile: int = 4) -> tf.Tensor:
    """Equals `tf.nn.conv2d_transpose`; the adjoint of `convolve`.

    Args:
        image: (batch, height, width, filters) with known height and width, float32 or float64.
        kernel: (side, side, channels, filters).
        stride: factor of upsampling, a divisor of the kernel's side.
        padding: rows and columns that are cropped from the result [pixels].
        tile: see `convolve`.

    Returns:
        (batch, rows, columns, channels), with (height - 1) stride + side - padding rows.

    Raises:
        ValueError: see `convolve`.
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
    """The linear maps between feature maps, kernels and their transformed values.

    `spread` and `gather`, `join` and `cut`, `weights` and `gather_weights` are pairs: the second is the adjoint of the
    first and uses the same matrix. Transformed values are (n^2, tiles, channels); with stride 2, the channels of the
    large map are those of blocks of 2x2 pixels.

    Attributes:
        stride: stride of the convolution.
        taps: r, the kernel's side after the reduction to stride 1.
        tile: m, the side of a tile of outputs.
        padding: zeros around the large map.
        large: height and width of the large map.
    """

    stride: int
    taps: int
    tile: int
    padding: Padding
    large: tuple[int, int]

    @classmethod
    def of(cls, kernel: tf.Tensor, stride: int, padding: Padding, tile: int, large: tuple[int, int]) -> _Tiling:
        side, other = kernel.shape[:2]
        if side != other or side % stride:
            raise ValueError(
                f"kernel got {side}x{other} taps; accepted are square kernels with a side that is a multiple of the "
                f"stride {stride}."
            )
        taps = side // stride
        if taps < 2:
            raise ValueError(f"stride got {stride}; accepted are strides below the kernel's side of {side}.")
        if not taps - 1 <= tile <= MAX_SIZE - taps:
            raise ValueError(f"tile got {tile}; accepted are {taps - 1} to {MAX_SIZE - taps}.")
        if any(pixels + sum(around) < side for pixels, around in zip(large, padding, strict=True)):
            raise ValueError(f"image got {large} pixels; accepted are at least {side} in each direction after padding.")
        return cls(stride, taps, tile, padding, large)

    @property
    def small(self) -> tuple[int, int]:
        """Height and width of the small map."""
        side = self.taps * self.stride
        return tuple(
            (pixels + sum(around) - side) // self.stride + 1
            for pixels, around in zip(self.large, self.padding, strict=True)
        )

    @property
    def tiles(self) -> tuple[int, int]:
        """Number of rows and columns of tiles."""
        return tuple(-(-pixels // self.tile) for pixels in self.small)

    def spread(self, large: tf.Tensor) -> tf.Tensor:
        """B^T d: large map (batch, H, W, channels) -> values."""
        return self._transformed("b", self._large.of_image(large), True)

    def gather(self, values: tf.Tensor) -> tf.Tensor:
        """The adjoint of `spread`: values -> large map (batch, H, W, channels)."""
        tiles = self._transformed("b", values)
        # In each direction, a pixel belongs to one tile and, where tiles overlap, to the previous one.
        return tf.add_n([self._large.to_image(tiles, back) for back in np.ndindex(2, 2)])

    def join(self, values: tf.Tensor) -> tf.Tensor:
        """A^T p: values -> small map (batch, h, w, channels)."""
        return self._small.to_image(self._transformed("a", values, True))

    def cut(self, small: tf.Tensor) -> tf.Tensor:
        """The adjoint of `join`: small map (batch, h, w, channels) -> values."""
        return self._transformed("a", self._small.of_image(small))

    @property
    def _large(self) -> _Tiles:
        before = tuple(around[0] for around in self.padding)
        return _Tiles(self.large, self.tiles, self.tile, self.tile + self.taps - 1, self.stride, before)

    @property
    def _small(self) -> _Tiles:
        return _Tiles(self.small, self.tiles, self.tile, self.tile, 1, (0, 0))

    def multiplied(self, values: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
        """(G g) * (B^T d), summed over channels: values of the large map -> values of the small map."""
        if _has_avx512():
            return tf.matmul(values, self.weights(kernel))  # the gradient uses the same weights, transformed only once
        return tf.matmul(values, self.weights(kernel, swapped=True), transpose_b=True)

    def weights(self, kernel: tf.Tensor, swapped: bool = False) -> tf.Tensor:
        """G g: (side, side, channels, filters) -> (n^2, stride^2 * channels, filters).

        `swapped` exchanges the last two axes, for products with a transposed second factor, which is then read along
        its rows. Reading along columns is slow: the number of channels is mostly a power of two, and few columns with
        such a stride fit into the cache.
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
        """Applies a matrix, or its transpose, to the rows and the columns of (k^2, ...): (n^2, ...)."""
        matrix = _matrices(self.tile, self.taps)[name]
        # Transposed here, because a matrix product that transposes takes up to a quarter longer.
        matrix = matrix.T if transposed else matrix
        n, k = matrix.shape
        if _has_avx512():  # more multiplications, but each value is read and written only once
            both = tf.matmul(tf.constant(np.kron(matrix, matrix), values.dtype), tf.reshape(values, (k * k, -1)))
        else:
            matrix = tf.constant(matrix, values.dtype)
            rows = tf.reshape(tf.matmul(matrix, tf.reshape(values, (k, -1))), (n, k, -1))
            both = tf.matmul(matrix[tf.newaxis], rows)
        return tf.reshape(both, (n * n, -1, values.shape[2]))


@functools.cache
def _has_avx512() -> bool:
    """Whether this processor has AVX-512, so that arithmetic is cheap compared with memory access.

    With AVX-512, a single product that transforms rows and columns takes 0.5 to 0.6 times as long as two products;
    without it, up to 1.7 times.
    """
    information = Path("/proc/cpuinfo")  # Linux only; elsewhere the answer is False
    return information.exists() and " avx512f " in information.read_text(encoding="utf-8", errors="replace")


@functools.cache
def _matrices(tile: int, taps: int) -> dict[str, np.ndarray]:
    """The matrices A (n, m), G (n, r) and B (n, n)."""
    count = tile + taps - 1
    points = np.array(_POINTS[: count - 1])

    def powers(degrees: int) -> np.ndarray:
        """The powers 0 to degrees - 1 of each point, (n, degrees). At infinity only the highest power counts."""
        finite = points[:, None] ** np.arange(degrees)
        return np.vstack([finite, np.eye(degrees)[-1]])

    # Each point has a factor that can be put into G or B. In G, it leaves integers in B if the points are integers.
    differences = points[:, None] - points
    np.fill_diagonal(differences, 1.0)
    scale = np.append(differences.prod(1), 1.0)
    a, g, b = powers(tile), powers(taps) / scale[:, None], np.linalg.inv(powers(count)) * scale
    return {"a": a, "g": g, "b": b}


@dataclasses.dataclass(frozen=True)
class _Tiles:
    """The tiles of a feature map. A tile has `side` x `side` blocks, and a block has `within` x `within` pixels.

    As a tensor they are (blocks of a tile, tiles, pixels of a block * channels). The tiles of all images are followed
    by one tile of zeros, from which pixels outside the image are taken. It also makes the number of tiles odd: with a
    power of two, which is common, the rows would share few lines of the cache, and products would take up to twice as
    long.

    Attributes:
        image: height and width of the feature map [pixels].
        tiles: number of rows and columns of tiles.
        step: distance between neighbouring tiles [blocks]; smaller than `side` if tiles overlap.
        side: side of a tile [blocks].
        within: side of a block [pixels].
        before: rows and columns of the first tiles that lie outside the image [pixels].
    """

    image: tuple[int, int]
    tiles: tuple[int, int]
    step: int
    side: int
    within: int
    before: tuple[int, int]

    def of_image(self, image: tf.Tensor) -> tf.Tensor:
        """Cuts feature maps (batch, rows, columns, channels) into tiles."""
        batch, size = _length(image, 0), math.prod(self.image)
        index = _pixels(self)[:, None] + size * tf.range(batch)[:, None]
        index = tf.reshape(tf.minimum(index, batch * size), (self.side**2, -1))
        index = tf.pad(index, ((0, 0), (0, self.within**2)), constant_values=batch * size)
        pixels = tf.pad(tf.reshape(image, (-1, image.shape[3])), ((0, 1), (0, 0)))
        return tf.reshape(tf.gather(pixels, index), (self.side**2, -1, self.within**2 * image.shape[3]))

    def to_image(self, tiles: tf.Tensor, back: tuple[int, int] = (0, 0)) -> tf.Tensor:
        """Reads feature maps (batch, rows, columns, channels) from tiles.

        Each pixel is read from the last tile that contains it or, with `back`, from the tile so many rows and columns
        of tiles before that one; it is zero if that tile does not contain the pixel.
        """
        count, pixels = _length(tiles, 1), self.within**2
        each = math.prod(self.tiles)
        blocks, others = _blocks(self, back)
        index = blocks * (count * pixels) + others + (each * pixels * tf.range((count - 1) // each))[:, None, None]
        index = tf.minimum(index, self.side**2 * count * pixels - 1)
        return tf.gather(tf.reshape(tiles, (-1, tiles.shape[2] // pixels)), index)


@functools.cache
def _pixels(tiles: _Tiles) -> np.ndarray:
    """The index of each pixel of the tiles within its image: (blocks of a tile, tiles * pixels of a block)."""
    rows, columns = (
        (np.add.outer(np.arange(tiles.side), tiles.step * np.arange(count))[..., None] * tiles.within)
        + np.arange(tiles.within)
        - before
        for count, before in zip(tiles.tiles, tiles.before, strict=True)
    )
    rows, columns = rows[:, None, :, None, :, None], columns[None, :, None, :, None, :]
    height, width = tiles.image
    inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    return np.where(inside, rows * width + columns, _OUTSIDE).astype(np.int32).reshape(tiles.side**2, -1)


@functools.cache
def _blocks(tiles: _Tiles, back: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """For each pixel of an image, its block within the tile, and its index among the pixels of that block in all
    tiles: (rows, columns) each."""
    step = tiles.step * tiles.within
    lines = []
    for pixels, count, before, less in zip(tiles.image, tiles.tiles, tiles.before, back, strict=True):
        line = np.arange(pixels) + before
        tile = np.minimum(line // step, count - 1) - less
        block, within = np.divmod(line - tile * step, tiles.within)
        lines.append((tile, block, within, (tile >= 0) & (block < tiles.side)))
    (row, down, upper, has_row), (column, right, left, has_column) = lines
    contained = has_row[:, None] & has_column
    blocks = np.where(contained, down[:, None] * tiles.side + right, tiles.side**2)  # one past the last: none
    others = ((row[:, None] * tiles.tiles[1] + column) * tiles.within + upper[:, None]) * tiles.within + left
    return blocks.astype(np.int32), np.where(contained, others, 0).astype(np.int32)


def _length(tensor: tf.Tensor, axis: int) -> int | tf.Tensor:
    return tf.shape(tensor)[axis] if tensor.shape[axis] is None else tensor.shape[axis]
