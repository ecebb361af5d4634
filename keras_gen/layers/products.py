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
from typing import Any

import keras
import tensorflow as tf


class ProductConv2D(keras.layers.Conv2D):
    """`keras.layers.Conv2D` of a 4x4 kernel, stride 2 and "same" padding, computed as a matrix product.

    Its weights, names and configuration are those of Conv2D: either loads the other's. Which is faster depends on the
    shape and the machine (docs/performance.md).

    Input (batch, h, w, channels) with even h and w, output (batch, h / 2, w / 2, filters).
    """

    def __init__(self, filters: int, kernel_size: int | tuple[int, int], *arguments: Any, **settings: Any) -> None:
        """As `keras.layers.Conv2D`.

        Raises:
            ValueError: unless the kernel is 4x4, strides are 2, padding is "same", channels are last and there are no
                groups and no dilation.
        """
        super().__init__(filters, kernel_size, *arguments, **settings)
        _require_supported(self)

    def build(self, input_shape: Any) -> None:
        if any(side is None or side % 2 for side in input_shape[1:3]):
            raise ValueError(f"The image has {input_shape[1:3]} pixels; accepted are even sides, known beforehand.")
        super().build(input_shape)

    def call(self, inputs: Any) -> Any:
        """The convolution of `inputs`."""
        return _finished(self, _down(inputs, tf.convert_to_tensor(self.kernel)))


class ProductConv2DTranspose(keras.layers.Conv2DTranspose):
    """`keras.layers.Conv2DTranspose` of a 4x4 kernel, stride 2 and "same" padding, computed as a matrix product.

    Its weights, names and configuration are those of Conv2DTranspose: either loads the other's.

    Input (batch, h, w, channels), output (batch, 2 h, 2 w, filters).
    """

    def __init__(self, filters: int, kernel_size: int | tuple[int, int], *arguments: Any, **settings: Any) -> None:
        """As `keras.layers.Conv2DTranspose`; raises ValueError as `ProductConv2D`."""
        super().__init__(filters, kernel_size, *arguments, **settings)
        _require_supported(self)

    def call(self, inputs: Any) -> Any:
        """The transposed convolution of `inputs`."""
        return _finished(self, _up(inputs, tf.convert_to_tensor(self.kernel)))


def _require_supported(layer: Any) -> None:
    asked = {
        "kernel_size": (tuple(layer.kernel_size), (4, 4)),
        "strides": (tuple(layer.strides), (2, 2)),
        "dilation_rate": (tuple(layer.dilation_rate), (1, 1)),
        "padding": (layer.padding, "same"),
        "data_format": (layer.data_format, "channels_last"),
        "groups": (getattr(layer, "groups", 1), 1),
        "output_padding": (getattr(layer, "output_padding", None), None),
    }
    for name, (given, accepted) in asked.items():
        if given != accepted:
            raise ValueError(f"{name} got {given!r}; accepted is {accepted!r}.")


def _finished(layer: Any, outputs: Any) -> Any:
    outputs = tf.nn.bias_add(outputs, layer.bias) if layer.use_bias else outputs
    return outputs if layer.activation is None else layer.activation(outputs)


@tf.custom_gradient
def _down(large: tf.Tensor, kernel: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]]:
    """(batch, 2 h, 2 w, c), (4, 4, c, f) -> (batch, h, w, f)."""
    height, width, _ = large.shape[1:]
    patches = _unfold(large)
    small = tf.matmul(patches, _matrix(kernel))

    def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return _up(upstream, kernel), _kernel_gradient(patches, upstream, kernel)

    return tf.reshape(small, (-1, height // 2, width // 2, kernel.shape[3])), gradient


@tf.custom_gradient
def _up(small: tf.Tensor, kernel: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]]:
    """(batch, h, w, f), (4, 4, c, f) -> (batch, 2 h, 2 w, c)."""
    height, width, filters = small.shape[1:]
    # Products of a tall matrix by a narrow one are several times as fast as those of a flat one by a broad one.
    patches = tf.transpose(tf.matmul(_matrix(kernel), tf.reshape(small, (-1, filters)), transpose_b=True))
    large = _fold(patches, height, width)

    def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return _down(upstream, kernel), _kernel_gradient(_unfold(upstream), small, kernel)

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
