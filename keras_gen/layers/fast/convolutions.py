"""Convolutions that train faster on a CPU, computed by the algorithm that suits their shape.

Function, weights, names and configuration are those of `keras.layers.Conv2D` and `Conv2DTranspose`, so either layer
loads the weights of the other. The choice between algorithms is based on measurements (docs/performance.md,
`benchmarks.convolutions`):

    planes      `layers.fast.planes`: few output channels
    product     `layers.fast.products`: few pixels, where reordering the weights would dominate
    winograd    `layers.fast.winograd`: more pixels
    plain       Keras' own: few input channels, 16-bit precision, GPUs, and shapes that the others do not support
"""

from __future__ import annotations

from typing import Any, NamedTuple

import keras
import tensorflow as tf

from keras_gen.layers.fast import planes, products, winograd

_MANY_CHANNELS = 32
"""Input and output channels from which the other algorithms are considered."""
_MIN_SAVED = 75
"""Multiplications that Winograd's algorithm with 4x4 tiles must save per transformed value."""
_FEW_CHANNELS = 4
"""Up to this many output channels, "planes" is used."""
_FEW_PIXELS, _MANY_PIXELS = 64, 1024
"""Pixels of the smaller feature map, times the batch size. Up to the first number a matrix product is fastest; from the
second on, 4x4 tiles are faster than 2x2 tiles."""


class Algorithm(NamedTuple):
    """How a convolution is computed.

    Attributes:
        name: "plain", "planes", "product" or "winograd".
        tile: side of the output tiles, for winograd.
    """

    name: str
    tile: int = 0


@keras.saving.register_keras_serializable("keras_gen")
class FastConv2D(keras.layers.Conv2D):
    """`keras.layers.Conv2D`, with a faster algorithm on CPUs if there is one for the shape.

    Arguments, input (batch, h, w, channels) and output are those of Conv2D.

    Examples:
        >>> import numpy as np
        >>> layer, keras_layer = FastConv2D(32, 3), keras.layers.Conv2D(32, 3)
        >>> x = np.random.default_rng(0).normal(size=(1, 16, 16, 64)).astype(np.float32)
        >>> y, _ = layer(x), keras_layer(x)
        >>> keras_layer.set_weights(layer.get_weights())
        >>> bool(np.allclose(keras_layer(x), y, atol=1e-4))
        True
    """

    def call(self, inputs: Any) -> Any:
        """The convolution of `inputs`."""
        small = self.compute_output_shape(inputs.shape)
        chosen = choose_algorithm(self, inputs.shape, small)
        if chosen.name == "plain":
            return super().call(inputs)
        kernel, around = tf.convert_to_tensor(self.kernel), padding(self, inputs.shape)
        if chosen.name == "planes":
            return _finished(self, planes.convolve(inputs, kernel, around))
        if chosen.name == "product":
            return _finished(self, products.convolve(inputs, kernel))
        return _finished(self, winograd.convolve(inputs, kernel, self.strides[0], around, chosen.tile))


@keras.saving.register_keras_serializable("keras_gen")
class FastConv2DTranspose(keras.layers.Conv2DTranspose):
    """`keras.layers.Conv2DTranspose`, with a faster algorithm on CPUs if there is one for the shape.

    Arguments, input (batch, h, w, channels) and output are those of Conv2DTranspose.

    Examples:
        >>> import numpy as np
        >>> FastConv2DTranspose(3, 4, 2, "same")(np.zeros((1, 8, 8, 32), np.float32)).shape
        TensorShape([1, 16, 16, 3])
    """

    def call(self, inputs: Any) -> Any:
        """The transposed convolution of `inputs`."""
        large = self.compute_output_shape(inputs.shape)
        chosen = choose_algorithm(self, large, inputs.shape)
        if chosen.name == "plain":
            return super().call(inputs)
        kernel, around = tf.convert_to_tensor(self.kernel), padding(self, large)
        if chosen.name == "planes":
            return _finished(self, planes.convolve_transposed(inputs, kernel, self.strides[0], around))
        if chosen.name == "product":
            return _finished(self, products.convolve_transposed(inputs, kernel))
        return _finished(self, winograd.convolve_transposed(inputs, kernel, self.strides[0], around, chosen.tile))


def choose_algorithm(layer: keras.layers.Layer, large: Any, small: Any) -> Algorithm:
    """The fastest algorithm for a convolution or a transposed convolution, according to measurements.

    Args:
        layer: a Conv2D or a Conv2DTranspose.
        large: shape of the larger feature map: the input of a convolution, the output of a transposed one.
        small: shape of the smaller one.
    """
    side, stride = layer.kernel_size[0], layer.strides[0]
    plain = (
        tf.config.list_physical_devices("GPU")
        or layer.data_format != "channels_last"
        or layer.dilation_rate != (1, 1)
        or layer.kernel_size != (side, side)
        or layer.strides != (stride, stride)
        or getattr(layer, "groups", 1) != 1
        or getattr(layer, "output_padding", None) is not None
        or None in (*large[1:], *small[1:])
        or side % stride
    )
    if plain:
        return Algorithm("plain")
    transposed = isinstance(layer, keras.layers.Conv2DTranspose)
    channels, filters = (small[3], large[3]) if transposed else (large[3], small[3])
    precise = layer.compute_dtype in ("float32", "float64")  # in 16 bits, sums of rounded values are too inexact
    if precise and filters <= _FEW_CHANNELS and channels >= _MANY_CHANNELS and (transposed or stride == 1):
        return Algorithm("planes")
    if min(channels, filters) < _MANY_CHANNELS or not 2 <= side // stride <= 4:
        return Algorithm("plain")
    # The batch size is unknown for the latent vectors of a GAN, and these batches are large.
    pixels = (small[0] or _MANY_PIXELS) * small[1] * small[2]
    halved = (side, stride, layer.padding) == (4, 2, "same") and not (large[1] % 2 or large[2] % 2)
    if pixels <= _FEW_PIXELS:
        return Algorithm("product" if halved else "plain")
    if not precise or _saved(large[3], small[3], stride, side // stride) < _MIN_SAVED:
        return Algorithm("plain")
    tile = 2 if pixels < _MANY_PIXELS and side // stride < 4 else 4  # 2x2 tiles are not possible with four taps
    return Algorithm("winograd", tile)


def _saved(large_channels: int, small_channels: int, stride: int, taps: int) -> float:
    """Multiplications that Winograd's algorithm with 4x4 tiles saves per value that it transforms."""
    values = (taps + 3) ** 2 / 16  # transformed values per channel and pixel of the smaller feature map
    large_channels *= stride**2
    saved = large_channels * small_channels * (taps**2 - values)
    return saved / ((large_channels + small_channels) * values)


def padding(layer: keras.layers.Layer, large: Any) -> winograd.Padding:
    """Zeros around the larger feature map: the input of a convolution, the output of a transposed one."""
    if layer.padding == "valid":
        return (0, 0), (0, 0)
    missing = [
        max((-(-pixels // stride) - 1) * stride + taps - pixels, 0)
        for pixels, stride, taps in zip(large[1:3], layer.strides, layer.kernel_size, strict=True)
    ]
    return tuple((zeros // 2, zeros - zeros // 2) for zeros in missing)


def _finished(layer: Any, outputs: tf.Tensor) -> tf.Tensor:
    """Adds the layer's bias and applies its activation."""
    outputs = tf.nn.bias_add(outputs, layer.bias) if layer.use_bias else outputs
    return outputs if layer.activation is None else layer.activation(outputs)
