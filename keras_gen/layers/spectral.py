"""Spectral normalisation: a layer's kernel divided by its largest singular value, so that the layer is 1-Lipschitz.

Miyato, Kataoka, Koyama, Yoshida: Spectral Normalization for Generative Adversarial Networks, ICLR 2018, arXiv
1802.05957. The singular value sigma is estimated by the power method (algorithm 1), of which each step of training does
one iteration and goes on where the last one ended. With the kernel as a matrix W, a column for each output:

    u = W^T v / ||W^T v||     v <- W u / ||W u||     sigma = v^T W u = ||W^T v||

u and v count as constants where gradients are taken, by which d sigma / d W = v u^T (equation 10): the gradient of the
normalised kernel is projected (equation 12).
"""

from __future__ import annotations

import math
from typing import Any

import keras
import tensorflow as tf
from keras import ops

_LEAST = 1e-12  # under the root, for a kernel of zeros


class SpectralNormalization(keras.layers.Wrapper):
    """A layer (Dense, convolution, Embedding) whose kernel is divided by its largest singular value, in float32.

    Calls only use v: real and fake examples, a gradient penalty and inference meet the same function, however often and
    for how many parts of a batch they call it. `power_iteration` moves it, once for a step of training, before the
    calls; as it depends on the weights alone, replicas agree. `keras.layers.SpectralNormalization` moves its vector in
    each call, overwrites the kernel by the normalised one, so that the gradient is not projected, and leaves the kernel
    of inference as the optimizer left it.

    Attributes:
        layer: the wrapped layer; its kernel is not normalised and is what the optimizer moves.
        v: the estimate of the singular vector, (inputs,), of length 1.
    """

    def __init__(self, layer: keras.layers.Layer, **settings: Any) -> None:
        """Args:
        layer: whose kernel is normalised; it computes in its own precision.
        settings: of any layer.
        """
        super().__init__(layer, autocast=False, **settings)

    def build(self, input_shape: Any = None) -> None:
        super().build(input_shape)
        rows = math.prod(self._weights().shape[:-1])
        self.v = self.add_weight(name="v", shape=(rows,), initializer=_random_direction, trainable=False)

    def call(self, inputs: Any) -> Any:
        """What the layer makes of `inputs` by its kernel divided by sigma."""
        weights = self._weights()
        normalised = ops.divide(weights.value, self.singular_value())
        with keras.StatelessScope([(weights, normalised)], initialize_variables=False):
            return self.layer(inputs)

    def singular_value(self) -> tf.Tensor:
        """sigma as `v` has it, a lower bound of the largest singular value; differentiable by the kernel."""
        return ops.sqrt(ops.sum(ops.square(ops.matmul(self.v.value, self._matrix()))) + _LEAST)

    def power_iteration(self) -> None:
        """Move v by one iteration; a kernel of zeros leaves it where it is."""
        matrix = ops.stop_gradient(self._matrix())
        moved = ops.matmul(matrix, _unit(ops.matmul(self.v.value, matrix)))
        self.v.assign(ops.where(ops.any(moved != 0.0), _unit(moved), self.v.value))

    def _weights(self) -> keras.Variable:
        return self.layer.embeddings if isinstance(self.layer, keras.layers.Embedding) else self.layer.kernel

    def _matrix(self) -> tf.Tensor:
        weights = self._weights()
        return ops.reshape(weights.value, (-1, weights.shape[-1]))


def power_iteration(network: keras.Model) -> None:
    """Move all spectrally normalised layers of a network by one power iteration: once for a step of training."""
    for layer in network._flatten_layers():
        if isinstance(layer, SpectralNormalization):
            layer.power_iteration()


def _unit(vector: tf.Tensor) -> tf.Tensor:
    return vector * ops.rsqrt(ops.maximum(ops.sum(ops.square(vector)), _LEAST))


def _random_direction(shape: tuple[int, ...], dtype: Any = None) -> tf.Tensor:
    return _unit(keras.random.normal(shape, dtype=dtype))
