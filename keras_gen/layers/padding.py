"""Padding by what lies inside."""

from __future__ import annotations

from typing import Any

import keras


@keras.saving.register_keras_serializable("keras_gen")
class ReflectionPadding2D(keras.layers.Layer):
    """Maps (batch, h, w, channels), continued beyond each border by their mirror image without the border itself."""

    def __init__(self, border: int = 1, **settings: Any) -> None:
        """Args:
        border: rows and columns added at each side, fewer than the map has [pixels].
        settings: of a Keras layer.
        """
        super().__init__(**settings)
        self.border = border

    def call(self, maps: Any) -> Any:
        width = (self.border, self.border)
        return keras.ops.pad(maps, ((0, 0), width, width, (0, 0)), mode="reflect")

    def compute_output_shape(self, shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        batch, *sides, channels = shape
        return batch, *(side and side + 2 * self.border for side in sides), channels

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor."""
        return super().get_config() | {"border": self.border}
