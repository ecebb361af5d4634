"""How a network is told the class: as part of the one array that it takes."""

from __future__ import annotations

import tensorflow as tf


def conditioned(inputs: tf.Tensor, labels: tf.Tensor, num_classes: int) -> tf.Tensor:
    """What a network takes, and behind it the class.

    Args:
        inputs: vectors (batch, n) or images (batch, height, width, n).
        labels: int (batch,).
        num_classes: number of classes.

    Returns:
        Vectors (batch, n + num_classes) that end with 1 for the class and 0 for others, or images of as many channels,
        of which the last are a constant map for each class: 1 for the own one and -1, the other end of the range of
        pixels, for others.
    """
    inputs, chosen = tf.convert_to_tensor(inputs), tf.one_hot(labels, num_classes)
    if inputs.shape.rank == 2:
        return tf.concat([inputs, tf.cast(chosen, inputs.dtype)], axis=-1)
    shape = tf.concat([tf.shape(inputs)[:3], [num_classes]], axis=0)
    maps = tf.broadcast_to(2.0 * chosen[:, None, None] - 1.0, shape)
    return tf.concat([inputs, tf.cast(maps, inputs.dtype)], axis=-1)
