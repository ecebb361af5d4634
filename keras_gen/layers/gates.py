"""Gates: units whose value is let through by others."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops


class TanhGate(keras.layers.Layer):
    """(..., 2 n) -> (..., n): tanh of the first half times the sigmoid of the second.

    van den Oord et al. 2016, arXiv 1606.05328, equation 2.
    """

    def call(self, inputs: Any) -> Any:
        """The gated values."""
        values, gates = ops.split(inputs, 2, axis=-1)
        return ops.tanh(values) * ops.sigmoid(gates)

    def compute_output_shape(self, input_shape: Any) -> Any:
        return (*input_shape[:-1], input_shape[-1] // 2)
