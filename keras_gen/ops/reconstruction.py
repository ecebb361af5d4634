"""Distances between two images of a pair. Images are NHWC in [-1, 1]; every result has shape (batch,)."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

SSIM_SMALLEST = 11
"""Smallest side that `ssim` takes [pixels]."""
MS_SSIM_SMALLEST = 161
"""Smallest side that `ms_ssim` takes [pixels]: 161, 81, 41, 21, 11."""

_C1, _C2 = 0.01**2, 0.03**2  # of images in [0, 1]
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
    whole, _ = _similarity(_from_black(image), _from_black(reference))
    return tf.reduce_mean(whole, axis=-1)


def ms_ssim(image: tf.Tensor, reference: tf.Tensor, scales: int = len(_MS_SSIM_WEIGHTS)) -> tf.Tensor:
    """Multi-scale structural similarity (Wang, Simoncelli, Bovik 2003, equation 7): five scales, the window of `ssim`.

    Each scale is the mean of 2x2 pixels of the one before, and of those that there are at the end of an odd side.
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
    image, reference = _from_black(image), _from_black(reference)
    product = 1.0
    for weight in weights[:-1]:
        _, contrast = _similarity(image, reference)
        product *= tf.nn.relu(contrast) ** weight
        image, reference = (tf.nn.avg_pool2d(x, 2, 2, "SAME") for x in (image, reference))
    whole, _ = _similarity(image, reference)
    return tf.reduce_mean(product * tf.nn.relu(whole) ** weights[-1], axis=-1)


def scales_that_fit(height: int, width: int) -> int:
    """The number of scales at which `ms_ssim` compares such images, at most five; 0 below 11 pixels."""
    side, scales = min(height, width), 0
    while side >= SSIM_SMALLEST and scales < len(_MS_SSIM_WEIGHTS):
        side, scales = (side + 1) // 2, scales + 1
    return scales


def _similarity(image: tf.Tensor, reference: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """SSIM, and its factors of contrast and structure alone, (batch, channels) each; images are float32 in [0, 1].

    tf.image.ssim passes a square window over each of the moments; one over all rows and then one over all columns is
    equal, and takes a small part of the time.
    """
    tf.debugging.assert_greater_equal(tf.shape(image)[1:3], SSIM_SMALLEST, "smaller than the window of SSIM")
    moments = [image, reference, tf.square(image) + tf.square(reference), image * reference]
    smooth = tf.concat(moments, axis=-1)
    places = np.arange(SSIM_SMALLEST) - SSIM_SMALLEST // 2
    window = np.exp(-(places**2) / (2 * 1.5**2))
    window = np.tile((window / window.sum()).astype(np.float32)[:, None], (1, smooth.shape[-1]))
    for kernel in (window[:, None, :, None], window[None, :, :, None]):
        smooth = tf.nn.depthwise_conv2d(smooth, kernel, (1, 1, 1, 1), "VALID")
    mean, other, squares, products = tf.split(smooth, len(moments), axis=-1)
    product_of_means, squared_means = mean * other, tf.square(mean) + tf.square(other)
    luminance = (2.0 * product_of_means + _C1) / (squared_means + _C1)
    contrast = (2.0 * (products - product_of_means) + _C2) / (squares - squared_means + _C2)
    return tf.reduce_mean(luminance * contrast, axis=(1, 2)), tf.reduce_mean(contrast, axis=(1, 2))


def _from_black(images: tf.Tensor) -> tf.Tensor:
    """From [-1, 1] to [0, 1]. SSIM compares means by their ratio, so black has to be 0."""
    return (tf.cast(images, tf.float32) + 1.0) / 2.0
