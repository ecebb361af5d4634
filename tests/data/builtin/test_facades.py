"""The built-in facades: a pure function of (size, seed, index), with consistent label maps and photographs."""

import hashlib
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from keras_gen.data.builtin import facades
from keras_gen.data.builtin.facades import CLASSES, PALETTE, draw_pair, facades_folder
from keras_gen.data.builtin.facades.camera import photograph
from keras_gen.data.builtin.facades.plan import plan_building
from keras_gen.errors import UserError

CMP = Path(__file__).resolve().parents[3].parent / "shared" / "data" / "facades_cmp" / "train"


@pytest.mark.parametrize("size", [16, 33, 128])
def test_ids_and_photo_have_their_types_and_ranges(size):
    labels, photo = draw_pair(size, 0, 7)
    assert labels.shape == (size, size)
    assert photo.shape == (size, size, 3)
    assert labels.dtype == photo.dtype == np.uint8
    assert labels.max() < len(CLASSES) == len(PALETTE) == 12
    assert photo.std() > 15


def test_a_size_below_16_is_refused():
    with pytest.raises(UserError, match="12"):
        draw_pair(12, 0, 0)


def test_pairs_do_not_depend_on_calls_before_or_on_global_random_state():
    first = draw_pair(64, 3, 5)
    np.random.seed(1)  # noqa: NPY002 - the legacy global state is what must not matter
    draw_pair(64, 3, 6)
    np.testing.assert_equal(draw_pair(64, 3, 5), first)


