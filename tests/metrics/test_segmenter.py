"""The segmenter: what it learns, and its file."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_gen.errors import UserError
from keras_gen.metrics.fcn_score import confusion_matrix, scores
from keras_gen.metrics.labels import IGNORED
from keras_gen.metrics.segmenter import Segmenter, segmenter_network


def stripes(seed, count):
    """Images of coloured stripes with noise, and the class of every pixel; some are `IGNORED`."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(rng.integers(0, 3, (count, 4, 1)), 4, axis=1) * np.ones((1, 1, 16), int)
    images = np.eye(3)[labels] + rng.normal(0, 0.2, (count, 16, 16, 3))
    return images.astype(np.float32), np.where(rng.random(labels.shape) < 0.1, IGNORED, labels).astype(np.int32)


@pytest.fixture(scope="module")
def trained():
    keras.utils.set_random_seed(0)
    segmenter = Segmenter(16, 3, 3, {"pairs": "stripes", "seed": 0})
    segmenter.train(tf.data.Dataset.from_tensor_slices(stripes(0, 64)).batch(8).repeat(), 8, 8)
    return segmenter


def test_the_segmenter_learns_what_real_images_show_despite_ignored_pixels(trained):
    images, labels = stripes(1, 16)
    predicted = trained(images)
    assert predicted.shape == labels.shape
    assert scores(confusion_matrix(labels, predicted, 3)).pixel_accuracy > 0.9


@pytest.mark.parametrize("image_size", [2, 10, 24, 64])
def test_the_segmenter_takes_every_even_size(image_size):
    assert segmenter_network(image_size, 4, 5).output_shape == (None, image_size, image_size, 5)


def test_a_segmenter_read_from_its_file_predicts_the_same(trained, tmp_path):
    trained.save(tmp_path / trained.name)
    other = Segmenter(16, 3, 3, {"pairs": "stripes", "seed": 0})
    assert other.name == trained.name
    other.load(tmp_path / trained.name)
    images, _ = stripes(2, 4)
    np.testing.assert_array_equal(other(images), trained(images))
    assert [path.name for path in tmp_path.iterdir()] == [trained.name]


def test_a_segmenter_of_other_data_is_refused_by_name(trained, tmp_path):
    trained.save(tmp_path / "kept.npz")
    other = Segmenter(16, 3, 3, {"pairs": "stripes", "seed": 1})
    assert other.name != trained.name
    with pytest.raises(UserError, match=r"kept\.npz was trained with seed 0, but here seed is 1"):
        other.load(tmp_path / "kept.npz")


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04 cut off"])
def test_a_file_that_is_no_segmenter_is_refused_by_name(trained, tmp_path, content):
    (tmp_path / "text.npz").write_bytes(content)
    with pytest.raises(UserError, match=r"text\.npz"):
        trained.load(tmp_path / "text.npz")
