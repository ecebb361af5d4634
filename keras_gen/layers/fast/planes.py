"""Convolutions with few output channels, such as those to an image or a logit: first the channels, then the taps.

Libraries sum over taps and input channels at once, which is inefficient for one or three outputs. Here, one matrix
product maps the input channels to a plane for each tap and filter. A plane has the size of the feature map. The planes
are then shifted by their taps and added, which costs little, since there are few of them. Both gradients are matrix
products with the unfolded planes.
"""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf

from keras_gen.layers.fast.winograd import Padding


def convolve(image: tf.Tensor, kernel: tf.Tensor, padding: Padding) -> tf.Tensor:
    """Equals `tf.nn.conv2d(image, kernel, 1, padding)`.

    Args:
        image: (batch, height, width, channels) with known height and width.
        kernel: (side, side, channels, filters).
        padding: zeros around the image [pixels], fewer than the kernel's side.

    Returns:
        (batch, rows, columns, filters).
    """
    side = kernel.shape[0]
    cropped = tuple((side - 1 - before, side - 1 - after) for before, after in padding)
    return convolve_transposed(image, tf.transpose(kernel[::-1, ::-1], (0, 1, 3, 2)), 1, cropped)


def convolve_transposed(image: tf.Tensor, kernel: tf.Tensor, stride: int, padding: Padding) -> tf.Tensor:
    """Equals `tf.nn.conv2d_transpose`.

    Args:
        image: (batch, height, width, channels) with known height and width.
        kernel: (side, side, filters, channels), the layout of transposed convolutions.
        stride: factor of upsampling, a divisor of the kernel's side.
        padding: rows and columns that are cropped from the result [pixels].

    Returns:
        (batch, rows, columns, filters), with (height - 1) stride + side - padding rows.
    """
    side, _, filters, channels = kernel.shape
    r, s = side // stride, stride
    _, height, width, _ = image.shape
    shifts = [(row, column) for row in range(r) for column in range(r)]

    @tf.custom_gradient
    def function(
        small: tf.Tensor, kernel: tf.Tensor
    ) -> tuple[tf.Tensor, Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]]:
        # Rows of the matrix are ordered by shift, position within the stride, and filter; columns are channels.
        weights = tf.reshape(kernel, (r, s, r, s, filters, channels))
        weights = tf.reshape(tf.transpose(weights, (0, 2, 1, 3, 4, 5)), (-1, channels))
        pixels = tf.reshape(small, (-1, channels))
        planes = tf.reshape(tf.matmul(weights, pixels, transpose_b=True), (r * r, s, s, filters, -1, height, width))
        shifted = tf.add_n(
            [
                tf.pad(planes[n], (*[(0, 0)] * 4, (row, r - 1 - row), (column, r - 1 - column)))
                for n, (row, column) in enumerate(shifts)
            ]
        )
        large = tf.reshape(
            tf.transpose(shifted, (3, 4, 0, 5, 1, 2)), (-1, (height + r - 1) * s, (width + r - 1) * s, filters)
        )

        def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            blocks = tf.reshape(
                tf.pad(upstream, ((0, 0), *padding, (0, 0))), (-1, height + r - 1, s, width + r - 1, s, filters)
            )
            blocks = tf.transpose(blocks, (2, 4, 5, 0, 1, 3))
            planes = tf.stack([blocks[..., row : row + height, column : column + width] for row, column in shifts])
            planes = tf.reshape(planes, (r * r * s * s * filters, -1))
            by_image = tf.reshape(tf.matmul(planes, weights, transpose_a=True), tf.shape(small))
            by_kernel = tf.reshape(tf.matmul(planes, pixels), (r, r, s, s, filters, channels))
            return by_image, tf.reshape(tf.transpose(by_kernel, (0, 2, 1, 3, 4, 5)), kernel.shape)

        (top, bottom), (left, right) = padding
        return large[:, top : large.shape[1] - bottom, left : large.shape[2] - right], gradient

    return function(image, kernel)
