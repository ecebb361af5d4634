"""The data's own units at both ends of a network that works on standardised sequences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from keras_gen.ops.sequences import present


class _Affine(keras.layers.Layer):
    """A layer with a mean and a deviation for each feature, computed in float32 whatever the policy is."""

    def __init__(self, mean: Sequence[float], deviation: Sequence[float], **settings: Any) -> None:
        """Args:
        mean: of each feature.
        deviation: of each feature, greater than 0.
        settings: of any layer; the type of what it gives is float32.
        """
        super().__init__(**{**settings, "dtype": "float32"})
        self.mean, self.deviation = list(mean), list(deviation)
        self.supports_masking = True

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "mean": self.mean, "deviation": self.deviation}


class Standardisation(_Affine):
    """(x - mean) / deviation, and 0 with a mask for the layers that follow where there is no step (NaN)."""

    def call(self, inputs: Any, mask: Any = None) -> Any:
        standard = (inputs - ops.convert_to_tensor(self.mean)) / ops.convert_to_tensor(self.deviation)
        return ops.where(present(inputs)[..., None], standard, 0.0)

    def compute_mask(self, inputs: Any, previous_mask: Any = None) -> Any:
        return present(inputs)


class InverseStandardisation(_Affine):
    """x deviation + mean."""

    def call(self, inputs: Any) -> Any:
        return inputs * ops.convert_to_tensor(self.deviation) + ops.convert_to_tensor(self.mean)
