"""`apps.export`: repeated exports from any checkpoint, to any folder, with data that may have moved."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image
from tensorflow.python.summary.summary_iterator import summary_iterator

from apps import train_pix2pix, translate
from apps.export import main
from keras_gen import models
from keras_gen.export.metadata import Provenance, read_metadata
from keras_gen.export.saved_model import SavedModel
from keras_gen.export.tflite import TFLiteModel


def run(*arguments):
    return main([str(argument) for argument in arguments])


@pytest.fixture
def copy(tiny_run, tmp_path):
    """A copy of the run without its exports."""
    folder = shutil.copytree(tiny_run.folder, tmp_path / "run")
    shutil.rmtree(folder / "saved_model")
    (folder / "model.tflite").unlink()
    return folder


def test_exports_are_written_again_and_reported(copy, capsys):
    before = json.loads((copy / "report.json").read_text())
    assert run(copy) == 0
    model, step = models.load(copy)
    images = np.random.default_rng(0).uniform(-1, 1, (2, 32, 32, 3)).astype(np.float32)
    expected = model.translate(images).numpy()
    for exported in (SavedModel(copy / "saved_model"), TFLiteModel(copy / "model.tflite")):
        np.testing.assert_allclose(exported(images), expected, atol=1e-4)
    report = json.loads((copy / "report.json").read_text())
    assert report["training"] == before["training"]
    assert report["exported_checkpoint"] == {"which": "newest", "step": step} == {"which": "newest", "step": 4}
    assert report["export"]["generator"]["validation_examples"] == 3
    assert set(report["export"]["generator"]["files"]) == {"saved_model", "model.tflite"}
    out = capsys.readouterr().out
    assert "model.tflite" in out
    assert "1 thread (p95)" in out


def test_a_run_whose_data_moved_is_exported_to_another_folder_and_stays_as_it_is(copy, tiny_run, tmp_path, capsys):
    config = json.loads((copy / "config.json").read_text())
    config["data"]["data"] = str(tmp_path / "gone")
    (copy / "config.json").write_text(json.dumps(config))
    before = {path.name: path.read_bytes() for path in copy.iterdir() if path.is_file()}
    arguments = (copy, "--checkpoint", "best", "--out", tmp_path / "elsewhere")
    assert run(*arguments) == 2
    error = capsys.readouterr().err
    assert "--data SPEC" in error
    assert "gone" in error
    assert not (tmp_path / "elsewhere").exists()

    assert run(*arguments, "--data", tiny_run.data) == 0
    assert {path.name: path.read_bytes() for path in copy.iterdir() if path.is_file()} == before
    written = sorted(path.name.partition(".out.")[0] for path in (tmp_path / "elsewhere").iterdir())
    assert written == ["events", "model.tflite", "report.html", "report.json", "saved_model"]
    model, step = models.load(copy, "best")
    images = np.zeros((1, 32, 32, 3), np.float32)
    drawn = TFLiteModel(tmp_path / "elsewhere" / "model.tflite")(images)
    np.testing.assert_allclose(drawn, model.translate(images), atol=1e-4)
    told = json.loads((tmp_path / "elsewhere" / "report.json").read_text())["exported_checkpoint"]
    assert told == {"which": "best", "step": step}


def test_variants_are_written_proved_and_shown_and_any_of_them_translates(copy, tmp_path, capsys):
    short = ("--runs", 2, "--calibration", 3)
    described = ("--author", "A. Author", "--licence", "CC0-1.0", "--classes", "wall, window")
    assert run(copy, "--variants", "float32,float16,dynamic8,int8", *short, *described) == 0
    assert run(copy, "--variants", "float32,int8", "--io", "uint8", "--sizes", "32,64", "--batch", 2, *short) == 0
    names = {"model", "model-float16", "model-dynamic8", "model-int8"}
    names |= {f"model-{kind}uint8-batch2" for kind in ("", "64-", "int8-", "int8-64-")}
    files = json.loads((copy / "report.json").read_text())["export"]["generator"]["files"]
    assert set(files) == {"saved_model", *(f"{name}.tflite" for name in names)}
    assert {path.name for path in copy.glob("*.tflite")} == set(files) - {"saved_model"}
    page = (copy / "report.html").read_text()
    out = capsys.readouterr().out
    for name, figures in files.items():
        assert name in page
        assert name in out
        if name != "saved_model":
            assert figures["flex"] == {}
            assert set(figures["latency"]) == {"1", "2"}
            assert figures["operators"]["CONV_2D"] >= 3  # and more where transposed ones are rewritten
            assert read_metadata(copy / name).variant == figures["metadata"]["variant"]
    metadata = read_metadata(copy / "model.tflite")
    assert (metadata.origin, metadata.inputs[0].labels) == (Provenance("A. Author", "CC0-1.0"), ("wall", "window"))
    told = [event.summary.value for path in copy.glob("events.out.tfevents.*") for event in summary_iterator(str(path))]
    tags = {value.tag for values in told for value in values}
    assert {"exports", "exports/generator 32x32, drawn", "exports/generator 64x64, drawn"} <= tags

    save = np.random.default_rng(0).integers(0, 256, (40, 70, 3), np.uint8)
    Image.fromarray(save).save(tmp_path / "picture.png")
    drawn = {}
    for name in names:
        arguments = [copy / f"{name}.tflite", tmp_path / "picture.png", "--out", tmp_path / name, "--threads", 1]
        assert translate.main([str(argument) for argument in arguments]) == 0
        drawn[name] = np.asarray(Image.open(tmp_path / name / "picture.png"), int)
    for name in ("model-float16", "model-uint8-batch2"):
        assert np.abs(drawn[name] - drawn["model"]).max() <= 2
    for name in ("model-dynamic8", "model-int8", "model-int8-uint8-batch2"):
        assert np.abs(drawn[name] - drawn["model"]).mean() < 4


def test_files_of_other_weights_do_not_stay_beside_new_ones(copy, tiny_run, tmp_path):
    out = ("--out", tmp_path / "out", "--runs", 1)
    assert run(copy, "--variants", "float32,dynamic8", *out) == 0
    assert run(copy, "--variants", "float16", *out) == 0  # the same weights: all three stay
    files = json.loads((tmp_path / "out" / "report.json").read_text())["export"]["generator"]["files"]
    assert set(files) == {"saved_model", "model.tflite", "model-dynamic8.tflite", "model-float16.tflite"}
    other = tmp_path / "other"
    flags = {"preset": "tiny", "filters": 4, "discriminator-filters": 4, "levels": 3, "epochs": 1, "seed": 1}
    flags |= {"steps-per-epoch": 1, "data": tiny_run.data, "out": other}
    assert train_pix2pix.main(["--no-export", *(f"--{name}={value}" for name, value in flags.items())]) == 0
    assert run(other, "--variants", "float32", *out) == 0
    assert sorted(path.name for path in (tmp_path / "out").glob("*.tflite")) == ["model.tflite"]


def test_what_cannot_be_exported_is_refused_in_one_sentence(copy, tiny_run, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    for part in ("train", "val"):
        (tmp_path / "grey" / part).mkdir(parents=True)
        Image.new("L", (64, 32)).save(tmp_path / "grey" / part / "1.png")
    for arguments, named in (
        ((tmp_path,), "config.json"),
        ((copy, "--data", tmp_path / "grey"), "has source channels 1, but"),
        ((copy, "--out", tmp_path / "file"), "file, which is a file; accepted is a folder"),
        ((copy, "--out", tiny_run.folder), "contains another run"),
        ((copy, "--checkpoint", "worst"), "worst"),
        ((copy, "--variants", "float32,int4"), "--variants got int4"),
        ((copy, "--variants", ","), "--variants got nothing"),
        ((copy, "--sizes", "32,big"), "--sizes got big"),
        ((copy, "--sizes", "20"), "--sizes got 20"),
        ((copy, "--batch", 0), "--batch"),
        ((copy, "--io", "int4"), "--io"),
    ):
        assert run(*arguments) == 2
        error = capsys.readouterr().err
        assert named in error
        assert error.count("\n") == 1
        assert not (copy / "model.tflite").exists()
    shutil.rmtree(copy / "checkpoints")
    assert run(copy) == 2
    assert "checkpoint" in capsys.readouterr().err
