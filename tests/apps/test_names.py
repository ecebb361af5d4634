"""Folders whose names are not UTF-8: data can be read from them, runs and exports are refused."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from apps import export, train_autoencoder, translate


@pytest.fixture
def folder(tmp_path):
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/name\xff"))
    try:
        folder.mkdir()
    except OSError:
        pytest.skip("the file system takes no such names")
    return folder


def test_a_run_trains_on_a_folder_whose_name_is_not_utf8(folder, tmp_path, capsys):
    for number in range(20):
        Image.fromarray(np.random.default_rng(number).integers(0, 256, (8, 8), np.uint8)).save(folder / f"{number}.png")
    flags = [
        "--preset",
        "tiny",
        "--image-size",
        "8",
        "--epochs",
        "1",
        "--steps-per-epoch",
        "1",
        "--batch-size",
        "2",
        "--no-export",
    ]
    assert train_autoencoder.main([*flags, "--data", str(folder), "--out", str(tmp_path / "run")]) == 0
    assert "from " + str(tmp_path / "name\\xff") in capsys.readouterr().out
    content = json.loads((tmp_path / "run" / "config.json").read_text(encoding="utf-8"))
    assert Path(content["data"]["data"]) == folder


def test_a_run_folder_whose_name_is_not_utf8_is_refused_in_one_sentence(folder, tiny_run, capsys):
    for main, words in (
        (train_autoencoder.main, ["--preset", "tiny", "--out", folder]),
        (export.main, [folder]),
        (export.main, [tiny_run.folder, "--out", folder]),
        (translate.main, [folder / "saved_model", tiny_run.data, "--out", "drawn"]),
    ):
        assert main([str(word) for word in words]) == 2
        error = capsys.readouterr().err
        assert "name\\xff" in error
        assert "is not UTF-8, and TensorFlow cannot open such files" in error
        assert error.count("\n") == 1
    assert not list(folder.iterdir())
