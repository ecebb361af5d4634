"""Gated activations."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


class TanhGate(keras.layers.Layer):
    """The gated activation of PixelCNN: tanh of the first half of the channels times the sigmoid of the second half.

    Input (..., 2 n), output (..., n) in (-1, 1). van den Oord et al. 2016, arXiv 1606.05328, equation 2.

    Examples:
        >>> import numpy as np
        >>> TanhGate()(np.zeros((2, 8, 8, 6))).shape
        TensorShape([2, 8, 8, 3])
    """

    def call(self, inputs: Any) -> Any:
        """The gated activation of `inputs`."""
        values, gates = ops.split(inputs, 2, axis=-1)
        return ops.tanh(values) * ops.sigmoid(gates)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Half as many channels."""
        return (*input_shape[:-1], input_shape[-1] // 2)
