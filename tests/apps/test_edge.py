"""The Python program in docs/edge.md works with float32 and uint8 files."""

import re
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from apps import export, translate

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "edge.md"


@pytest.mark.parametrize("io", ["float", "uint8"])
def test_the_python_program_draws_what_translate_draws(tiny_run, tmp_path, monkeypatch, io):
    (program,) = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)
    assert export.main([str(tiny_run.folder), "--out", str(tmp_path), "--io", io, "--runs", "1"]) == 0
    (model,) = tmp_path.glob("*.tflite")
    pixels = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "picture.png")
    monkeypatch.setattr(
        sys, "argv", ["translate.py", str(model), str(tmp_path / "picture.png"), str(tmp_path / "a.png"), "1"]
    )
    exec(compile(program, str(DOCUMENT), "exec"), {"__name__": "__main__"})
    assert translate.main([str(model), str(tmp_path / "picture.png"), "--out", str(tmp_path / "b")]) == 0
    drawn = [np.asarray(Image.open(tmp_path / name), int) for name in ("a.png", "b/picture.png")]
    assert drawn[0].shape == (32, 32, 3)
    assert np.abs(drawn[0] - drawn[1]).max() <= 1
    assert drawn[0].std() > 1
