"""Two folders of images, matched by name."""

import numpy as np
import pytest
from PIL import Image

from keras_gen.data.files.folder_pairs import batches, find_compared
from keras_gen.errors import UserError


def save(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)


def test_what_follows_in_one_shape_is_one_batch_in_the_order_of_names(tmp_path):
    """A grey image beside an RGB one is read as RGB, two grey ones stay grey, and 16 bits have the range of 8 bits."""
    rng = np.random.default_rng(0)
    pictures = {name: rng.integers(0, 256, (6, 5, 3), np.uint8) for name in "abd"}
    for name, picture in pictures.items():
        save(tmp_path / "x" / f"{name}.png", picture)
        save(tmp_path / "y" / f"{name}.bmp", picture[..., 0])
    save(tmp_path / "x" / "c.png", pictures["a"][..., 1])
    save(tmp_path / "y" / "c.png", pictures["a"][..., 1].astype(np.uint16) * 257)
    pairs, left_out = find_compared(tmp_path / "x", tmp_path / "y", skip_bad=False)
    assert [pair.name for pair in pairs] == ["a", "b", "c", "d"]
    assert left_out == []
    found = list(batches(pairs))
    assert [image.shape for image, _ in found] == [(2, 6, 5, 3), (1, 6, 5, 1), (1, 6, 5, 3)]
    images, references = found[0]
    np.testing.assert_allclose(images[1], pictures["b"] / 127.5 - 1, atol=1e-6)
    assert (references == references[..., :1]).all()
    np.testing.assert_array_equal(*found[1])


def test_batches_hold_as_many_pixels_as_memory_allows(tmp_path):
    for name in range(70):
        save(tmp_path / "x" / f"{name:02d}.png", np.zeros((1, 1), np.uint8))
    save(tmp_path / "x" / "large.png", np.zeros((2100, 2000), np.uint8))
    save(tmp_path / "x" / "larger.png", np.zeros((2100, 2000), np.uint8))
    pairs, _ = find_compared(tmp_path / "x", tmp_path / "x", skip_bad=False)
    assert [len(images) for images, _ in batches(pairs)] == [64, 6, 1, 1]


def test_a_link_that_leads_nowhere_is_named(tmp_path):
    for part in "xy":
        save(tmp_path / part / "a.png", np.zeros((4, 4), np.uint8))
    (tmp_path / "y" / "b.png").symlink_to(tmp_path / "gone.png")
    with pytest.raises(UserError, match=r"1 of the files cannot be compared \(.*b\.png is a broken link\);"):
        find_compared(tmp_path / "x", tmp_path / "y", skip_bad=False)


def test_nothing_left_to_compare_is_an_error_whatever_is_skipped(tmp_path):
    save(tmp_path / "x" / "a.png", np.zeros((4, 4), np.uint8))
    save(tmp_path / "y" / "a.png", np.zeros((4, 5), np.uint8))
    with pytest.raises(UserError, match=r"a\.png is 4x4, and .*a\.png is 5x4\)\.$"):
        find_compared(tmp_path / "x", tmp_path / "y", skip_bad=True)
