"""Padding layers."""

from __future__ import annotations

from typing import Any

import keras


@keras.saving.register_keras_serializable("keras_gen")
class ReflectionPadding2D(keras.layers.Layer):
    """Pads feature maps (batch, h, w, channels) by reflection. The border pixels themselves are not repeated.

    Examples:
        >>> import numpy as np
        >>> ReflectionPadding2D(1)(np.array([[1.0, 2.0, 3.0]] * 2).reshape(1, 2, 3, 1))[0, 0, :, 0].numpy().tolist()
        [2.0, 1.0, 2.0, 3.0, 2.0]
    """

    def __init__(self, border: int = 1, **settings: Any) -> None:
        """Args:
        border: rows and columns to add on each side [pixels], fewer than the map has.
        settings: arguments of `keras.layers.Layer`.
        """
        super().__init__(**settings)
        self.border = border

    def call(self, maps: Any) -> Any:
        """The padded feature maps."""
        width = (self.border, self.border)
        return keras.ops.pad(maps, ((0, 0), width, width, (0, 0)), mode="reflect")

    def compute_output_shape(self, shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Both sides grow by twice the border."""
        batch, *sides, channels = shape
        return batch, *(side and side + 2 * self.border for side in sides), channels

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor."""
        return super().get_config() | {"border": self.border}
