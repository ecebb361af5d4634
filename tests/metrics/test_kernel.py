"""Kernel distance against the double sum of its definition."""

import numpy as np
import pytest

from keras_gen.metrics.kernel import kernel_distance, squared_mmd


def test_it_is_the_double_sum():
    """Equation 4 of the paper, with one term at a time."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(7, 3)), rng.normal(size=(5, 3)) + 0.5

    def k(a, b):
        return (np.dot(a, b) / 3 + 1) ** 3

    within_x = sum(k(x[i], x[j]) for i in range(7) for j in range(7) if i != j) / (7 * 6)
    within_y = sum(k(y[i], y[j]) for i in range(5) for j in range(5) if i != j) / (5 * 4)
    between = sum(k(a, b) for a in x for b in y) / (7 * 5)
    assert squared_mmd(x, y) == pytest.approx(within_x + within_y - 2 * between, rel=1e-12)


def test_it_is_unbiased():
    """For two samples of one distribution the mean over 200 draws of 10 features is 0 within three standard errors."""
    rng = np.random.default_rng(1)
    found = [squared_mmd(*rng.normal(size=(2, 10, 4))) for _ in range(200)]
    assert min(found) < 0
    assert abs(np.mean(found)) < 3 * np.std(found) / 200**0.5


def test_a_subset_of_everything_is_the_whole_estimate():
    rng = np.random.default_rng(2)
    one, other = rng.normal(size=(30, 4)), rng.normal(size=(30, 4)) + 1
    mean, deviation = kernel_distance(one, other, subsets=3, subset_size=1000)
    assert mean == pytest.approx(squared_mmd(one, other), rel=1e-12)
    assert deviation == pytest.approx(0.0, abs=1e-12)


def test_subsets_follow_the_seed_and_differ():
    one, other = np.random.default_rng(3).normal(size=(2, 100, 4))
    first, again = (kernel_distance(one, other, subsets=5, subset_size=20, seed=1) for _ in range(2))
    assert first == again != kernel_distance(one, other, subsets=5, subset_size=20, seed=2)
    assert first[1] > 0
