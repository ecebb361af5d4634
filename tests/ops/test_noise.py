"""Noise against the closed forms of its mean and variance."""

import numpy as np
import pytest
import tensorflow as tf

from keras_gen.ops.noise import NOISES

LEVELS = np.array([-1.0, -0.5, 0.0, 0.9, 1.0], np.float32)
COUNT = 40_000  # draws of each level

MOMENTS = {
    "gaussian": lambda x, s: (x, 4 * s**2 + 0 * x),
    "dropout": lambda x, s: (2 * (1 - s) * (x + 1) / 2 - 1, (x + 1) ** 2 * s * (1 - s)),
    "salt-and-pepper": lambda x, s: ((1 - s) * x, s + s * (1 - s) * x**2),
    "poisson": lambda x, s: (x, 4 * s**2 * (x + 1) / 2),
}


def drawn(noise, strength, seed=0, channels=1):
    """(COUNT, levels, channels)"""
    image = tf.constant(np.broadcast_to(LEVELS[:, None], (COUNT, len(LEVELS), channels)))
    return NOISES[noise](image, tf.constant(strength), tf.constant([seed, 7], tf.int64)).numpy()


@pytest.mark.parametrize("strength", [0.1, 0.4])
@pytest.mark.parametrize("noise", MOMENTS)
def test_mean_and_variance_are_the_closed_forms(noise, strength):
    """Five standard deviations of the sample mean, and of the sample variance from its own fourth moment."""
    values = drawn(noise, strength)[..., 0].astype(np.float64)
    mean, variance = MOMENTS[noise](LEVELS.astype(np.float64), strength)
    squares = (values - mean) ** 2
    assert (np.abs(values.mean(0) - mean) <= 5 * np.sqrt(variance / COUNT) + 1e-6).all()
    assert (np.abs(squares.mean(0) - variance) <= 5 * squares.std(0) / np.sqrt(COUNT) + 1e-6).all()


def test_photons_are_counted():
    photons = (drawn("poisson", 0.25) + 1) / 2 / 0.25**2
    np.testing.assert_allclose(photons, np.round(photons), atol=1e-4)
    assert (photons[:, 0] == 0).all()  # black is dark


@pytest.mark.parametrize("noise", ["dropout", "salt-and-pepper"])
def test_pixels_are_lost_in_all_channels(noise):
    values = drawn(noise, 0.3, channels=3)
    assert (values == values[..., :1]).all()


@pytest.mark.parametrize("noise", NOISES)
def test_no_strength_is_no_noise(noise):
    np.testing.assert_allclose(drawn(noise, 0.0, seed=3)[:100, :, 0], np.tile(LEVELS, (100, 1)), atol=0.02)
    if noise not in ("poisson", "mixed"):  # a million photons still deviate by a quarter of a level
        np.testing.assert_array_equal(drawn(noise, 0.0)[..., 0], np.tile(LEVELS, (COUNT, 1)))


@pytest.mark.parametrize("noise", NOISES)
def test_it_is_a_function_of_its_key(noise):
    np.testing.assert_array_equal(drawn(noise, 0.2, 1), drawn(noise, 0.2, 1))
    assert (drawn(noise, 0.2, 1) != drawn(noise, 0.2, 2)).any()


def test_mixed_is_each_of_the_four_equally_often():
    """Half-grey and black pixels distinguish the kinds. Counts have a standard deviation of 8.7; the bound is five."""
    image = tf.constant([[[0.0]], [[-1.0]]] * 50)
    found = {"gaussian": 0, "dropout": 0, "salt-and-pepper": 0, "poisson": 0}
    mixed = tf.function(NOISES["mixed"])
    for seed in range(400):
        grey, black = mixed(image, tf.constant(0.2), tf.constant([5, seed], tf.int64)).numpy().reshape(50, 2).T
        if (black == -1).all():
            found["dropout" if set(grey) <= {0.0, -1.0} else "poisson"] += 1
        else:
            found["salt-and-pepper" if set(black) <= {1.0, -1.0} else "gaussian"] += 1
    assert all(abs(count - 100) < 44 for count in found.values()), found
