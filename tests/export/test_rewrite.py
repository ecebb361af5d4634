"""The form that is converted computes what the network does."""

import keras
import numpy as np
import pytest
from keras import layers

from keras_gen.export.rewrite import rewritten
from keras_gen.layers.transposed import SubPixelConv2DTranspose
from keras_gen.networks.unet import unet


def random_weights(network):
    """Statistics and biases that are not 0 and 1 either."""
    rng = np.random.default_rng(0)
    network.set_weights([np.abs(rng.normal(0, 0.5, w.shape)) + 0.1 for w in network.get_weights()])
    for layer in network.layers:
        if isinstance(layer, layers.Conv2D | layers.Conv2DTranspose):
            layer.set_weights([rng.normal(0, 0.1, w.shape) for w in layer.get_weights()])
    return network


def check(network):
    faster = rewritten(network)
    images = np.random.default_rng(1).uniform(-1, 1, (2, *network.input_shape[1:])).astype(np.float32)
    np.testing.assert_allclose(faster(images), network(images, training=False), atol=2e-5)
    return faster


@pytest.mark.parametrize("norm", ["instance", "batch"])
@pytest.mark.parametrize("levels", [2, 5])
def test_a_unet(norm, levels):
    network = random_weights(unet(32, 3, 2, levels=levels, filters=4, norm=norm))
    faster = check(network)
    kinds = [type(layer).__name__ for layer in faster.layers]
    assert "Conv2DTranspose" not in kinds
    assert kinds.count("SubPixelConv2DTranspose") == levels
    assert "BatchNormalization" not in kinds
    assert "GroupNormalization" not in kinds
    assert network.count_params() >= faster.count_params()


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 8])
@pytest.mark.parametrize("kernel", [1, 2, 3, 4, 5, 7])
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_convolutions_of_small_maps(size, kernel, stride):
    source = keras.Input((size, size, 2))
    check(random_weights(keras.Model(source, layers.Conv2D(3, kernel, stride, "same", activation="tanh")(source))))


@pytest.mark.parametrize("kernel", [2, 3, 4, 5, 6])
def test_transposed_convolutions_of_one_pixel(kernel):
    source = keras.Input((1, 1, 2))
    check(random_weights(keras.Model(source, layers.Conv2DTranspose(3, kernel, 2, "same")(source))))


def test_what_is_not_known_stays():
    """A normalisation after an activation, a result that two layers take, groups of several channels."""
    source = keras.Input((8, 8, 4))
    shared = layers.Conv2D(4, 3, padding="same", name="shared")(source)
    x = layers.BatchNormalization(name="stays1")(shared)
    x = layers.Concatenate()([x, shared])
    x = layers.Conv2D(4, 3, padding="same", activation="relu")(x)
    x = layers.BatchNormalization(name="stays2")(x)
    x = layers.GroupNormalization(2, name="stays3")(x)
    x = layers.Conv2DTranspose(2, 4, 3, "same", name="stays4")(x)
    network = random_weights(keras.Model(source, x))
    faster = check(network)
    for number in range(1, 5):
        name = f"stays{number}"
        assert type(faster.get_layer(name)) is type(network.get_layer(name))


def test_a_normalisation_without_scale_or_offset_is_folded():
    source = keras.Input((8, 8, 4))
    x = layers.Conv2DTranspose(3, 4, 2, "same", use_bias=False)(source)
    x = layers.BatchNormalization(scale=False)(x)
    x = layers.Conv2D(3, 3, padding="valid")(x)
    x = layers.BatchNormalization(center=False)(x)
    faster = check(random_weights(keras.Model(source, x)))
    assert not [layer for layer in faster.layers if isinstance(layer, layers.BatchNormalization)]
    assert [layer for layer in faster.layers if isinstance(layer, SubPixelConv2DTranspose)]
