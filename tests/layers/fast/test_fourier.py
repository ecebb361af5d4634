"""Transposed convolutions by Fourier transforms equal Keras' own and use the same weights."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_gen.layers.fast.fourier import FourierConv2DTranspose, transforms

SHAPES = [(2, 7, 7, 3), (1, 4, 5, 2), (2, 1, 1, 3), (1, 8, 3, 1)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kernel", [1, 3, 5, 7, (3, 5)])
def test_it_equals_the_transposed_convolution_with_its_gradients(kernel, shape):
    images = tf.constant(np.random.default_rng(0).normal(size=shape), tf.float32)
    found = []
    for kind in (keras.layers.Conv2DTranspose, FourierConv2DTranspose):
        keras.utils.set_random_seed(0)
        layer = kind(5, kernel, padding="same", bias_initializer="normal", activation="tanh")
        layer.build(shape)
        with tf.GradientTape() as tape:
            tape.watch(images)
            outputs = layer(images)
            loss = tf.reduce_sum(tf.sin(outputs))
        found.append([outputs, *tape.gradient(loss, [images, layer.kernel.value, layer.bias.value])])
    for theirs, ours in zip(*found, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=2e-5)


def test_either_loads_the_weights_of_the_other():
    def network(layer):
        source = keras.Input((4, 4, 2))
        return keras.Model(source, layer(3, 5, padding="same", name="same")(source))

    plain, ours = network(keras.layers.Conv2DTranspose), network(FourierConv2DTranspose)
    images = np.random.default_rng(0).normal(size=(1, 4, 4, 2)).astype(np.float32)
    assert [w.path for w in plain.weights] == [w.path for w in ours.weights]
    ours.set_weights(plain.get_weights())
    np.testing.assert_allclose(ours(images), plain(images), atol=1e-5)
    rebuilt = FourierConv2DTranspose.from_config(plain.get_layer("same").get_config())
    assert rebuilt.get_config() == plain.get_layer("same").get_config()


def test_it_takes_a_tenth_of_the_products():
    """9x9 bins are 40 conjugate pairs with three products each, and the mean with one; the direct sum has 7 * 7 * 5 * 5
    = 1225."""
    a, b, c = transforms((7, 7), (5, 5))
    assert (a.shape, b.shape, c.shape) == ((121, 49), (121, 25), (49, 121))


def test_mixed_precision_keeps_its_type():
    layer = FourierConv2DTranspose(2, 3, padding="same", dtype="mixed_bfloat16")
    assert layer(np.ones((1, 4, 4, 2), np.float32)).dtype == tf.bfloat16


@pytest.mark.parametrize(
    "settings",
    [{"strides": 2}, {"padding": "valid"}, {"kernel_size": 4}, {"dilation_rate": 2}, {"data_format": "channels_first"}],
)
def test_others_are_refused(settings):
    with pytest.raises(ValueError, match="accepted are strides of 1"):
        FourierConv2DTranspose(3, **({"kernel_size": 3, "padding": "same"} | settings))
