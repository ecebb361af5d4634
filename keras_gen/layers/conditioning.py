"""Class labels as a separate input of a network that was built for one concatenated array."""

from __future__ import annotations

from typing import Any

import keras

from keras_gen.ops.conditioning import conditioned


class Conditioning(keras.layers.Layer):
    """Concatenates [vectors or images, labels int32 (batch,)], as `ops.conditioning.conditioned` does.

    Examples:
        >>> import numpy as np
        >>> Conditioning(3)([np.zeros((2, 4), np.float32), np.array([0, 2])]).numpy()[:, 4:].tolist()
        [[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]
        >>> Conditioning(3)([np.zeros((2, 8, 8, 1), np.float32), np.array([0, 2])]).shape
        TensorShape([2, 8, 8, 4])
    """

    def __init__(self, num_classes: int, **settings: Any) -> None:
        """Args:
        num_classes: number of classes.
        settings: arguments of `keras.layers.Layer`.
        """
        super().__init__(**settings)
        self.num_classes = num_classes

    def call(self, inputs: Any) -> Any:
        """The vectors or images with `num_classes` more numbers or channels."""
        values, labels = inputs
        return conditioned(values, labels, self.num_classes)

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor."""
        return super().get_config() | {"num_classes": self.num_classes}


def with_label(network: keras.Model, num_classes: int, name: str) -> keras.Model:
    """Wraps a network so that it takes the label as a separate input: [values, labels int32 (batch,)].

    Args:
        network: a functional network whose input ends with one number or channel per class. Layers are shared.
        num_classes: number of classes.
        name: name of the first input; the second is "label".
    """
    *sides, channels = network.input.shape[1:]
    values = keras.Input((*sides, channels - num_classes), name=name)
    label = keras.Input((), dtype="int32", name="label")
    both = Conditioning(num_classes, name=f"{name}_and_label")([values, label])
    return keras.Model([values, label], network.call(both), name=network.name)
