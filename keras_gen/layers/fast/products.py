"""Convolutions of stride 2 as one matrix product each: the same function and weights, another sequence of operations.

Where a map is small and has many channels, as in the inner half of a U-Net, most of a convolution's time goes into
its weights: a library brings them into its own blocked order and their gradient back, every time. As a matrix of
(taps and channels of the large map) x (channels of the small map) they need no reordering:

    convolution               small = unfold(large) K              unfold: the 4x4 pixels that an output looks at
    transposed convolution    large = fold(small K^T)              fold: its adjoint, which adds them up where they lie

Each is the gradient of the other, and both have the gradient unfold(large)^T small with respect to K.
"""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf


@tf.custom_gradient
def convolve(
    large: tf.Tensor, kernel: tf.Tensor
) -> tuple[tf.Tensor, Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]]:
    """The convolution by a 4x4 kernel, of stride 2 and "same" padding.

    Args:
        large: (batch, 2 h, 2 w, channels), of known sides.
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
    """The transposed convolution: (batch, h, w, filters), (4, 4, channels, filters) -> (batch, 2 h, 2 w, channels)."""
    height, width, filters = small.shape[1:]
    # Products of a tall matrix by a narrow one are several times as fast as those of a flat one by a broad one.
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
    """(batch, 2 h, 2 w, c) -> (batch * h * w, 4 * 4 * c): the pixels under the kernel, one row for each place."""
    patches = tf.image.extract_patches(large, (1, 4, 4, 1), (1, 2, 2, 1), (1, 1, 1, 1), "SAME")
    return tf.reshape(patches, (-1, patches.shape[3]))


def _fold(patches: tf.Tensor, height: int, width: int) -> tf.Tensor:
    """The adjoint of `_unfold`, for h = height and w = width."""
    patches = tf.reshape(patches, (-1, height, width, 2, 2, 2, patches.shape[1] // 8))  # row, tap; then column
    cells = 0.0
    for row in range(2):
        for column in range(2):
            cell = tf.concat(tf.unstack(patches[:, :, :, row, :, column], axis=3), -1)  # 2x2 pixels
            cells += tf.pad(cell, ((0, 0), (row, 1 - row), (column, 1 - column), (0, 0)))
    return tf.nn.depth_to_space(cells, 2)[:, 1:-1, 1:-1]
