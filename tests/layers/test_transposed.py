"""Sub-pixel convolutions equal transposed convolutions and use the same weights."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_gen.layers.transposed import SubPixelConv2DTranspose, replaceable


@pytest.mark.parametrize("shape", [(2, 1, 1, 3), (1, 4, 7, 3), (1, 8, 8, 1)])
@pytest.mark.parametrize("kernel", [2, 3, 4, 5, 6, 7, (3, 4)])
@pytest.mark.parametrize("filters", [5, 32])  # as one convolution, and as four
def test_it_equals_the_transposed_convolution(filters, kernel, shape):
    rng = np.random.default_rng(0)
    settings = {"strides": 2, "padding": "same", "bias_initializer": "normal", "activation": "tanh"}
    plain = keras.layers.Conv2DTranspose(filters, kernel, **settings)
    ours = SubPixelConv2DTranspose(filters, kernel, **settings)
    images = rng.normal(size=shape).astype(np.float32)
    expected = plain(images)
    ours.build(shape)
    ours.set_weights(plain.get_weights())
    np.testing.assert_allclose(ours(images), expected, atol=1e-5)
    assert tuple(ours.compute_output_shape(shape)) == tuple(expected.shape)


def test_either_loads_the_weights_of_the_other():
    def network(layer):
        source = keras.Input((4, 4, 2))
        return keras.Model(source, layer(3, 4, strides=2, padding="same", name="up")(source))

    plain, ours = network(keras.layers.Conv2DTranspose), network(SubPixelConv2DTranspose)
    images = np.random.default_rng(0).normal(size=(1, 4, 4, 2)).astype(np.float32)
    assert [w.path for w in plain.weights] == [w.path for w in ours.weights]
    for one, other in ((plain, ours), (ours, plain)):
        one.set_weights([np.random.default_rng(1).normal(size=w.shape) for w in one.get_weights()])
        other.set_weights(one.get_weights())
        np.testing.assert_allclose(one(images), other(images), atol=1e-5)
    rebuilt = SubPixelConv2DTranspose.from_config(plain.get_layer("up").get_config())
    assert rebuilt.get_config() == plain.get_layer("up").get_config()


def test_gradients_are_equal():
    images = tf.constant(np.random.default_rng(0).normal(size=(1, 4, 4, 2)), tf.float32)
    gradients = []
    for kind in (keras.layers.Conv2DTranspose, SubPixelConv2DTranspose):
        keras.utils.set_random_seed(0)
        layer = kind(3, 4, strides=2, padding="same")
        layer.build(images.shape)
        with tf.GradientTape() as tape:
            tape.watch(images)
            loss = tf.reduce_sum(layer(images) ** 2)
        gradients.append(tape.gradient(loss, [images, layer.kernel.value, layer.bias.value]))
    for one, other in zip(*gradients, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    "settings",
    [{"strides": 1}, {"strides": 3}, {"padding": "valid"}, {"kernel_size": 1}, {"data_format": "channels_first"}],
)
def test_other_transposed_convolutions_are_refused(settings):
    settings = {"kernel_size": 4, "strides": 2, "padding": "same"} | settings
    assert not replaceable(keras.layers.Conv2DTranspose(3, **settings))
    with pytest.raises(ValueError, match="accepted are strides of 2"):
        SubPixelConv2DTranspose(3, **settings)
