"""Distances between two images of a pair. Images are NHWC in [-1, 1]; every result has shape (batch,)."""

from __future__ import annotations

import tensorflow as tf

SSIM_SMALLEST = 11
"""Smallest side that `ssim` takes [pixels]."""
MS_SSIM_SMALLEST = 161
"""Smallest side that `ms_ssim` takes [pixels]: 161, 81, 41, 21, 11."""

_SSIM = {"max_val": 255.0, "filter_size": SSIM_SMALLEST, "filter_sigma": 1.5, "k1": 0.01, "k2": 0.03}
_MS_SSIM_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # Wang et al. 2003, section 3.2


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

    Both sides must have at least 11 pixels: only windows inside the image count.
    """
    return tf.image.ssim(_levels(image), _levels(reference), **_SSIM)


def ms_ssim(image: tf.Tensor, reference: tf.Tensor, scales: int = len(_MS_SSIM_WEIGHTS)) -> tf.Tensor:
    """Multi-scale structural similarity (Wang, Simoncelli, Bovik 2003, equation 7): five scales, the window of `ssim`.

    Each scale is the mean of 2x2 pixels of the one before; an odd side is first continued by its last line.
    Both sides must have at least `MS_SSIM_SMALLEST` pixels, so that the window fits into the smallest scale. A negative
    mean of a scale counts as 0, because it is raised to a broken power.

    Args:
        image: (batch, h, w, channels) in [-1, 1].
        reference: the same.
        scales: of fewer than five, which smaller images allow (`scales_that_fit`), the weights are raised in proportion
            to sum to 1 as those of five do; values of different numbers of scales do not compare.
    """
    weights = _MS_SSIM_WEIGHTS
    if scales < len(weights):
        weights = tuple(weight / sum(weights[:scales]) for weight in weights[:scales])
    return tf.image.ssim_multiscale(_levels(image), _levels(reference), power_factors=weights, **_SSIM)


def scales_that_fit(height: int, width: int) -> int:
    """The number of scales at which `ms_ssim` compares such images, at most five; 0 below 11 pixels."""
    side, scales = min(height, width), 0
    while side >= SSIM_SMALLEST and scales < len(_MS_SSIM_WEIGHTS):
        side, scales = (side + 1) // 2, scales + 1
    return scales


def _levels(images: tf.Tensor) -> tf.Tensor:
    """From [-1, 1] to [0, 255]. SSIM compares means by their ratio, so black has to be 0."""
    return (tf.cast(images, tf.float32) + 1.0) * 127.5
