"""Inputs of `apps.translate` and others: which files are found, their names, and the arrays they give."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from keras_gen.data.files.inputs import Reader, find_images, unique_stems
from keras_gen.errors import UserError


def save(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)
    return path


def test_folders_are_sorted_inputs_keep_their_order_and_each_file_comes_once(tmp_path):
    grey = np.zeros((2, 2), np.uint8)
    files = [save(tmp_path / "folder" / name, grey) for name in ("a.png", "b.bmp", "c.png")]
    single = save(tmp_path / "z.png", grey)
    (tmp_path / "folder" / "notes.txt").write_text("no image")
    assert find_images([single, tmp_path / "folder"]) == [single, *files]
    assert len(find_images([files[2], tmp_path / "folder", files[0]])) == 3


def test_names_are_unique_whatever_the_case():
    files = [Path(name) for name in ("a.png", "x/A.jpg", "a-2.png", "a.gif", "b.png")]
    assert unique_stems(files) == ["a", "A-2", "a-2-2", "a-3", "b"]


def test_pictures_are_converted_halved_and_scaled(tmp_path):
    array = np.random.default_rng(0).integers(0, 256, (4, 6, 3), np.uint8)
    path = save(tmp_path / "pair.png", array)
    left, right = (Reader(3, side=side)(path) for side in ("left", "right"))
    np.testing.assert_allclose(np.hstack([left, right]), array / 127.5 - 1, atol=1e-6)
    assert left.dtype == np.float32
    assert Reader(1)(path).shape == (4, 6, 1)
    assert Reader(4)(path).shape == (4, 6, 4)


def test_ids_become_channels_of_minus_one_and_one(tmp_path):
    ids = np.random.default_rng(0).integers(0, 4, (4, 6), np.uint8)
    one_hot = Reader(4, labels=4)(save(tmp_path / "ids.png", ids))
    assert one_hot.dtype == np.float32
    np.testing.assert_array_equal(one_hot.argmax(-1), ids)
    np.testing.assert_array_equal(one_hot.sum(-1), -2)
    with pytest.raises(UserError, match="label id 3"):
        Reader(3, labels=3)(tmp_path / "ids.png")
    with pytest.raises(UserError, match="accepted for label ids are"):
        Reader(3, labels=3)(save(tmp_path / "colour.png", np.zeros((2, 2, 3), np.uint8)))


def test_an_odd_width_has_no_halves(tmp_path):
    with pytest.raises(UserError, match="5 pixels wide"):
        Reader(3, side="left")(save(tmp_path / "odd.png", np.zeros((2, 5), np.uint8)))
