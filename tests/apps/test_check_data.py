"""`apps.check_data`: its table, files and exit codes. The checks are tested in tests/data/checks."""

import json
import shutil

import numpy as np
import pytest
from html_pages import read_page
from PIL import Image

from apps.check_data import main
from keras_gen.data.builtin.facades import PALETTE, draw_pair


@pytest.fixture
def pairs(tmp_path):
    """Twenty-four clean side-by-side pairs, four of them for validation."""
    for number in range(24):
        labels, photo = draw_pair(64, 0, number)
        folder = tmp_path / "pairs" / ("train" if number < 20 else "val")
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.concatenate([PALETTE[labels], photo], axis=1)).save(folder / f"{number:02d}.png")
    return tmp_path / "pairs"


def run(capsys, *argv):
    code = main([str(word) for word in argv])
    return code, capsys.readouterr()


def test_exit_codes_are_0_clean_1_warnings_2_errors(pairs, tmp_path, capsys):
    out = tmp_path / "out"
    code, screen = run(capsys, pairs, "--out", out)
    assert (code, screen.err) == (0, "")
    assert "24 (20 train, 4 val; train and val folders)" in screen.out

    shutil.copy(pairs / "train" / "00.png", pairs / "val" / "leak.png")
    code, screen = run(capsys, pairs, "--out", out)
    assert code == 1
    assert screen.err.startswith("1 warning, 1 note, shown in")

    (pairs / "train" / "bad.png").write_bytes(b"")
    code, screen = run(capsys, pairs, "--out", out, "--quick")
    assert code == 2
    assert screen.err.startswith("error: 1 error, 1 warning, 1 note in 26 examples, shown in")

    content = json.loads((out / "check.json").read_text())
    assert (content["exit_code"], content["looked_at"]) == (2, 26)
    assert [finding["level"] for finding in content["findings"]] == ["error", "warning", "note"]
    assert content["findings"][0]["cases"][0]["files"] == [str(pairs / "train" / "bad.png")]
    assert {"1 error, 1 warning, 1 note", "train/bad.png"} <= set(read_page(out / "index.html").texts)


def test_folders_of_images_and_classes(pairs, tmp_path, capsys):
    code, screen = run(capsys, pairs, "--kind", "images", "--out", tmp_path / "out")
    assert (code, "24 (20 train, 4 val; train and val folders)" in screen.out) == (0, True)
    code, screen = run(capsys, pairs, "--kind", "labelled", "--out", tmp_path / "out")
    assert (code, "has no subfolders of classes, which --kind labelled needs" in screen.err) == (2, True)


def test_usage_errors_are_one_sentence(pairs, tmp_path, capsys):
    for argv, message in (
        ([tmp_path / "nowhere"], "nowhere, which is not a folder"),
        ([tmp_path / "nowhere", "--kind", "images"], "nowhere, which is not a folder"),
        ([pairs, "--num-classes", "1"], "--num-classes got 1"),
        ([pairs, "--max-pixels", "0"], "--max-pixels got 0"),
        ([pairs, "--kind", "videos"], "videos"),
        ([pairs, "--out", pairs / "train" / "00.png"], "--out got"),
    ):
        code, screen = run(capsys, *argv)
        assert code == 2
        assert message in screen.err
        assert screen.err.count("\n") == 1
