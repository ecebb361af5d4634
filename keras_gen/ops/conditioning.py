"""Class conditioning by concatenation: the label becomes part of the network's input array."""

from __future__ import annotations

import tensorflow as tf


def conditioned(inputs: tf.Tensor, labels: tf.Tensor, num_classes: int) -> tf.Tensor:
    """Appends the class to the network's inputs.

    Args:
        inputs: vectors (batch, n) or images (batch, height, width, n).
        labels: int (batch,), from 0 to num_classes - 1.
        num_classes: number of classes.

    Returns:
        Vectors (batch, n + num_classes) that end with the one-hot label, or images (batch, height, width, n +
        num_classes) that end with a constant map for each class: 1 for the image's class and -1 for the others, the two
        ends of the range of pixels.
    """
    inputs, one_hot = tf.convert_to_tensor(inputs), tf.one_hot(labels, num_classes)
    if inputs.shape.rank == 2:
        return tf.concat([inputs, tf.cast(one_hot, inputs.dtype)], axis=-1)
    shape = tf.concat([tf.shape(inputs)[:3], [num_classes]], axis=0)
    maps = tf.broadcast_to(2.0 * one_hot[:, None, None] - 1.0, shape)
    return tf.concat([inputs, tf.cast(maps, inputs.dtype)], axis=-1)
