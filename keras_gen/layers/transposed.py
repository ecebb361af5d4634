"""Transposed convolutions of stride 2 as plain ones: the same function and weights, another sequence of operations.

A transposed convolution of stride 2 writes every second output from every second tap of its kernel. So its outputs of
one parity are a plain convolution by half of the taps in each direction, and those of all four parities one convolution
to four times the channels, whose results are then interleaved: the sub-pixel convolution of Shi et al. 2016 (arXiv
1609.05158), which is well optimised where transposed convolutions are not.

The one convolution also computes a row and a column beyond the edge, and where k is odd, taps that are zero; where
those are a large part, each parity is a convolution of its own.

In one direction, with k taps w and b = (k - 2) // 2 outputs that "same" padding cuts off in front, for u = o + b:

    out[o] = sum_i in[i] w[u - 2 i] = sum_s in[m - s] w[a + 2 s]     where u = 2 m + a and i = m - s
"""

from __future__ import annotations

import itertools
import math
from typing import Any, NamedTuple

import keras
import tensorflow as tf
from keras import ops

_WASTED = 1.05
"""Products of the one convolution, as a multiple of those needed, from which four convolutions are faster."""
_MANY = 32
"""Filters from which they are."""


class SubPixelConv2DTranspose(keras.layers.Conv2DTranspose):
    """`keras.layers.Conv2DTranspose` of stride 2 and "same" padding, computed as a convolution and `depth_to_space`.

    Its weights, names and configuration are those of Conv2DTranspose: either loads the other's. Which is faster depends
    on the target (docs/performance.md): in TFLite this one, in training the plain one.

    Input (batch, h, w, channels), output (batch, 2 h, 2 w, filters).
    """

    def __init__(self, filters: int, kernel_size: int | tuple[int, int], **settings: Any) -> None:
        """As `keras.layers.Conv2DTranspose`.

        Raises:
            ValueError: unless strides are 2, padding is "same", channels are last, there is no dilation, and the kernel
                has at least 2 taps.
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
        if tuple(inputs.shape[1:3]) == (1, 1):  # the taps b and b + 1 alone meet the one pixel
            top, left = cut
            return self._finished(ops.conv(inputs, self._as_convolution(1, 1, top, left), padding="valid"))
        if self.filters >= _MANY and self._wasted(inputs.shape) > _WASTED:
            return self._by_phases(inputs)
        taps = [math.ceil(size / 2) for size in self.kernel_size]
        padding = [(s - 1 - b // 2, (b + 1) // 2) for s, b in zip(taps, cut, strict=True)]
        inputs = ops.pad(inputs, ((0, 0), *padding, (0, 0))) if any(map(any, padding)) else inputs
        outputs = ops.conv(inputs, self._as_convolution(*taps), padding="valid")
        # Where b is odd, the first output of the first m and the last of the last m are beyond the edge.
        return self._finished(outputs, *(b % 2 for b in cut))

    def _wasted(self, shape: Any) -> float:
        """Products of the one convolution, as a multiple of those that are needed; 1 where the size is not known."""
        if None in shape[1:3]:
            return 1.0
        return math.prod(
            2 * math.ceil(size / 2) * (pixels + (size - 2) // 2 % 2) / (size * pixels)
            for size, pixels in zip(self.kernel_size, shape[1:3], strict=True)
        )

    def _by_phases(self, inputs: Any) -> Any:
        """A convolution for each phase, which has neither outputs beyond the edge nor taps that are zero."""
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
            # A convolution's taps go the other way.
            kernel = ops.flip(self.kernel[phases[0].first :: 2, phases[1].first :: 2], (0, 1))
            output = ops.conv(padded[:, rows, columns], ops.swapaxes(kernel, 2, 3), padding="valid")
            outputs.append(ops.add(output, self.bias) if self.use_bias else output)
        return self._interleaved(ops.concatenate(outputs, -1))

    def _finished(self, outputs: Any, top: int = 0, left: int = 0) -> Any:
        """Bias, where an inference engine fuses it with the convolution, and what follows."""
        if self.use_bias:
            outputs = ops.add(outputs, ops.tile(self.bias, 4))
        return self._interleaved(outputs, top, left)

    def _interleaved(self, outputs: Any, top: int = 0, left: int = 0) -> Any:
        """The four phases as one map, without its first rows and columns and as many of its last; activation."""
        outputs = tf.nn.depth_to_space(outputs, 2)[:, top : -top or None, left : -left or None]
        return outputs if self.activation is None else self.activation(outputs)

    def _as_convolution(self, rows: int, columns: int, top: int = 0, left: int = 0) -> Any:
        """(k, k, filters, channels) -> (rows, columns, channels, 4 filters), phases in the order of depth_to_space.

        Of the kernel's taps those from (top, left) on, 2 rows times 2 columns.
        """
        kernel = self.kernel[top : top + 2 * rows, left : left + 2 * columns]
        height, width, filters, channels = kernel.shape
        kernel = ops.pad(kernel, ((0, 2 * rows - height), (0, 2 * columns - width), (0, 0), (0, 0)))
        kernel = ops.reshape(kernel, (rows, 2, columns, 2, filters, channels))  # tap, phase; tap, phase
        kernel = tf.reverse(kernel, (0, 2))  # a convolution's taps go the other way
        kernel = ops.transpose(kernel, (0, 2, 5, 1, 3, 4))
        return ops.reshape(kernel, (rows, columns, channels, 4 * filters))


class _Phase(NamedTuple):
    """The outputs of one parity, in one direction: `taps` of the kernel, from `first` on every second, and how many
    pixels before its own number an output looks at."""

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
    """Whether a layer is a transposed convolution that `SubPixelConv2DTranspose` can stand in for."""
    return (
        isinstance(layer, keras.layers.Conv2DTranspose)
        and tuple(layer.strides) == (2, 2)
        and layer.padding == "same"
        and layer.data_format == "channels_last"
        and tuple(layer.dilation_rate) == (1, 1)
        and layer.output_padding is None
        and min(layer.kernel_size) >= 2
    )
