"""Transposed convolutions of small maps by the discrete Fourier transform: the same function in fewer products.

The transform turns a convolution into products, bin by bin. For maps of many channels these are one matrix product of
examples by channels for each bin, and the transforms, which do not mix channels, cost little beside them. Of a 7x7 map
and a 5x5 kernel there are 9x9 bins: a conjugate pair takes three real products (Gauss), 121 in all, where the sum over
the taps takes 1225 for each pair of channels.

    out = C ((A x) (B w))       for each example; the product is bin by bin, and over the channels within a bin

A, B, C are fixed matrices, so gradients are of the same form, and as cheap. A map of H pixels and a kernel of k need
H + (k - 1) / 2 bins in each direction: what wraps around beyond that falls outside of the "same" padding.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf

_NOTHING = 1e-9  # products whose factor or weight is smaller are left out: sines of multiples of pi


class FourierConv2DTranspose(keras.layers.Conv2DTranspose):
    """`keras.layers.Conv2DTranspose` of stride 1, an odd kernel and "same" padding, computed by Fourier transforms.

    Its weights, names and configuration are those of Conv2DTranspose: either loads the other's. On a CPU it is several
    times as fast for a 5x5 kernel on 7x7 pixels of many channels (docs/performance.md); the larger the map, the more of
    the time goes into the transforms.

    Input (batch, h, w, channels) of known h and w, output (batch, h, w, filters).
    """

    def __init__(self, filters: int, kernel_size: int | tuple[int, int], **settings: Any) -> None:
        """As `keras.layers.Conv2DTranspose`.

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
    """The matrices A, B and C of a transposed convolution of stride 1 and "same" padding, float64.

    Args:
        size: height and width of the map [pixels].
        kernel: of the kernel, odd.

    Returns:
        (products, pixels), (products, taps), (pixels, products): (c @ ((a @ x) * (b @ w))) is the transposed
        convolution of x by w, both in the order of rows.
    """
    padding = [side // 2 for side in kernel]
    bins = [pixels + cut for pixels, cut in zip(size, padding, strict=True)]
    # One of each pair of conjugates: the first half of the columns, and where a column is its own partner, of its rows.
    row, column = np.array(
        [(r, c) for c in range(bins[1] // 2 + 1) for r in range(bins[0]) if 2 * c % bins[1] or r <= bins[0] // 2]
    ).T
    alone = (2 * row % bins[0] == 0) & (2 * column % bins[1] == 0)

    def angles(shape: tuple[int, int], start: tuple[int, int] | list[int] = (0, 0)) -> np.ndarray:
        down, right = (place.ravel() for place in np.mgrid[: shape[0], : shape[1]])
        turns = np.outer(row, down + start[0]) / bins[0] + np.outer(column, right + start[1]) / bins[1]
        return 2 * np.pi * turns

    def forward(shape: tuple[int, int]) -> np.ndarray:
        """Real parts, imaginary parts, and their sums, whose products are Gauss's three."""
        angle = angles(shape)
        return np.concatenate([np.cos(angle), -np.sin(angle), np.cos(angle) - np.sin(angle)])

    angle = angles(size, padding)
    weight = np.where(alone, 1.0, 2.0)[:, None] / (bins[0] * bins[1])
    # Of the products p, q, s of the parts, the result has the real part p - q and the imaginary part s - p - q.
    backward = weight * np.stack([np.cos(angle) + np.sin(angle), np.sin(angle) - np.cos(angle), -np.sin(angle)])
    a, b, c = forward(size), forward(kernel), np.concatenate(backward)
    needed = np.minimum(np.abs(a).max(axis=1), np.abs(c).max(axis=1)) > _NOTHING
    return a[needed], b[needed], c[needed].T
