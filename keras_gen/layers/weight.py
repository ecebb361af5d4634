"""Weight normalisation: a layer's kernel as a direction and a length for each output.

Salimans, Kingma: Weight Normalization: A Simple Reparameterization to Accelerate Training of Deep Neural Networks,
NeurIPS 2016, arXiv 1602.07868. With a column v of the kernel for each output, the layer computes by

    w = g v / ||v||     (equation 2),

so that the gradient of v is orthogonal to v (equation 3) and only g says how large the output is.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

_LEAST = 1e-12  # under the root, for a column of zeros


class WeightNormalization(keras.layers.Wrapper):
    """A layer (Dense, convolution) with weight normalisation, computed in float32.

    It begins as the wrapped layer is: g is the norm of the initial kernel's columns, where the paper has a first batch
    of data scale it.

    Attributes:
        layer: the wrapped layer; its kernel is v.
        g: (outputs,), the lengths.
    """

    def __init__(self, layer: keras.layers.Layer, *, learn_scale: bool = True, **settings: Any) -> None:
        """Args:
        layer: whose kernel is normalised; its last axis is the outputs. It computes in its own precision.
        learn_scale: whether g is learnt; a layer that is not to grow out of noise on its input keeps it as it is.
        settings: of any layer.
        """
        super().__init__(layer, **settings | {"autocast": False, "dtype": "float32"})
        self.learn_scale = learn_scale

    def build(self, input_shape: Any = None) -> None:
        super().build(input_shape)
        self.g = self.add_weight(
            name="g",
            shape=self.layer.kernel.shape[-1:],
            initializer=lambda shape, dtype=None: self._norms(),
            trainable=self.learn_scale,
        )

    def call(self, inputs: Any) -> Any:
        """What the layer makes of `inputs` by the kernel w."""
        kernel = self.layer.kernel
        normalised = kernel.value * (self.g.value / self._norms())
        with keras.StatelessScope([(kernel, normalised)], initialize_variables=False):
            return self.layer(inputs)

    def _norms(self) -> Any:
        squares = ops.square(self.layer.kernel.value)
        return ops.sqrt(ops.sum(squares, axis=tuple(range(len(squares.shape) - 1))) + _LEAST)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"learn_scale": self.learn_scale}
