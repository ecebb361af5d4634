"""Images and their small versions, each of its own size."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal

import tensorflow as tf

from keras_gen.data.dataset import Stream
from keras_gen.data.kinds.images import ImagesConfig, ImagesData
from keras_gen.ops.resampling import shrink


@dataclass(frozen=True)
class SmallAndSharpConfig(ImagesConfig):
    """Which images to read, and how small the others are."""

    scale: Literal[2, 4] = 2
    """Ratio of the sizes."""

    def open(self, seed: int = 0, model: Any = None) -> SmallAndSharp:
        """See `DataConfig.open`."""
        return SmallAndSharp(self, seed)


class SmallAndSharp(ImagesData):
    """Batches of (small, sharp)."""

    def streams(self, training: bool) -> tuple[Stream, ...]:
        """Both versions of each image, without its label."""
        (stream,) = super().streams(training)

        def finish(*loaded):
            sharp, _ = stream.finish(*loaded)
            return tf.clip_by_value(shrink(sharp, self._config.scale), -1.0, 1.0), sharp

        return (dataclasses.replace(stream, finish=finish),)

    def attributes(self) -> dict[str, Any]:
        """Those of images, and `scale`."""
        return {**super().attributes(), "scale": self._config.scale}
