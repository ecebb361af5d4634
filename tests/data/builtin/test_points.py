"""Points in the plane: published densities, a stream that is a function of seed and position, and refusals."""

import math

import numpy as np
import pytest
import tensorflow as tf

from keras_gen.data.builtin.points import GRID, POINT_SETS, RING, SWISS_ROLL
from keras_gen.data.kinds.images import ImagesConfig
from keras_gen.errors import UserError

FARTHEST = math.sqrt(2 * math.log(2**24))  # of a normal number [deviations]


def opened(name, seed=0, **options):
    return ImagesConfig(data=name, **options).open(seed)


def stack(stream):
    images, labels = zip(*stream.as_numpy_iterator(), strict=True)
    return np.concatenate(images), np.concatenate(labels)


def within(share, expected, count, deviations=4.5):
    """Whether a fraction of `count` draws fits the probability `expected`; false alarms are below 1e-5."""
    return abs(share - expected) < deviations * math.sqrt(expected * (1 - expected) / count)


def test_the_mixtures_are_the_published_ones():
    """Ring: radius 100 deviations (Lin et al. 2018; Metz et al. 2017: 2 and 0.02). Grid: spacing 40 deviations."""
    radius = np.linalg.norm(RING.centres, axis=1)
    np.testing.assert_allclose(radius / RING.deviation, 100)
    np.testing.assert_allclose(
        np.linalg.norm(RING.centres - np.roll(RING.centres, 1, axis=0), axis=1), 1.6 * math.sin(math.pi / 8)
    )
    np.testing.assert_allclose(RING.centres[2], [0, 0.8], atol=1e-15)
    expected = [(40 * i, 40 * j) for i in range(-2, 3) for j in range(-2, 3)]
    np.testing.assert_allclose(GRID.centres / GRID.deviation, expected)
    np.testing.assert_allclose(SWISS_ROLL.deviation / SWISS_ROLL.scale, 0.25)


@pytest.mark.parametrize("name", POINT_SETS)
def test_a_batch_is_of_single_pixels_in_range(name):
    data = opened(name)
    assert (data.train_size, data.val_size, data.image_size, data.channels) == (100_000, 10_000, 1, 2)
    image, label = data.train(64).element_spec
    assert (image.shape, image.dtype, label.shape, label.dtype) == ((64, 1, 1, 2), tf.float32, (64,), tf.int32)
    images, _ = stack(data.train(10_000, stop=100_000))
    assert np.abs(images).max() < 0.9
    assert len(np.unique(images)) > 100_000  # no levels of 8 bits
    assert "drawn at each access" in data.describe()


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", ["ring", "grid"])
def test_the_modes_are_normal_and_equally_frequent(name, seed):
    mixture = POINT_SETS[name]
    data = opened(name, seed)
    assert data.mixture is mixture
    assert data.classes == tuple(map(str, range(len(mixture.centres))))
    images, labels = stack(data.train(10_000, stop=100_000))
    assert set(np.bincount(labels)) == {100_000 // data.num_classes}
    standard = (images[:, 0, 0] - mixture.centres[labels]) / mixture.deviation
    distance = np.linalg.norm(standard, axis=1)
    assert distance.max() < FARTHEST + 1e-3
    for radius in (0.5, 1, 2, 3):
        assert within(np.mean(distance < radius), 1 - math.exp(-(radius**2) / 2), 100_000)
    assert np.abs(standard.mean(axis=0)).max() < 4.5 / math.sqrt(100_000)
    assert abs(np.mean(standard[:, 0] * standard[:, 1])) < 4.5 / math.sqrt(100_000)
    for quadrant in range(4):
        signs = standard * [(-1) ** quadrant, (-1) ** (quadrant // 2)]
        assert within(np.mean((signs > 0).all(axis=1)), 0.25, 100_000)


@pytest.mark.parametrize("seed", range(3))
def test_the_swiss_roll_is_a_spiral_with_normal_noise(seed):
    """The noise is small compared with the curvature, so the distance from the spiral is normal within 2 %."""
    data = opened("swiss-roll", seed)
    assert data.mixture is None
    assert data.classes == ()
    images, labels = stack(data.train(10_000, stop=20_000))
    assert set(labels) == {-1}
    x, y = (images[:, 0, 0] / SWISS_ROLL.scale).T
    # The turn on which a point lies is the one whose radius is nearest; off the ends nothing can be said.
    turn = np.arctan2(y, x) % (2 * np.pi)
    turns = np.round((np.hypot(x, y) - turn) / (2 * np.pi))
    t = turn + 2 * np.pi * turns
    inner = (t > 2 * np.pi) & (t < 4 * np.pi)
    assert within(inner.mean(), 2 / 3, 20_000, deviations=6)
    across = (np.hypot(x, y) - t)[inner] * t[inner] / np.hypot(t[inner], 1)  # the spiral leaves the circle by 1 in t
    assert abs(across.mean()) < 0.02
    assert abs(across.std() / 0.25 - 1) < 0.05
    assert within(np.mean(np.abs(across) < 0.25), math.erf(math.sqrt(0.5)), inner.sum(), deviations=6)


@pytest.mark.parametrize("name", POINT_SETS)
def test_training_is_fresh_in_every_epoch_and_goes_on_where_it_stopped(name):
    data = opened(name, seed=3)
    images, labels = stack(data.train(5000, start=95_000, stop=110_000))
    again = stack(opened(name, seed=3).train(5000, start=100_000, stop=110_000))
    np.testing.assert_array_equal(images[5000:], again[0])
    np.testing.assert_array_equal(labels[5000:], again[1])
    first = stack(data.train(5000, stop=100_000))[0]
    seen = {image.tobytes() for image in first}
    assert len(seen) == 100_000
    assert not any(image.tobytes() in seen for image in images[5000:])
    assert not np.array_equal(stack(opened(name, seed=4).train(5000, stop=5000))[0], first[:5000])


@pytest.mark.parametrize("workers", [2, 4])
def test_the_shares_of_all_workers_are_the_batch(workers):
    data = opened("grid", seed=1)
    whole, labels = stack(data.train(100, stop=300))
    for worker in range(workers):
        share, of_share = stack(data.train(100, stop=300, shard=(worker, workers)))
        np.testing.assert_allclose(share, whole[worker::workers], rtol=1e-6, atol=1e-7)
        np.testing.assert_array_equal(of_share, labels[worker::workers])


@pytest.mark.parametrize("name", POINT_SETS)
def test_validation_is_always_the_same(name):
    images, labels = stack(opened(name, seed=0).validation(1000))
    again = stack(opened(name, seed=7).validation(1000))
    np.testing.assert_array_equal(images, again[0])
    np.testing.assert_array_equal(labels, again[1])
    assert len(np.unique(images.reshape(-1, 2), axis=0)) == 10_000


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"image_size": 32}, "image_size=32"),
        ({"channels": 3}, "channels=3"),
        ({"mirror": True}, "mirror=True"),
        ({"binarise": "sample"}, "binarise='sample'"),
    ],
)
@pytest.mark.parametrize("name", POINT_SETS)
def test_what_is_for_pictures_is_refused(name, options, field):
    with pytest.raises(UserError, match=f"^{field} does not apply to data='{name}', .* leave it out.$"):
        ImagesConfig(data=name, **options)
