"""Diversity in known cases: copies, the data themselves, a subset of equally frequent modes."""

import numpy as np
import pytest
import tensorflow as tf
from scipy.signal import correlate
from sklearn.datasets import load_digits

from keras_gen.ops.diversity import Reference, features, modes_reached
from keras_gen.ops.reconstruction import ms_ssim

SHAPES = [(1, 1, 2), (8, 8, 1), (28, 28, 1), (40, 30, 3)]


def pictures(seed, count, shape):
    return np.random.default_rng(seed).uniform(-1, 1, (count, *shape)).astype(np.float32)


@pytest.mark.parametrize("shape", SHAPES)
def test_the_data_are_as_diverse_as_themselves_and_copies_are_not_at_all(shape):
    data = pictures(0, 40, shape)
    reference = Reference(data)
    same, copies = reference.diversity(data), reference.diversity(np.repeat(data[:1], 40, axis=0))
    assert (same.distance, same.kinds) == pytest.approx((1.0, 1.0))
    assert copies.distance < 1e-6  # the same picture at another place of a batch may be rounded otherwise
    assert copies.kinds == pytest.approx(0.1, abs=0.002)  # no fewer than the nearest tenth of the data's pairs tell
    assert reference.change(data, data) == 0.0
    if shape[0] < 11:
        assert same.structure is copies.structure is None
    else:
        assert same.structure == pytest.approx(1.0)
        assert copies.structure == pytest.approx(0.0, abs=1e-5)


@pytest.mark.parametrize("kept", [(0, 1), (0, 4), (0, 1, 2, 3), (0, 2, 4, 6)])
def test_modes_of_a_ring_that_are_left(kept):
    """Eight equally frequent points: chords are 2 sin(angle / 2), and pairs within a mode have distance 0."""
    angles = np.arange(8) * np.pi / 4
    ring = np.stack([np.cos(angles), np.sin(angles)], -1).astype(np.float32)[:, None, None, :]
    each = 24
    reference = Reference(np.repeat(ring, each, axis=0))
    found = reference.diversity(np.repeat(ring[list(kept)], 8 * each // len(kept), axis=0))

    def expected(modes):
        """Mean chord, and fraction of pairs within one mode, for 192 points of these modes."""
        chords = np.abs(2 * np.sin((modes[:, None] - modes[None]) * np.pi / 8))
        return chords.mean() * 192 / 191, (192 / len(modes) - 1) / 191

    (chord, share), (all_chord, all_share) = expected(np.array(kept)), expected(np.arange(8))
    assert found.distance == pytest.approx(chord / all_chord, rel=1e-5)
    assert found.kinds == pytest.approx(all_share / share)
    assert found.kinds == pytest.approx(len(kept) / 8, rel=0.06)  # exactly, if there were infinitely many points


def test_modes_that_samples_go_to():
    """Each of four corners should receive ten samples, and one suffices; their distance does not matter."""
    corners = np.array([[-1.0, -1.0], [-1.0, 1.0], [1.0, -1.0], [1.0, 1.0]])
    assert modes_reached(np.repeat(corners, 10, axis=0), corners) == 1.0
    assert modes_reached(np.repeat(0.01 * corners, 10, axis=0)[:, None, None, :], corners) == 1.0
    assert modes_reached(np.repeat(corners, [20, 19, 1, 0], axis=0), corners) == 0.75
    assert modes_reached(np.repeat(corners, [200, 196, 4, 0], axis=0), corners) == 0.5  # four of a hundred that are due
    assert modes_reached(np.zeros((40, 2)), corners) == 0.25  # the first of those equally near


def test_half_of_the_modes_of_noisy_pictures():
    """The effective number of modes does not depend on their distance, and the mean distance hardly does."""
    modes, chance = pictures(1, 8, (16, 16, 3)), np.random.default_rng(2)
    draw = lambda numbers: modes[numbers] + chance.normal(0, 0.05, (192, 16, 16, 3)).astype(np.float32)  # noqa: E731
    found = Reference(draw(np.arange(192) % 8)).diversity(draw(np.arange(192) % 4))
    assert found.kinds == pytest.approx(0.5, rel=0.25)
    assert found.distance == pytest.approx((1 - 1 / 4) / (1 - 1 / 8), rel=0.1)


def test_structure_is_what_ms_ssim_lacks_to_1_of_random_pairs():
    """Of 300 samples that are one of two pictures, half of the pairs differ; five standard deviations are 0.15."""
    one, other = pictures(0, 2, (24, 24, 1))
    data = pictures(1, 300, (24, 24, 1))
    unlike = 1 - float(ms_ssim(one[None], other[None], 2)[0])  # 24 and 12 pixels
    expected = 0.5 * unlike / (1 - float(np.mean(ms_ssim(data, data[::-1], 2))))
    found = Reference(data).diversity(np.stack([one, other] * 150))
    assert found.structure == pytest.approx(expected, rel=0.3)


def test_the_change_of_points_is_how_far_they_are_moved():
    points = pictures(0, 50, (1, 1, 2))
    moved = points + np.array([0.3, 0.4], np.float32)
    flat = points.reshape(50, 2)
    mean = np.linalg.norm(flat[:, None] - flat[None], axis=-1).sum() / (50 * 49)
    assert Reference(points).change(points, moved) == pytest.approx(0.5 / mean, rel=1e-5)


def test_features_are_rectified_correlations_with_fixed_filters():
    """4x4 pixels have one scale, and a grid of as many cells."""
    image = pictures(0, 1, (4, 4, 2))
    filters = tf.random.stateless_normal((3, 3, 2, 16), (0, 0)).numpy() / 18**0.5
    padded = np.pad(image[0], [(1, 1), (1, 1), (0, 0)])
    maps = [correlate(padded, filters[..., k], "valid")[..., 0] for k in range(16)]
    expected = np.maximum(np.stack(maps, -1), 0).reshape(-1) / 256**0.5
    np.testing.assert_allclose(features(image)[0], expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("shape", [*SHAPES, (3, 3, 5), (9, 9, 12)])
def test_features_of_a_picture_do_not_depend_on_the_others(shape):
    images = pictures(0, 3, shape)
    together = features(images)
    assert together.dtype == np.float32
    np.testing.assert_allclose(features(images[1:2]), together[1:2], rtol=1e-5, atol=1e-6)


def test_noise_on_pixels_is_no_diversity():
    """One digit with noise of a quarter of its contrast: averaging over cells and scales removes most of the noise."""
    digits = (load_digits().images[:200] / 8 - 1).repeat(4, axis=1).repeat(4, axis=2)[..., None].astype(np.float32)
    noise = np.random.default_rng(0).normal(0, 0.25, (200, 32, 32, 1)).astype(np.float32)
    noisy = digits[:1] + noise
    by_pixel = np.linalg.norm((noisy[1:] - noisy[:-1]).reshape(199, -1), axis=1).mean()
    by_pixel /= np.linalg.norm((digits[1:] - digits[:-1]).reshape(199, -1), axis=1).mean()
    found = Reference(digits).diversity(noisy).distance
    assert by_pixel > 0.3
    assert found < by_pixel / 2
