"""Noise on a single image, as pure functions of the image, a strength and a stateless random key.

The strength is in [0, 1], and 0 means no noise. For `gaussian` and `poisson` it is the standard deviation relative to
the range from black to white (for `poisson`, at white). For `dropout` and `salt_and_pepper` it is the fraction of
pixels that are replaced.

An image is (height, width, channels) float32 in [-1, 1]; a key is int (2,). Results are not clipped.
"""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf

_MIN_STRENGTH = 1e-3
"""Smallest strength of `poisson`: a million photons at white, so its noise is a quarter of an 8-bit level."""


def gaussian(image: tf.Tensor, strength: tf.Tensor, key: tf.Tensor) -> tf.Tensor:
    """Additive white Gaussian noise with a standard deviation of 2 * strength, because the range [-1, 1] is 2 wide."""
    return image + 2.0 * strength * tf.random.stateless_normal(tf.shape(image), key)


def dropout(image: tf.Tensor, strength: tf.Tensor, key: tf.Tensor) -> tf.Tensor:
    """Masking noise: each pixel becomes black, in all channels, with probability `strength`.

    For a brightness x in [0, 1], the mean is x (1 - strength) and the variance is x^2 strength (1 - strength). Vincent
    et al. 2010, JMLR 11, section 3.3.
    """
    return tf.where(_uniform_per_pixel(image, key) < strength, -1.0, image)


def salt_and_pepper(image: tf.Tensor, strength: tf.Tensor, key: tf.Tensor) -> tf.Tensor:
    """Salt-and-pepper noise: each pixel becomes black or white, in all channels, with probability `strength` / 2 each.

    For x in [-1, 1], the mean is (1 - strength) x and the variance is strength + strength (1 - strength) x^2. Vincent
    et al. 2010, JMLR 11, section 3.3.
    """
    uniform = _uniform_per_pixel(image, key)
    return tf.where(uniform < strength / 2.0, -1.0, tf.where(uniform < strength, 1.0, image))


def poisson(image: tf.Tensor, strength: tf.Tensor, key: tf.Tensor) -> tf.Tensor:
    """Shot noise: each value is a Poisson-distributed photon count with mean 1 / strength^2 at white.

    For a brightness x in [0, 1], the mean is x and the variance is strength^2 x.
    """
    photon = tf.square(tf.maximum(strength, _MIN_STRENGTH))
    brightness = tf.maximum(0.5 * (image + 1.0), 0.0)
    counts = tf.random.stateless_poisson(tf.shape(image), key, brightness / photon, dtype=tf.float32)
    return 2.0 * photon * counts - 1.0


def mixed(image: tf.Tensor, strength: tf.Tensor, key: tf.Tensor) -> tf.Tensor:
    """One of the four kinds above, chosen with equal probability."""
    choice, key = tf.unstack(tf.random.experimental.stateless_split(key))
    number = tf.random.stateless_uniform((), choice, maxval=len(_SINGLE), dtype=tf.int32)
    return tf.switch_case(number, [lambda noise=noise: noise(image, strength, key) for noise in _SINGLE])


def _uniform_per_pixel(image: tf.Tensor, key: tf.Tensor) -> tf.Tensor:
    """Uniform random numbers in [0, 1), (height, width, 1)."""
    return tf.random.stateless_uniform((*image.shape[:2], 1), key)


_SINGLE = (gaussian, dropout, salt_and_pepper, poisson)

NOISES: dict[str, Callable[[tf.Tensor, tf.Tensor, tf.Tensor], tf.Tensor]] = {
    "gaussian": gaussian,
    "dropout": dropout,
    "salt-and-pepper": salt_and_pepper,
    "poisson": poisson,
    "mixed": mixed,
}
"""The noise functions, by the names that flags use."""
