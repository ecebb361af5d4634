"""Disentanglement scores of codes with known scores."""

import numpy as np
import pytest
import tensorflow as tf

from keras_gen.metrics.disentanglement import (
    factor_encoder,
    factor_vae_score,
    mutual_information,
    mutual_information_gap,
)

LEVELS = (3, 6, 4)
SHARP = np.log(1e-4)  # log variance of a code that is nearly certain


def perfect(factors):
    """One unit per factor, permuted and scaled, and one uninformative unit with the variance of the prior."""
    idle = np.zeros((len(factors), 1))
    mean = np.concatenate([factors[:, ::-1] * np.array([1.0, -2.0, 0.5]), idle], axis=1)
    return mean, np.concatenate([np.full((len(factors), 3), SHARP), idle], axis=1)


def idle(factors):
    """Codes that are independent of the image."""
    rng = np.random.default_rng(1)
    return rng.normal(size=(len(factors), 4)), np.full((len(factors), 4), -1.0)


def doubled(factors):
    """Every factor in two identical units."""
    mean, log_variance = perfect(factors)
    return np.repeat(mean, 2, axis=1), np.repeat(log_variance, 2, axis=1)


def mixed(factors):
    """Each unit is the sum of all factors, up to rounding."""
    mean = (
        np.tile(factors.sum(axis=1, keepdims=True), (1, 3)) + np.random.default_rng(2).normal(size=factors.shape) / 50
    )
    return mean, np.full(factors.shape, SHARP)


def means(encode):
    return lambda factors: encode(factors)[0]


def test_a_unit_for_each_factor_is_perfect():
    """Within chance: the estimated information between random factors is about (levels - 1)^2 / 2 images =
    0.001 nats."""
    assert mutual_information_gap(perfect, LEVELS)[0] == pytest.approx(1, abs=0.01)
    assert factor_vae_score(means(perfect), LEVELS)[0] == 1


def test_codes_that_know_nothing_are_at_chance():
    """With 800 votes, the standard deviation from a third is 0.017."""
    assert mutual_information_gap(idle, LEVELS)[0] == pytest.approx(0, abs=0.01)
    assert factor_vae_score(means(idle), LEVELS)[0] == pytest.approx(1 / 3, abs=0.07)


def test_a_factor_in_two_units_has_no_gap_and_still_tells_what_was_fixed():
    assert mutual_information_gap(doubled, LEVELS)[0] == pytest.approx(0, abs=0.01)
    assert factor_vae_score(means(doubled), LEVELS)[0] == 1


def test_sums_of_factors_are_worse_than_factors_by_both():
    assert mutual_information_gap(mixed, LEVELS)[0] < 0.05
    assert factor_vae_score(means(mixed), LEVELS)[0] < 0.6


def test_a_code_without_an_active_unit_scores_nothing():
    score, protocol = factor_vae_score(lambda factors: np.zeros((len(factors), 2)), LEVELS, votes=10)
    assert score == 0
    assert "0 units of 2" in protocol


def test_mutual_information_of_normals_is_the_closed_form():
    """A binary factor observed with noise: I = H(v) - H(v|z), integrated numerically."""
    rng = np.random.default_rng(0)
    factors = rng.integers(0, 2, (20_000, 1))
    mean, log_variance = 2.0 * factors, np.zeros((20_000, 1))
    found = mutual_information(mean, log_variance, factors, samples=4_000, rng=rng)
    z = np.linspace(-8, 10, 20_001)
    ones, zeros = (np.exp(-0.5 * (z - m) ** 2) / np.sqrt(2 * np.pi) for m in (2, 0))
    marginal = (ones + zeros) / 2
    expected = np.trapezoid(0.5 * ones * np.log(ones / marginal) + 0.5 * zeros * np.log(zeros / marginal), z)
    assert found[0, 0] == pytest.approx(expected, abs=0.03)  # 0.007 is one deviation of 4,000 samples


def test_an_encoder_gets_the_images_of_factors_and_their_labels():
    """Here an image is its factors, and their number is not a multiple of the batch size of the encoder."""
    factors = np.random.default_rng(0).integers(0, 9, (1234, 3))

    def posterior(images, labels):
        return 2.0 * images, tf.stack([tf.cast(labels, tf.float32)] * 3, axis=1)

    mean, log_variance = factor_encoder(posterior, lambda some: tf.constant(some, tf.float32))(factors)
    np.testing.assert_array_equal(mean, 2 * factors)
    np.testing.assert_array_equal(log_variance, np.repeat(factors[:, :1], 3, axis=1))
    vectors = factor_encoder(lambda images, labels: images, lambda some: tf.constant(some, tf.float32))(factors)
    np.testing.assert_array_equal(vectors, factors)


def test_protocols_say_what_was_done():
    assert "10000 images" in mutual_information_gap(perfect, LEVELS, samples=10)[1]
    assert "800 votes" in factor_vae_score(means(perfect), LEVELS)[1]
