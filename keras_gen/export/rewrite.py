"""Rewrite a network for faster inference before it is converted to .tflite; the function stays the same.

- Transposed convolutions of stride 2 become sub-pixel convolutions (`layers.transposed`).
- Instance normalisation becomes two means, a product, a scale and a shift. Keras computes it as group normalisation,
  whose reshapes inference engines cannot optimise. The variance is the mean of a product, because XNNPACK has no int8
  kernel for squared differences, and the fallback is twenty times slower.
- Batch normalisation is folded into the convolution before it.
- A ReLU that cannot be fused with the operation before it gets a max pooling over one pixel to be fused with. XNNPACK
  has no int8 kernel for a ReLU on its own, but runs this pair as one clamp.
- Kernel taps that only ever see padding are removed. At the innermost level of a U-Net, where a 4x4 kernel sees 2x2
  pixels, these are three quarters of the weights, and reading weights dominates the time of that level.
- For int8, the channels before an instance normalisation are scaled to a standard deviation of 1 on examples, because
  all channels of a tensor share one quantisation step. The normalisation cancels the scale.

`benchmarks/edge.py --steps` measures the effect of each rewrite; docs/performance.md has the results.
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
_EXAMPLES = 16  # calibration examples for standard deviations

_KERAS_LAYERS = {
    FastConv2D: layers.Conv2D,
    FastConv2DTranspose: layers.Conv2DTranspose,
    FastInstanceNormalization: layers.GroupNormalization,
}


def in_keras_layers(network: keras.Model) -> keras.Model:
    """Replace the layers of `layers.fast`, which are faster in training, by Keras' own, which are faster to export.

    Args:
        network: functional; returned as it is if it has no such layers. Layers inside wrappers are not replaced.
    """
    if not any(type(layer) in _KERAS_LAYERS for layer in network.layers):
        return network

    def replace(layer: layers.Layer) -> layers.Layer:
        return _KERAS_LAYERS.get(type(layer), type(layer)).from_config(layer.get_config())

    clone = keras.models.clone_model(network, clone_function=replace)
    clone.set_weights(network.get_weights())
    return clone


def rewritten(
    network: keras.Model, steps: Collection[Step] = STEPS, examples: Sequence[np.ndarray] | None = None
) -> keras.Model:
    """A network that computes the same function as `network` in inference, for the same static size.

    Args:
        network: functional; its weights are copied.
        steps: which rewrites to apply; a subset is for measurements.
        examples: for int8, calibration examples (n, ...) for each input, from which the channels before instance
            normalisations are scaled; None for float.
    """
    network = in_keras_layers(network)
    folded = _foldable(network) if "batch norm" in steps else {}

    def replace(layer: layers.Layer) -> layers.Layer:
        settings = layer.get_config()
        if layer.name in folded:
            settings["use_bias"] = True
        if layer.name in folded.values():
            return _Folded(name=layer.name)
        for step, fits, kind in _REPLACEMENTS:
            if step in steps and fits(layer):
                return kind.from_config(settings)
        return layer.__class__.from_config(settings)

    clone = keras.models.clone_model(network, clone_function=replace)
    for layer in network.layers:
        if layer.name in folded:
            clone.get_layer(layer.name).set_weights(_folded_weights(layer, network.get_layer(folded[layer.name])))
        elif layer.weights and layer.name not in folded.values():
            clone.get_layer(layer.name).set_weights(layer.get_weights())
    if examples is not None and "instance norm" in steps:
        _equalise_channels(network, clone, [array[:_EXAMPLES] for array in examples])
    return clone


def _equalise_channels(network: keras.Model, clone: keras.Model, examples: Sequence[np.ndarray]) -> None:
    """Scale the convolutions before instance normalisations of `clone` so that their channels deviate by 1."""
    norms = [layer for layer in network.layers if _is_instance_norm(layer) and _convolution_before(layer)]
    if not norms:
        return
    probe = keras.Model(network.input, [norm.input for norm in norms])
    variances = [np.zeros(norm.input.shape[-1]) for norm in norms]
    for one in zip(*examples, strict=True):
        inputs = keras.tree.pack_sequence_as(network.input, [array[np.newaxis] for array in one])
        for variance, values in zip(variances, keras.tree.flatten(probe(inputs, training=False)), strict=True):
            variance += np.var(values, axis=(0, 1, 2)) / len(examples[0])
    for norm, variance in zip(norms, variances, strict=True):
        # epsilon keeps the scale of a nearly constant channel small.
        scale = 1.0 / np.sqrt(variance + norm.epsilon)
        convolution = clone.get_layer(_convolution_before(norm).name)
        kernel, *bias = convolution.get_weights()
        convolution.set_weights([_scaled_kernel(convolution, kernel, scale), *(b * scale for b in bias)])
        clone.get_layer(norm.name).epsilon = (norm.epsilon * scale**2).astype(np.float32)


class _Folded(layers.Layer):
    """Takes the place of a batch normalisation that is folded into the convolution before it."""

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        return inputs


class _InstanceNormalization(layers.GroupNormalization):
    """GroupNormalization with one channel per group, for (batch, h, w, channels)."""

    def call(self, inputs: Any) -> Any:
        mean = ops.mean(inputs, axis=(1, 2), keepdims=True)
        centred = inputs - mean
        variance = ops.mean(centred * centred, axis=(1, 2), keepdims=True)
        scale = ops.rsqrt(variance + self.epsilon)
        outputs = centred * (scale * self.gamma if self.scale else scale)
        return outputs + self.beta if self.center else outputs


class _CroppedConv2D(layers.Conv2D):
    """Conv2D with "same" padding, without the kernel taps that only see padding."""

    def call(self, inputs: Any) -> Any:
        kernel, padding = self.kernel, [(0, 0)]
        for axis, (size, taps, stride) in enumerate(
            zip(inputs.shape[1:3], self.kernel_size, self.strides, strict=True)
        ):
            last = (-(-size // stride) - 1) * stride  # input position of the last output
            before = max(last + taps - size, 0) // 2
            # Tap t of output o reads input o * stride + t - before. Keep t if some o gives an input in [0, size).
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
    """ReLU after a max pooling over one pixel, for (batch, h, w, channels); see the module."""

    def call(self, inputs: Any) -> Any:
        return ops.relu(ops.max_pool(inputs, 1, 1))


def _is_plain_convolution(layer: layers.Layer) -> bool:
    return (
        type(layer) is layers.Conv2D
        and layer.padding == "same"
        and layer.data_format == "channels_last"
        and layer.groups == 1
        and tuple(layer.dilation_rate) == (1, 1)
        and None not in layer.input.shape[1:3]
    )


def _is_instance_norm(layer: layers.Layer) -> bool:
    return (
        type(layer) is layers.GroupNormalization
        and layer.groups in (-1, layer.input.shape[-1])
        and layer.axis in (-1, 3)
        and len(layer.input.shape) == 4
    )


def _is_unfused_relu(layer: layers.Layer) -> bool:
    """Whether a ReLU cannot be fused: its input is a concatenation, or goes to other layers too."""
    if type(layer) is not layers.ReLU or (layer.max_value, layer.negative_slope, layer.threshold) != (None, 0, 0):
        return False
    before = layer.input._keras_history.operation
    return len(layer.input.shape) == 4 and (isinstance(before, layers.Concatenate) or len(_consumers(before)) > 1)


_REPLACEMENTS: tuple[tuple[Step, Callable[[layers.Layer], bool], type[layers.Layer]], ...] = (
    ("sub-pixel", replaceable, SubPixelConv2DTranspose),
    ("kernels", _is_plain_convolution, _CroppedConv2D),
    ("instance norm", _is_instance_norm, _InstanceNormalization),
    ("relu", _is_unfused_relu, _PooledReLU),
)


def _consumers(layer: layers.Layer) -> set[str]:
    """Names of the layers that use a layer's output."""
    return {node.operation.name for node in layer._outbound_nodes}


