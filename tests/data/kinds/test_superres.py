"""Patches of images of any size, enlarged and sharp."""

import numpy as np
import pytest
from PIL import Image

from keras_gen.data.kinds.superres import SuperresConfig, degraded
from keras_gen.errors import UserError

SIZES = ((20, 31), (17, 17), (40, 24))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Three images for training and one for validation, each with its own red value."""
    root = tmp_path_factory.mktemp("pictures")
    for part, sizes in (("train", SIZES), ("val", ((19, 23),))):
        (root / part).mkdir()
        for number, (height, width) in enumerate(sizes):
            picture = np.random.default_rng(number).integers(0, 256, (height, width, 3), np.uint8)
            picture[..., 0] = 50 * number
            Image.fromarray(picture).save(root / part / f"{number}.png")
    return root


def opened(folder, seed=0, **fields):
    return SuperresConfig(data=str(folder), patch_size=8, **fields).open(seed)


def test_patches_are_of_both_pictures_at_one_place(folder):
    data = opened(folder, mirror=False)
    pictures = [np.asarray(Image.open(folder / "train" / f"{n}.png")) for n in range(3)]
    for enlarged, sharp in data.train(4, stop=16):
        for one, other in zip(np.rint((enlarged + 1) * 127.5), np.rint((sharp + 1) * 127.5), strict=True):
            whole = pictures[int(other[0, 0, 0]) // 50]
            whole = whole[: whole.shape[0] // 2 * 2, : whole.shape[1] // 2 * 2]
            windows = np.lib.stride_tricks.sliding_window_view(whole, (8, 8, 3))[:, :, 0]
            ((top, left),) = np.argwhere((windows == other).all(axis=(2, 3, 4)))
            np.testing.assert_array_equal(degraded(whole, 2)[top : top + 8, left : left + 8], one)


def test_an_epoch_has_patches_for_the_area_of_every_picture(folder):
    """Cropped to even sides, 20x30, 16x16 and 40x24 give 10, 4 and 15 patches of 8x8."""
    data = opened(folder)
    assert (data.train_size, data.val_size) == (29, 7)
    reds = np.concatenate([sharp[:, 0, 0, 0] for _, sharp in data.train(29, stop=29)])
    assert [int((np.rint((reds + 1) * 127.5) == red).sum()) for red in (0, 50, 100)] == [10, 4, 15]


def test_the_stream_is_a_pure_function_of_seed_and_position(folder):
    whole = np.concatenate([sharp for _, sharp in opened(folder).train(4, stop=40)])
    rest = np.concatenate([sharp for _, sharp in opened(folder).train(4, start=20, stop=40)])
    np.testing.assert_array_equal(whole[20:], rest)
    other = np.concatenate([sharp for _, sharp in opened(folder, seed=1).train(4, stop=40)])
    assert not np.array_equal(whole, other)
    validation = [np.concatenate([sharp for _, sharp in opened(folder, seed=s).validation(3)]) for s in (0, 1)]
    np.testing.assert_array_equal(*validation)
    assert len(validation[0]) == 7


@pytest.mark.parametrize(("scale", "patch"), [(3, 9), (4, 8)])
def test_other_scales_and_grey(folder, scale, patch):
    data = SuperresConfig(data=str(folder), patch_size=patch, scale=scale, channels=1).open(0)
    enlarged, sharp = next(iter(data.train(2)))
    assert enlarged.shape == sharp.shape == (2, patch, patch, 1)


def test_what_is_lost(folder):
    """Alternating pixels become grey at half the size; a constant image does not change."""
    stripes = np.tile(np.array([0, 255], np.uint8), (16, 8))[..., None]
    assert np.abs(degraded(stripes, 2)[4:-4, 4:-4].astype(int) - 127.5).max() < 5
    even = np.full((16, 16, 1), 77, np.uint8)
    np.testing.assert_array_equal(degraded(even, 2), even)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"patch_size": 9}, "patch_size got 9; accepted are multiples of scale=2"),
        ({"scale": 5, "patch_size": 10}, "scale got 5"),
        ({"channels": 2}, "channels got 2"),
        ({"val_every": 1}, "val_every got 1"),
        ({"memory_gib": 0.0}, "memory_gib got 0.0"),
    ],
)
def test_fields_that_cannot_be(fields, said):
    with pytest.raises(UserError, match=said):
        SuperresConfig(**fields)


def test_pictures_that_cannot_be_used(folder, tmp_path):
    for name in ("a", "b", "c"):
        Image.new("RGB", (12, 12)).save(tmp_path / f"{name}.png")
    Image.new("RGB", (12, 6)).save(tmp_path / "flat.png")
    (tmp_path / "torn.png").write_bytes((tmp_path / "a.png").read_bytes()[:40])
    with pytest.raises(UserError, match=r"2 of 5 images cannot be used .*flat.png is 12x6.*--skip-bad leaves them out"):
        opened(tmp_path, val_every=2)
    data = opened(tmp_path, val_every=2, skip_bad=True)
    assert "left out as unusable: 2" in data.describe()
    with pytest.raises(UserError, match="--memory-gib 1e-06"):
        opened(folder, memory_gib=1e-6)
    with pytest.raises(UserError, match="whose images all have one size"):
        SuperresConfig(data="shapes").open(0)
