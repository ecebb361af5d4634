"""Convolutions to few channels, as to the pixels of an image or to a logit: products first, then the taps.

A library sums over the taps and the many channels at once, for one or three sums at a time. Here one matrix product
takes the channels to the values of all taps and filters, each a plane of the map's size, and the planes are added up,
moved by their tap: of so few that it costs little. Both gradients are products with the unfolded planes.
"""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf

from keras_gen.layers.fast.winograd import Padding


def convolve(image: tf.Tensor, kernel: tf.Tensor, padding: Padding) -> tf.Tensor:
    """What `tf.nn.conv2d(image, kernel, 1, padding)` is.

    Args:
        image: (batch, height, width, channels) of known height and width.
        kernel: (side, side, channels, filters).
        padding: zeros around the image [pixels], less than the side.

    Returns:
        (batch, rows, columns, filters).
    """
    side = kernel.shape[0]
    lacking = tuple((side - 1 - before, side - 1 - after) for before, after in padding)
    return convolve_transposed(image, tf.transpose(kernel[::-1, ::-1], (0, 1, 3, 2)), 1, lacking)


def convolve_transposed(image: tf.Tensor, kernel: tf.Tensor, stride: int, padding: Padding) -> tf.Tensor:
    """What `tf.nn.conv2d_transpose` is.

    Args:
        image: (batch, height, width, channels) of known height and width.
        kernel: (side, side, filters, channels), as of a transposed convolution.
        stride: how many rows and columns of the result each of the image's stands for, a divisor of the side.
        padding: rows and columns that the result lacks around it [pixels].

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
        # The taps that end in one pixel of the result lie side by side: (shift, within stride, filter), channel.
        weights = tf.reshape(kernel, (r, s, r, s, filters, channels))
        weights = tf.reshape(tf.transpose(weights, (0, 2, 1, 3, 4, 5)), (-1, channels))
        pixels = tf.reshape(small, (-1, channels))
        planes = tf.reshape(tf.matmul(weights, pixels, transpose_b=True), (r * r, s, s, filters, -1, height, width))
        places = tf.add_n(
            [
                tf.pad(planes[n], (*[(0, 0)] * 4, (row, r - 1 - row), (column, r - 1 - column)))
                for n, (row, column) in enumerate(shifts)
            ]
        )
        large = tf.reshape(
            tf.transpose(places, (3, 4, 0, 5, 1, 2)), (-1, (height + r - 1) * s, (width + r - 1) * s, filters)
        )

        def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            places = tf.reshape(
                tf.pad(upstream, ((0, 0), *padding, (0, 0))), (-1, height + r - 1, s, width + r - 1, s, filters)
            )
            places = tf.transpose(places, (2, 4, 5, 0, 1, 3))
            planes = tf.stack([places[..., row : row + height, column : column + width] for row, column in shifts])
            planes = tf.reshape(planes, (r * r * s * s * filters, -1))
            by_image = tf.reshape(tf.matmul(planes, weights, transpose_a=True), tf.shape(small))
            by_kernel = tf.reshape(tf.matmul(planes, pixels), (r, r, s, s, filters, channels))
            return by_image, tf.reshape(tf.transpose(by_kernel, (0, 2, 1, 3, 4, 5)), kernel.shape)

        (top, bottom), (left, right) = padding
        return large[:, top : large.shape[1] - bottom, left : large.shape[2] - right], gradient

    return function(image, kernel)
