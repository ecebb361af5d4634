"""Transposed convolutions of stride 2 as ordinary convolutions: the same function and weights, computed differently.

In a transposed convolution of stride 2, every second output depends on every second tap of the kernel. So the outputs
of one phase (even or odd rows, even or odd columns) are an ordinary convolution with half of the taps in each
direction. All four phases together are one convolution with four times the filters, followed by interleaving: the
sub-pixel convolution of Shi et al. 2016 (arXiv 1609.05158). Inference engines often optimise convolutions much better
than transposed ones.

The single convolution also computes a row and a column beyond the edge and, if k is odd, multiplies by taps that are
zero. If that is a large part of its work, each phase is computed by its own convolution.

In one dimension, let w be the k taps and b = (k - 2) // 2 the number of outputs that "same" padding removes at the
start. With u = o + b:

    out[o] = sum_i in[i] w[u - 2 i] = sum_s in[m - s] w[a + 2 s]     where u = 2 m + a and i = m - s
"""

from __future__ import annotations

import itertools
import math
from typing import Any, NamedTuple

import keras
import tensorflow as tf
from keras import ops

_MAX_OVERHEAD = 1.05
"""If the single convolution needs more than this multiple of the necessary multiplications, four are faster ..."""
_MANY_FILTERS = 32
"""... provided that there are at least this many filters."""