def test_another_process_draws_the_same():
    code = (
        "import sys, numpy as np; from keras_gen.data.builtin.facades import draw_pair; "
        "sys.stdout.buffer.write(b''.join(a.tobytes() for a in draw_pair(48, 2, 9)))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout
    assert out == b"".join(a.tobytes() for a in draw_pair(48, 2, 9))


@pytest.mark.parametrize(
    ("arguments", "labels", "mean"),
    [
        ((64, 0, 0), "fa7932d11c2def6e", (193.362, 174.263, 128.205)),
        ((48, 1, 123), "c49ef4726dcf5a7d", (160.753, 157.980, 155.469)),
        ((96, 5, 400), "04a2ed65f7ac8b98", (145.830, 125.875, 104.975)),
    ],
)
def test_the_drawings_are_those_of_the_first_version(arguments, labels, mean):
    """Digests of label maps, which have no rounding differences between machines; means of photographs."""
    ids, photo = draw_pair(*arguments)
    assert hashlib.sha256(ids.tobytes()).hexdigest()[:16] == labels
    np.testing.assert_allclose(photo.mean(axis=(0, 1)), mean, atol=0.02)


def test_seeds_and_indices_draw_different_buildings():
    pairs = [draw_pair(48, seed, index) for seed in range(3) for index in range(6)]
    for side in (0, 1):
        assert len({pair[side].tobytes() for pair in pairs}) == len(pairs)


def test_every_class_occurs_often_enough_to_be_learned():
    share = np.zeros(12)
    seen = np.zeros(12)
    for index in range(400):
        count = np.bincount(draw_pair(64, 0, 2 * index)[0].ravel(), minlength=12)
        share += count / (400 * 64 * 64)
        seen += count > 0
    assert share[CLASSES.index("facade")] > 0.25
    assert np.all(share > 0.004), dict(zip(CLASSES, share, strict=True))
    assert np.all(seen > 60), dict(zip(CLASSES, seen, strict=True))


@pytest.mark.parametrize("index", range(8))
def test_the_same_building_at_another_size(index):
    (labels, photo), (large_labels, large_photo) = draw_pair(128, 0, index), draw_pair(256, 0, index)
    votes = [large_labels[i::2, j::2] == labels for i in (0, 1) for j in (0, 1)]
    assert np.mean(votes) > 0.94
    halved = large_photo.reshape(128, 2, 128, 2, 3).mean((1, 3))
    smooth = [a.astype(float).reshape(32, 4, 32, 4, 3).mean((1, 3)).ravel() for a in (photo, halved)]
    assert np.corrcoef(smooth)[0, 1] > 0.95


def test_colours_are_far_apart_and_lead_back_to_the_ids():
    palette = PALETTE.astype(int)
    distance = np.abs(palette[:, None] - palette).max(-1) + 255 * np.eye(12, dtype=int)
    assert distance.min() >= 32
    labels = draw_pair(64, 0, 0)[0]
    nearest = ((PALETTE[labels][:, :, None].astype(int) - palette) ** 2).sum(-1).argmin(-1)
    np.testing.assert_array_equal(nearest, labels)


@pytest.mark.skipif(not CMP.is_dir(), reason="the CMP facades are not at hand")
def test_colours_are_those_of_the_cmp_label_maps():
    pixels = np.concatenate(
        [np.asarray(Image.open(CMP / f"{k}.jpg"))[::3, 256::3].reshape(-1, 3) for k in range(1, 41)]
    ).astype(int)
    distance = np.abs(pixels[:, None] - PALETTE.astype(int)).max(-1)
    nearest = distance.argmin(-1)
    assert np.mean(distance.min(-1) < 24) > 0.75  # the rest are the edges, where JPEG rings
    for k in range(12):
        assert np.abs(np.median(pixels[(nearest == k) & (distance[:, k] < 24)], axis=0) - PALETTE[k]).max() <= 10, (
            CLASSES[k]
        )


def test_the_photo_follows_the_labels_and_is_not_fixed_by_them():
    pixels = [draw_pair(64, 0, index) for index in range(60)]
    labels = np.concatenate([pair[0].ravel() for pair in pixels])
    light = np.concatenate([pair[1].mean(-1).ravel() for pair in pixels])
    mean = {name: light[labels == k].mean() for k, name in enumerate(CLASSES)}
    within = {name: light[labels == k].std() for k, name in enumerate(CLASSES)}
    assert mean["facade"] - mean["window"] > 20
    assert mean["facade"] - mean["shop"] > 20
    assert mean["molding"] - mean["door"] > 20
    assert min(within.values()) > 12, within


def test_the_same_label_map_can_have_other_photos():
    plan = plan_building(np.random.default_rng(0))
    photos = [photograph(plan, 64, np.random.default_rng(k)).astype(float) for k in range(6)]
    assert np.std(photos, axis=0).mean() > 12


def test_the_folder_is_drawn_once_and_splits_share_no_picture(tmp_path, monkeypatch):
    folder = facades_folder(32, tmp_path, train=6, val=3)
    files = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*.png"))
    assert files == [f"train/{k:04d}.png" for k in range(1, 7)] + [f"val/{k:04d}.png" for k in range(1, 4)]
    counts = Counter(np.asarray(Image.open(folder / name)).tobytes() for name in files)
    assert max(counts.values()) == 1
    left, right = np.hsplit(np.asarray(Image.open(folder / "val" / "0002.png")), 2)
    labels, photo = draw_pair(32, 0, 3)
    np.testing.assert_array_equal(left, PALETTE[labels])
    np.testing.assert_array_equal(right, photo)

    monkeypatch.setattr(facades, "draw_pair", None)  # a second drawing would fail
    assert facades_folder(32, tmp_path, train=6, val=3) == folder


def test_other_counts_sizes_and_seeds_have_other_folders(tmp_path):
    folders = {facades_folder(16, tmp_path, 1, 1), facades_folder(16, tmp_path, 2, 1)}
    folders |= {facades_folder(16, tmp_path, 1, 1, seed=1), facades_folder(17, tmp_path, 1, 1)}
    assert len(folders) == 4


def test_the_default_cache_is_the_users(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert facades_folder(16, train=1, val=1).parent == tmp_path / "keras_gen"


def test_an_interrupted_drawing_leaves_nothing(tmp_path, monkeypatch):
    def interrupted(size, seed, index):
        if index == 4:
            raise KeyboardInterrupt
        return draw_pair(size, seed, index)

    with monkeypatch.context() as patch:
        patch.setattr(facades, "draw_pair", interrupted)
        with pytest.raises(KeyboardInterrupt):
            facades_folder(16, tmp_path, train=4, val=1)
    assert list(tmp_path.iterdir()) == []
    assert len(list(facades_folder(16, tmp_path, train=4, val=1).rglob("*.png"))) == 5


def test_two_at_once_agree(tmp_path):
    with ThreadPoolExecutor(3) as pool:
        folders = set(pool.map(lambda _: facades_folder(16, tmp_path, train=8, val=2), range(3)))
    assert len(folders) == 1
    assert list(tmp_path.iterdir()) == list(folders)
    assert len(list(folders.pop().rglob("*.png"))) == 10


def test_a_cache_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"file/cache.*XDG_CACHE_HOME"):
        facades_folder(16, tmp_path / "file" / "cache", train=1, val=1)
