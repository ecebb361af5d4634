import numpy as np
import pytest

from keras_gen.data.builtin.shapes import CLASSES, COUNT, LEVELS, Shapes


@pytest.fixture(scope="module")
def shapes():
    return Shapes()


def pictures(shapes, *factors):
    return shapes.images(shapes.index(np.array(factors))).numpy()[..., 0]


def test_the_grid_is_the_published_one():
    assert list(LEVELS.values()) == [3, 6, 40, 32, 32]
    assert COUNT == 737_280
    factors = Shapes.factors(np.arange(COUNT))
    assert [len(np.unique(column)) for column in factors.T] == [3, 6, 40, 32, 32]
    np.testing.assert_array_equal(Shapes.index(factors), np.arange(COUNT))
    assert Shapes.values()["scale"].tolist() == pytest.approx([0.5, 0.6, 0.7, 0.8, 0.9, 1.0])
    assert Shapes.values()["orientation"][[0, -1]].tolist() == pytest.approx([0, 2 * np.pi])


def test_images_are_black_and_white_and_never_cut_off(shapes):
    index = np.random.default_rng(0).choice(COUNT, 2000, replace=False)
    images = shapes.images(index).numpy()
    assert (images.shape, images.dtype) == ((2000, 64, 64, 1), np.uint8)
    assert set(np.unique(images)) == {0, 255}
    corners = [[shape, 5, turn, x, y] for shape in range(3) for turn in range(40) for x in (0, 31) for y in (0, 31)]
    for image in pictures(shapes, *corners):
        assert np.count_nonzero(image[1:-1, 1:-1]) == np.count_nonzero(image)


def test_a_step_in_position_is_one_pixel(shapes):
    here, right, below = pictures(shapes, [2, 3, 7, 10, 20], [2, 3, 7, 11, 20], [2, 3, 7, 10, 21])
    np.testing.assert_array_equal(right, np.roll(here, 1, axis=1))
    np.testing.assert_array_equal(below, np.roll(here, 1, axis=0))
    top_left, bottom_right = pictures(shapes, [0, 5, 0, 0, 0], [0, 5, 0, 31, 31])
    np.testing.assert_array_equal(top_left, bottom_right[::-1, ::-1])


def test_areas_follow_the_scale_and_shapes_are_what_they_are_called(shapes):
    assert CLASSES == ("square", "ellipse", "heart")
    for shape in range(3):
        areas = [(pictures(shapes, [shape, scale, 3, 16, 16])[0] > 0).sum() for scale in range(6)]
        np.testing.assert_allclose(areas, 424 * np.linspace(0.5, 1, 6) ** 2, rtol=0.06)
    square, ellipse, heart = pictures(shapes, *([shape, 5, 0, 16, 16] for shape in range(3))) > 0
    assert square.any(axis=0).sum() == square.any(axis=1).sum() == 21
    assert square.sum() == 21 * 21
    assert ellipse.any(axis=0).sum() > 1.6 * ellipse.any(axis=1).sum()
    columns = np.flatnonzero(heart.any(axis=0))
    upright = heart[:, columns[0] : columns[-1] + 1]
    np.testing.assert_array_equal(upright, upright[:, ::-1])
    rows = np.flatnonzero(upright.any(axis=1))
    assert upright[rows[-1]].sum() <= 3 < upright[rows[len(rows) // 4]].sum()  # a tip below, broad above


def test_orientation_turns_counter_clockwise(shapes):
    """The long axis of the ellipse, from its second moments, has the angle of the factor within two degrees."""
    for image, angle in zip(
        pictures(shapes, *([1, 5, turn, 16, 16] for turn in range(40))), Shapes.values()["orientation"], strict=True
    ):
        down, right = np.argwhere(image).T
        moments = np.cov(right, -down)
        found = 0.5 * np.arctan2(2 * moments[0, 1], moments[0, 0] - moments[1, 1])
        assert abs(np.angle(np.exp(2j * (found - angle)))) / 2 < np.radians(2)
