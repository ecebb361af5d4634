"""The same function by operations that inference engines do faster: what a .tflite is converted from.

- Transposed convolutions of stride 2 become sub-pixel convolutions (`layers.transposed`).
- Instance normalisation becomes two means, a product and one scale and shift, without Keras' grouping of channels,
  whose reshapes engines do not see through. The variance is the mean of a product, because XNNPACK leaves the squared
  difference of integers to a kernel that is twenty times slower.
- Batch normalisation is folded into the convolution before it.
- A ReLU that has no operation before it to be fused with gets one, a maximum over one pixel: for integers XNNPACK
  leaves a ReLU that stands alone to a slow kernel too, but runs this pair as one clamp.
- Taps of a kernel that never meet anything but padding are cut off: at the innermost level of a U-Net, where a 4x4
  kernel looks at 2x2 pixels, three quarters of the weights, which are most of what has to be read from memory there.
- For integers the channels before an instance normalisation are scaled to deviate by 1 on examples, because all
  channels of a tensor share one step size, and so do their variances. The normalisation takes the scale back.

What each is worth is measured by `benchmarks/edge.py --steps`, see docs/performance.md.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any, Literal, get_args

import keras
import numpy as np
from keras import layers, ops

from keras_gen.layers.fast.convolutions import FastConv2D, FastConv2DTranspose
from keras_gen.layers.fast.instance import FastInstanceNormalization
from keras_gen.layers.transposed import SubPixelConv2DTranspose, replaceable

Step = Literal["sub-pixel", "instance norm", "batch norm", "kernels", "relu"]
STEPS: tuple[Step, ...] = get_args(Step)
_EXAMPLES = 16  # enough for deviations


_TRAINED = {
    FastConv2D: layers.Conv2D,
    FastConv2DTranspose: layers.Conv2DTranspose,
    FastInstanceNormalization: layers.GroupNormalization,
}


def in_keras_layers(network: keras.Model) -> keras.Model:
    """A functional network with Keras' own layers in place of those that train faster: what is exported from.

    The network itself if it has none of them. Layers within wrappers stay as they are.
    """
    if not any(type(layer) in _TRAINED for layer in network.layers):
        return network

    def replace(layer: layers.Layer) -> layers.Layer:
        return _TRAINED.get(type(layer), type(layer)).from_config(layer.get_config())

    clone = keras.models.clone_model(network, clone_function=replace)
    clone.set_weights(network.get_weights())
    return clone


def rewritten(
    network: keras.Model, steps: Collection[Step] = STEPS, examples: Sequence[np.ndarray] | None = None
) -> keras.Model:
    """A functional network that computes what `network` does in inference, for the same static size.

    Args:
        network: functional; its weights are copied.
        steps: which of the rewrites above; all of them but for measurements.
        examples: (n, ...) for each input, for the equal channels that integers want; None for float.
    """
    network = in_keras_layers(network)
    folded = _foldable(network) if "batch norm" in steps else {}

    def replace(layer: layers.Layer) -> layers.Layer:
        settings = layer.get_config()
        if layer.name in folded:
            settings["use_bias"] = True
        if layer.name in folded.values():
            return _Folded(name=layer.name)
        for step, fits, kind in _KINDS:
            if step in steps and fits(layer):
                return kind.from_config(settings)
        return layer.__class__.from_config(settings)

    clone = keras.models.clone_model(network, clone_function=replace)
    for layer in network.layers:
        if layer.name in folded:
            clone.get_layer(layer.name).set_weights(_with_norm(layer, network.get_layer(folded[layer.name])))
        elif layer.weights and layer.name not in folded.values():
            clone.get_layer(layer.name).set_weights(layer.get_weights())
    if examples is not None and "instance norm" in steps:
        _equalise(network, clone, [array[:_EXAMPLES] for array in examples])
    return clone


def _equalise(network: keras.Model, clone: keras.Model, examples: Sequence[np.ndarray]) -> None:
    """Divide the convolutions before instance normalisations of `clone` by the deviations of their channels."""
    norms = [layer for layer in network.layers if _is_instance(layer) and _convolution_before(layer)]
    if not norms:
        return
    probe = keras.Model(network.input, [norm.input for norm in norms])
    variances = [np.zeros(norm.input.shape[-1]) for norm in norms]
    for one in zip(*examples, strict=True):
        inputs = keras.tree.pack_sequence_as(network.input, [array[np.newaxis] for array in one])
        for variance, values in zip(variances, keras.tree.flatten(probe(inputs, training=False)), strict=True):
            variance += np.var(values, axis=(0, 1, 2)) / len(examples[0])
    for norm, variance in zip(norms, variances, strict=True):
        # With epsilon, so that a channel that hardly varies is not blown up.
        scale = 1.0 / np.sqrt(variance + norm.epsilon)
        convolution = clone.get_layer(_convolution_before(norm).name)
        kernel, *bias = convolution.get_weights()
        convolution.set_weights([_times(convolution, kernel, scale), *(b * scale for b in bias)])
        clone.get_layer(norm.name).epsilon = (norm.epsilon * scale**2).astype(np.float32)


class _Folded(layers.Layer):
    """In the place of a normalisation that the convolution before it has taken over."""

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        return inputs


class _InstanceNormalization(layers.GroupNormalization):
    """As GroupNormalization with one channel a group, for (batch, h, w, channels)."""

    def call(self, inputs: Any) -> Any:
        mean = ops.mean(inputs, axis=(1, 2), keepdims=True)
        centred = inputs - mean
        variance = ops.mean(centred * centred, axis=(1, 2), keepdims=True)
        scale = ops.rsqrt(variance + self.epsilon)
        outputs = centred * (scale * self.gamma if self.scale else scale)
        return outputs + self.beta if self.center else outputs


class _CroppedConv2D(layers.Conv2D):
    """As Conv2D with "same" padding, without the taps that meet only padding."""

    def call(self, inputs: Any) -> Any:
        kernel, padding = self.kernel, [(0, 0)]
        for axis, (size, taps, stride) in enumerate(
            zip(inputs.shape[1:3], self.kernel_size, self.strides, strict=True)
        ):
            last = (-(-size // stride) - 1) * stride  # where the last output looks
            before = max(last + taps - size, 0) // 2
            # Tap t of output o looks at o * stride + t - before: some o must give a place from 0 to size - 1.
            first, end = max(before - last, 0), min(size + before, taps)
            kernel = ops.take(kernel, ops.arange(first, end), axis=axis) if (first, end) != (0, taps) else kernel
            padding.append((before - first, max(last + end - before - size, 0)))
        if tuple(kernel.shape) == tuple(self.kernel.shape):
            return super().call(inputs)
        padding.append((0, 0))
        inputs = ops.pad(inputs, padding) if any(map(any, padding)) else inputs
        outputs = ops.conv(inputs, kernel, strides=list(self.strides), padding="valid")
        outputs = ops.add(outputs, self.bias) if self.use_bias else outputs
        return outputs if self.activation is None else self.activation(outputs)


class _PooledReLU(layers.ReLU):
    """As ReLU, for (batch, h, w, channels)."""

    def call(self, inputs: Any) -> Any:
        return ops.relu(ops.max_pool(inputs, 1, 1))


def _is_plain(layer: layers.Layer) -> bool:
    return (
        type(layer) is layers.Conv2D
        and layer.padding == "same"
        and layer.data_format == "channels_last"
        and layer.groups == 1
        and tuple(layer.dilation_rate) == (1, 1)
        and None not in layer.input.shape[1:3]
    )


def _is_instance(layer: layers.Layer) -> bool:
    return (
        type(layer) is layers.GroupNormalization
        and layer.groups in (-1, layer.input.shape[-1])
        and layer.axis in (-1, 3)
        and len(layer.input.shape) == 4
    )


def _stands_alone(layer: layers.Layer) -> bool:
    """Whether a ReLU takes what others take too, or the concatenation of several results."""
    if type(layer) is not layers.ReLU or (layer.max_value, layer.negative_slope, layer.threshold) != (None, 0, 0):
        return False
    before = layer.input._keras_history.operation
    return len(layer.input.shape) == 4 and (isinstance(before, layers.Concatenate) or len(_takers(before)) > 1)


_KINDS: tuple[tuple[Step, Callable[[layers.Layer], bool], type[layers.Layer]], ...] = (
    ("sub-pixel", replaceable, SubPixelConv2DTranspose),
    ("kernels", _is_plain, _CroppedConv2D),
    ("instance norm", _is_instance, _InstanceNormalization),
    ("relu", _stands_alone, _PooledReLU),
)


def _takers(layer: layers.Layer) -> set[str]:
    """Names of the layers that take a layer's result."""
    return {node.operation.name for node in layer._outbound_nodes}


