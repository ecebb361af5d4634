"""Noise on one image, a pure function of the image, a strength and a stateless key.

The strength is a number from 0, no noise, to 1 whose unit is the same for every kind: a share. Of `gaussian` and
`poisson` it is the standard deviation as a share of the range from black to white (of `poisson` that at white), of
`dropout` and `salt_and_pepper` the share of the pixels that are lost.

An image is (height, width, channels) float32 in [-1, 1], a key an integer (2,). Results are not clipped.
"""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf

_LEAST = 1e-3
"""Least strength of `poisson`, a million photons at white: a quarter of a level of 8 bits."""


def gaussian(image: tf.Tensor, strength: tf.Tensor, key: tf.Tensor) -> tf.Tensor:
    """White noise: mean `image`, standard deviation `strength` of the range, which is 2 wide."""
    return image + 2.0 * strength * tf.random.stateless_normal(tf.shape(image), key)


def dropout(image: tf.Tensor, strength: tf.Tensor, key: tf.Tensor) -> tf.Tensor:
    """Masking noise (Vincent et al. 2010, section 3.3): each pixel is black, in all channels, with this probability.

    Of light x in [0, 1] the mean is x (1 - strength), the variance x^2 strength (1 - strength).
    """
    return tf.where(_of_pixels(image, key) < strength, -1.0, image)


def salt_and_pepper(image: tf.Tensor, strength: tf.Tensor, key: tf.Tensor) -> tf.Tensor:
    """Each pixel is black or white, in all channels, with half of this probability each (section 3.3 of the same).

    Of x in [-1, 1] the mean is (1 - strength) x, the variance strength + strength (1 - strength) x^2.
    """
    chance = _of_pixels(image, key)
    return tf.where(chance < strength / 2.0, -1.0, tf.where(chance < strength, 1.0, image))


def poisson(image: tf.Tensor, strength: tf.Tensor, key: tf.Tensor) -> tf.Tensor:
    """Shot noise: each value is a count of photons, of which white has 1 / strength^2 on average.

    Of light x in [0, 1] the mean is x, the variance strength^2 x.
    """
    photon = tf.square(tf.maximum(strength, _LEAST))
    light = tf.maximum(0.5 * (image + 1.0), 0.0)
    counts = tf.random.stateless_poisson(tf.shape(image), key, light / photon, dtype=tf.float32)
    return 2.0 * photon * counts - 1.0


def mixed(image: tf.Tensor, strength: tf.Tensor, key: tf.Tensor) -> tf.Tensor:
    """One of the four above, each with the same probability."""
    choice, key = tf.unstack(tf.random.experimental.stateless_split(key))
    number = tf.random.stateless_uniform((), choice, maxval=len(_SINGLE), dtype=tf.int32)
    return tf.switch_case(number, [lambda noise=noise: noise(image, strength, key) for noise in _SINGLE])


def _of_pixels(image: tf.Tensor, key: tf.Tensor) -> tf.Tensor:
    """Uniform draws from [0, 1), (height, width, 1)."""
    return tf.random.stateless_uniform((*image.shape[:2], 1), key)


_SINGLE = (gaussian, dropout, salt_and_pepper, poisson)

NOISES: dict[str, Callable[[tf.Tensor, tf.Tensor, tf.Tensor], tf.Tensor]] = {
    "gaussian": gaussian,
    "dropout": dropout,
    "salt-and-pepper": salt_and_pepper,
    "poisson": poisson,
    "mixed": mixed,
}
"""The kinds of noise by name."""
