"""Standardisation of sequences at a network's input, and its inverse at the output."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from keras_gen.ops.sequences import step_mask


class _Affine(keras.layers.Layer):
    """A layer with a mean and a standard deviation for each feature. It computes in float32 under any dtype policy."""

    def __init__(self, mean: Sequence[float], deviation: Sequence[float], **settings: Any) -> None:
        """Args:
        mean: mean of each feature.
        deviation: standard deviation of each feature, greater than 0.
        settings: arguments of `keras.layers.Layer`; the dtype is always float32.
        """
        super().__init__(**{**settings, "dtype": "float32"})
        self.mean, self.deviation = list(mean), list(deviation)
        self.supports_masking = True

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor."""
        return {**super().get_config(), "mean": self.mean, "deviation": self.deviation}


class Standardisation(_Affine):
    """Standardises sequences (batch, length, features): (x - mean) / deviation.

    Padding (NaN) becomes 0 and is masked, so the layers that follow skip it.

    Examples:
        >>> import numpy as np
        >>> layer = Standardisation(mean=[10.0], deviation=[2.0])
        >>> layer(np.array([[[12.0], [9.0], [np.nan]]])).numpy().ravel().tolist()
        [1.0, -0.5, 0.0]
    """

    def call(self, inputs: Any, mask: Any = None) -> Any:
        """The standardised sequences, float32, without NaN."""
        standard = (inputs - ops.convert_to_tensor(self.mean)) / ops.convert_to_tensor(self.deviation)
        return ops.where(step_mask(inputs)[..., None], standard, 0.0)

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        """True for steps that are not padding, (batch, length)."""
        return step_mask(inputs)


class InverseStandardisation(_Affine):
    """Maps standardised sequences (batch, length, features) back to the units of the data: x * deviation + mean.

    Examples:
        >>> import numpy as np
        >>> InverseStandardisation(mean=[10.0], deviation=[2.0])(np.array([[[1.0], [-0.5]]])).numpy().ravel().tolist()
        [12.0, 9.0]
    """

    def call(self, inputs: Any) -> Any:
        """The sequences in the units of the data, float32."""
        return inputs * ops.convert_to_tensor(self.deviation) + ops.convert_to_tensor(self.mean)
