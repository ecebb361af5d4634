"""Matrix products equal the convolutions that they stand for, share their weights, and have their gradients."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from keras_gen.layers.products import ProductConv2D, ProductConv2DTranspose

PAIRS = [(layers.Conv2D, ProductConv2D), (layers.Conv2DTranspose, ProductConv2DTranspose)]
SETTINGS = {"strides": 2, "padding": "same", "bias_initializer": "normal"}


@pytest.mark.parametrize(("plain", "product"), PAIRS)
@pytest.mark.parametrize("shape", [(2, 2, 2, 3), (1, 4, 6, 3), (3, 16, 16, 2)])
def test_values_and_gradients_equal_those_of_the_convolution(plain, product, shape):
    images = tf.constant(np.random.default_rng(0).normal(size=shape), tf.float32)
    results = []
    for kind in (plain, product):
        keras.utils.set_random_seed(0)
        layer = kind(5, 4, activation="tanh", **SETTINGS)
        layer.build(shape)
        with tf.GradientTape() as tape:
            tape.watch(images)
            outputs = layer(images)
            loss = tf.reduce_sum(outputs**2)
        results.append([outputs, *tape.gradient(loss, [images, layer.kernel.value, layer.bias.value])])
        assert tuple(layer.compute_output_shape(shape)) == tuple(outputs.shape)
    for one, other in zip(*results, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("plain", "product"), PAIRS)
def test_gradients_of_gradients_are_equal(plain, product):
    """What a gradient penalty asks for: the derivative by the kernel of the size of the derivative by the image."""
    images = tf.constant(np.random.default_rng(0).normal(size=(2, 4, 4, 3)), tf.float32)
    results = []
    for kind in (plain, product):
        keras.utils.set_random_seed(0)
        layer = kind(5, 4, activation="tanh", **SETTINGS)
        layer.build(images.shape)
        with tf.GradientTape() as outer:
            with tf.GradientTape() as inner:
                inner.watch(images)
                outputs = tf.reduce_sum(layer(images) ** 2)
            size = tf.reduce_sum(inner.gradient(outputs, images) ** 2)
        results.append(outer.gradient(size, [layer.kernel.value, layer.bias.value]))
    for one, other in zip(*results, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(("plain", "product"), PAIRS)
def test_a_network_of_unknown_batch_loads_the_weights_of_the_other(plain, product):
    def network(kind):
        source = keras.Input((4, 4, 2))
        return keras.Model(source, kind(3, 4, name="layer", **SETTINGS)(source))

    one, other = network(plain), network(product)
    assert one.output_shape == other.output_shape
    assert [w.path for w in one.weights] == [w.path for w in other.weights]
    other.set_weights(one.get_weights())
    images = np.random.default_rng(0).normal(size=(3, 4, 4, 2)).astype(np.float32)
    np.testing.assert_allclose(one(images), other(images), atol=1e-5)
    np.testing.assert_allclose(tf.function(other)(images), one(images), atol=1e-5)
    rebuilt = product.from_config(one.get_layer("layer").get_config())
    assert rebuilt.get_config() == one.get_layer("layer").get_config()


@pytest.mark.parametrize("product", [ProductConv2D, ProductConv2DTranspose])
@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"strides": 1}, r"strides got \(1, 1\)"),
        ({"padding": "valid"}, "padding got 'valid'"),
        ({"kernel_size": 3}, r"kernel_size got \(3, 3\)"),
        ({"data_format": "channels_first"}, "data_format got 'channels_first'"),
    ],
)
def test_other_convolutions_are_refused(product, settings, said):
    with pytest.raises(ValueError, match=said):
        product(3, **({"kernel_size": 4, "strides": 2, "padding": "same"} | settings))


def test_odd_sides_are_refused():
    with pytest.raises(ValueError, match="even sides"):
        ProductConv2D(3, 4, **SETTINGS).build((1, 5, 4, 3))
