"""Paths, arithmetic and neighbours against NumPy, in a known latent space."""

import io

import numpy as np
import pytest
from PIL import Image

from keras_gen.errors import UserError
from keras_gen.visual import exploration
from keras_gen.visual.exploration import EncodedImage
from keras_gen.visual.latent_space import LatentSpace
from keras_gen.visual.latent_views import Codes

CLASSES = ("cat", "dog", "owl")


def space(prior=True):
    """Vectors of two numbers, decoded to an image whose left half has the first and whose right half the second."""
    return LatentSpace(
        2,
        encode=lambda images, labels: np.asarray(images)[:, 0, ::2, 0],
        decode=lambda vectors, labels: np.repeat(np.asarray(vectors), 2, axis=1)[:, None, :, None] * np.ones((4, 1, 1)),
        divergence=(lambda images, labels: np.ones((len(images), 2))) if prior else None,
    )


def picture(vector, name="one"):
    image = np.repeat(np.float32(vector), 2)[None, :, None] * np.ones((4, 1, 1), np.float32)
    return EncodedImage(name, image, np.float32(vector))


def cells(figure, count):
    """Colours in the centres of both halves of the cells in the last row, from left to right, in [-1, 1]."""
    with Image.open(io.BytesIO(figure.content)) as table:
        row = np.asarray(table.convert("RGB"), np.float32)[-40, :, 0] / 127.5 - 1
    step = 64 + 2  # of a cell and the gap to the next
    starts = len(row) - 4 - step * np.arange(count, 0, -1)
    return np.stack([row[starts + 16], row[starts + 48]], axis=-1)


def codes(labels):
    vectors = np.random.default_rng(0).normal(size=(len(labels), 2)).astype(np.float32)
    return Codes(vectors, np.array(labels, np.int32), np.zeros((len(labels), 4, 4, 3), np.uint8), None)


def test_a_path_is_drawn_from_end_to_end():
    one, other = picture([0.8, 0.0], "one"), picture([0.0, 0.8], "other")
    table, moving = exploration.path(space(), [one, other], "straight", 5)
    shares = np.linspace(0, 0.8, 5)
    expected = np.stack([shares[::-1], shares], axis=-1)
    np.testing.assert_allclose(cells(table, 7), [expected[0], *expected, expected[-1]], atol=0.01)
    with Image.open(io.BytesIO(moving.content)) as frames:
        assert frames.n_frames == 2 * 24 - 2
        assert min(frames.size) >= 256


@pytest.mark.parametrize(("prior", "middle"), [(True, 0.8 * 0.5**0.5), (False, 0.4)])
def test_a_path_turns_where_vectors_are_normal(prior, middle):
    table, _ = exploration.path(space(prior), [picture([0.8, 0]), picture([0, 0.8])], "auto", 3)
    np.testing.assert_allclose(cells(table, 5)[2], middle, atol=0.01)


def test_a_path_leads_over_all_pictures():
    _, moving = exploration.path(space(), [picture([0.8, 0]), picture([0, 0.8]), picture([-0.8, 0])], "auto", 3)
    with Image.open(io.BytesIO(moving.content)) as frames:
        assert frames.n_frames == 2 * 47 - 2  # the picture in the middle is one frame


def test_an_attribute_is_a_difference_of_means():
    some = codes([0, 0, 1, 2, 2, 2])
    mean = {label: some.vectors[some.labels == label].mean(axis=0) for label in range(3)}
    np.testing.assert_allclose(exploration.attribute(some, CLASSES, "owl", "cat"), mean[2] - mean[0], rtol=1e-6)
    others = some.vectors[some.labels != 2].mean(axis=0)
    np.testing.assert_allclose(exploration.attribute(some, CLASSES, "owl"), mean[2] - others, rtol=1e-6)


@pytest.mark.parametrize(
    ("classes", "labels", "add", "subtract", "said"),
    [
        ((), [-1, -1], "cat", "", "--add got 'cat', but the images of RUN have no labels."),
        (CLASSES, [0, 1], "cow", "", "--add got 'cow'; accepted are cat, dog, owl."),
        (CLASSES, [0, 1], "cat", "cow", "--subtract got 'cow'; accepted are"),
        (CLASSES, [0, 1], "owl", "", "--add got 'owl', but none of 2 validation images has this label."),
        (CLASSES, [0, 0], "cat", "", "--subtract got '', but none"),
    ],
)
def test_labels_that_are_not_there(classes, labels, add, subtract, said):
    with pytest.raises(UserError, match=said.replace(".", r"\.")):
        exploration.attribute(codes(labels), classes, add, subtract)


def test_arithmetic_adds_the_direction_in_its_strengths():
    figure = exploration.arithmetic(space(), [picture([0.1, 0.2])], np.array([0.2, -0.2]), "it", (-1.0, 0.0, 2.0))
    np.testing.assert_allclose(cells(figure, 4), [[0.1, 0.2], [-0.1, 0.4], [0.1, 0.2], [0.5, -0.2]], atol=0.01)


def test_neighbours_are_those_of_numpy():
    vectors = np.random.default_rng(0).normal(size=(200, 6))
    expected = sorted(range(200), key=lambda number: np.linalg.norm(vectors[number] - vectors[3]))
    assert expected[0] == 3
    assert exploration.nearest(vectors, vectors[3], 10).tolist() == expected[:10]
    assert exploration.nearest(vectors, vectors[3], 10, leave_out=3).tolist() == expected[1:11]


def test_examples_are_picked_by_number():
    images, labels = np.arange(10.0).reshape(10, 1, 1, 1), np.arange(10) % 3
    batches = [(images[:4], labels[:4]), (images[4:8], labels[4:8]), (images[8:], labels[8:])]
    found = exploration.pick(batches, [9, 0, 4, 4])
    assert {number: (float(image.item()), label) for number, (image, label) in found.items()} == {
        0: (0.0, 0),
        4: (4.0, 1),
        9: (9.0, 0),
    }


def test_the_page_shows_every_figure(tmp_path):
    figures = [exploration.Figure("a.png", b"a", "with <b>"), exploration.Figure("b.gif", b"b", "second")]
    exploration.write_page(tmp_path / "new", "a & b", "of <i>", figures)
    page = (tmp_path / "new" / "index.html").read_text()
    assert page.index('<img src="a.png"') < page.index('<img src="b.gif"')
    assert "with &lt;b&gt;" in page
    assert "a &amp; b" in page
    assert "of &lt;i&gt;" in page
    assert (tmp_path / "new" / "b.gif").read_bytes() == b"b"
