"""Sliced Wasserstein distance: closed forms of points, and the pyramid of images."""

import numpy as np
import pytest
from scipy.stats import wasserstein_distance

from keras_gen.metrics.sliced_wasserstein import laplacian_pyramid, patch_distances, sliced_wasserstein


def test_one_dimension_is_the_wasserstein_distance():
    one, other = np.random.default_rng(0).normal(size=(2, 50, 1))
    assert sliced_wasserstein(one, other) == pytest.approx(wasserstein_distance(one[:, 0], other[:, 0]), rel=1e-12)


def test_a_shift_in_the_plane_is_the_mean_of_a_cosine():
    """A shift by 1 projects to |cos|, whose mean over directions is 2/pi; 2,000 directions are within 0.03."""
    points = np.random.default_rng(1).normal(size=(30, 2))
    found = sliced_wasserstein(points, points + np.array([0.6, 0.8]), directions=2000)
    assert found == pytest.approx(2 / np.pi, abs=0.03)


def test_order_does_not_matter_and_shapes_do():
    points = np.random.default_rng(2).normal(size=(40, 3))
    assert sliced_wasserstein(points, points[::-1]) == pytest.approx(0.0, abs=1e-12)
    with pytest.raises(ValueError, match="equal shapes"):
        sliced_wasserstein(points, points[1:])


def test_the_levels_of_a_pyramid_add_up_to_the_image():
    images = np.random.default_rng(3).uniform(-1, 1, (2, 64, 64, 3)).astype(np.float32)
    levels = laplacian_pyramid(images)
    assert [level.shape[1] for level in levels] == [64, 32, 16]
    constant = laplacian_pyramid(np.full((1, 64, 64, 1), 0.5, np.float32))
    np.testing.assert_allclose(constant[0], 0.0, atol=1e-6)  # a smooth image has no details
    np.testing.assert_allclose(constant[-1], 0.5, atol=1e-6)


def test_noise_changes_the_fine_level_and_a_blur_of_shapes_the_coarse_one():
    """The level at which two sets differ shows in the distances, relative to two halves of the same set."""
    rng = np.random.default_rng(4)

    def squares(count):
        corner, row = rng.integers(4, 20, (count, 2, 1, 1)), np.arange(32)
        inside = (row >= corner[:, 0].squeeze(-1)) & (row < corner[:, 0].squeeze(-1) + 8)
        across = (row >= corner[:, 1].squeeze(-1)) & (row < corner[:, 1].squeeze(-1) + 8)
        return (inside[:, :, None] & across[:, None])[..., None].astype(np.float32)

    one, other = squares(60), squares(60)
    noisy = other + rng.normal(size=other.shape).astype(np.float32) * 0.3
    same, different = (patch_distances(one, x, patches=32, directions=64) for x in (other, noisy))
    assert list(same) == [32, 16]
    assert different[32] > 5 * same[32]
    assert different[32] > 2 * different[16]


def test_equal_images_have_no_distance():
    images = np.random.default_rng(5).uniform(-1, 1, (4, 20, 28, 1))
    assert patch_distances(images, images, directions=8) == {20: 0.0}
    with pytest.raises(ValueError, match="sides of 7"):
        patch_distances(images[:, :5], images[:, :5])
