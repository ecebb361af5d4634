"""Weight normalisation: separates the direction and the length of each output's weight vector.

Salimans, Kingma: Weight Normalization: A Simple Reparameterization to Accelerate Training of Deep Neural Networks,
NeurIPS 2016, arXiv 1602.07868. If v is the column of the kernel for an output, the layer uses the weights

    w = g v / ||v||     (equation 2).

The gradient with respect to v is then orthogonal to v (equation 3), and g alone determines the scale of the output.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

_EPSILON = 1e-12  # keeps roots and quotients finite for a column of zeros


class WeightNormalization(keras.layers.Wrapper):
    """Wraps a layer (Dense, convolution) and normalises its weights, in float32.

    g is initialised to the norms of the kernel's columns, so normalisation does not change the initial function. (The
    paper initialises it from the first batch of data.)

    Attributes:
        layer: the wrapped layer; its kernel is v.
        g: the lengths of the weight vectors, (outputs,).

    Examples:
        >>> import numpy as np
        >>> dense, x = keras.layers.Dense(3), np.ones((2, 4))
        >>> before = dense(x)
        >>> bool(np.allclose(WeightNormalization(dense)(x), before))
        True
    """

    def __init__(self, layer: keras.layers.Layer, *, learn_scale: bool = True, **settings: Any) -> None:
        """Args:
        layer: the layer to normalise; the last axis of its kernel must be the outputs. It computes in its own
            precision.
        learn_scale: whether g is trained. A fixed g keeps a layer from outgrowing the noise on its inputs.
        settings: arguments of `keras.layers.Layer`.
        """
        super().__init__(layer, **settings | {"autocast": False, "dtype": "float32"})
        self.learn_scale = learn_scale

    def build(self, input_shape: Any = None) -> None:
        """Creates `g` from the initial kernel."""
        super().build(input_shape)
        self.g = self.add_weight(
            name="g",
            shape=self.layer.kernel.shape[-1:],
            initializer=lambda shape, dtype=None: self._norms(),
            trainable=self.learn_scale,
        )

    def call(self, inputs: Any) -> Any:
        """The output of the layer with the kernel w."""
        kernel = self.layer.kernel
        normalised = kernel.value * (self.g.value / self._norms())
        with keras.StatelessScope([(kernel, normalised)], initialize_variables=False):
            return self.layer(inputs)

    def _norms(self) -> Any:
        squares = ops.square(self.layer.kernel.value)
        return ops.sqrt(ops.sum(squares, axis=tuple(range(len(squares.shape) - 1))) + _EPSILON)

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor."""
        return super().get_config() | {"learn_scale": self.learn_scale}
