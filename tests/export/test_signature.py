"""Ports: their checks and descriptions, and a network with several inputs and outputs through all exports."""

import json
from dataclasses import replace

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from keras_gen.export.exporter import Plan, export
from keras_gen.export.metadata import read_metadata
from keras_gen.export.saved_model import SavedModel
from keras_gen.export.signature import (
    Port,
    Served,
    class_label,
    clip,
    feature_map,
    image,
    indices,
    label_map,
    scalar,
    sequence,
    vector,
    volume,
    with_labels,
)
from keras_gen.export.tflite import TFLiteModel
from keras_gen.visual.export_report import lines, publish


@pytest.fixture(scope="module")
def styled():
    """A picture, a style and its strength -> the picture in that style, and features of it at half the size.

    The inputs are not in the alphabetical order of their names, which is that of signatures.
    """
    keras.utils.set_random_seed(0)
    picture = keras.Input((16, 16, 3), name="picture")
    style = keras.Input((4,), name="style")
    amount = keras.Input((), name="amount")
    shift = layers.Dense(8)(style) * layers.Reshape((1,))(amount)
    x = layers.Conv2D(8, 3, padding="same")(picture) + layers.Reshape((1, 1, 8))(shift)
    x = layers.ReLU()(x)
    features = layers.Conv2D(2, 2, 2, name="features")(x)
    drawn = layers.Conv2D(3, 3, padding="same", activation="tanh", name="drawn")(x)
    network = keras.Model([picture, style, amount], [drawn, features], name="styled")
    inputs = image("picture", picture), vector("style", style), scalar("amount", amount, range=(0, 1))
    return Served(network, inputs, (image("drawn", drawn), feature_map("features", features)), "a picture in a style")


@pytest.fixture(scope="module")
def batches():
    rng = np.random.default_rng(0)
    coarse = rng.uniform(-1, 1, (8, 4, 4, 3)).repeat(4, 1).repeat(4, 2)
    values = coarse, rng.normal(size=(8, 4)), rng.uniform(0, 1, 8)
    return [tuple(part[n : n + 1].astype(np.float32) for part in values) for n in range(8)]


def test_several_inputs_and_outputs_go_through_all_files_and_come_back(styled, batches, tmp_path):
    inputs = styled.examples_of(batches)
    expected = styled(*inputs)
    pictures = {}
    report = export(
        {"styled": styled},
        tmp_path,
        batches,
        plan=Plan(("float32", "float16", "dynamic8", "int8"), batch=3, runs=1),
        calibration=batches,
        pictures=pictures,
    )
    files = report["styled"]["files"]
    assert set(tf.saved_model.load(str(tmp_path / "saved_model")).signatures) == {"serving_default"}
    near = {"float32": 1e-4, "float16": 2e-2, "dynamic8": 0.1, "int8": 0.3}
    for variant, most in near.items():
        name = f"model-{variant}-batch3.tflite" if variant != "float32" else "model-batch3.tflite"
        model = TFLiteModel(tmp_path / name)
        assert (model.inputs, model.outputs) == (("picture", "style", "amount"), ("drawn", "features"))
        assert model.shapes == {"picture": (3, 16, 16, 3), "style": (3, 4), "amount": (3,)}
        for found, wanted in zip(model(*inputs), expected, strict=True):
            np.testing.assert_allclose(found, wanted, atol=most)
        assert set(files[name]["outputs"]) == {"drawn", "features"}
        figures = files[name]["outputs"].values()
        assert files[name]["max_abs_difference"] == max(each["max_abs_difference"] for each in figures)
        assert files[name]["latency"]["1"]["median_ms"] > 0
        metadata = read_metadata(tmp_path / name)
        assert (metadata.inputs, metadata.outputs, metadata.variant) == (styled.inputs, styled.outputs, variant)
        assert "amount: (3,) float32 in [0, 1]" in metadata.description
    for found, wanted in zip(SavedModel(tmp_path / "saved_model")(*inputs), expected, strict=True):
        np.testing.assert_allclose(found, wanted, atol=1e-5)
    assert set(pictures) == {"styled 16x16"}  # features are no picture
    assert set(pictures["styled 16x16"]) == {"picture", "network", *near}
    told = json.loads(json.dumps({"export": report}))
    publish(told, pictures, tmp_path)
    page = (tmp_path / "report.html").read_text()
    for text in ("a picture in a style", "style: (batch, 4) float32", "features: (batch, 8, 8, 2) float32"):
        assert text in page
    assert "model-int8-batch3.tflite" in "\n".join(lines(told["export"]))


def test_a_latent_map_gets_no_levels_whatever_its_shape(tmp_path):
    """Four channels at 32x32 could be an RGBA image; these are not."""
    source = keras.Input((64, 64, 3))
    latents = layers.Conv2D(4, 2, 2)(source)
    network = keras.Model(source, latents)
    served = Served(network, (image("images", source),), (feature_map("latents", latents),), "latents of pictures")
    images = np.zeros((1, 64, 64, 3), np.float32)
    report = export({"encoder": served}, tmp_path, [(images,)], plan=Plan(io="uint8", sizes=(128,)))
    assert set(report["encoder"]["files"]) == {"saved_model", "model.tflite"}
    assert set(tf.saved_model.load(str(tmp_path / "saved_model")).signatures) == {"serving_default"}
    assert replace(served, outputs=(image("latents", latents),)).ios == ("float", "uint8")


