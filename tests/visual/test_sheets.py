"""Sheets: columns of titled images, about as wide as high."""

import re

import numpy as np
import pytest
from html_pages import read_page

from keras_gen.visual.sheets import ClassScores, grid, sheet, to_rgb, write_sheet


@pytest.mark.parametrize(("columns", "count"), [(1, 32), (1, 64), (2, 8), (3, 8), (3, 32), (4, 16)])
def test_sheets_are_about_as_wide_as_high(columns, count):
    height, width, _ = sheet({str(c): np.zeros((count, 8, 8, 1)) for c in range(columns)}).shape
    assert 0.6 < width / height < 2.5


@pytest.mark.parametrize("count", [1, 4, 5, 7, 32])
def test_every_image_is_on_the_sheet_once(count):
    """Images of one grey each, darker than the paper: there are as many such cells as images."""
    greys = np.linspace(-0.9, 0.5, count)
    picture = sheet({"one": np.broadcast_to(greys[:, None, None, None], (count, 8, 8, 1))})
    levels = np.rint((greys * 0.5 + 0.5) * 255).astype(int)
    for level in levels:
        assert (np.abs(picture[..., 0].astype(int) - level) <= 0).sum() >= 128 * 128


def test_a_table_has_every_image_at_its_place():
    """Images of one grey each: cells of 64 pixels side by side, with a gap after each group of rows."""
    levels = np.arange(12).reshape(3, 4) * 16
    images = np.broadcast_to(levels[..., None, None, None] / 127.5 - 1, (3, 4, 8, 8, 1))
    picture = grid(images, ["first", "second", "third"], list("abcd"), together=2)[..., 0]
    corner = {}
    for level in levels.flat:
        inside = picture == level
        corner[level] = np.argmax(inside.sum(axis=1) >= 64), np.argmax(inside.sum(axis=0) >= 64)
        assert inside[corner[level][0] :][:64, corner[level][1] :][:, :64].all()
    tops = [[corner[level][0] - corner[0][0] for level in row] for row in levels]
    assert tops == [[0] * 4, [66] * 4, [132 + 14] * 4]
    assert [corner[level][1] - corner[row[0]][1] for row in levels for level in row] == [0, 66, 132, 198] * 3


@pytest.mark.parametrize(("title", "shown"), [("1", 10), ("1234567", 5)])
def test_titles_that_would_touch_are_left_out(title, shown):
    """White gaps of six pixels or more separate titles; those between letters are narrower."""
    head = grid(np.ones((1, 10, 28, 28, 1)), [""], [title] * 10, smallest=28)[:18]
    inked = np.flatnonzero((head < 128).any(axis=(0, 2)))
    assert 1 + (np.diff(inked) > 6).sum() == shown


@pytest.mark.parametrize("classes", [2, 3, 4, 12])
def test_class_scores_have_one_colour_for_each_class_however_many(classes):
    """Also for 3 and 4 classes, which have as many channels as RGB and RGBA."""
    ids = np.arange(classes).reshape(1, 1, classes)
    pixels = to_rgb(ClassScores(np.eye(classes)[ids] * 2 - 1))
    assert pixels.shape == (1, 1, classes, 3)
    assert len(np.unique(pixels.reshape(-1, 3), axis=0)) == classes
    inside = sheet({"labels": ClassScores(np.eye(classes)[ids])}).reshape(-1, 3)
    assert all((inside == colour).all(axis=1).any() for colour in pixels.reshape(-1, 3))


@pytest.mark.parametrize("channels", [2, 5])
def test_images_of_no_colours_are_refused(channels):
    with pytest.raises(ValueError, match=f"images have {channels} channels; accepted are 1, 3 and 4"):
        to_rgb(np.zeros((1, 2, 2, channels)))


@pytest.mark.browser
def test_the_page_leafs_through_kinds_and_steps_in_light_and_dark(browser, tmp_path):
    folder = tmp_path / "run" / "samples"
    for title in ("samples", "a#b"):
        for step in (5, 10, 1000):
            write_sheet(folder, title, step, np.zeros((8, 8, 3), np.uint8), [[10, "good & <well>"]])
    read_page(folder / "index.html")
    browser.open((folder / "index.html").as_uri())
    shown = "sheet.complete && sheet.naturalWidth > 0 && sheet.src.endsWith('{}')"
    browser.wait_until(shown.format("/samples/step-0001000.png"))
    assert browser.evaluate("document.querySelector('#step').value") == "step 1,000"
    assert browser.evaluate("document.querySelector('#health').textContent") == "Health: good & <well>"
    browser.evaluate("at.value = 0; at.dispatchEvent(new Event('input'))")
    browser.wait_until(shown.format("/samples/step-0000005.png"))
    assert browser.evaluate("document.querySelector('#health').textContent") == ""
    browser.click("#kinds button:nth-child(2)")
    browser.wait_until(shown.format("/samples/a%23b/step-0001000.png"))
    papers = []
    for scheme in ("light", "dark"):
        browser.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        colour = browser.evaluate("getComputedStyle(document.documentElement).backgroundColor")
        papers.append(max(map(int, re.findall("[0-9]+", colour)[:3])))
    assert papers[0] > 200 > 60 > papers[1]
    assert [address for address in browser.requested() if not address.startswith(("file:", "data:"))] == []
