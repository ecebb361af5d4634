"""Sheets for people: columns of titled images, about as wide as high."""

import numpy as np
import pytest

from keras_gen.engine.samples import sheet


@pytest.mark.parametrize(("columns", "count"), [(1, 32), (1, 64), (2, 8), (3, 8), (3, 32), (4, 16)])
def test_sheets_are_about_as_wide_as_high(columns, count):
    height, width, _ = sheet({str(c): np.zeros((count, 8, 8, 1)) for c in range(columns)}).shape
    assert 0.6 < width / height < 2.5


@pytest.mark.parametrize("count", [1, 4, 5, 7, 32])
def test_every_image_is_on_the_sheet_once(count):
    """Images of one grey each, darker than the paper: as many cells of it as there are images."""
    greys = np.linspace(-0.9, 0.5, count)
    picture = sheet({"one": np.broadcast_to(greys[:, None, None, None], (count, 8, 8, 1))})
    levels = np.rint((greys * 0.5 + 0.5) * 255).astype(int)
    for level in levels:
        assert (np.abs(picture[..., 0].astype(int) - level) <= 0).sum() >= 128 * 128
