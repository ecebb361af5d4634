"""Divergences against closed forms and sampling."""

import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

from keras_gen.ops.divergences import (
    active_units,
    kl_bernoulli,
    kl_bernoulli_slope,
    kl_to_standard_normal,
    log_mean_exp,
    log_normal,
)


def test_kl_is_zero_at_the_standard_normal_alone():
    np.testing.assert_array_equal(kl_to_standard_normal(tf.zeros((2, 3)), tf.zeros((2, 3))), np.zeros((2, 3)))
    assert np.all(kl_to_standard_normal(tf.ones((2, 3)), tf.zeros((2, 3))).numpy() == 0.5)


def test_kl_is_the_expected_log_ratio():
    """100,000 draws: the mean's deviation is below 0.01 for these, the bound is five of them."""
    mean, log_variance = tf.constant([0.7, -0.2]), tf.constant([-0.5, 0.3])
    noise = np.random.default_rng(0).normal(size=(100_000, 2)).astype(np.float32)
    z = mean + tf.exp(0.5 * log_variance) * noise
    ratio = log_normal(z, mean, log_variance) - log_normal(z)
    error = float(np.std(ratio) / np.sqrt(len(noise)))
    assert error < 0.01
    expected = float(tf.reduce_sum(kl_to_standard_normal(mean, log_variance)))
    assert float(tf.reduce_mean(ratio)) == pytest.approx(expected, abs=5 * error)


def test_log_normal_is_that_of_scipy():
    z, mean, log_variance = np.random.default_rng(0).normal(size=(3, 4, 5)).astype(np.float32)
    expected = stats.norm.logpdf(z, mean, np.exp(0.5 * log_variance)).sum(-1)
    np.testing.assert_allclose(log_normal(z, mean, log_variance), expected, rtol=1e-5)


def test_log_mean_exp_does_not_overflow():
    np.testing.assert_allclose(log_mean_exp(tf.constant([[1000.0, -1000.0], [1000.0, -1000.0]])), [1000.0, -1000.0])
    values = np.random.default_rng(0).normal(size=(7, 3)).astype(np.float32)
    np.testing.assert_allclose(log_mean_exp(tf.constant(values)), np.log(np.exp(values).mean(0)), rtol=1e-5)


def test_active_units_are_those_whose_mean_varies_over_the_data():
    """Variances 0.0101, 0.0099, 0 and 4 around means that do not matter."""
    signs = np.tile([-1.0, 1.0], 50)[:, None]
    means = signs * np.sqrt([0.0101, 0.0099, 0.0, 4.0]) + [0.0, 7.0, 3.0, -2.0]
    np.testing.assert_array_equal(active_units(means), [True, False, False, True])
    np.testing.assert_array_equal(active_units(means, threshold=0.005), [True, True, False, True])


def test_kl_of_bernoulli_units_and_its_slope():
    mean = tf.constant([0.05, 0.2, 0.9])
    with tf.GradientTape() as tape:
        tape.watch(mean)
        divergence = kl_bernoulli(0.05, mean)
    expected = [stats.entropy([0.05, 0.95], [q, 1 - q]) for q in mean.numpy()]
    np.testing.assert_allclose(divergence, expected, atol=1e-6)
    np.testing.assert_allclose(kl_bernoulli_slope(0.05, mean), tape.gradient(divergence, mean), rtol=1e-4, atol=1e-5)


def test_units_that_are_always_off_or_on_have_a_finite_divergence():
    for function in (kl_bernoulli, kl_bernoulli_slope):
        assert np.isfinite(function(0.05, tf.constant([0.0, 1.0]))).all()
