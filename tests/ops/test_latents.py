"""Paths between two latent vectors."""

import numpy as np
import pytest

from keras_gen.ops.latents import spherical, straight

SHARES = np.linspace(0, 1, 9)


def test_a_spherical_path_stays_on_the_sphere_and_turns_evenly():
    start, end = np.random.default_rng(1).normal(size=(2, 7))
    start, end = 2 * start / np.linalg.norm(start), 2 * end / np.linalg.norm(end)
    path = spherical(start, end, SHARES)
    np.testing.assert_allclose(path[[0, -1]], [start, end], atol=1e-12)
    np.testing.assert_allclose(np.linalg.norm(path, axis=1), 2)
    angles = np.arccos(np.sum(path[1:] * path[:-1], axis=1) / 4)
    np.testing.assert_allclose(angles, np.arccos(start @ end / 4) / 8, rtol=1e-6)
    # On the great circle: no direction but the two ends'.
    assert np.linalg.matrix_rank(path, tol=1e-9) == 2


def test_a_spherical_path_changes_its_length_evenly():
    path = spherical(np.array([1.0, 0.0]), np.array([0.0, 3.0]), SHARES)
    np.testing.assert_allclose(np.linalg.norm(path, axis=1), np.linspace(1, 3, 9))


@pytest.mark.parametrize("end", [[0.0, 0.0], [-2.0, 0.0], [3.0, 0.0]], ids=["zero", "opposite", "parallel"])
def test_where_there_is_no_great_circle_the_path_is_straight(end):
    start, end = np.array([1.0, 0.0]), np.array(end)
    np.testing.assert_allclose(spherical(start, end, SHARES), straight(start, end, SHARES), atol=1e-12)


def test_a_straight_path_is_the_line():
    path = straight(np.array([0.0, 2.0]), np.array([4.0, 0.0]), np.array([0.0, 0.25, 1.0]))
    np.testing.assert_allclose(path, [[0, 2], [1, 1.5], [4, 0]])
