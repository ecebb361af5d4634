"""Curves and other plots: missing values are not drawn, positions are right, and no name can break a plot."""

import numpy as np
import pytest

from keras_gen.visual.plots import curves, plane
from keras_gen.visual.views import Curves

RED = np.array([0xD1, 0x49, 0x5B])  # of the second curve
SHADE = np.array([0xFB, 0xE7, 0xC1])  # a third of #f2b84b on white, to the nearest level or two


def columns_with(picture, colour, tolerance=3):
    """The columns of the picture that contain a pixel of this colour."""
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
    view = Curves({"original": mixed, "drawn": mixed - 3})
    np.testing.assert_array_equal(view.draw(), curves({"original": mixed, "drawn": mixed - 3}))


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


def panel(picture, count=1, number=0):
    """The plot within its frame: rows from y = 1 down, columns from x = -1."""
    grey = np.abs(picture.astype(int) - 0xBB).max(axis=2) <= 2
    rows, columns = (np.flatnonzero(grey.mean(axis=axis) > 0.5 / count) for axis in (1, 0))
    left = np.flatnonzero(np.diff(columns) > 100)[number]
    edges = columns[left], columns[left + 1]
    return picture[rows[0] + 2 : rows[-1] - 1, edges[0] + 2 : edges[1] - 1]


def centre_of(mask):
    """Mean position of the marked pixels in units of the plot, (x, y)."""
    rows, columns = np.nonzero(mask)
    return 2 * columns.mean() / (mask.shape[1] - 1) - 1, 1 - 2 * rows.mean() / (mask.shape[0] - 1)


@pytest.mark.parametrize("place", [(0.5, 0.5), (-0.6, 0.2), (0.0, -0.9)])
def test_samples_lie_where_they_are(place):
    """On both of two plots; one is the mirror image of the other."""
    points = np.tile(np.array(place), (50, 1))
    picture = plane({"real": -points, "generated": points})
    assert picture.shape == (425, 840, 3)
    for number, expected in ((0, -points[0]), (1, points[0])):
        dark = panel(picture, 2, number).max(axis=2) < 100
        np.testing.assert_allclose(centre_of(dark), expected, atol=0.02)  # four pixels


def test_densities_are_on_one_scale_and_a_stray_sample_is_seen():
    many = np.zeros((1000, 2))
    stray = np.concatenate([many, [[0.5, 0.5]]])
    spread = np.repeat([[0.5, 0.5], [-0.5, -0.5], [0.5, -0.5], [-0.5, 0.5]], 250, axis=0)
    picture = plane({"a": stray, "b": spread})
    shade = [255 - panel(picture, 2, number).min(axis=2).astype(int) for number in range(2)]
    height = len(shade[0])
    corner = shade[0][: height // 2, height // 2 + 20 :]
    assert 20 < corner.max() < shade[1].max() < shade[0].max()


def test_levels_are_lines_where_the_function_has_them():
    """For the function x: a thick line at 0, dashed ones to its left, and none for a constant."""
    empty = {"none": np.full((3, 2), 5.0)}
    seen = []

    def function(images):
        assert images.shape[1:] == (1, 1, 2)
        assert images.dtype == np.float32
        seen.append(len(images))
        return images[..., 0]  # (m, 1, 1), as a network of images may give it

    inside = panel(plane(empty, levels=function))
    assert seen == [97**2]
    red = inside[..., 1].astype(int) < 215
    ink = red.mean(axis=0)
    whole = np.flatnonzero(ink > 0.8)  # columns; the dashed ones to the left are not
    middle = (inside.shape[1] - 1) / 2
    assert abs(whole[:2].mean() - middle) < 2
    assert whole[1] == whole[0] + 1  # the line of 0 takes two
    assert (np.diff(whole[1:]) > 20).all()  # the others one
    assert len(whole) == 5
    assert 0.3 < ink[: whole[0] - 3].max() < 0.8
    blank = panel(plane(empty))
    for constant in (0.0, np.nan, np.inf):
        np.testing.assert_array_equal(
            panel(plane(empty, levels=lambda images, c=constant: np.full(len(images), c))), blank
        )


def test_points_and_images_are_the_same_and_nothing_breaks_the_plane():
    points = np.random.default_rng(0).uniform(-1.2, 1.2, (40, 2)).astype(np.float32)
    one, other = plane({"x": points}, title="$ \n"), plane({"x": points[:, None, None]}, title="$ \n")
    np.testing.assert_array_equal(one, other)
    points[3], points[4] = np.nan, np.inf
    assert plane({r"_$\frac": points, "none": points[:0]}).dtype == np.uint8
