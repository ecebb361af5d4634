"""Images with noise: its statistics, its dependence on seed and position, and the clean images."""

import numpy as np
import pytest
import tensorflow as tf

from keras_gen.data.kinds.images import ImagesConfig
from keras_gen.data.kinds.noisy import NoisyConfig, noisy
from keras_gen.errors import UserError
from keras_gen.ops.noise import NOISES


def opened(seed=0, **options):
    return NoisyConfig(**{"data": "digits"} | options).open(seed)


def stack(stream):
    noisy, clean = zip(*stream.as_numpy_iterator(), strict=True)
    return np.concatenate(noisy), np.concatenate(clean)


def test_the_clean_images_are_those_without_noise():
    config = {"data": "digits", "mirror": True}
    clean, plain = opened(**config), ImagesConfig(**config).open(0)
    for a, b in ((clean.train(16, stop=64), plain.train(16, stop=64)), (clean.validation(50), plain.validation(50))):
        np.testing.assert_array_equal(stack(a)[1], stack(b)[0])


@pytest.mark.parametrize("noise", NOISES)
def test_noise_stays_within_black_and_white_and_has_static_shapes(noise):
    data = opened(noise=noise, strength=(0.5, 0.5))
    assert [part.shape.as_list() for part in data.train(8).element_spec] == [[8, 8, 8, 1]] * 2
    images, clean = stack(data.train(8, stop=64))
    assert (np.abs(images) <= 1).all()
    assert (images != clean).mean() > 0.1
    assert f"noise: {noise}, strength 0.5 to 0.5" in data.describe()


def test_the_noise_of_a_training_image_is_of_the_seed_the_epoch_and_its_number():
    size = opened().train_size
    images, clean = stack(opened().train(1, stop=2 * size))
    later = stack(opened().train(2, start=size, stop=size + 40))
    np.testing.assert_array_equal(later[0], images[size : size + 40])  # whatever the batch, from wherever on
    assert (stack(opened(seed=1).train(1, stop=40))[0] != images[:40]).any()
    first = {image.tobytes(): noise for image, noise in zip(clean[:size], images[:size], strict=True)}
    both = [(first[image.tobytes()], noise) for image, noise in zip(clean[size:], images[size:], strict=True)]
    assert np.mean([(one != other).any() for one, other in both]) > 0.99  # another one in every epoch


def test_the_noise_of_a_validation_image_is_always_the_same():
    images, _ = stack(opened(seed=0).validation(7))
    for again in (stack(opened(seed=5).validation(50)), stack(opened().validation(50))):
        np.testing.assert_array_equal(again[0], images)
    shares = [stack(opened().validation(8, shard=(worker, 2)))[0] for worker in (0, 1)]
    np.testing.assert_array_equal(shares[0], images[::2])
    np.testing.assert_array_equal(shares[1], images[1::2])


def test_strengths_are_uniform_between_their_bounds():
    """In 2,000 white images of 32x32, the fraction of missing pixels gives each strength within 0.015."""
    keys = tf.stack([tf.range(2000, dtype=tf.int64), tf.range(2000, dtype=tf.int64)], 1)
    drawn = noisy(tf.ones((2000, 32, 32, 1)), keys, "dropout", (0.2, 0.6)).numpy()
    missing = (drawn == -1).mean((1, 2, 3))
    assert 0.15 < missing.min() < 0.24
    assert 0.56 < missing.max() < 0.65
    assert missing.mean() == pytest.approx(0.4, abs=4 * 0.4 / np.sqrt(12 * 2000))


def test_facades_are_the_photographs_alone():
    data = opened(data="facades", image_size=16)
    assert (data.train_size, data.val_size, data.channels) == (400, 100, 3)
    clean = stack(data.validation(100))[1]
    assert len(np.unique(np.round(clean * 127.5).reshape(-1, 3), axis=0)) > 5000  # label maps have 12 colours


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        (
            {"noise": "speckle"},
            "noise got 'speckle'; accepted are gaussian, dropout, salt-and-pepper, poisson, mixed",
        ),
        (
            {"strength": (0.3, 0.1)},
            "strength got \\(0.3, 0.1\\); accepted are a minimum and a maximum, from 0 to 1",
        ),
        ({"strength": (-0.1, 0.1)}, "strength got \\(-0.1, 0.1\\)"),
        ({"strength": (0.1, 1.5)}, "strength got \\(0.1, 1.5\\)"),
        ({"strength": (float("nan"), 0.5)}, "strength got \\(nan, 0.5\\)"),
        ({"val_every": 1}, "val_every got 1"),
    ],
)
def test_fields_that_cannot_be(fields, said):
    with pytest.raises(UserError, match=said):
        NoisyConfig(**fields)
