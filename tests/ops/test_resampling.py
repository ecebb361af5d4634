"""Bicubic resampling against MATLAB's, and its invariants."""

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from keras_gen.ops.resampling import enlarge, luma, shrink


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_a_plane_stays_a_plane_inside(scale):
    """Cubic convolution is exact for straight lines, and enlarging restores the positions of pixels."""
    rows, columns = np.meshgrid(np.arange(48.0), np.arange(60.0), indexing="ij")
    plane = tf.constant(2 * rows - 3 * columns + 7, tf.float32)[None, :, :, None]
    small = shrink(plane, scale)
    assert small.shape == (1, 48 // scale, 60 // scale, 1)
    again = enlarge(small, scale)
    inside = (0, slice(4 * scale, -4 * scale), slice(4 * scale, -4 * scale), 0)
    np.testing.assert_allclose(again[inside], plane[inside], atol=0.02)  # TensorFlow's kernel is a table


def test_luma_of_black_white_and_green():
    colours = tf.constant([[[[0.0, 0.0, 0.0], [255.0, 255.0, 255.0], [0.0, 255.0, 0.0]]]])
    np.testing.assert_allclose(luma(colours)[0, 0, :, 0], [16.0, 235.0, 144.553], atol=1e-3)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_matlabs_imresize(shared, scale):
    """Except at the border, where MATLAB mirrors the image. The recorded values are clipped."""
    folder = shared / "data" / "sr_set5"
    recorded = np.load(folder / "matlab_bicubic_float.npz", allow_pickle=False)
    for name in ("bird", "head"):
        height, width = recorded[f"{name}_x{scale}_hr_hw"]
        picture = np.asarray(Image.open(folder / "HR" / f"{name}.png").convert("RGB"), np.float32)[:height, :width]
        small = shrink(picture[None], scale)[0, 4:-4, 4:-4]
        np.testing.assert_allclose(np.clip(small, 0, 255), recorded[f"{name}_x{scale}_lr_rgb"][4:-4, 4:-4], atol=0.01)
