"""Instance normalisation with one operation per example equals Keras' group normalisation."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_gen.layers.fast.instance import FastInstanceNormalization


def results(layer, shape, function=lambda call: call):
    images = tf.constant(np.random.default_rng(0).normal(1.0, 2.0, shape), tf.float32)
    layer.build(shape)
    rng = np.random.default_rng(1)
    layer.set_weights([rng.normal(size=weight.shape) for weight in layer.weights])
    weights = [layer.gamma.value, layer.beta.value]

    def penalty():
        with tf.GradientTape() as outer:
            with tf.GradientTape() as inner:
                inner.watch(images)
                outputs = layer(images)
                loss = tf.reduce_sum(tf.sin(outputs))
            gradients = inner.gradient(loss, [images, *weights])
            size = tf.reduce_sum(gradients[0] ** 2)
        return [outputs, *gradients, outer.gradient(size, weights[0])]

    return function(penalty)()


@pytest.mark.parametrize("shape", [(1, 6, 5, 3), (3, 8, 8, 2), (17, 4, 4, 2)])
def test_values_gradients_and_their_gradients(shape):
    """A gradient penalty needs the second derivative."""
    expected = results(keras.layers.GroupNormalization(-1, epsilon=1e-5), shape)
    for wrapped in (lambda call: call, tf.function):
        given = results(FastInstanceNormalization(epsilon=1e-5), shape, wrapped)
        for one, other in zip(expected, given, strict=True):
            np.testing.assert_allclose(other, one, rtol=2e-4, atol=2e-4 * np.abs(one).max())


def test_it_is_one_operation_an_example():
    layer = FastInstanceNormalization()
    layer.build((3, 4, 4, 2))
    graph = tf.function(layer).get_concrete_function(tf.TensorSpec((3, 4, 4, 2))).graph
    assert [op.type for op in graph.get_operations()].count("FusedBatchNormV3") == 3


@pytest.mark.parametrize(
    ("kind", "count"),
    [
        ({}, None),
        ({"dtype": "float64"}, 2),
        ({"dtype": "mixed_bfloat16"}, 2),
        ({"groups": 1}, 2),
        ({"scale": False}, 2),
    ],
)
def test_what_it_has_no_operation_for_is_left_to_keras(kind, count):
    plain, fast = keras.layers.GroupNormalization(**({"groups": -1} | kind)), FastInstanceNormalization(**kind)
    images = np.random.default_rng(0).normal(size=(2, 4, 4, 2)).astype(np.float32)
    plain.build(images.shape), fast.build(images.shape)
    unknown = [tf.TensorSpec((count, 4, 4, 2), plain.compute_dtype)]
    one, other = (
        tf.function(layer, input_signature=unknown)(tf.cast(images, plain.compute_dtype)) for layer in (plain, fast)
    )
    np.testing.assert_array_equal(tf.cast(one, tf.float32), tf.cast(other, tf.float32))
    assert plain.get_config().keys() == fast.get_config().keys()
    assert fast.from_config(plain.get_config() | {"name": fast.name}).get_config() == fast.get_config()
