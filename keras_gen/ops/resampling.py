"""Bicubic resampling as defined in the super-resolution literature: Keys' kernel with a = -0.5.

For downsampling, the kernel is widened by the scale (antialiasing).
"""

from __future__ import annotations

import functools

import numpy as np
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


def resize(images: tf.Tensor, height: int, width: int) -> tf.Tensor:
    """Resizes images of any size to any other, as Pillow's `Image.resize` with BICUBIC does, up to its rounding.

    It is a product with one matrix for each axis (`_weights`), which on a CPU is many times faster than
    `tf.image.resize`.

    Args:
        images: (batch, H, W, channels), of a static size.
        height: new height [pixels].
        width: new width [pixels].

    Returns:
        float32 (batch, height, width, channels), not clipped.

    Examples:
        >>> resize(tf.ones((1, 5, 9, 3)), 8, 4).shape
        TensorShape([1, 8, 4, 3])
    """
    images = tf.cast(images, tf.float32)
    if images.shape[1] != height:
        images = tf.einsum("ij,bjwc->biwc", tf.constant(_weights(images.shape[1], height)), images)
    if images.shape[2] != width:
        images = tf.einsum("ij,bhjc->bhic", tf.constant(_weights(images.shape[2], width)), images)
    return images


@functools.lru_cache(maxsize=32)
def _weights(length: int, new: int) -> np.ndarray:
    """Weights of bicubic resampling along one axis, float32 (new, length), whose rows sum to 1.

    Keys' kernel, widened by the scale where the axis shrinks. Positions beyond the edge have no weight.
    """
    scale = length / new
    centres = (np.arange(new) + 0.5) * scale
    x = np.abs((np.arange(length) + 0.5 - centres[:, None]) / max(scale, 1.0))
    near, far = 1.5 * x**3 - 2.5 * x**2 + 1.0, -0.5 * x**3 + 2.5 * x**2 - 4.0 * x + 2.0
    weights = np.where(x < 1.0, near, np.where(x < 2.0, far, 0.0))
    return (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)


def luma(images: tf.Tensor) -> tf.Tensor:
    """Luma Y of ITU-R BT.601 in studio range: RGB (batch, H, W, 3) in [0, 255] -> (batch, H, W, 1) in [16, 235]."""
    weights = tf.constant((65.481, 128.553, 24.966), images.dtype) / 255.0
    return 16.0 + tf.reduce_sum(images * weights, axis=-1, keepdims=True)