def _foldable(network: keras.Model) -> dict[str, str]:
    """Convolution -> the batch normalisation that alone takes its result."""
    return {
        convolution.name: layer.name
        for layer in network.layers
        if type(layer) is layers.BatchNormalization
        and layer.axis in (-1, len(layer.input.shape) - 1)
        and (convolution := _convolution_before(layer))
    }


def _convolution_before(norm: layers.Layer) -> layers.Layer | None:
    """The convolution without an activation whose result a normalisation alone takes."""
    before = norm.input._keras_history.operation
    fits = (
        isinstance(before, layers.Conv2D | layers.Conv2DTranspose)
        and before.activation is keras.activations.linear
        and before.data_format == "channels_last"
        and len(_takers(before)) == 1
    )
    return before if fits else None


def _with_norm(convolution: layers.Layer, norm: layers.BatchNormalization) -> list[np.ndarray]:
    """Kernel and bias of a convolution that normalises too, by the running statistics."""
    kernel = np.asarray(convolution.kernel)
    bias = np.asarray(convolution.bias) if convolution.use_bias else 0.0
    scale = 1.0 / np.sqrt(np.asarray(norm.moving_variance) + norm.epsilon)
    if norm.scale:
        scale = scale * np.asarray(norm.gamma)
    bias = (bias - np.asarray(norm.moving_mean)) * scale
    if norm.center:
        bias = bias + np.asarray(norm.beta)
    return [_times(convolution, kernel, scale), bias]


def _times(convolution: layers.Layer, kernel: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """A kernel whose outputs are multiplied by `scale`, one for each channel."""
    outputs = 2 if isinstance(convolution, layers.Conv2DTranspose) else 3  # the axis of the kernel
    return kernel * np.expand_dims(scale, tuple(axis for axis in range(4) if axis != outputs))
