"""The export report: warnings stand out, missing figures are empty, and names cannot break the page."""

import base64
import io
import re

import numpy as np
from html_pages import read_page
from PIL import Image

from keras_gen.visual.export_report import lines, publish

FIGURES = {
    "bytes": 1250,
    "max_abs_difference": 0.5,
    "mean_abs_difference": 0.125,
    "psnr": 21.5,
    "seconds_per_example": 0.004,
}
LITE = {"operators": {"CONV_2D": 3}, "not_delegated": {"CUMSUM": 2}, "delegated_to_xnnpack": 0.5, "flex": {}}
TIMED = {"latency": {"1": {"median_ms": 4.0, "p95_ms": 5.0}}, "peak_megabytes": None}


def report(**files):
    files = {f"{name}.tflite": figures for name, figures in files.items()}
    served = {
        "about": "a < b",
        "description": "source: a; drawn: b",
        "inputs": [{"name": "source", "kind": "image"}],
        "outputs": [{"name": "drawn", "kind": "image"}],
        "machine": "an abacus",
        "validation_examples": 3,
        "files": {"saved_model": FIGURES, **files},
    }
    return {"export": {"generator": served}, "exported_checkpoint": {"which": "best", "step": 1234}}


def test_the_table_has_a_column_for_what_was_measured():
    plain = lines(report(model={**FIGURES, **LITE})["export"])
    assert plain[0].split() == [
        *(
            "file",
            "size",
            "ms",
            "an",
            "example",
            "max",
            "diff",
            "mean",
            "diff",
            "PSNR",
            "dB",
            "XNNPACK",
            "built-in",
            "ops",
        )
    ]
    assert plain[1].split() == ["saved_model", "1.2", "KB", "4.0", "5.0e-01", "1.2e-01", "21.5"]
    assert plain[2].split() == ["model.tflite", "1.2", "KB", "4.0", "5.0e-01", "1.2e-01", "21.5", "50%", "yes"]
    timed = lines(report(model={**FIGURES, **LITE, **TIMED})["export"])
    assert "ms, 1 thread (p95)" in timed[0]
    assert "4.0 (5.0)" in timed[2]


def test_the_page_says_what_is_bad_in_words_and_shows_the_pictures(tmp_path):
    bad = {**FIGURES, **LITE, **TIMED, "verdict": "unusable: for a reason"}
    images = np.zeros((2, 16, 16, 3), np.float32)
    publish(report(int8=bad), {"generator 16x16": {"source": images, "network": images, "int8": images + 1}}, tmp_path)
    page = (tmp_path / "report.html").read_text()
    parsed = read_page(tmp_path / "report.html")
    assert '<p class="bad">int8.tflite is unusable: for a reason.</p>' in page
    assert '<tr class="bad"><td>int8.tflite</td>' in page
    assert "a &lt; b" in page
    assert "an abacus" in page
    assert parsed.texts[parsed.texts.index("Not run by XNNPACK:") :][1:3] == ["CUMSUM", "2"]
    assert "The best checkpoint, step 1,234." in page
    assert page.count("data:image/png;base64,") == 2
    assert list(tmp_path.glob("events.out.tfevents.*"))


def test_a_difference_is_shown_enlarged(tmp_path):
    images = np.zeros((1, 128, 128, 3), np.float32)
    drawn = {"source": images, "network": images, "int8": images + 1 / 8, "float32": images}
    publish(report(), {"generator": drawn}, tmp_path)
    _, shown = re.findall(r'base64,([^"]+)"', (tmp_path / "report.html").read_text())
    difference = Image.open(io.BytesIO(base64.b64decode(shown)))
    assert difference.getpixel((60, 60)) == (128, 128, 128)  # 1/8 of half the range, eight times
    assert difference.getpixel((190, 60)) == (0, 0, 0)
