"""Frechet distance against scipy's matrix square root and closed forms, also for singular covariances."""

import numpy as np
import pytest
from scipy.linalg import sqrtm

from keras_gen.metrics.frechet import Moments, frechet_distance, frechet_infinity


def by_sqrtm(one, other):
    difference = one.mean(axis=0) - other.mean(axis=0)
    a, b = np.cov(one, rowvar=False), np.cov(other, rowvar=False)
    return difference @ difference + np.trace(a + b - 2 * np.real(sqrtm(a @ b)))


def correlated(seed, count, size, shift=0.0):
    """Features whose standard deviations span three orders of magnitude."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=(count, size)) * np.logspace(0, -3, size) @ rng.normal(size=(size, size)) + shift


@pytest.mark.parametrize(("counts", "size"), [((60, 80), 5), ((200, 150), 40), ((500, 500), 100)])
def test_it_is_the_distance_by_the_matrix_square_root(counts, size):
    one, other = correlated(0, counts[0], size), correlated(1, counts[1], size, shift=0.5)
    found = frechet_distance(Moments.of(one), Moments.of(other))
    assert found == pytest.approx(by_sqrtm(one, other), rel=1e-6)


@pytest.mark.parametrize("counts", [(10, 12), (10, 200)])
def test_fewer_features_than_values_have_singular_covariances(counts):
    one, other = correlated(2, counts[0], 30), correlated(3, counts[1], 30, shift=1.0)
    found = frechet_distance(Moments.of(one), Moments.of(other))
    assert found == pytest.approx(by_sqrtm(one, other), rel=1e-6)


def test_a_constant_feature_has_a_singular_covariance_too():
    one, other = correlated(4, 50, 6), correlated(5, 50, 6)
    one[:, 2] = other[:, 2] = 3.0
    found = frechet_distance(Moments.of(one), Moments.of(other))
    rest = [0, 1, 3, 4, 5]
    assert found == pytest.approx(by_sqrtm(one[:, rest], other[:, rest]), rel=1e-6)


def test_commuting_covariances_have_a_closed_form():
    """For diagonal covariances the distance is |m1 - m2|^2 + sum (s1 - s2)^2."""
    rng = np.random.default_rng(0)
    means, deviations = rng.normal(size=(2, 20)), rng.uniform(0.1, 3.0, (2, 20))
    one, other = (Moments.stored(99, m, np.diag(s**2)) for m, s in zip(means, deviations, strict=True))
    expected = np.sum((means[0] - means[1]) ** 2) + np.sum((deviations[0] - deviations[1]) ** 2)
    assert frechet_distance(one, other) == pytest.approx(expected, rel=1e-12)
    assert frechet_distance(one, one) == pytest.approx(0.0, abs=1e-12)


def test_moments_do_not_depend_on_the_batches_and_survive_a_large_mean():
    """With a mean of 10,000 deviations, sums of squares in float32 would have no correct digit."""
    features = np.random.default_rng(0).normal(size=(1000, 7)) + 1e4
    moments = Moments(7)
    for batch in np.array_split(features, [1, 3, 400, 400]):
        moments.update(batch)
    assert moments.count == 1000
    np.testing.assert_allclose(moments.mean, features.mean(axis=0), rtol=1e-14)
    np.testing.assert_allclose(moments.covariance, np.cov(features, rowvar=False), rtol=1e-9, atol=1e-12)
    again = Moments.stored(moments.count, moments.mean, moments.covariance)
    again.update(features[:10])
    np.testing.assert_allclose(again.covariance, np.cov(np.r_[features, features[:10]], rowvar=False), atol=1e-12)


def test_one_feature_has_no_covariance():
    with pytest.raises(ValueError, match="covariance of 1 features"):
        frechet_distance(Moments.of(np.zeros((1, 3))), Moments.of(np.ones((5, 3))))


def test_other_features_are_refused():
    with pytest.raises(ValueError, match="3 and 4 values"):
        frechet_distance(Moments.of(np.eye(3)), Moments.of(np.eye(4)))


def test_extrapolation_removes_most_of_the_bias():
    """Two samples of one distribution have a true distance of 0.04 per value; over four seeds, the mean error of the
    extrapolation is a fifth of that of the plain distance or less."""
    size, errors = 20, []
    for seed in range(4):
        rng = np.random.default_rng(seed)
        one, other = rng.normal(size=(200, size)), rng.normal(size=(200, size)) + 0.2
        plain = frechet_distance(Moments.of(one), Moments.of(other))
        errors.append((plain - 0.04 * size, frechet_infinity(one, other, seed).value - 0.04 * size))
    plain, extrapolated = np.mean(errors, axis=0)
    assert plain > 0.5
    assert abs(extrapolated) < plain / 5


def test_extrapolation_with_one_side_as_moments_keeps_that_side():
    """The exact moments have no bias, so only the bias of the other side has to go."""
    features = np.random.default_rng(3).normal(size=(150, 10))
    exact = Moments.stored(10**6, np.zeros(10), np.eye(10))
    plain = frechet_distance(Moments.of(features), exact)
    assert abs(frechet_infinity(features, exact).value) < plain / 2
    with pytest.raises(ValueError, match="both sides are moments"):
        frechet_infinity(exact, exact)
