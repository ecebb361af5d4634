"""Transposed convolutions of small feature maps by the discrete Fourier transform, with fewer multiplications.

The transform turns a convolution into one product per frequency bin. With many channels, each of these is a matrix
product over the channels, and the transforms themselves cost little, because they do not mix channels. A 7x7 map and a
5x5 kernel need 9x9 bins. A pair of conjugate bins takes three real multiplications (Gauss's trick), 121 in total for
each pair of channels, whereas the sum over the taps takes 1225.

    out = C ((A x) (B w))       for each example; the product is taken per bin, and sums over channels

A, B and C are fixed matrices, so the gradients have the same form and cost. H pixels and a kernel of size k need
H + (k - 1) / 2 bins in each direction: the values that wrap around are cropped by the "same" padding.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf

_ZERO = 1e-9  # smaller coefficients are 0 up to rounding (sines of multiples of pi); their products are left out


class FourierConv2DTranspose(keras.layers.Conv2DTranspose):
    """`keras.layers.Conv2DTranspose` with stride 1, an odd kernel and "same" padding, computed by Fourier transforms.

    Weights, names and configuration are those of Conv2DTranspose, so either layer loads the weights of the other. On a
    CPU it is several times as fast for a 5x5 kernel on 7x7 pixels with many channels (docs/performance.md). The larger
    the feature map, the larger the part of the transforms in the cost.

    Input (batch, h, w, channels) with known h and w, output (batch, h, w, filters).

    Examples:
        >>> layer = FourierConv2DTranspose(8, 5, padding="same")
        >>> x = np.random.default_rng(0).normal(size=(2, 7, 7, 16)).astype(np.float32)
        >>> y = layer(x)
        >>> keras_layer = keras.layers.Conv2DTranspose.from_config(layer.get_config())
        >>> keras_layer.build(x.shape)
        >>> keras_layer.set_weights(layer.get_weights())
        >>> bool(np.allclose(keras_layer(x), y, atol=1e-4))
        True
    """

    def __init__(self, filters: int, kernel_size: int | tuple[int, int], **settings: Any) -> None:
        """Arguments as for `keras.layers.Conv2DTranspose`.

        Raises:
            ValueError: unless strides are 1, padding is "same", sides of the kernel are odd, channels are last, and
                there is no dilation.
        """
        super().__init__(filters, kernel_size, **settings)
        if (
            tuple(self.strides) != (1, 1)
            or self.padding != "same"
            or not all(side % 2 for side in self.kernel_size)
            or tuple(self.dilation_rate) != (1, 1)
            or self.data_format != "channels_last"
            or self.output_padding is not None
        ):
            raise ValueError(
                f"strides {self.strides}, padding {self.padding!r}, kernel_size {self.kernel_size}, dilation_rate "
                f"{self.dilation_rate}, data_format {self.data_format!r}: accepted are strides of 1, padding 'same', "
                "odd kernels, no dilation and channels last."
            )

    def call(self, inputs: Any) -> Any:
        """The transposed convolution of `inputs`."""
        _, height, width, channels = inputs.shape
        kernel = tf.reshape(tf.convert_to_tensor(self.kernel), (-1, self.filters, channels))
        a, b, c = (tf.cast(matrix, kernel.dtype) for matrix in transforms((height, width), self.kernel_size))
        images = tf.tensordot(a, tf.reshape(inputs, (-1, height * width, channels)), ((1,), (1,)))
        kernels = tf.tensordot(b, kernel, ((1,), (0,)))
        products = tf.matmul(images, kernels, transpose_b=True)  # (products, batch, filters)
        outputs = tf.transpose(tf.tensordot(c, products, ((1,), (0,))), (1, 0, 2))
        outputs = tf.reshape(outputs, (-1, height, width, self.filters))
        outputs = tf.nn.bias_add(outputs, self.bias) if self.use_bias else outputs
        return outputs if self.activation is None else self.activation(outputs)


def transforms(size: tuple[int, int], kernel: tuple[int, int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The matrices A, B and C of a transposed convolution with stride 1 and "same" padding, float64.

    Args:
        size: height and width of the feature map [pixels].
        kernel: height and width of the kernel, odd.

    Returns:
        A (products, pixels), B (products, taps) and C (pixels, products). c @ ((a @ x) * (b @ w)) is the transposed
        convolution of x with w, both flattened row by row.
    """
    padding = [side // 2 for side in kernel]
    bins = [pixels + cut for pixels, cut in zip(size, padding, strict=True)]
    # One bin of each conjugate pair: the first half of the columns. A column that is conjugate to itself contributes
    # the first half of its rows.
    row, column = np.array(
        [(r, c) for c in range(bins[1] // 2 + 1) for r in range(bins[0]) if 2 * c % bins[1] or r <= bins[0] // 2]
    ).T
    alone = (2 * row % bins[0] == 0) & (2 * column % bins[1] == 0)

    def angles(shape: tuple[int, int], start: tuple[int, int] | list[int] = (0, 0)) -> np.ndarray:
        down, right = (index.ravel() for index in np.mgrid[: shape[0], : shape[1]])
        turns = np.outer(row, down + start[0]) / bins[0] + np.outer(column, right + start[1]) / bins[1]
        return 2 * np.pi * turns

    def forward(shape: tuple[int, int]) -> np.ndarray:
        """Real parts, imaginary parts and their sums: the factors of Gauss's three products."""
        angle = angles(shape)
        return np.concatenate([np.cos(angle), -np.sin(angle), np.cos(angle) - np.sin(angle)])

    angle = angles(size, padding)
    weight = np.where(alone, 1.0, 2.0)[:, None] / (bins[0] * bins[1])
    # From the products p, q and s of these parts, the real part is p - q and the imaginary part s - p - q.
    backward = weight * np.stack([np.cos(angle) + np.sin(angle), np.sin(angle) - np.cos(angle), -np.sin(angle)])
    a, b, c = forward(size), forward(kernel), np.concatenate(backward)
    needed = np.minimum(np.abs(a).max(axis=1), np.abs(c).max(axis=1)) > _ZERO
    return a[needed], b[needed], c[needed].T
