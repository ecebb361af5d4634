"""Disentanglement scores of codes with known scores."""

import numpy as np
import pytest
import tensorflow as tf

from keras_gen.metrics.disentanglement import (
    beta_vae_score,
    codes_of_random_factors,
    dci,
    factor_encoder,
    factor_vae_score,
    modularity,
    mutual_information,
    mutual_information_gap,
    separated_attribute_predictability,
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


def rotated(factors):
    """Perfect codes of standardised factors, turned so that each unit mixes all of them."""
    turn = np.linalg.qr(np.random.default_rng(3).normal(size=(3, 3)))[0]
    mean = (factors - (np.array(LEVELS) - 1) / 2) / np.array(LEVELS) @ turn
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


def arrays(encode, count=3000):
    return codes_of_random_factors(means(encode), LEVELS, count, seed=0)


def test_codes_of_random_factors_are_those_of_the_encoder():
    codes, factors = codes_of_random_factors(lambda values: 2.0 * values, LEVELS, 500, seed=0)
    np.testing.assert_array_equal(codes, 2 * factors)
    assert [sorted(set(values)) for values in factors.T] == [list(range(count)) for count in LEVELS]


def test_beta_vae_score_of_known_codes():
    """A linear classifier sees through most of a rotation, unlike the other scores; chance is a third."""
    assert beta_vae_score(means(perfect), LEVELS, votes=150)[0] == 1.0
    assert beta_vae_score(means(rotated), LEVELS, votes=150)[0] > 0.7
    assert beta_vae_score(means(idle), LEVELS, votes=300)[0] == pytest.approx(1 / 3, abs=0.12)


def test_sap_of_known_codes():
    """The second best unit of a perfect code is at chance, so the gap is the mean of 1 - 1/v up to 0.03."""
    best = np.mean([1 - 1 / count for count in LEVELS])
    assert separated_attribute_predictability(*arrays(perfect))[0] == pytest.approx(best, abs=0.03)
    assert separated_attribute_predictability(*arrays(doubled))[0] == pytest.approx(0, abs=0.01)
    assert separated_attribute_predictability(*arrays(rotated))[0] < best / 2
    assert separated_attribute_predictability(*arrays(idle))[0] == pytest.approx(0, abs=0.04)


def test_dci_of_known_codes():
    """Doubling the units leaves each of them disentangled, but two are needed for each factor."""
    found = {code: dci(*arrays(code, 1500))[0] for code in (perfect, doubled, rotated, idle)}
    assert min(found[perfect].values()) > 0.95
    assert found[doubled]["dci_disentanglement"] > 0.95
    assert found[doubled]["dci_completeness"] == pytest.approx(1 - np.log(2) / np.log(8), abs=0.1)
    assert found[rotated]["dci_disentanglement"] < 0.5
    assert found[rotated]["dci_completeness"] < 0.5
    assert found[idle]["dci_disentanglement"] < 0.1
    assert found[idle]["dci_informativeness"] == pytest.approx(np.mean([1 / c for c in LEVELS]), abs=0.05)


def test_modularity_of_known_codes():
    """Doubled units are as modular as single ones, and a code that knows nothing has no unit in use."""
    assert modularity(*arrays(perfect, 10_000))[0] > 0.99
    assert modularity(*arrays(doubled, 10_000))[0] > 0.99
    assert modularity(*arrays(rotated, 10_000))[0] < 0.8
    assert modularity(*arrays(idle, 10_000))[0] == 0.0
