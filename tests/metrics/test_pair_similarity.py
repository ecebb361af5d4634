"""MS-SSIM of pairs in known cases."""

import numpy as np
import pytest

from keras_gen.metrics.pair_similarity import pair_similarity
from keras_gen.ops.reconstruction import ms_ssim


def test_the_only_pair_of_two_images_is_compared():
    images = np.random.default_rng(0).uniform(-1, 1, (2, 24, 24, 1)).astype(np.float32)
    mean, error = pair_similarity(images, pairs=10)
    assert mean == pytest.approx(float(ms_ssim(images[:1], images[1:], 2)[0]), rel=1e-5)
    assert error == pytest.approx(0.0, abs=1e-6)


def test_a_collapsed_set_is_more_alike_than_the_data():
    data = np.random.default_rng(1).uniform(-1, 1, (20, 16, 16, 1)).astype(np.float32)
    collapsed = data[[0] * 10 + [1] * 10]
    assert pair_similarity(data, pairs=50)[0] < 0.3 < pair_similarity(collapsed, pairs=50)[0]


def test_what_has_no_pairs_is_refused():
    for shape in ((1, 16, 16, 1), (5, 8, 8, 1)):
        with pytest.raises(ValueError, match="two or more of at least 11x11"):
            pair_similarity(np.zeros(shape))