def _foldable(network: keras.Model) -> dict[str, str]:
    """Convolution -> the batch normalisation that is the only user of its output."""
    return {
        convolution.name: layer.name
        for layer in network.layers
        if type(layer) is layers.BatchNormalization
        and layer.axis in (-1, len(layer.input.shape) - 1)
        and (convolution := _convolution_before(layer))
    }


def _convolution_before(norm: layers.Layer) -> layers.Layer | None:
    """The convolution before a normalisation, if it has no activation and no other layer uses its output."""
    before = norm.input._keras_history.operation
    fits = (
        isinstance(before, layers.Conv2D | layers.Conv2DTranspose)
        and before.activation is keras.activations.linear
        and before.data_format == "channels_last"
        and len(_consumers(before)) == 1
    )
    return before if fits else None


def _folded_weights(convolution: layers.Layer, norm: layers.BatchNormalization) -> list[np.ndarray]:
    """Kernel and bias of the convolution with the batch normalisation folded in, by its moving statistics."""
    kernel = np.asarray(convolution.kernel)
    bias = np.asarray(convolution.bias) if convolution.use_bias else 0.0
    scale = 1.0 / np.sqrt(np.asarray(norm.moving_variance) + norm.epsilon)
    if norm.scale:
        scale = scale * np.asarray(norm.gamma)
    bias = (bias - np.asarray(norm.moving_mean)) * scale
    if norm.center:
        bias = bias + np.asarray(norm.beta)
    return [_scaled_kernel(convolution, kernel, scale), bias]


def _scaled_kernel(convolution: layers.Layer, kernel: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """The kernel with each output channel multiplied by its `scale`."""
    outputs = 2 if isinstance(convolution, layers.Conv2DTranspose) else 3  # axis of the output channels
    return kernel * np.expand_dims(scale, tuple(axis for axis in range(4) if axis != outputs))