def test_classes_may_stand_beside_pictures_of_8_bits(tmp_path):
    picture, label = keras.Input((8, 8, 1)), keras.Input((), dtype="int32")
    shade = layers.Reshape((1, 1, 1))(layers.Embedding(3, 1, embeddings_initializer="uniform")(label))
    network = keras.Model([picture, label], picture * 0.5 + shade)
    ports = (image("picture", picture), class_label("label", label, 3)), (image("drawn", network.output),)
    served = with_labels({"net": Served(network, *ports, "about")}, ("boot", "shirt", "bag"))
    batch = np.random.default_rng(0).uniform(-1, 1, (4, 8, 8, 1)).astype(np.float32), np.array([0, 2, 1, 1])
    export(served, tmp_path, [batch], plan=Plan(io="uint8"))
    levels = tf.saved_model.load(str(tmp_path / "saved_model")).signatures["serving_uint8"]
    assert levels.structured_input_signature[1]["label"].dtype == tf.int32
    assert levels.structured_input_signature[1]["picture"].dtype == tf.uint8
    assert read_metadata(tmp_path / "model-uint8.tflite").inputs[1].labels == ("boot", "shirt", "bag")
    np.testing.assert_allclose(
        TFLiteModel(tmp_path / "model-uint8.tflite")(*batch), served["net"](*batch), atol=2.01 / 255
    )


def test_each_kind_has_its_axes():
    """Clips and volumes have the same number of axes; only the family distinguishes them."""
    four = tf.zeros((1, 4, 8, 8, 3))
    assert (clip("x", four).kind, clip("x", four).range) == ("clip", (-1, 1))
    assert (volume("x", four).kind, volume("x", four, range=(0, 1)).range) == ("volume", (0, 1))
    assert sequence("x", tf.zeros((1, 9, 2))).shape == (9, 2)
    assert scalar("x", tf.zeros((1,))).shape == ()
    assert image("x", tf.zeros((1, 8, 8, 2))).kind == "map"  # no picture has two channels
    with pytest.raises(ValueError, match="accepted are 4 axes for the kind clip"):
        clip("x", tf.zeros((1, 8, 8, 3)))


def test_names_of_classes_go_where_their_number_fits():
    label, codes, probabilities = tf.zeros((1,), tf.int32), tf.zeros((1, 2, 2), tf.int32), tf.zeros((1, 3))
    assert indices("codes", codes, 3).num_classes == 0  # codes are not the data's classes
    assert class_label("label", label, 3).count == 3
    port = vector("probabilities", probabilities, range=(0, 1), num_classes=3)
    source = keras.Input((3,))
    served = {"net": Served(keras.Model(source, source), (vector("x", source),), (replace(port, name="y"),), "about")}
    (item,) = with_labels(served, ("a", "b", "c")).values()
    assert (item.inputs[0].labels, item.outputs[0].labels) == ((), ("a", "b", "c"))
    assert with_labels(served, ("a", "b"))["net"].outputs[0].labels == ()


def test_what_is_said_of_a_port():
    pixels = tf.zeros((1, 8, 6, 5))
    assert image("x", pixels[..., :3]).description() == "x: (batch, 8, 6, 3) float32 in [-1, 1]"
    assert image("x", pixels[..., :3]).description(2, "uint8") == "x: (2, 8, 6, 3) uint8 in [0, 255]"
    assert feature_map("x", pixels, "heat").description(1, "uint8") == "x: (1, 8, 6, 5) float32, heat"
    assert label_map("x", pixels).description() == (
        "x: (batch, 8, 6, 5) float32 in [-1, 1], one channel for each of 5 classes"
    )
    assert class_label("y", tf.zeros((1,), tf.int32), 4).description() == "y: (batch,) int32 from 0 to 3, the class"


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"kind": "image", "shape": (8, 8, 2)}, "2 channels; accepted are 1, 3 and 4 for an image"),
        ({"kind": "image", "shape": (8, 8)}, "accepted are 3 axes for the kind image"),
        ({"kind": "vector", "shape": (8,), "dtype": "int32"}, "dtype int32; accepted is float32"),
        ({"kind": "indices", "shape": (8,)}, "dtype float32; accepted is int32"),
    ],
)
def test_ports_that_cannot_be(settings, said):
    with pytest.raises(ValueError, match=said):
        Port("x", **settings)


def test_ports_that_do_not_fit_the_network(styled):
    with pytest.raises(ValueError, match=r"styled got the ports amount float32 \(\), .*; its tensors are "):
        replace(styled, inputs=styled.inputs[::-1])
    with pytest.raises(ValueError, match="accepted are different names"):
        replace(styled, outputs=(replace(styled.outputs[0], name="picture"), styled.outputs[1]))
