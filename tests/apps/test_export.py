"""`apps.export`: the same files again, from any checkpoint, to any folder, with data that may have moved."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from apps.export import main
from keras_gen import models
from keras_gen.export.saved_model import load_saved_model
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
    for exported in (load_saved_model(copy / "saved_model"), TFLiteModel(copy / "model.tflite")):
        np.testing.assert_allclose(exported(images), expected, atol=1e-4)
    report = json.loads((copy / "report.json").read_text())
    assert report["training"] == before["training"]
    assert report["exported_checkpoint"] == {"which": "newest", "step": step} == {"which": "newest", "step": 4}
    assert report["export"]["generator"]["validation_images"] == 3
    assert set(report["export"]["generator"]["files"]) == {"saved_model", "model.tflite"}
    out = capsys.readouterr().out
    assert "model.tflite" in out
    assert "differs from the network by at most" in out


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
    written = sorted(path.name for path in (tmp_path / "elsewhere").iterdir())
    assert written == ["model.tflite", "report.json", "saved_model"]
    model, step = models.load(copy, "best")
    images = np.zeros((1, 32, 32, 3), np.float32)
    drawn = TFLiteModel(tmp_path / "elsewhere" / "model.tflite")(images)
    np.testing.assert_allclose(drawn, model.translate(images), atol=1e-4)
    told = json.loads((tmp_path / "elsewhere" / "report.json").read_text())["exported_checkpoint"]
    assert told == {"which": "best", "step": step}


def test_what_cannot_be_exported_is_refused_in_one_sentence(copy, tiny_run, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    for part in ("train", "val"):
        (tmp_path / "grey" / part).mkdir(parents=True)
        Image.new("L", (64, 32)).save(tmp_path / "grey" / part / "1.png")
    for arguments, named in (
        ((tmp_path,), "config.json"),
        ((copy, "--data", tmp_path / "grey"), "1 to 1 channels"),
        ((copy, "--out", tmp_path / "file"), "--out"),
        ((copy, "--out", tiny_run.folder), "a run of its own"),
        ((copy, "--checkpoint", "worst"), "worst"),
    ):
        assert run(*arguments) == 2
        error = capsys.readouterr().err
        assert named in error
        assert error.count("\n") == 1
        assert not (copy / "model.tflite").exists()
    shutil.rmtree(copy / "checkpoints")
    assert run(copy) == 2
    assert "checkpoint" in capsys.readouterr().err


def test_help_fits_a_screen_and_begins_with_an_example(capsys):
    with pytest.raises(SystemExit):
        run("--help")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("example: python -m apps.export")
    assert len(lines) <= 40
