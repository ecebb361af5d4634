"""All convolution algorithms compute the same function and gradients, and the layers choose between them."""

import functools
import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from keras_gen.layers.fast import convolutions, planes, products, winograd
from keras_gen.layers.fast.convolutions import Algorithm, FastConv2D, FastConv2DTranspose, choose_algorithm
from keras_gen.layers.spectral import SpectralNormalization

PAIRS = [(layers.Conv2D, FastConv2D), (layers.Conv2DTranspose, FastConv2DTranspose)]
HALVED = ((1, 1), (1, 1))


def random(seed, *shape):
    return tf.constant(np.random.default_rng(seed).normal(size=shape))


def derivatives(function, image, kernel):
    """Values, both gradients, and the second derivatives that a gradient penalty needs."""
    with tf.GradientTape() as outer:
        outer.watch([image, kernel])
        with tf.GradientTape() as inner:
            inner.watch([image, kernel])
            outputs = function(image, kernel)
            loss = tf.reduce_sum(tf.sin(outputs))
        gradients = inner.gradient(loss, [image, kernel])
        penalty = sum(tf.reduce_sum(gradient**2) for gradient in gradients)
    return [outputs, *gradients, *outer.gradient(penalty, [image, kernel])]


def assert_equal(one, other, tolerance=1e-10):
    for a, b in zip(one, other, strict=True):
        assert a.shape == b.shape
        assert float(tf.reduce_max(tf.abs(a - b))) <= tolerance * float(tf.reduce_max(tf.abs(a)))


def convolution(stride, padding):
    return lambda image, kernel: tf.nn.conv2d(image, kernel, stride, [(0, 0), *padding, (0, 0)])


def transposed(stride, padding):
    def function(image, kernel):
        sides = [
            (pixels - 1) * stride + kernel.shape[0] - sum(around)
            for pixels, around in zip(image.shape[1:3], padding, strict=True)
        ]
        shape = (image.shape[0], *sides, kernel.shape[2])
        return tf.nn.conv2d_transpose(image, kernel, shape, stride, [(0, 0), *padding, (0, 0)])

    return function


@pytest.fixture(params=[False, True], ids=["slow", "fast"])
def processor(monkeypatch, request):
    """Processors without and with AVX-512."""
    monkeypatch.setattr(winograd, "_has_avx512", lambda: request.param)


@pytest.mark.usefixtures("processor")
@pytest.mark.parametrize(
    ("side", "stride", "padding", "tiles", "shape"),
    [
        (4, 2, HALVED, (1, 2, 3, 4, 6), (2, 12, 16)),
        (4, 2, HALVED, (2, 4), (1, 7, 9)),
        (4, 2, ((0, 0), (0, 0)), (2, 4), (1, 9, 6)),
        (4, 1, ((0, 0), (0, 0)), (3, 4), (2, 13, 9)),
        (4, 1, ((1, 2), (1, 2)), (4,), (1, 6, 6)),
        (3, 1, HALVED, (2, 3, 4, 5), (1, 8, 7)),
        (2, 1, ((0, 1), (1, 0)), (2, 4), (1, 5, 6)),
        (6, 3, ((1, 2), (2, 1)), (2, 4), (1, 12, 9)),
    ],
)
def test_winograd(side, stride, padding, tiles, shape):
    image, kernel = random(0, *shape, 3), random(1, side, side, 3, 2)
    expected = derivatives(convolution(stride, padding), image, kernel)
    small = random(2, *expected[0].shape)
    back = derivatives(transposed(stride, padding), small, kernel)
    for tile in tiles:
        settings = {"stride": stride, "padding": padding, "tile": tile}
        assert_equal(expected, derivatives(functools.partial(winograd.convolve, **settings), image, kernel))
        assert_equal(back, derivatives(functools.partial(winograd.convolve_transposed, **settings), small, kernel))


@pytest.mark.usefixtures("processor")
@pytest.mark.parametrize(("side", "stride", "tile"), [(4, 2, 2), (4, 2, 4), (3, 1, 4), (4, 1, 4)])
def test_winograd_in_float32_is_within_millionths(side, stride, tile):
    """Root-mean-square error relative to the outputs' standard deviation, as documented in the module."""
    image, kernel = random(0, 2, 24, 24, 64), random(1, side, side, 64, 64)
    exact = convolution(stride, HALVED)(image, kernel)
    for function, most in (
        (convolution(stride, HALVED), 2e-6),
        (lambda x, w: winograd.convolve(x, w, stride, HALVED, tile), 1e-5),
    ):
        given = tf.cast(function(tf.cast(image, tf.float32), tf.cast(kernel, tf.float32)), tf.float64)
        assert np.std(given - exact) < most * np.std(exact)


