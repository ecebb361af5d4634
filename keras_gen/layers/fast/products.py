"""Convolutions of stride 2 as a single matrix product: the same function and weights, computed differently.

For small feature maps with many channels, as in the inner half of a U-Net, the cost of a convolution lies mostly in its
weights: libraries reorder them into blocks, and their gradient back, in every call. As a matrix K with one row for each
tap and channel of the larger map, and one column for each channel of the smaller map, they need no reordering:

    convolution               small = unfold(large) K              unfold: the 4x4 pixels under the kernel as a row
    transposed convolution    large = fold(small K^T)              fold: the adjoint, which adds overlapping pixels

Each is the gradient of the other. For both, the gradient with respect to K is unfold(large)^T small.
"""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf


@tf.custom_gradient
def convolve(
    large: tf.Tensor, kernel: tf.Tensor
) -> tuple[tf.Tensor, Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]]:
    """Convolution with a 4x4 kernel, stride 2 and "same" padding.

    Args:
        large: (batch, 2 h, 2 w, channels) with known h and w.
        kernel: (4, 4, channels, filters).

    Returns:
        (batch, h, w, filters).
    """
    height, width, _ = large.shape[1:]
    patches = _unfold(large)
    small = tf.matmul(patches, _matrix(kernel))

    def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return convolve_transposed(upstream, kernel), _kernel_gradient(patches, upstream, kernel)

    return tf.reshape(small, (-1, height // 2, width // 2, kernel.shape[3])), gradient


@tf.custom_gradient
def convolve_transposed(
    small: tf.Tensor, kernel: tf.Tensor
) -> tuple[tf.Tensor, Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]]:
    """Transposed convolution with a 4x4 kernel, stride 2 and "same" padding.

    Args:
        small: (batch, h, w, filters) with known h and w.
        kernel: (4, 4, channels, filters).

    Returns:
        (batch, 2 h, 2 w, channels).
    """
    height, width, filters = small.shape[1:]
    # A tall matrix times a narrow one is several times as fast as the transposed product of a flat and a wide one.
    patches = tf.transpose(tf.matmul(_matrix(kernel), tf.reshape(small, (-1, filters)), transpose_b=True))
    large = _fold(patches, height, width)

    def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return convolve(upstream, kernel), _kernel_gradient(_unfold(upstream), small, kernel)

    return large, gradient


def _matrix(kernel: tf.Tensor) -> tf.Tensor:
    return tf.reshape(kernel, (-1, kernel.shape[3]))


def _kernel_gradient(patches: tf.Tensor, small: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    product = tf.matmul(patches, tf.reshape(small, (-1, small.shape[3])), transpose_a=True)
    return tf.reshape(product, kernel.shape)


def _unfold(large: tf.Tensor) -> tf.Tensor:
    """(batch, 2 h, 2 w, c) -> (batch * h * w, 4 * 4 * c): the pixels under the kernel, one row per position."""
    patches = tf.image.extract_patches(large, (1, 4, 4, 1), (1, 2, 2, 1), (1, 1, 1, 1), "SAME")
    return tf.reshape(patches, (-1, patches.shape[3]))


def _fold(patches: tf.Tensor, height: int, width: int) -> tf.Tensor:
    """The adjoint of `_unfold`, with h = height and w = width."""
    patches = tf.reshape(patches, (-1, height, width, 2, 2, 2, patches.shape[1] // 8))  # row, tap; then column
    cells = 0.0
    for row in range(2):
        for column in range(2):
            cell = tf.concat(tf.unstack(patches[:, :, :, row, :, column], axis=3), -1)  # 2x2 pixels
            cells += tf.pad(cell, ((0, 0), (row, 1 - row), (column, 1 - column), (0, 0)))
    return tf.nn.depth_to_space(cells, 2)[:, 1:-1, 1:-1]
