"""Similarity and distance between images and their references: L1, PSNR, SSIM, MS-SSIM.

Images and references are (batch, height, width, channels) in [-1, 1], with any number of channels. Every result is
float32 (batch,).

Examples:
    >>> import tensorflow as tf
    >>> black, grey = tf.fill((1, 16, 16, 3), -1.0), tf.zeros((1, 16, 16, 3))
    >>> float(l1(black, grey)[0]), round(float(psnr(black, grey)[0]), 2), float(ssim(grey, grey)[0])
    (1.0, 6.02, 1.0)
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf

SSIM_MIN_SIDE = 11
"""Smallest side of an image for `ssim` [pixels]: the window must fit."""
MS_SSIM_MIN_SIDE = 161
"""Smallest side of an image for `ms_ssim` at five scales [pixels]: the scales have 161, 81, 41, 21 and 11."""

_C1, _C2 = 0.01**2, 0.03**2  # for images in [0, 1]
_MS_SSIM_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # Wang et al. 2003, section 3.2


def l1(image: tf.Tensor, reference: tf.Tensor) -> tf.Tensor:
    """Mean absolute error over pixels and channels, from 0 to 2 because the range [-1, 1] is 2 wide."""
    image, reference = tf.cast(image, tf.float32), tf.cast(reference, tf.float32)
    return tf.reduce_mean(tf.abs(image - reference), axis=(1, 2, 3))


def psnr(image: tf.Tensor, reference: tf.Tensor) -> tf.Tensor:
    """Peak signal-to-noise ratio over all channels [dB]: 10 log10(2^2 / MSE), at most 120 (for equal images)."""
    image, reference = tf.cast(image, tf.float32), tf.cast(reference, tf.float32)
    error = tf.reduce_mean(tf.square(image - reference), axis=(1, 2, 3))
    return 10.0 / tf.math.log(10.0) * tf.math.log(4.0 / tf.maximum(error, 4e-12))


def ssim(image: tf.Tensor, reference: tf.Tensor) -> tf.Tensor:
    """Structural similarity (SSIM), at most 1 (for equal images).

    Wang et al. 2004, IEEE Transactions on Image Processing 13, equation 13: a Gaussian 11x11 window with sigma 1.5, K1
    0.01, K2 0.03, mean over channels. Only windows inside the image count, so both sides need at least `SSIM_MIN_SIDE`
    pixels.

    Raises:
        InvalidArgumentError: for smaller images.
    """
    similarity, _ = _similarity(_to_unit_range(image), _to_unit_range(reference))
    return tf.reduce_mean(similarity, axis=-1)


def ms_ssim(image: tf.Tensor, reference: tf.Tensor, scales: int = len(_MS_SSIM_WEIGHTS)) -> tf.Tensor:
    """Multi-scale structural similarity (MS-SSIM), in [0, 1].

    Wang, Simoncelli, Bovik 2003, Multi-scale structural similarity for image quality assessment, equation 7: five
    scales, with the window of `ssim`. Each scale is a 2x2 average pooling of the one before; at the end of an odd side
    it averages the pixels that are left. With five scales both sides need at least `MS_SSIM_MIN_SIDE` pixels. Negative
    values at a scale are set to 0, because they are raised to a fractional power.

    Args:
        image: (batch, h, w, channels) in [-1, 1].
        reference: images of the same shape.
        scales: number of scales, 1 to 5. Smaller images allow fewer (`scales_that_fit`). The weights are then
            normalised to sum to 1. Values for different numbers of scales are not comparable.

    Raises:
        InvalidArgumentError: for images too small for the scales.
    """
    weights = _MS_SSIM_WEIGHTS
    if scales < len(weights):
        weights = tuple(weight / sum(weights[:scales]) for weight in weights[:scales])
    image, reference = _to_unit_range(image), _to_unit_range(reference)
    product = 1.0
    for weight in weights[:-1]:
        _, contrast = _similarity(image, reference)
        product *= tf.nn.relu(contrast) ** weight
        image, reference = (tf.nn.avg_pool2d(x, 2, 2, "SAME") for x in (image, reference))
    similarity, _ = _similarity(image, reference)
    return tf.reduce_mean(product * tf.nn.relu(similarity) ** weights[-1], axis=-1)


def scales_that_fit(height: int, width: int) -> int:
    """The largest number of scales that `ms_ssim` allows for images of this size [pixels]: 0 to 5."""
    side, scales = min(height, width), 0
    while side >= SSIM_MIN_SIDE and scales < len(_MS_SSIM_WEIGHTS):
        side, scales = (side + 1) // 2, scales + 1
    return scales


def _similarity(image: tf.Tensor, reference: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """SSIM, and its contrast-structure term alone, each (batch, channels); images are float32 in [0, 1].

    The Gaussian window is separable. Filtering rows and then columns gives the same result as the square window of
    tf.image.ssim and is much faster.
    """
    tf.debugging.assert_greater_equal(tf.shape(image)[1:3], SSIM_MIN_SIDE, "smaller than the window of SSIM")
    moments = [image, reference, tf.square(image) + tf.square(reference), image * reference]
    smooth = tf.concat(moments, axis=-1)
    offsets = np.arange(SSIM_MIN_SIDE) - SSIM_MIN_SIDE // 2
    window = np.exp(-(offsets**2) / (2 * 1.5**2))
    window = np.tile((window / window.sum()).astype(np.float32)[:, None], (1, smooth.shape[-1]))
    for kernel in (window[:, None, :, None], window[None, :, :, None]):
        smooth = tf.nn.depthwise_conv2d(smooth, kernel, (1, 1, 1, 1), "VALID")
    mean, other, squares, products = tf.split(smooth, len(moments), axis=-1)
    product_of_means, squared_means = mean * other, tf.square(mean) + tf.square(other)
    luminance = (2.0 * product_of_means + _C1) / (squared_means + _C1)
    contrast = (2.0 * (products - product_of_means) + _C2) / (squares - squared_means + _C2)
    return tf.reduce_mean(luminance * contrast, axis=(1, 2)), tf.reduce_mean(contrast, axis=(1, 2))


def _to_unit_range(images: tf.Tensor) -> tf.Tensor:
    """From [-1, 1] to [0, 1]. SSIM compares ratios of means, so black must be 0."""
    return (tf.cast(images, tf.float32) + 1.0) / 2.0
