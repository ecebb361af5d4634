"""Convolutions that train faster on a CPU: Keras' own layers, computed by whichever formulation suits their shape.

Function, weights, names and configuration are those of `keras.layers.Conv2D` and `Conv2DTranspose`: either loads the
other's. What is chosen, and when, was measured (docs/performance.md, `benchmarks.convolutions`):

    planes      `layers.fast.planes`: to few channels
    product     `layers.fast.products`: for few pixels, whose convolutions spend their time on the order of the weights
    winograd    `layers.fast.winograd`: for more of them
    plain       Keras' own: from few channels, in 16 bits, on GPUs, and where the others have no form for it
"""

from __future__ import annotations

from typing import Any, NamedTuple

import keras
import tensorflow as tf

from keras_gen.layers.fast import planes, products, winograd

_CHANNELS = 32
"""Channels from which a side is many."""
_SAVED = 75
"""Products that tiles of 4x4 must save for each value that is transformed."""
_IMAGE = 4
"""Channels of a result up to which its taps are summed after the product."""
_FEW, _MANY = 64, 1024
"""Pixels of the smaller map, of all images of a batch: to which a matrix product is the fastest form, and from which
tiles of 4x4 beat tiles of 2x2."""


class Formulation(NamedTuple):
    """How a convolution is computed.

    Attributes:
        name: "plain", "planes", "product" or "winograd".
        tile: of Winograd's filtering.
    """

    name: str
    tile: int = 0


@keras.saving.register_keras_serializable("keras_gen")
class FastConv2D(keras.layers.Conv2D):
    """`keras.layers.Conv2D`, on CPUs by a faster formulation where there is one.

    Input (batch, h, w, channels), output as of Conv2D.
    """

    def call(self, inputs: Any) -> Any:
        """The convolution of `inputs`."""
        small = self.compute_output_shape(inputs.shape)
        chosen = formulation(self, inputs.shape, small)
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
    """`keras.layers.Conv2DTranspose`, on CPUs by a faster formulation where there is one.

    Input (batch, h, w, channels), output as of Conv2DTranspose.
    """

    def call(self, inputs: Any) -> Any:
        """The transposed convolution of `inputs`."""
        large = self.compute_output_shape(inputs.shape)
        chosen = formulation(self, large, inputs.shape)
        if chosen.name == "plain":
            return super().call(inputs)
        kernel, around = tf.convert_to_tensor(self.kernel), padding(self, large)
        if chosen.name == "planes":
            return _finished(self, planes.convolve_transposed(inputs, kernel, self.strides[0], around))
        if chosen.name == "product":
            return _finished(self, products.convolve_transposed(inputs, kernel))
        return _finished(self, winograd.convolve_transposed(inputs, kernel, self.strides[0], around, chosen.tile))


def formulation(layer: keras.layers.Layer, large: Any, small: Any) -> Formulation:
    """What is the fastest for a convolution, transposed or not, as far as it was measured.

    Args:
        layer: a Conv2D or a Conv2DTranspose.
        large: shape of the map of more pixels: the input of a convolution, the output of a transposed one.
        small: shape of the other.
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
        return Formulation("plain")
    transposed = isinstance(layer, keras.layers.Conv2DTranspose)
    channels, filters = (small[3], large[3]) if transposed else (large[3], small[3])
    precise = layer.compute_dtype in ("float32", "float64")  # 16 bits are too few for sums of what was rounded
    if precise and filters <= _IMAGE and channels >= _CHANNELS and (transposed or stride == 1):
        return Formulation("planes")
    if min(channels, filters) < _CHANNELS or not 2 <= side // stride <= 4:
        return Formulation("plain")
    # Where the batch is not known, it is a GAN's latent vectors, of which there are many.
    pixels = (small[0] or _MANY) * small[1] * small[2]
    halved = (side, stride, layer.padding) == (4, 2, "same") and not (large[1] % 2 or large[2] % 2)
    if pixels <= _FEW:
        return Formulation("product" if halved else "plain")
    if not precise or _saved(large[3], small[3], stride, side // stride) < _SAVED:
        return Formulation("plain")
    tile = 2 if pixels < _MANY and side // stride < 4 else 4  # four taps do not fit into tiles of 2x2
    return Formulation("winograd", tile)


def _saved(large: int, small: int, stride: int, taps: int) -> float:
    """Products that Winograd's filtering on tiles of 4x4 saves for each value that it transforms, given channels."""
    values = (taps + 3) ** 2 / 16  # of a channel for each pixel of the smaller map
    large *= stride**2
    return large * small * (taps**2 - values) / ((large + small) * values)


def padding(layer: keras.layers.Layer, large: Any) -> winograd.Padding:
    """Zeros around the large map: the image of a convolution, the output of a transposed one."""
    if layer.padding == "valid":
        return (0, 0), (0, 0)
    missing = [
        max((-(-pixels // stride) - 1) * stride + taps - pixels, 0)
        for pixels, stride, taps in zip(large[1:3], layer.strides, layer.kernel_size, strict=True)
    ]
    return tuple((zeros // 2, zeros - zeros // 2) for zeros in missing)


def _finished(layer: Any, outputs: tf.Tensor) -> tf.Tensor:
    outputs = tf.nn.bias_add(outputs, layer.bias) if layer.use_bias else outputs
    return outputs if layer.activation is None else layer.activation(outputs)
