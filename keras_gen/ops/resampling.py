"""Bicubic resampling as defined in the super-resolution literature: Keys' kernel with a = -0.5.

For downsampling, the kernel is widened by the scale (antialiasing).
"""

from __future__ import annotations

import tensorflow as tf


def shrink(images: tf.Tensor, scale: int) -> tf.Tensor:
    """Downsamples images with antialiasing, like MATLAB's `imresize`.

    Args:
        images: (batch, H, W, channels), with H and W multiples of `scale`.
        scale: integer factor.

    Returns:
        float32 (batch, H / scale, W / scale, channels), not clipped.

    Examples:
        >>> shrink(tf.zeros((1, 8, 12, 3)), 4).shape, enlarge(tf.zeros((1, 8, 12, 3)), 4).shape
        (TensorShape([1, 2, 3, 3]), TensorShape([1, 32, 48, 3]))
    """
    height, width = tf.unstack(tf.shape(images)[1:3])
    return tf.image.resize(images, (height // scale, width // scale), "bicubic", antialias=True)


def enlarge(images: tf.Tensor, scale: int) -> tf.Tensor:
    """Upsamples images by an integer factor.

    Args:
        images: (batch, H, W, channels).
        scale: integer factor.

    Returns:
        float32 (batch, scale * H, scale * W, channels), not clipped.
    """
    height, width = tf.unstack(tf.shape(images)[1:3])
    return tf.image.resize(images, (height * scale, width * scale), "bicubic")


def luma(images: tf.Tensor) -> tf.Tensor:
    """Luma Y of ITU-R BT.601 in studio range: RGB (batch, H, W, 3) in [0, 255] -> (batch, H, W, 1) in [16, 235]."""
    weights = tf.constant((65.481, 128.553, 24.966), images.dtype) / 255.0
    return 16.0 + tf.reduce_sum(images * weights, axis=-1, keepdims=True)
