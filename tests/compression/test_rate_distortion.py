"""Rate-distortion curves of a run, JPEG and WebP: the size of headers, and the verdicts."""

import io

import numpy as np
import pytest
from PIL import Image

from keras_gen.compression.rate_distortion import Point, _jpeg_header, ranges, verdicts


def line(*points):
    return [Point(i, rate, rate / 2, psnr, None) for i, (rate, psnr) in enumerate(points)]


@pytest.mark.parametrize(
    ("run", "jpeg", "said"),
    [
        ([(0.1, 10), (1, 20)], [(2, 15), (4, 25)], "the run up to 3.00 bits per pixel, then JPEG at all higher rates"),
        ([(0.1, 10), (1, 20)], [(2, 15), (4, 19)], "the run at all rates"),
        ([(1, 10), (2, 20)], [(1, 15), (2, 25)], "JPEG at all rates"),
        ([(2, 15), (4, 25)], [(1, 10), (8, 24)], "JPEG up to 2.00 bits per pixel, then the run at all higher rates"),
        # More bits for less: what was had for fewer counts.
        ([(0.1, 20), (5, 1)], [(1, 10), (4, 30)], "the run up to 2.50 bits per pixel, then JPEG at all higher rates"),
    ],
)
def test_who_gives_more_is_read_from_the_lines_through_the_points(run, jpeg, said):
    found = {"run": line(*run), "JPEG": line(*jpeg), "WebP": line((1, 0), (2, 1))}
    first, second = verdicts(found)
    assert first == f"Higher PSNR, run against JPEG: {said}."
    assert second.startswith("Higher PSNR, run against WebP: ")


def test_ranges_are_those_of_the_points():
    found = {name: line((1, 10), (2, 20.5)) for name in ("run", "JPEG", "WebP")}
    assert ranges(found)[1] == "JPEG's files take 1.00 to 2.00 bits per pixel, at best PSNR [dB] 20.5."
    assert ranges({"run": line((1, 10))}) == ["The run's files take 1.00 bits per pixel, at best PSNR [dB] 10."]


@pytest.mark.parametrize("shape", [(8, 8), (28, 40), (64, 64, 3)])
@pytest.mark.parametrize("quality", [1, 50, 95])
def test_all_of_a_jpeg_but_its_scan_is_header(shape, quality):
    """With the standard Huffman tables, two pictures of the same size and quality differ only in their scan data."""
    files = []
    for seed in range(2):
        picture = np.random.default_rng(seed).integers(0, 256, shape, np.uint8)
        buffer = io.BytesIO()
        Image.fromarray(picture).save(buffer, "JPEG", quality=quality, optimize=False)
        files.append(buffer.getvalue())
    headers = _jpeg_header(files[0])
    assert files[0][: headers - 2] == files[1][: headers - 2]
    assert files[0][headers - 5 : headers - 2] == b"\x00\x3f\x00"  # the end of a baseline scan's segment
    assert files[0][headers - 2 :] != files[1][headers - 2 :]
