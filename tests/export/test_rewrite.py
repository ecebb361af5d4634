"""Rewritten networks compute the same function."""

import keras
import numpy as np
import pytest
from keras import layers

from keras_gen.export.operators import operators_of
from keras_gen.export.rewrite import STEPS, in_keras_layers, rewritten
from keras_gen.export.tflite import TFLiteModel, write_tflite
from keras_gen.layers.transposed import SubPixelConv2DTranspose
from keras_gen.networks.unet import unet


def random_weights(network):
    """Gives a network random statistics and biases, instead of 0 and 1."""
    rng = np.random.default_rng(0)
    network.set_weights([np.abs(rng.normal(0, 0.5, w.shape)) + 0.1 for w in network.get_weights()])
    for layer in network.layers:
        if isinstance(layer, layers.Conv2D | layers.Conv2DTranspose):
            layer.set_weights([rng.normal(0, 0.1, w.shape) for w in layer.get_weights()])
    return network


def check(network, steps=STEPS, examples=None):
    faster = rewritten(network, steps, examples)
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


@pytest.mark.parametrize("step", STEPS)
def test_each_step_alone(step):
    def kinds(network):
        return {layer.name: type(layer) for layer in network.layers}

    network = unet(16, 3, 2, levels=3, filters=4, norm="batch" if step == "batch norm" else "instance")
    network = random_weights(in_keras_layers(network))
    assert kinds(check(network, [step])) != kinds(network) == kinds(check(network, []))


def test_integers_are_left_to_slow_kernels_only_where_there_is_one_for_each_channel(serve, tmp_path):
    file = tmp_path / "int8.tflite"
    network = random_weights(unet(32, 3, 2, levels=3, filters=4, norm="instance"))
    images = np.random.default_rng(1).uniform(-1, 1, (4, *network.input_shape[1:])).astype(np.float32)
    write_tflite(serve(network), file, variant="int8", calibration=[images])
    assert set(operators_of(file).left) <= {"ADD", "RSQRT"}  # of the variances


@pytest.mark.parametrize("norm", ["instance", "batch"])
def test_equal_channels_for_integers(serve, norm, tmp_path):
    """The function stays the same, and the int8 file of a network with channels of different scale is more accurate."""
    network = random_weights(unet(16, 3, 2, levels=3, filters=8, norm=norm))
    for layer in network.layers:
        if isinstance(layer, layers.Conv2D) and not layer.use_bias:
            layer.set_weights([layer.get_weights()[0] * np.geomspace(0.01, 1, layer.filters)])
    examples = np.random.default_rng(2).uniform(-1, 1, (8, 16, 16, 3)).astype(np.float32)
    check(network, examples=[examples])
    errors = []
    for seen in (None, [examples]) if norm == "instance" else ():
        file = tmp_path / "int8.tflite"
        plain = {"variant": "int8", "calibration": [examples], "rewrite": False}
        write_tflite(serve(rewritten(network, examples=seen)), file, **plain)
        errors.append(np.abs(TFLiteModel(file, 1)(examples) - network(examples)).mean())
    assert errors == [] or errors[1] < 0.7 * errors[0], errors


@pytest.mark.parametrize("layer", [layers.ReLU(6.0), layers.ReLU(negative_slope=0.1), layers.ReLU(threshold=0.5)])
def test_other_rectifiers_stay(layer):
    source = keras.Input((4, 4, 2))
    x = layer(layers.Concatenate()([source, 10.0 * source]))
    faster = check(keras.Model(source, x))
    assert type(faster.layers[-1]) is layers.ReLU


def test_a_rectifier_is_left_to_the_convolution_before_it():
    source = keras.Input((4, 4, 2))
    x = layers.ReLU(name="fused")(layers.Conv2D(2, 3, padding="same")(source))
    x = layers.Concatenate()([layers.ReLU(name="shared")(x), layers.LeakyReLU()(x)])
    faster = check(random_weights(keras.Model(source, x)))
    assert type(faster.get_layer("fused")) is layers.ReLU
    assert type(faster.get_layer("shared")) is not layers.ReLU


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
    """Not folded: normalisation after an activation, an output with two users, groups of several channels."""
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