class SubPixelConv2DTranspose(keras.layers.Conv2DTranspose):
    """`keras.layers.Conv2DTranspose` of stride 2 and "same" padding, computed as a convolution and `depth_to_space`.

    Weights, names and configuration are those of Conv2DTranspose, so either layer loads the weights of the other. This
    layer is faster in TFLite, Keras' own in training (docs/performance.md).

    Input (batch, h, w, channels), output (batch, 2 h, 2 w, filters).

    Examples:
        >>> import numpy as np
        >>> layer = SubPixelConv2DTranspose(5, 4, strides=2, padding="same")
        >>> x = np.random.default_rng(0).normal(size=(2, 6, 6, 3))
        >>> y = layer(x)
        >>> keras_layer = keras.layers.Conv2DTranspose.from_config(layer.get_config())
        >>> keras_layer.build(x.shape)
        >>> keras_layer.set_weights(layer.get_weights())
        >>> y.shape, bool(np.allclose(keras_layer(x), y, atol=1e-5))
        (TensorShape([2, 12, 12, 5]), True)
    """

    def __init__(self, filters: int, kernel_size: int | tuple[int, int], **settings: Any) -> None:
        """Arguments as for `keras.layers.Conv2DTranspose`.

        Raises:
            ValueError: unless strides are 2, padding is "same", channels are last, there is no dilation, and the kernel
                has at least 2 taps in each direction.
        """
        super().__init__(filters, kernel_size, **settings)
        if not replaceable(self):
            raise ValueError(
                f"strides {self.strides}, padding {self.padding!r}, kernel_size {self.kernel_size}, dilation_rate "
                f"{self.dilation_rate}, data_format {self.data_format!r}: accepted are strides of 2, padding 'same', "
                "kernels from 2 on, no dilation and channels last."
            )

    def call(self, inputs: Any) -> Any:
        """The transposed convolution of `inputs`."""
        cut = [(size - 2) // 2 for size in self.kernel_size]  # b above: m begins at b // 2
        if tuple(inputs.shape[1:3]) == (1, 1):  # only the taps b and b + 1 are multiplied with the single pixel
            top, left = cut
            return self._finished(ops.conv(inputs, self._as_convolution(1, 1, top, left), padding="valid"))
        if self.filters >= _MANY_FILTERS and self._overhead(inputs.shape) > _MAX_OVERHEAD:
            return self._by_phases(inputs)
        taps = [math.ceil(size / 2) for size in self.kernel_size]
        padding = [(s - 1 - b // 2, (b + 1) // 2) for s, b in zip(taps, cut, strict=True)]
        inputs = ops.pad(inputs, ((0, 0), *padding, (0, 0))) if any(map(any, padding)) else inputs
        outputs = ops.conv(inputs, self._as_convolution(*taps), padding="valid")
        # If b is odd, the first output of the first m and the last output of the last m lie beyond the edge.
        return self._finished(outputs, *(b % 2 for b in cut))

    def _overhead(self, shape: Any) -> float:
        """Multiplications of the single convolution, relative to those that are necessary; 1 if the size is unknown."""
        if None in shape[1:3]:
            return 1.0
        return math.prod(
            2 * math.ceil(size / 2) * (pixels + (size - 2) // 2 % 2) / (size * pixels)
            for size, pixels in zip(self.kernel_size, shape[1:3], strict=True)
        )

    def _by_phases(self, inputs: Any) -> Any:
        """One convolution for each phase, without outputs beyond the edge and without taps that are zero."""
        sides = [[_Phase.of(parity, size) for parity in (0, 1)] for size in self.kernel_size]
        before = [max(phase.before for phase in side) for side in sides]
        after = [max(phase.taps - 1 - phase.before for phase in side) for side in sides]
        padded = ops.pad(inputs, ((0, 0), *zip(before, after, strict=True), (0, 0)))
        outputs = []
        for phases in itertools.product(*sides):
            rows, columns = (
                slice(most - phase.before, most - phase.before + pixels + phase.taps - 1)
                for most, phase, pixels in zip(before, phases, inputs.shape[1:3], strict=True)
            )
            # The taps of a convolution are in the opposite order.
            kernel = ops.flip(self.kernel[phases[0].first :: 2, phases[1].first :: 2], (0, 1))
            output = ops.conv(padded[:, rows, columns], ops.swapaxes(kernel, 2, 3), padding="valid")
            outputs.append(ops.add(output, self.bias) if self.use_bias else output)
        return self._interleaved(ops.concatenate(outputs, -1))

    def _finished(self, outputs: Any, top: int = 0, left: int = 0) -> Any:
        """Adds the bias, which inference engines can fuse with the convolution here, and interleaves the phases."""
        if self.use_bias:
            outputs = ops.add(outputs, ops.tile(self.bias, 4))
        return self._interleaved(outputs, top, left)

    def _interleaved(self, outputs: Any, top: int = 0, left: int = 0) -> Any:
        """Interleaves the four phases, crops `top` rows and `left` columns at both ends, and applies the activation."""
        outputs = tf.nn.depth_to_space(outputs, 2)[:, top : -top or None, left : -left or None]
        return outputs if self.activation is None else self.activation(outputs)

    def _as_convolution(self, rows: int, columns: int, top: int = 0, left: int = 0) -> Any:
        """The kernel of all phases: (k, k, filters, channels) -> (rows, columns, channels, 4 * filters).

        The phases are in the order of `depth_to_space`. Only the 2 * rows times 2 * columns taps from (top, left) on
        are used.
        """
        kernel = self.kernel[top : top + 2 * rows, left : left + 2 * columns]
        height, width, filters, channels = kernel.shape
        kernel = ops.pad(kernel, ((0, 2 * rows - height), (0, 2 * columns - width), (0, 0), (0, 0)))
        kernel = ops.reshape(kernel, (rows, 2, columns, 2, filters, channels))  # tap, phase; tap, phase
        kernel = tf.reverse(kernel, (0, 2))  # the taps of a convolution are in the opposite order
        kernel = ops.transpose(kernel, (0, 2, 5, 1, 3, 4))
        return ops.reshape(kernel, (rows, columns, channels, 4 * filters))


class _Phase(NamedTuple):
    """One phase in one dimension.

    Attributes:
        first: first of the kernel's taps that the phase uses; it uses every second one from there.
        taps: number of taps.
        before: number of input pixels before output m that the phase reads.
    """

    first: int
    taps: int
    before: int

    @classmethod
    def of(cls, parity: int, size: int) -> _Phase:
        cut = (size - 2) // 2  # b above
        first = (parity + cut) % 2
        taps = math.ceil((size - first) / 2)
        return cls(first, taps, taps - 1 - (parity + cut) // 2)


def replaceable(layer: keras.layers.Layer) -> bool:
    """Whether `SubPixelConv2DTranspose` can replace a layer."""
    return (
        isinstance(layer, keras.layers.Conv2DTranspose)
        and tuple(layer.strides) == (2, 2)
        and layer.padding == "same"
        and layer.data_format == "channels_last"
        and tuple(layer.dilation_rate) == (1, 1)
        and layer.output_padding is None
        and min(layer.kernel_size) >= 2
    )