@pytest.mark.parametrize(
    ("side", "stride", "tile", "said"),
    [
        (3, 2, 4, "3x3 taps; accepted are square kernels with a side that is a multiple of the stride 2"),
        (4, 4, 4, "stride got 4"),
        (4, 1, 2, "tile got 2; accepted are 3 to 4"),
        (4, 2, 7, "tile got 7; accepted are 1 to 6"),
        (8, 2, 4, r"image got \(5, 5\) pixels; accepted are at least 8"),
    ],
)
def test_what_winograd_refuses(side, stride, tile, said):
    with pytest.raises(ValueError, match=f"(?i){said}"):
        winograd.convolve(random(0, 1, 5, 5, 1), random(1, side, side, 1, 1), stride, HALVED, tile)


@pytest.mark.parametrize(
    ("side", "padding", "shape"),
    [(4, ((0, 0), (0, 0)), (2, 6, 5)), (3, HALVED, (1, 4, 4)), (5, ((2, 2), (1, 3)), (1, 5, 6))],
)
def test_planes(side, padding, shape):
    image, kernel = random(0, *shape, 5), random(1, side, side, 5, 2)
    assert_equal(
        derivatives(convolution(1, padding), image, kernel),
        derivatives(lambda x, w: planes.convolve(x, w, padding), image, kernel),
    )


@pytest.mark.parametrize(
    ("side", "stride", "padding", "shape"),
    [(4, 2, HALVED, (2, 3, 4)), (6, 3, ((1, 2), (0, 3)), (1, 2, 3)), (2, 2, ((0, 0), (0, 0)), (1, 3, 2))],
)
def test_planes_of_transposed_convolutions(side, stride, padding, shape):
    image, kernel = random(0, *shape, 5), random(1, side, side, 3, 5)
    assert_equal(
        derivatives(transposed(stride, padding), image, kernel),
        derivatives(lambda x, w: planes.convolve_transposed(x, w, stride, padding), image, kernel),
    )


@pytest.mark.parametrize("shape", [(2, 2, 2), (1, 4, 6), (3, 16, 16)])
def test_products(shape):
    image, kernel = random(0, *shape, 3), random(1, 4, 4, 3, 5)
    expected = derivatives(convolution(2, HALVED), image, kernel)
    assert_equal(expected, derivatives(products.convolve, image, kernel))
    small = random(2, *expected[0].shape)
    assert_equal(
        derivatives(transposed(2, HALVED), small, kernel), derivatives(products.convolve_transposed, small, kernel)
    )


# -- the layers ----------------------------------------------------------------------------------------------------


@pytest.fixture
def narrow(monkeypatch):
    """Lowers the thresholds, so that every algorithm is chosen for some small shape."""
    monkeypatch.setattr(convolutions, "_MANY_CHANNELS", 2)
    monkeypatch.setattr(convolutions, "_MIN_SAVED", 0)
    monkeypatch.setattr(convolutions, "_FEW_CHANNELS", 1)
    monkeypatch.setattr(convolutions, "_FEW_PIXELS", 16)
    monkeypatch.setattr(convolutions, "_MANY_PIXELS", 128)


@pytest.mark.parametrize(
    ("kernel", "stride", "padding"),
    [(4, 2, "same"), (4, 1, "valid"), (4, 1, "same"), (3, 1, "same"), (4, 2, "valid"), (2, 2, "same"), (3, 2, "same")],
)
@pytest.mark.parametrize("filters", [1, 3])
def test_layers_are_keras_layers(narrow, kernel, stride, padding, filters):
    for (plain, fast), shape in itertools.product(PAIRS, [(1, 4, 4, 2), (2, 7, 6, 2), (3, 12, 12, 2)]):
        image, results = random(0, *shape), []
        for kind in (plain, fast):
            keras.utils.set_random_seed(0)
            layer = kind(
                filters, kernel, stride, padding, activation="tanh", bias_initializer="normal", dtype="float64"
            )
            with tf.GradientTape() as tape:
                tape.watch(image)
                outputs = layer(image)
                loss = tf.reduce_sum(outputs**2)
            results.append([outputs, *tape.gradient(loss, [image, layer.kernel.value, layer.bias.value])])
        assert_equal(*results)


def chosen(layer, *shapes):
    large, small = sorted(shapes, key=lambda shape: shape[1] or 0, reverse=True)
    return choose_algorithm(layer, large, small).name, choose_algorithm(layer, large, small).tile


