"""Verification of exports: what is measured, refused, and reported as unusable."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_gen.errors import UserError
from keras_gen.export.exporter import ExportError, Plan, compare, export
from keras_gen.export.signature import Served, feature_map, image, indices, scalar, vector
from keras_gen.networks.unet import unet
from keras_gen.visual.export_report import lines


class Tangent(keras.layers.Layer):
    """An operator that is not built into TFLite, but available in Flex."""

    def call(self, x):
        return tf.tan(0.1 * x)


class Rounding(keras.layers.Layer):
    """Nine levels in [-1, 1] as indices."""

    def call(self, x):
        return tf.cast(tf.round(4.0 * x[..., 0] + 4.0), tf.int32)


def test_differences_are_those_of_the_definition():
    expected = np.zeros((2, 4, 4, 1), np.float32)
    drawn = np.stack([np.full((4, 4, 1), 0.1), np.full((4, 4, 1), 0.3)])
    ports = [image("drawn", expected)]
    found = compare(lambda images: images, [drawn], [expected], ports)
    assert found["max_abs_difference"] == pytest.approx(0.3)
    assert found["mean_abs_difference"] == pytest.approx(0.2)
    assert found["psnr"] == pytest.approx(10 * np.log10(4 / 0.05), abs=0.01)
    assert compare(lambda images: images, [expected], [expected], ports)["psnr"] == pytest.approx(120, abs=0.1)
    wrong = compare(lambda images: images * np.nan, [expected], [expected], ports)
    assert (wrong["max_abs_difference"], wrong["psnr"]) == (2, 0)


def test_of_several_outputs_the_worst_counts_in_units_of_half_its_range():
    expected = [
        np.zeros((2, 3), np.float32),
        np.zeros((2, 4, 4, 5), np.float32),
        np.linspace(0, 8, 2, dtype=np.float32),
    ]
    ports = [
        vector("shares", expected[0], range=(0, 1)),
        feature_map("values", expected[1]),
        scalar("angle", expected[2]),
    ]
    found = compare(
        lambda inputs: (expected[0] + 0.1, expected[1], expected[2] + 1),
        [np.zeros((2, 1))],
        expected,
        ports,
        batch=2,
    )
    each = {name: figures["max_abs_difference"] for name, figures in found["outputs"].items()}
    assert each == {"shares": pytest.approx(0.2), "values": 0, "angle": pytest.approx(0.25)}
    assert found["max_abs_difference"] == pytest.approx(0.25)
    assert found["psnr"] == min(figures["psnr"] for figures in found["outputs"].values())


def test_indices_are_equal_or_not():
    expected = np.zeros((4, 2, 5), np.int32)
    drawn = expected.copy()
    drawn[1, 0, 3] = 7
    ports = [indices("indices", expected, 8)]
    found = compare(lambda images: drawn[: len(images)], [np.zeros((4, 1))], [expected], ports, batch=4)
    assert (found["max_abs_difference"], found["mean_abs_difference"]) == (1, pytest.approx(1 / 40))
    assert "psnr" not in found


def test_maps_of_indices_go_in_and_come_out(images, tmp_path):
    """To indices, and back to images with a table; indices are int32 in both files, as the metadata say."""
    source, chosen = keras.Input((32, 32, 3)), keras.Input((32, 32), dtype="int32")
    down = keras.Model(source, Rounding()(source))
    table = keras.Model(chosen, keras.layers.Embedding(9, 3)(chosen))
    taken, codes, drawn = image("images", source), indices("indices", chosen, 9), image("drawn", table.output)
    items = {
        "encoder": Served(down, (taken,), (codes,), "about", chooses=True),
        "decoder": Served(table, (codes,), (drawn,), "about", examples=lambda batch: (down(batch[0]),)),
    }
    report = export(items, tmp_path, [(images,)], plan=Plan(runs=1))
    for name, file in (("encoder", "model.tflite"), ("decoder", "decoder.tflite")):
        figures = report[name]["files"][file]
        assert figures["max_abs_difference"] == 0
        assert "indices: (1, 32, 32) int32 from 0 to 8" in figures["metadata"]["description"]


def test_a_choice_between_codes_may_be_another_but_not_many(serve, images, tmp_path):
    """A network far outside [-1, 1] differs everywhere by more than rounding, also on average."""
    source = keras.Input((32, 32, 3))
    loud = keras.Model(source, keras.layers.Rescaling(1e6)(unet(32, 3, 1, levels=3, filters=8)(source)))
    item = serve(loud, chooses=True)
    with pytest.raises(ExportError, match=r"on average; accepted is at most 1e-02"):
        export({"generator": item}, tmp_path, [(images[:1],)])


def test_a_float32_file_that_draws_something_else_is_refused_with_the_report(network, serve, images, tmp_path):
    """A network so far outside [-1, 1] that the order of additions alone changes values by more than the tolerance."""
    loud = keras.Model(network.input, keras.layers.Rescaling(1e6)(network.output))
    with pytest.raises(
        ExportError, match=r"model\.tflite differs from the network by .*; accepted is at most 1e-03\. Do not use it"
    ) as error:
        export({"generator": serve(loud)}, tmp_path, [(images[:1],)])
    assert error.value.args[1]["generator"]["files"]["model.tflite"]["max_abs_difference"] > 1e-3


def test_a_file_below_30_db_is_called_unusable_in_plain_words(network, serve, images, tmp_path):
    """The outputs are far outside the range here, and 256 levels of int8 must cover them."""
    plan = Plan(("int8",))
    good = export({"generator": serve(network)}, tmp_path / "good", [(images,)], plan=plan, calibration=[(images,)])
    wild = keras.Model(network.input, keras.layers.Rescaling(1000)(network.output))
    bad = export({"generator": serve(wild)}, tmp_path / "bad", [(images,)], plan=plan, calibration=[(images,)])
    good, bad = (report["generator"]["files"]["model-int8.tflite"] for report in (good, bad))
    assert good["psnr"] > 30
    assert "verdict" not in good
    assert bad["psnr"] < 30
    assert bad["verdict"].startswith(f"unusable: its PSNR against the network is {bad['psnr']:.1f} dB")


def test_other_sizes_are_the_same_network(network, serve, images, tmp_path):
    pictures = {}
    report = export(
        {"generator": serve(network)}, tmp_path, [(images[:2],)], plan=Plan(sizes=(32, 48, 64)), pictures=pictures
    )
    written = {"saved_model", "model.tflite", "model-48.tflite", "model-64.tflite"}
    assert set(report["generator"]["files"]) == written
    assert set(pictures) == {"generator 32x32", "generator 48x48", "generator 64x64"}
    large = pictures["generator 64x64"]
    assert large["float32"].shape == (2, 64, 64, 1)
    np.testing.assert_allclose(large["float32"], large["network"], atol=1e-4)
    rebuilt = unet(64, 3, 1, levels=3, filters=8)
    rebuilt.set_weights(network.get_weights())
    np.testing.assert_allclose(large["network"], rebuilt.predict(large["source"], verbose=0), atol=1e-5)
    with pytest.raises(UserError, match="--sizes got 20"):
        export({"generator": serve(network)}, tmp_path, [(images[:2],)], plan=Plan(sizes=(20,)))


def test_speed_and_memory_are_measured_where_asked_for(network, serve, images, tmp_path):
    figures = export({"generator": serve(network)}, tmp_path, [(images[:2],)], plan=Plan(runs=3))["generator"]["files"][
        "model.tflite"
    ]
    for threads in ("1", "2"):
        assert 0 < figures["latency"][threads]["median_ms"] <= figures["latency"][threads]["p95_ms"] < 1000
    assert figures["peak_megabytes"] is None or 0 < figures["peak_megabytes"] < 1000
    assert figures["delegated_to_xnnpack"] == 1.0


def test_what_no_interpreter_here_can_run_is_said_to_be_unproved(serve, images, tmp_path):
    source = keras.Input((32, 32, 3))
    network = keras.Model(source, Tangent()(source))
    pictures = {}
    report = export({"generator": serve(network)}, tmp_path, [(images[:2],)], plan=Plan(runs=1), pictures=pictures)
    figures = report["generator"]["files"]["model.tflite"]
    assert figures["flex"] == {"FlexTan": "TFLite has no built-in form of tf.Tan for tensor<1x32x32x3xf32>"}
    assert figures["verdict"].startswith("not verified")
    assert "psnr" not in figures
    assert set(pictures["generator 32x32"]) == {"source", "network"}
    table = "\n".join(lines(report))
    assert "no, Flex" in table
    assert "model.tflite needs FlexTan: TFLite has no built-in form of tf.Tan" in table
