"""The FCN score: reading label maps, the three figures by hand, and the segmenter's way to and from its file."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_gen.errors import UserError
from keras_gen.metrics import fcn_score
from keras_gen.metrics.fcn_score import (
    IGNORED,
    Segmenter,
    confusion_matrix,
    labels_of_colours,
    labels_of_scores,
    scores,
)

PALETTE = np.array([(0, 0, 0), (100, 0, 0), (0, 200, 0)], np.uint8)  # the nearest two are 100 apart


def to_float(rgb):
    return tf.constant(np.asarray(rgb, np.float32) / 127.5 - 1.0)


def test_confusion_matrix_counts_pairs_of_true_and_predicted_class():
    labels = np.array([[0, 0, 1], [2, 2, IGNORED]])
    predicted = np.array([[0, 1, 1], [2, 0, 2]])
    expected = [[1, 1, 0], [0, 1, 0], [1, 0, 1]]
    np.testing.assert_array_equal(confusion_matrix(labels, predicted, 3), expected)


def test_figures_of_a_matrix_worked_out_by_hand():
    found = scores(np.array([[3, 1], [2, 4]]))
    assert found.pixel_accuracy == pytest.approx(7 / 10)
    assert found.class_accuracy == pytest.approx((3 / 4 + 4 / 6) / 2)
    assert found.class_iou == pytest.approx((3 / 6 + 4 / 7) / 2)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_figures_equal_their_definition_on_pixel_sets(seed):
    rng = np.random.default_rng(seed)
    labels, predicted = rng.integers(0, 5, (2, 3, 16, 16))
    found = scores(confusion_matrix(labels, predicted, 5))
    sets = [(labels == c, predicted == c) for c in range(5)]
    assert found.pixel_accuracy == pytest.approx(np.mean(labels == predicted))
    assert found.class_accuracy == pytest.approx(np.mean([(t & p).sum() / t.sum() for t, p in sets]))
    assert found.class_iou == pytest.approx(np.mean([(t & p).sum() / (t | p).sum() for t, p in sets]))


def test_a_perfect_prediction_scores_1_and_permuted_classes_score_0():
    labels = np.random.default_rng(0).integers(0, 4, (2, 8, 8))
    assert scores(confusion_matrix(labels, labels, 4)) == fcn_score.Scores(1.0, 1.0, 1.0)
    assert scores(confusion_matrix(labels, (labels + 1) % 4, 4)) == fcn_score.Scores(0.0, 0.0, 0.0)


def test_a_class_that_never_occurs_is_left_out_of_the_means():
    found = scores(np.array([[4, 0, 2], [0, 2, 0], [0, 0, 0]]))  # two pixels are taken for the absent third class
    assert found.class_accuracy == pytest.approx((4 / 6 + 1) / 2)
    assert found.class_iou == pytest.approx((4 / 6 + 1) / 2)


def test_a_matrix_without_a_pixel_is_refused():
    with pytest.raises(ValueError, match="without a pixel"):
        scores(np.zeros((3, 3), int))


def test_one_hot_channels_are_read_back():
    ids = np.random.default_rng(0).integers(0, 6, (2, 5, 5))
    np.testing.assert_array_equal(labels_of_scores(tf.one_hot(ids, 6, 1.0, -1.0)), ids)


def test_colours_are_read_back_under_noise_up_to_half_the_smallest_gap():
    rng = np.random.default_rng(0)
    ids = rng.integers(0, 3, (2, 9, 9))
    noise = rng.normal(size=(2, 9, 9, 3))
    noise *= 49.0 / np.linalg.norm(noise, axis=-1, keepdims=True)
    np.testing.assert_array_equal(labels_of_colours(to_float(PALETTE[ids]), PALETTE), ids)
    np.testing.assert_array_equal(labels_of_colours(to_float(PALETTE[ids] + noise), PALETTE), ids)


def test_blends_of_two_colours_and_foreign_colours_belong_to_no_class():
    colours = to_float([(50, 10, 0), (0, 100, 0), (255, 255, 255)])
    np.testing.assert_array_equal(labels_of_colours(colours, PALETTE), [IGNORED] * 3)


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
    assert fcn_score.segmenter_network(image_size, 4, 5).output_shape == (None, image_size, image_size, 5)


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
    with pytest.raises(UserError, match=r"kept\.npz was trained with seed 0, and here seed is 1"):
        other.load(tmp_path / "kept.npz")


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04 cut off"])
def test_a_file_that_is_no_segmenter_is_refused_by_name(trained, tmp_path, content):
    (tmp_path / "text.npz").write_bytes(content)
    with pytest.raises(UserError, match=r"text\.npz"):
        trained.load(tmp_path / "text.npz")
