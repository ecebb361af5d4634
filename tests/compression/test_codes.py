"""Compression of maps of codes, with pictures that are their own codes and have a known entropy."""

import keras
import numpy as np
import pytest

from keras_gen.compression.codes import CodeCodec, Statistics
from keras_gen.errors import UserError

SIDE, CODES = 4, 5
SHARES = np.array([[0.7, 0.2, 0.1, 0, 0], [0.1, 0.1, 0.1, 0.3, 0.4]])  # of grey levels, in upper and lower half


def greys(indices):
    return (2 * indices / (CODES - 1) - 1).astype(np.float32)[..., np.newaxis]


@pytest.fixture(scope="module")
def networks():
    """A model in which each pixel is a code: the number of its grey level."""
    images, indices = keras.Input((SIDE, SIDE, 1)), keras.Input((SIDE, SIDE), dtype="int32")
    numbers = keras.ops.cast(keras.ops.round((images[..., 0] + 1) * (CODES - 1) / 2), "int32")
    codebook = keras.layers.Embedding(CODES, 1, name="codebook")
    decoder = keras.Model(indices, codebook(indices))
    codebook.set_weights([greys(np.arange(CODES))])
    return keras.Model(images, numbers), decoder


def pictures(count, seed):
    rng = np.random.default_rng(seed)
    halves = [rng.choice(CODES, (count, SIDE // 2, SIDE), p=shares) for shares in SHARES]
    return np.concatenate(halves, axis=1)


@pytest.fixture(scope="module")
def codec(networks):
    batches = (greys(pictures(500, seed)) for seed in range(8))
    return CodeCodec(*networks, Statistics.fit(*networks, batches))


def test_pictures_come_back_as_they_were(codec):
    for indices in pictures(5, 100):
        header, symbols = codec.read(codec.compress(greys(indices), codec.default_step), "a")
        np.testing.assert_array_equal(symbols.reshape(SIDE, SIDE), indices)
        np.testing.assert_array_equal(codec.picture(header, symbols), greys(indices))


def test_the_rate_is_the_entropy_at_each_place(codec):
    """A single distribution for all positions would cost 0.6 bits per code more."""
    indices = pictures(1000, 100).reshape(1000, -1)
    bits = np.mean([codec.entropy_model(1).bits(row) for row in indices]) / SIDE**2
    entropies = [-np.sum(p[p > 0] * np.log2(p[p > 0])) for p in (*SHARES, SHARES.mean(axis=0))]
    assert bits == pytest.approx(np.mean(entropies[:2]), rel=0.02)
    assert bits < entropies[2] - 0.5


def test_a_code_that_training_never_chose_can_be_written(codec, networks):
    indices = np.full((SIDE, SIDE), CODES - 1)  # in the upper half there is none
    np.testing.assert_array_equal(codec.read(codec.compress(greys(indices), 1), "a")[1], indices.ravel())
    few = CodeCodec(*networks, Statistics.fit(*networks, [greys(np.zeros((1, SIDE, SIDE)))]))
    np.testing.assert_array_equal(few.read(few.compress(greys(indices), 1), "a")[1], indices.ravel())


def test_files_of_other_statistics_and_of_another_step_are_refused(codec, networks):
    other = CodeCodec(*networks, Statistics.fit(*networks, [greys(pictures(10, 0))]))
    with pytest.raises(UserError, match=f"compressed by model {other.fingerprint.hex()}"):
        codec.read(other.compress(greys(pictures(1, 0)[0]), 1), "a")
    with pytest.raises(UserError, match="a is truncated or damaged"):
        codec.read(codec.compress(greys(pictures(1, 0)[0]), 2), "a")
