"""The built-in scenes: pure functions whose saliency maps cover the odd objects."""

import numpy as np
import pytest
from PIL import Image

from keras_gen.data.builtin.saliency_scenes import draw_scene, scenes_folder
from keras_gen.data.kinds.pairs import PairsConfig
from keras_gen.errors import UserError


def test_a_scene_is_a_pure_function():
    for first, second in zip(draw_scene(48, 1, 2), draw_scene(48, 1, 2), strict=True):
        np.testing.assert_array_equal(first, second)
    assert not np.array_equal(draw_scene(48, 1, 2)[0], draw_scene(48, 1, 3)[0])
    assert not np.array_equal(draw_scene(48, 1, 2)[0], draw_scene(48, 2, 2)[0])


def test_it_is_the_same_scene_at_every_size():
    for index in range(4):
        large, small = draw_scene(128, 0, index), draw_scene(32, 0, index)
        for one, other in zip(large, small, strict=True):
            reduced = Image.fromarray(one).resize((32, 32), Image.Resampling.BOX)
            assert np.abs(np.asarray(reduced, float) - other).mean() < 6


@pytest.mark.parametrize("size", [16, 33])
def test_range_and_shape(size):
    for index in range(12):
        picture, saliency = draw_scene(size, 0, index)
        assert (picture.shape, picture.dtype) == ((size, size, 3), np.uint8)
        assert (saliency.shape, saliency.max()) == ((size, size), 255)
        assert 0 < saliency.mean() < 64  # little of the picture


def test_the_folder_is_read_as_pairs(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    folder = scenes_folder(16, train=5, val=2)
    assert folder.parent == tmp_path / "keras_gen"
    data = PairsConfig(data=str(folder), target_channels=1, jitter=False, mirror=False, image_size=16).open(0)
    assert (data.train_size, data.val_size, data.source_channels, data.target_channels) == (5, 2, 3, 1)
    ((source, target),) = data.validation(2)
    picture, saliency = draw_scene(16, 0, 1)
    np.testing.assert_allclose((source[0] + 1) * 127.5, picture, atol=1e-3)
    np.testing.assert_allclose((target[0, ..., 0] + 1) * 127.5, saliency, atol=1e-3)


def test_too_small():
    with pytest.raises(UserError, match="--image-size got 8"):
        draw_scene(8, 0, 0)
