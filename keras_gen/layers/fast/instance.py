"""Instance normalisation that trains faster on a CPU."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

_IMAGES = 16  # of a batch that are normalised one by one; more are for Keras to do at once


@keras.saving.register_keras_serializable("keras_gen")
class FastInstanceNormalization(keras.layers.GroupNormalization):
    """`keras.layers.GroupNormalization` of one channel a group: each channel of each example is normalised by its own
    mean and variance over all places (Ulyanov et al. 2016, arXiv 1607.08022).

    Of one example this is what batch normalisation does in training, for which TensorFlow has one operation, with one
    for its gradient, where Keras takes a dozen that each go over the whole map. On CPUs it is used for every example of
    a batch that is small and known beforehand, in float32; otherwise this is Keras' layer. Weights, names and
    configuration are its.

    Input and output (batch, h, w, channels).
    """

    def __init__(self, groups: int = -1, **settings: Any) -> None:
        """As `keras.layers.GroupNormalization`; other groups than of one channel are left to it."""
        super().__init__(groups, **settings)

    def call(self, inputs: Any) -> Any:
        """The normalised `inputs`."""
        count = inputs.shape[0]
        fits = (
            len(inputs.shape) == 4
            and (self.groups, self.axis, self.scale, self.center) == (inputs.shape[3], -1, True, True)
            and count is not None
            and count <= _IMAGES
            and self.compute_dtype == "float32"
            and not tf.config.list_physical_devices("GPU")
        )
        if not fits:
            return super().call(inputs)
        scale, offset = tf.convert_to_tensor(self.gamma), tf.convert_to_tensor(self.beta)
        normalised = [
            tf.raw_ops.FusedBatchNormV3(
                x=image, scale=scale, offset=offset, mean=[], variance=[], epsilon=self.epsilon, is_training=True
            ).y
            for image in (tf.split(inputs, count) if count > 1 else [inputs])
        ]
        return tf.concat(normalised, 0) if count > 1 else normalised[0]
