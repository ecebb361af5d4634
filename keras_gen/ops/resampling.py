"""Bicubic resampling as the literature of super-resolution means it: Keys' kernel with a = -0.5, widened to shrink."""

from __future__ import annotations

import tensorflow as tf


def shrink(images: tf.Tensor, scale: int) -> tf.Tensor:
    """Images at 1/scale of their size, with antialias, as MATLAB's `imresize`.

    Args:
        images: (batch, H, W, channels), H and W multiples of `scale`.
        scale: whole factor.

    Returns:
        float32 (batch, H / scale, W / scale, channels), not clipped.
    """
    height, width = tf.unstack(tf.shape(images)[1:3])
    return tf.image.resize(images, (height // scale, width // scale), "bicubic", antialias=True)


def enlarge(images: tf.Tensor, scale: int) -> tf.Tensor:
    """Images at `scale` times their size: the inverse of `shrink` as far as there is one; float32, not clipped."""
    height, width = tf.unstack(tf.shape(images)[1:3])
    return tf.image.resize(images, (height * scale, width * scale), "bicubic")


def luma(images: tf.Tensor) -> tf.Tensor:
    """Y of ITU-R BT.601 as video has it: (batch, H, W, 3) in [0, 255] -> (batch, H, W, 1) from 16 to 235."""
    weights = tf.constant((65.481, 128.553, 24.966), images.dtype) / 255.0
    return 16.0 + tf.reduce_sum(images * weights, axis=-1, keepdims=True)
