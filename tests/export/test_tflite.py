"""TFLite variants: accuracy, size, types and shapes, and built-in operators or Flex with a reason."""

from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

from keras_gen.errors import UserError
from keras_gen.export.operators import operators_of
from keras_gen.export.tflite import TFLiteModel, write_tflite
from keras_gen.ops.pixels import to_uint8

MAPS = Path("/proc/self/maps")


class Tangent(keras.layers.Layer):
    """An operator that is not built into TFLite, but available in Flex."""

    def call(self, x):
        return tf.tan(0.1 * x)


class Incomplete(keras.layers.Layer):
    """An operator that neither has."""

    def call(self, x):
        return tf.math.igamma(2.0 + x, 2.0 + x)


def psnr(drawn, expected):
    return 10 * np.log10(4 / np.mean((drawn - expected) ** 2))


@pytest.mark.parametrize("io", ["float", "uint8"])
@pytest.mark.parametrize(
    ("variant", "least", "share"), [("float32", 58, 1), ("float16", 58, 0.6), ("dynamic8", 40, 0.4), ("int8", 30, 0.45)]
)
def test_a_variant_draws_what_the_network_draws_in_its_types_and_size(
    network, served, images, tmp_path, variant, least, share, io
):
    file = tmp_path / "model.tflite"
    assert write_tflite(served, file, variant=variant, io=io, calibration=[images]) == {}
    plain = tmp_path / "float32.tflite"
    write_tflite(served, plain)
    model = TFLiteModel(file)
    assert model.input_shape == (1, 32, 32, 3)
    drawn = model(images)
    assert drawn.dtype == np.float32
    assert psnr(drawn, network.predict(images, verbose=0)) > least
    assert file.stat().st_size <= (share + 0.05) * plain.stat().st_size
    signature = Interpreter(str(file)).get_signature_list()["serving_default"]
    assert signature == {"inputs": ["source"], "outputs": ["drawn"]}
    tensors = (Interpreter(str(file)).get_input_details(), Interpreter(str(file)).get_output_details())
    assert {tensor["dtype"] for (tensor,) in tensors} == {np.uint8 if io == "uint8" else np.float32}


@pytest.mark.parametrize("variant", ["float32", "int8"])
def test_levels_of_a_uint8_file_are_plain_pixels(network, served, images, tmp_path, variant):
    """An app puts in values from 0 to 255 and shows the output, without knowing any scale."""
    dull = 0.9 * images  # calibration that never reaches the ends of the range must not move the levels
    write_tflite(served, tmp_path / "m.tflite", variant=variant, io="uint8", calibration=[dull])
    runner = Interpreter(str(tmp_path / "m.tflite")).get_signature_runner()
    drawn = np.concatenate([runner(source=to_uint8(image[None]))["drawn"] for image in images]).astype(float)
    expected = (network.predict(images, verbose=0) + 1) * 127.5
    assert drawn.shape == expected.shape
    assert np.abs(drawn - expected).mean() < (0.3 if variant == "float32" else 5)
    assert abs((drawn - expected).mean()) < 1  # no shift


def test_a_batch_is_static_and_a_smaller_one_is_filled_up(network, served, images, tmp_path):
    write_tflite(served, tmp_path / "m.tflite", batch=3)
    model = TFLiteModel(tmp_path / "m.tflite")
    assert model.input_shape == (3, 32, 32, 3)
    np.testing.assert_allclose(model(images), network.predict(images, verbose=0), atol=1e-5)
    np.testing.assert_allclose(model(images[:1]), network.predict(images[:1], verbose=0), atol=1e-5)


def test_calibration_with_fewer_examples_than_a_batch_is_enough(network, served, images, tmp_path):
    write_tflite(served, tmp_path / "m.tflite", variant="int8", batch=3, calibration=[images[:2]])
    assert psnr(TFLiteModel(tmp_path / "m.tflite")(images), network.predict(images, verbose=0)) > 25


def test_int8_levels_are_refused_where_the_drawings_leave_the_range(serve, images, tmp_path):
    source = keras.Input((32, 32, 3))
    wide = keras.Model(source, keras.layers.Conv2D(1, 1, kernel_initializer="ones", use_bias=False)(source))
    with pytest.raises(UserError, match=r"--io got uint8, but .* draws values outside"):
        write_tflite(serve(wide), tmp_path / "m.tflite", variant="int8", io="uint8", calibration=[images])
    assert not list(tmp_path.iterdir())


def test_flex_is_used_only_where_it_must_be_and_says_for_what(serve, tmp_path):
    source = keras.Input((8, 8, 3))
    network = keras.Model(source, Tangent()(keras.layers.Conv2D(2, 1)(source)))
    missing = write_tflite(serve(network), tmp_path / "m.tflite")
    assert list(missing) == ["FlexTan"]
    assert "no built-in form of tf.Tan for tensor<1x8x8x2xf32>" in missing["FlexTan"]
    found = operators_of(tmp_path / "m.tflite")
    assert (found.flex, found.delegated) == (("FlexTan",), None)


def test_an_operator_that_nobody_has_is_an_error_and_leaves_no_file(serve, tmp_path):
    source = keras.Input((8, 8, 3))
    with pytest.raises(RuntimeError, match=r"tf\.Igamma"):
        write_tflite(serve(keras.Model(source, Incomplete()(source))), tmp_path / "m.tflite")
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(not MAPS.exists(), reason="only Linux lists what is mapped")
def test_a_file_is_mapped_into_memory(served, tmp_path):
    write_tflite(served, tmp_path / "mapped.tflite")
    model = TFLiteModel(tmp_path / "mapped.tflite")
    assert str(tmp_path / "mapped.tflite") in MAPS.read_text()
    assert model.input_shape == (1, 32, 32, 3)  # and it is still there
