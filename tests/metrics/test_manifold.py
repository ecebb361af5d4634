"""Precision, recall, density and coverage of sets with known answers."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from keras_gen.metrics import manifold
from keras_gen.metrics.manifold import density_coverage, precision_recall


def points(seed, count=200, size=6, shift=0.0):
    return np.random.default_rng(seed).normal(size=(count, size)) + shift


def test_a_set_overlaps_with_itself():
    """Each ball holds its own point and k others, so the density is exactly (k + 1)/k."""
    real = points(0)
    assert precision_recall(real, real.copy()) == (1.0, 1.0)
    assert density_coverage(real, real.copy()) == (pytest.approx(6 / 5), 1.0)


def test_distant_sets_do_not_overlap():
    assert precision_recall(points(0), points(1, shift=100)) == (0.0, 0.0)
    assert density_coverage(points(0), points(1, shift=100)) == (0.0, 0.0)


def test_a_generator_of_one_mode_of_two_has_precision_and_half_of_the_recall():
    real, generated = np.r_[points(0, size=2), points(1, size=2, shift=100)], points(2, size=2)
    precision, recall = precision_recall(real, generated)
    assert precision > 0.9
    assert 0.4 < recall <= 0.5
    assert density_coverage(real, generated)[1] <= 0.5


def test_a_generator_that_adds_a_mode_has_recall_and_half_of_the_precision():
    generated = np.r_[points(1, size=2), points(2, size=2, shift=100)]
    precision, recall = precision_recall(points(0, size=2), generated)
    assert recall > 0.9
    assert 0.4 < precision <= 0.5


def test_an_outlier_spoils_precision_more_than_density():
    """The example of Naeem et al., figure 1: the ball of one real outlier contains everything that is generated."""
    real = np.r_[points(0, size=2), [[60.0, 0.0]]]
    generated = points(1, size=2, shift=10)
    assert precision_recall(real, generated)[0] == 1.0
    assert density_coverage(real, generated)[0] == pytest.approx(1 / 5)


def test_the_expectations_of_equal_distributions():
    """Density 1, coverage 1 - 2^-k: lemma 1 and 2 of Naeem et al.; the mean of eight draws of 300 points."""
    found = np.mean([density_coverage(points(2 * s, 300), points(2 * s + 1, 300), k=3) for s in range(8)], axis=0)
    assert found == pytest.approx((1.0, 1 - 2.0**-3), abs=0.02)


def test_parts_and_definitions(monkeypatch):
    """All distances at once, as in the definition, give what parts of three rows give; a large mean does not matter."""
    real, generated = points(3, 50) + 1e4, points(4, 40, shift=0.7) + 1e4
    radii = [np.sort(cdist(side, side), axis=1)[:, 3] for side in (real, generated)]
    between = cdist(real, generated)
    expected = ((between <= radii[0][:, None]).any(axis=0).mean(), (between <= radii[1]).any(axis=1).mean())
    monkeypatch.setattr(manifold, "_VALUES", 3 * 40)
    assert precision_recall(real, generated) == pytest.approx(expected)
    inside = between <= np.sort(cdist(real, real), axis=1)[:, 5, None]
    assert density_coverage(real, generated) == pytest.approx((inside.sum() / (5 * 40), inside.any(axis=1).mean()))


def test_too_few_points_have_no_neighbours():
    with pytest.raises(ValueError, match="3 features have no 3-th neighbour"):
        precision_recall(points(0, 3), points(1))
