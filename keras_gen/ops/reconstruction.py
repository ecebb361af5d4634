"""Distances between two images of a pair. Images are NHWC in [-1, 1]; every result has shape (batch,)."""

from __future__ import annotations

import tensorflow as tf


def l1(image: tf.Tensor, reference: tf.Tensor) -> tf.Tensor:
    """Mean absolute difference over pixels and channels, in units of the range [-1, 1] (so at most 2)."""
    image, reference = tf.cast(image, tf.float32), tf.cast(reference, tf.float32)
    return tf.reduce_mean(tf.abs(image - reference), axis=(1, 2, 3))


def psnr(image: tf.Tensor, reference: tf.Tensor) -> tf.Tensor:
    """Peak signal-to-noise ratio in dB over all channels: 10 log10(2^2 / MSE). At most 120, for equal images."""
    image, reference = tf.cast(image, tf.float32), tf.cast(reference, tf.float32)
    error = tf.reduce_mean(tf.square(image - reference), axis=(1, 2, 3))
    return 10.0 / tf.math.log(10.0) * tf.math.log(4.0 / tf.maximum(error, 4e-12))


def ssim(image: tf.Tensor, reference: tf.Tensor) -> tf.Tensor:
    """Structural similarity (Wang et al. 2004): Gaussian window 11x11, sigma 1.5, K1 0.01, K2 0.03, mean of channels.

    Both sides must have at least 11 pixels.
    """
    image, reference = tf.cast(image, tf.float32), tf.cast(reference, tf.float32)
    return tf.image.ssim(image, reference, max_val=2.0, filter_size=11, filter_sigma=1.5, k1=0.01, k2=0.03)
