"""Operators of files: their numbers, and which XNNPACK runs."""

import keras
import numpy as np
import tensorflow as tf

from keras_gen.export.operators import operators_of
from keras_gen.export.tflite import write_tflite


class Cumulative(keras.layers.Layer):
    """A built-in operator that XNNPACK does not support."""

    def call(self, x):
        return tf.cumsum(x, axis=1)


def written(served, path):
    write_tflite(served, path)
    return operators_of(path)


def test_operators_are_counted_in_order_of_frequency(served, tmp_path):
    found = written(served, tmp_path / "m.tflite")
    assert (found.counts["CONV_2D"], found.counts["DEPTH_TO_SPACE"]) == (6, 3)  # three of them transposed ones
    assert list(found.counts.values()) == sorted(found.counts.values(), reverse=True)
    assert found.flex == ()
    assert (found.delegated, found.left) == (1.0, {})


def test_what_xnnpack_leaves_is_not_counted_as_its_own(serve, tmp_path):
    source = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(2, 3)(source)
    x = Cumulative()(x)
    found = written(serve(keras.Model(source, keras.layers.Conv2D(2, 3)(x))), tmp_path / "m.tflite")
    assert found.counts == {"CONV_2D": 2, "CUMSUM": 1}
    np.testing.assert_allclose(found.delegated, 2 / 3)
    assert found.left == {"CUMSUM": 1}
