"""Perceptual path length of generators whose paths are known."""

import numpy as np
import pytest

from keras_gen.metrics.path_length import path_length, steps_along


def squared(one, other):
    return np.square(np.float64(one) - other).sum(axis=(1, 2, 3))


def test_a_straight_path_of_a_linear_generator_is_the_squared_distance_of_its_ends():
    """d = |A (z2 - z1)|^2 eps^2 for any place on the path; the trimmed mean of the same pairs."""
    matrix = np.random.default_rng(0).normal(size=(3, 5))
    found = path_length(
        lambda z: (z.astype(np.float64) @ matrix.T)[:, None, None],
        squared,
        5,
        samples=300,
        epsilon=0.05,
        path="straight",
    )
    pairs = np.array(list(steps_along(5, 300, 0.05, "straight", 0)), np.float32).astype(np.float64)
    values = np.square((pairs[:, 1] - pairs[:, 0]) @ matrix.T / 0.05).sum(axis=1)
    low, high = np.quantile(values, (0.01, 0.99))
    assert found == pytest.approx(values[(low <= values) & (values <= high)].mean(), rel=1e-4)
    assert found == pytest.approx(2 * np.sum(matrix**2), rel=0.2)  # E|A (z2 - z1)|^2 = 2 |A|^2


def test_a_generator_that_ignores_its_input_has_no_path_length():
    assert path_length(lambda z: np.ones((len(z), 4, 4, 1)), squared, 8, samples=20) == 0.0


def test_a_steeper_generator_has_a_longer_path_and_batches_do_not_matter():
    lengths = [
        path_length(lambda z, scale=scale: scale * z[:, None, None], squared, 6, samples=50, epsilon=1e-2, batch=batch)
        for scale, batch in ((1.0, 50), (1.0, 7), (3.0, 50))
    ]
    assert lengths[0] == pytest.approx(lengths[1], rel=1e-6)
    assert lengths[2] == pytest.approx(9 * lengths[0], rel=1e-3)


def test_steps_are_next_to_each_other():
    pairs = np.array(list(steps_along(20, 10, 1e-4, "spherical", 0)))
    assert pairs.shape == (10, 2, 20)
    assert np.linalg.norm(pairs[:, 1] - pairs[:, 0], axis=1).max() < 2e-3
