"""Log-likelihoods against closed forms and sums over all levels."""

import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

from keras_gen.ops.likelihoods import log_likelihood, mean_image, parameters_per_channel

LEVELS = (np.arange(256, dtype=np.float32) / 127.5 - 1).reshape(256, 1, 1, 1)


def parameters(location, log_scale, count=256):
    return tf.constant(np.broadcast_to(np.float32([location, log_scale]), (count, 1, 1, 2)))


@pytest.mark.parametrize("location", [-1.4, -1.0, -0.3, 0.0, 0.99])
@pytest.mark.parametrize("log_scale", [-6.5, -3.0, 0.0, 2.0])
def test_the_logistic_probabilities_of_all_levels_sum_to_one(location, log_scale):
    log = log_likelihood("logistic", parameters(location, log_scale), LEVELS).numpy()
    assert np.exp(log, dtype=np.float64).sum() == pytest.approx(1, abs=2e-4)
    edges = np.concatenate([[-np.inf], LEVELS.ravel()[:-1] + 1 / 255, [np.inf]])
    cells = np.diff(stats.logistic.cdf(edges, location, np.exp(log_scale)))
    likely = cells > 1e-6
    np.testing.assert_allclose(np.exp(log)[likely], cells[likely], rtol=2e-3)


@pytest.mark.parametrize("log_scale", [-9.0, -7.0, -4.0, -2.6, -2.5, 0.0, 8.0, 15.0, 40.0, 88.0, 200.0])
def test_the_logistic_is_finite_at_every_scale(log_scale):
    """With its gradient, against float64: for large scales a cell's probability is its width times the density."""
    locations = np.float32([-1e3, -1.5, -0.2, 0.0, 0.7, 3.0, 1e3])
    images = np.float32([-1.0, -0.5, 0.0, LEVELS[200, 0, 0, 0], 1.0])
    location, image = (grid.reshape(-1, 1, 1, 1) for grid in np.meshgrid(locations, images))
    given = tf.constant(np.concatenate([location, np.full_like(location, log_scale)], axis=-1))
    with tf.GradientTape() as tape:
        tape.watch(given)
        log = log_likelihood("logistic", given, image)
    assert np.isfinite(log).all()
    assert np.isfinite(tape.gradient(log, given)).all()
    location, image, bound = (np.float64(value).reshape(-1) for value in (location, image, max(log_scale, -7.0)))
    upper, lower = (image - location + 1 / 255) * np.exp(-bound), (image - location - 1 / 255) * np.exp(-bound)
    width = np.exp(np.log(2 / 255) - bound)
    rest = np.log(-np.expm1(-width)) if width > 1e-300 else np.log(2 / 255) - bound
    expected = -np.logaddexp(0, -upper) - np.logaddexp(0, lower) + rest
    expected = np.where(image == -1, -np.logaddexp(0, -upper), np.where(image == 1, -np.logaddexp(0, lower), expected))
    np.testing.assert_allclose(log, expected, rtol=1e-4, atol=1e-5)


def test_the_gaussian_is_that_of_scipy():
    rng = np.random.default_rng(0)
    images, location, log_scale = rng.normal(size=(3, 2, 4, 4, 3)).astype(np.float32)
    found = log_likelihood("gaussian", np.concatenate([location, log_scale], -1), images)
    expected = stats.norm.logpdf(images, location, np.exp(log_scale)).sum((1, 2, 3))
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_bernoulli_is_the_cross_entropy():
    rng = np.random.default_rng(0)
    images, logits = rng.uniform(-1, 1, (2, 4, 4, 1)).astype(np.float32), rng.normal(size=(2, 4, 4, 1))
    p, x = 1 / (1 + np.exp(-logits)), (images + 1) / 2
    expected = (x * np.log(p) + (1 - x) * np.log(1 - p)).sum((1, 2, 3))
    np.testing.assert_allclose(log_likelihood("bernoulli", logits.astype(np.float32), images), expected, rtol=1e-5)


def test_a_scale_below_the_least_counts_as_the_least():
    at = log_likelihood("gaussian", parameters(0.0, -7.0, 1), np.zeros((1, 1, 1, 1), np.float32))
    below = log_likelihood("gaussian", parameters(0.0, -50.0, 1), np.zeros((1, 1, 1, 1), np.float32))
    np.testing.assert_array_equal(at, below)


@pytest.mark.parametrize("likelihood", ["bernoulli", "gaussian", "logistic"])
def test_pictures_are_images(likelihood):
    values = np.random.default_rng(0).normal(0, 3, (2, 4, 4, 3 * parameters_per_channel(likelihood)))
    drawn = mean_image(likelihood, tf.constant(values, tf.float32)).numpy()
    assert drawn.shape == (2, 4, 4, 3)
    assert np.abs(drawn).max() <= 1
    if likelihood == "bernoulli":
        np.testing.assert_allclose(drawn, 2 / (1 + np.exp(-values)) - 1, atol=1e-6)
