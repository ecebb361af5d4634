"""Spectral normalisation: divides a layer's kernel by its largest singular value, which makes the layer 1-Lipschitz.

Miyato, Kataoka, Koyama, Yoshida: Spectral Normalization for Generative Adversarial Networks, ICLR 2018, arXiv
1802.05957. The singular value sigma is estimated by power iteration (algorithm 1), with one iteration per training step
that starts from the last estimate. With the kernel as a matrix W, one column per output:

    u = W^T v / ||W^T v||     v <- W u / ||W u||     sigma = v^T W u = ||W^T v||

Gradients treat u and v as constants, so d sigma / d W = v u^T (equation 10), and the gradient with respect to the
normalised kernel is projected (equation 12).
"""

from __future__ import annotations

import math
from typing import Any

import keras
import tensorflow as tf
from keras import ops

_EPSILON = 1e-12  # keeps roots and quotients finite for a kernel of zeros


class SpectralNormalization(keras.layers.Wrapper):
    """Wraps a layer (Dense, convolution, Embedding) and divides its kernel by its largest singular value, in float32.

    A call reads v but does not change it. So real and generated examples, a gradient penalty and inference all use the
    same function, however many calls a step makes. Call `power_iteration` once per training step, before the forward
    pass. It depends only on the weights, so replicas agree.

    `keras.layers.SpectralNormalization` differs: it updates its vector in every call; it overwrites the kernel with the
    normalised one, so the gradient is not projected; and in inference it uses the kernel without normalisation, as the
    optimizer left it.

    Attributes:
        layer: the wrapped layer. The optimizer updates its kernel, which is not normalised.
        v: estimate of the left singular vector, (inputs,), of length 1.

    Examples:
        >>> import numpy as np
        >>> dense = SpectralNormalization(keras.layers.Dense(2, use_bias=False))
        >>> dense.build((None, 2))
        >>> dense.layer.set_weights([np.diag([3.0, 1.0])])
        >>> for _ in range(20):
        ...     dense.power_iteration()
        >>> np.round(dense(np.eye(2)), 3).tolist()  # diag(3, 1) / 3
        [[1.0, 0.0], [0.0, 0.3330000042915344]]
    """

    def __init__(self, layer: keras.layers.Layer, **settings: Any) -> None:
        """Args:
        layer: the layer to normalise; it computes in its own precision.
        settings: arguments of `keras.layers.Layer`.
        """
        super().__init__(layer, autocast=False, **settings)

    def build(self, input_shape: Any = None) -> None:
        """Creates `v` as a random direction."""
        super().build(input_shape)
        rows = math.prod(self._weights().shape[:-1])
        self.v = self.add_weight(name="v", shape=(rows,), initializer=_random_direction, trainable=False)

    def call(self, inputs: Any) -> Any:
        """The output of the layer with its kernel divided by sigma."""
        weights = self._weights()
        normalised = ops.divide(weights.value, self.singular_value())
        with keras.StatelessScope([(weights, normalised)], initialize_variables=False):
            return self.layer(inputs)

    def singular_value(self) -> tf.Tensor:
        """The estimate of sigma by `v`, a lower bound; differentiable with respect to the kernel."""
        return ops.sqrt(ops.sum(ops.square(ops.matmul(self.v.value, self._matrix()))) + _EPSILON)

    def power_iteration(self) -> None:
        """Updates `v` by one power iteration. A kernel of zeros does not change it."""
        matrix = ops.stop_gradient(self._matrix())
        moved = ops.matmul(matrix, _unit(ops.matmul(self.v.value, matrix)))
        self.v.assign(ops.where(ops.any(moved != 0.0), _unit(moved), self.v.value))

    def _weights(self) -> keras.Variable:
        return self.layer.embeddings if isinstance(self.layer, keras.layers.Embedding) else self.layer.kernel

    def _matrix(self) -> tf.Tensor:
        weights = self._weights()
        return ops.reshape(weights.value, (-1, weights.shape[-1]))


def power_iteration(network: keras.Model) -> None:
    """Performs one power iteration in every `SpectralNormalization` of a network. Call it once per training step."""
    for layer in network._flatten_layers():
        if isinstance(layer, SpectralNormalization):
            layer.power_iteration()


def _unit(vector: tf.Tensor) -> tf.Tensor:
    return vector * ops.rsqrt(ops.maximum(ops.sum(ops.square(vector)), _EPSILON))


def _random_direction(shape: tuple[int, ...], dtype: Any = None) -> tf.Tensor:
    return _unit(keras.random.normal(shape, dtype=dtype))
