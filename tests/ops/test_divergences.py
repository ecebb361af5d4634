"""Divergences against closed forms and sampling."""

import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

from keras_gen.ops.divergences import (
    active_units,
    decomposed_kl,
    energy_score,
    kl_bernoulli,
    kl_bernoulli_slope,
    kl_to_standard_normal,
    log_mean_exp,
    log_normal,
    permuted_units,
)


def test_kl_is_zero_at_the_standard_normal_alone():
    np.testing.assert_array_equal(kl_to_standard_normal(tf.zeros((2, 3)), tf.zeros((2, 3))), np.zeros((2, 3)))
    assert np.all(kl_to_standard_normal(tf.ones((2, 3)), tf.zeros((2, 3))).numpy() == 0.5)


def test_kl_is_the_expected_log_ratio():
    """100,000 draws: the standard deviation of the mean is below 0.01, and the bound is five of them."""
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
    """Variances of 0.0101, 0.0099, 0 and 4 around irrelevant means."""
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


def posteriors(count, covariance, variance, seed=0):
    """Samples, means and log variances of posteriors whose average over all examples is N(0, covariance)."""
    rng = np.random.default_rng(seed)
    covariance = np.asarray(covariance)
    mean = rng.multivariate_normal(np.zeros(len(covariance)), covariance - variance * np.eye(len(covariance)), count)
    z = mean + np.sqrt(variance) * rng.normal(size=mean.shape)
    return (tf.constant(x, tf.float32) for x in (z, mean, np.full(mean.shape, np.log(variance))))


def closed_form(covariance, variance):
    """The three parts for a normal q(z), and posteriors with one variance."""
    units = np.diag(covariance)
    log_determinant = np.linalg.slogdet(covariance)[1]
    return (
        0.5 * (log_determinant - len(units) * np.log(variance)),
        0.5 * (np.log(units).sum() - log_determinant),
        0.5 * (units - 1 - np.log(units)).sum(),
    )


@pytest.mark.parametrize("covariance", [[[1.5, 0.9], [0.9, 1.0]], [[2.0, 0.0], [0.0, 0.7]]])
def test_parts_of_the_kl_of_normals_are_the_closed_form(covariance):
    """The batch has all 3,000 examples, so q(z) is exact except for the random means, about 0.02 nats."""
    found = decomposed_kl(*posteriors(3000, covariance, 0.3), train_size=3000, sampling="stratified")
    np.testing.assert_allclose(found, closed_form(covariance, 0.3), atol=0.07)


def test_stratified_parts_of_a_small_batch_are_near_those_of_all():
    """The mean over 200 batches of 64 out of 3,000; the logarithm of an estimate is slightly low on average."""
    z, mean, log_variance = posteriors(3000, [[1.5, 0.9], [0.9, 1.0]], 0.3)
    rng = np.random.default_rng(1)
    parts = []
    for _ in range(200):
        chosen = rng.choice(3000, 64, replace=False)
        batch = (tf.gather(x, chosen) for x in (z, mean, log_variance))
        parts.append([float(part) for part in decomposed_kl(*batch, train_size=3000, sampling="stratified")])
    np.testing.assert_allclose(np.mean(parts, axis=0), closed_form(np.array([[1.5, 0.9], [0.9, 1.0]]), 0.3), atol=0.15)


def test_weighted_parts_differ_by_the_constants_that_are_stated():
    """If the batch is the whole training set, both weights are constant: 1/N^2 and 1/N."""
    z, mean, log_variance = posteriors(100, np.eye(3) * 1.5, 0.3)
    weighted = decomposed_kl(z, mean, log_variance, 100)
    stratified = decomposed_kl(z, mean, log_variance, 100, "stratified")
    constant = np.log(100)
    np.testing.assert_allclose(np.subtract(weighted, stratified), [constant, 2 * constant, -3 * constant], rtol=1e-4)


def test_permuted_units_keep_each_unit_and_lose_their_dependence():
    rng = np.random.default_rng(0)
    z = np.repeat(rng.normal(size=(2000, 1)), 3, axis=1).astype(np.float32)
    shuffled = permuted_units(tf.constant(z), tf.constant(rng.uniform(size=z.shape))).numpy()
    np.testing.assert_array_equal(np.sort(shuffled, axis=0), np.sort(z, axis=0))
    assert np.abs(np.corrcoef(shuffled.T) - np.eye(3)).max() < 5 / np.sqrt(2000)


def test_the_energy_score_of_one_number():
    """E|Y - x| - E|Y - Y'| / 2 over all pairs of different samples."""
    samples, examples = np.array([0.0, 1.0, 4.0]), np.array([[1.0], [2.0]])
    expected = np.abs(samples - examples).mean(1) - 0.5 * (1 + 4 + 3) / 3
    found = energy_score(tf.constant(examples), tf.constant(samples[:, None]))
    np.testing.assert_allclose(found, expected, atol=1e-3)


@pytest.mark.parametrize("seed", range(3))
def test_the_energy_score_is_least_for_samples_of_the_data(seed):
    """Too narrow, too wide and shifted samples are worse; with 2,000 each, by many times the standard error."""
    rng = np.random.default_rng(seed)
    data = rng.normal(size=(2000, 2, 2, 1)).astype(np.float32)

    def score(samples):
        return float(tf.reduce_mean(energy_score(data, tf.constant(samples.astype(np.float32)))))

    own = score(rng.normal(size=data.shape))
    for worse in (0.5 * data[::-1], 2.0 * data[::-1], data[::-1] + 0.7):
        assert score(worse) > own + 0.02