def test_what_is_chosen():
    """The choice depends on the pixels of the smaller map in the whole batch, and on channels (docs/performance.md)."""
    layer = layers.Conv2D(64, 4, 2, "same")
    assert chosen(layer, (1, 16, 16, 64), (1, 8, 8, 64)) == ("product", 0)
    assert chosen(layer, (4, 16, 16, 64), (4, 8, 8, 64)) == ("winograd", 2)
    assert chosen(layer, (16, 16, 16, 64), (16, 8, 8, 64)) == ("winograd", 4)
    assert chosen(layer, (None, 16, 16, 64), (None, 8, 8, 64)) == ("winograd", 4)
    assert chosen(layer, (4, 16, 16, 31), (4, 8, 8, 64)) == ("plain", 0)
    assert chosen(layer, (4, 15, 15, 64), (4, 8, 8, 64)) == ("winograd", 2)
    assert chosen(layer, (1, 15, 15, 64), (1, 8, 8, 64)) == ("plain", 0)
    assert chosen(layers.Conv2D(64, 4, 2, "same"), (64, 16, 16, 32), (64, 8, 8, 64)) == ("plain", 0)
    assert chosen(layers.Conv2D(64, 3, padding="same"), (4, 16, 16, 64), (4, 16, 16, 64)) == ("winograd", 4)
    assert chosen(layers.Conv2D(32, 3, padding="same"), (4, 16, 16, 64), (4, 16, 16, 32)) == ("plain", 0)
    assert chosen(layer, (1, None, None, 64), (1, None, None, 64)) == ("plain", 0)
    up = layers.Conv2DTranspose(3, 4, 2, "same")
    assert chosen(up, (1, 16, 16, 3), (1, 8, 8, 64)) == ("planes", 0)
    assert chosen(layers.Conv2D(1, 4), (1, 16, 16, 64), (1, 13, 13, 1)) == ("planes", 0)
    assert chosen(layers.Conv2D(64, 4), (1, 16, 16, 64), (1, 13, 13, 64)) == ("winograd", 4)
    for others in ({"dilation_rate": 2}, {"groups": 2}, {"kernel_size": (3, 4)}, {"data_format": "channels_first"}):
        plain = layers.Conv2D(64, **({"kernel_size": 3, "padding": "same"} | others))
        assert chosen(plain, (4, 16, 16, 64), (4, 16, 16, 64)) == ("plain", 0), others


def test_half_precision_is_not_transformed():
    layer = layers.Conv2D(64, 4, 2, "same", dtype="mixed_bfloat16")
    assert chosen(layer, (4, 16, 16, 64), (4, 8, 8, 64)) == ("plain", 0)
    assert chosen(layer, (1, 16, 16, 64), (1, 8, 8, 64)) == ("product", 0)
    logits = layers.Conv2D(1, 4, dtype="mixed_bfloat16")
    assert chosen(logits, (1, 16, 16, 64), (1, 13, 13, 1)) == ("plain", 0)


def test_gpus_keep_the_librarys(monkeypatch):
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: ["one"])
    layer = layers.Conv2D(64, 4, 2, "same")
    assert choose_algorithm(layer, (4, 16, 16, 64), (4, 8, 8, 64)) == Algorithm("plain")


@pytest.mark.parametrize(("plain", "fast"), PAIRS)
def test_a_network_of_unknown_batch_loads_the_weights_of_the_other(narrow, plain, fast):
    def network(kind):
        source = keras.Input((8, 8, 2))
        return keras.Model(source, kind(3, 4, 2, "same", name="layer")(source))

    one, other = network(plain), network(fast)
    assert one.output_shape == other.output_shape
    assert [w.path for w in one.weights] == [w.path for w in other.weights]
    other.set_weights(one.get_weights())
    images = np.random.default_rng(0).normal(size=(3, 8, 8, 2)).astype(np.float32)
    signature = [tf.TensorSpec((None, 8, 8, 2))]
    for called in (other, tf.function(other), tf.function(other, input_signature=signature)):
        np.testing.assert_allclose(called(images), one(images), atol=1e-5)
    assert fast.from_config(one.get_layer("layer").get_config()).get_config() == one.get_layer("layer").get_config()


@pytest.mark.parametrize(("plain", "fast"), PAIRS)
def test_images_of_unknown_size_are_left_to_keras(plain, fast):
    source = keras.Input((None, None, 40))
    network = keras.Model(source, fast(3, 4, 2, "same")(source))
    other = keras.Model(source, plain(3, 4, 2, "same")(source))
    other.set_weights(network.get_weights())
    images = np.random.default_rng(0).normal(size=(1, 6, 8, 40)).astype(np.float32)
    np.testing.assert_allclose(network(images), other(images), atol=1e-5)
    signature = [tf.TensorSpec((1, None, None, 40))]
    np.testing.assert_allclose(tf.function(network, input_signature=signature)(images), other(images), atol=1e-5)


@pytest.mark.parametrize("size", [4, 12])
def test_a_kernel_that_is_normalised_is_what_is_used(narrow, size):
    """Spectral normalisation replaces the kernel by another tensor during a call."""
    image, results = random(0, 2, size, size, 2), []
    for kind in (layers.Conv2D, FastConv2D):
        keras.utils.set_random_seed(0)
        layer = SpectralNormalization(kind(3, 4, 2, "same", dtype="float64"), dtype="float64")
        results.append([layer(image)])
    assert_equal(*results, tolerance=1e-6)
