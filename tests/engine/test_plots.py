"""Curves: what is missing is not drawn, and no name can break a plot."""

import numpy as np
import pytest

from keras_gen.engine.plots import curves
from keras_gen.engine.samples import sheet

RED = np.array([0xD1, 0x49, 0x5B])  # of the second curve
SHADE = np.array([0xFB, 0xE7, 0xC1])  # a third of #f2b84b on white, to the nearest level or two


def columns_with(picture, colour, tolerance=3):
    """The picture's columns in which a pixel has the colour."""
    return np.flatnonzero((np.abs(picture.astype(int) - colour).max(axis=2) <= tolerance)[25:].any(axis=0))


def test_a_curve_ends_where_another_one_does():
    original = np.sin(np.arange(60.0)).reshape(1, 60, 1)
    shorter = original.copy()
    shorter[:, 30:] = np.nan
    shorter[:, 0] = 5
    whole = columns_with(curves({"original": original, "drawn": original - 3}), RED)
    cut = columns_with(curves({"original": shorter, "drawn": original - 3}), RED)
    assert len(whole) > 250
    assert len(cut) > 250  # the axis ends with it
    mixed = np.concatenate([original, shorter])
    one, other = sheet({"original": mixed, "drawn": mixed - 3}), curves({"original": mixed, "drawn": mixed - 3})
    np.testing.assert_array_equal(one, other)


def test_a_span_is_shaded_and_an_empty_one_is_not():
    flat = np.zeros((1, 100, 1))
    shaded = columns_with(curves({"x": flat}, spans=[(50, 75)]), SHADE)
    assert 0.2 < len(shaded) / 310 < 0.3  # a quarter of the axis
    assert 180 < shaded.min() < 220
    assert not len(columns_with(curves({"x": flat}, spans=[(0, 0)]), SHADE))


@pytest.mark.parametrize("count", [1, 2, 9])
@pytest.mark.parametrize("features", [1, 3, 7])
def test_every_number_of_examples_and_features(count, features):
    values = np.random.default_rng(0).normal(size=(count, 20, features))
    picture = curves({"a": values, "b": -values}, features=[str(n) for n in range(features)])
    assert picture.dtype == np.uint8
    across, down = {1: (1, 1), 2: (2, 1), 9: (3, 3)}[count]
    assert picture.shape[1] == 360 * across
    assert abs(picture.shape[0] - (45 + down * (125 * min(features, 4) + 20))) <= 1


def test_names_are_text_and_nothing_else():
    values = np.zeros((1, 5, 2))
    name = r"$\frac{$ \n 溫度"
    assert curves({"a": values}, titles=[name], features=[name, "$"]).shape[2] == 3
