"""Reflection padding against NumPy."""

import keras
import numpy as np
import pytest

from keras_gen.layers.padding import ReflectionPadding2D


@pytest.mark.parametrize("border", [1, 3])
def test_it_is_that_of_numpy(border):
    maps = np.random.default_rng(0).normal(size=(2, 5, 4, 3)).astype(np.float32)
    expected = np.pad(maps, ((0, 0), (border, border), (border, border), (0, 0)), "reflect")
    np.testing.assert_array_equal(ReflectionPadding2D(border)(maps), expected)


def test_it_is_built_anew_and_of_any_size():
    images = keras.Input((None, 6, 3))
    network = keras.models.clone_model(keras.Model(images, ReflectionPadding2D(2)(images)))
    assert network.output_shape == (None, None, 10, 3)
    assert network(np.zeros((1, 4, 6, 3), np.float32)).shape == (1, 8, 10, 3)
