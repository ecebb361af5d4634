"""The class of an example as an input of its own, in front of a network that takes all in one array."""

from __future__ import annotations

from typing import Any

import keras

from keras_gen.ops.conditioning import conditioned


class Conditioning(keras.layers.Layer):
    """[vectors or images, int32 (batch,)] -> both in one array, see `ops.conditioning.conditioned`."""

    def __init__(self, num_classes: int, **settings: Any) -> None:
        super().__init__(**settings)
        self.num_classes = num_classes

    def call(self, inputs: Any) -> Any:
        values, labels = inputs
        return conditioned(values, labels, self.num_classes)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"num_classes": self.num_classes}


def with_label(network: keras.Model, num_classes: int, name: str) -> keras.Model:
    """A network that takes values and the class behind them in one array, as one that takes [values, int32 (batch,)].

    Args:
        network: functional, whose input ends with a channel or a number for each class; its layers are shared.
        num_classes: how many these are.
        name: of the input of values; the other is "label".
    """
    *sides, channels = network.input.shape[1:]
    values = keras.Input((*sides, channels - num_classes), name=name)
    label = keras.Input((), dtype="int32", name="label")
    both = Conditioning(num_classes, name=f"{name}_and_label")([values, label])
    return keras.Model([values, label], network.call(both), name=network.name)
