"""The FCN score: its three figures by hand and by definition."""

import numpy as np
import pytest

from keras_gen.metrics.fcn_score import Scores, confusion_matrix, scores
from keras_gen.metrics.labels import IGNORED


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
    assert scores(confusion_matrix(labels, labels, 4)) == Scores(1.0, 1.0, 1.0)
    assert scores(confusion_matrix(labels, (labels + 1) % 4, 4)) == Scores(0.0, 0.0, 0.0)


def test_a_class_that_never_occurs_is_left_out_of_the_means():
    found = scores(np.array([[4, 0, 2], [0, 2, 0], [0, 0, 0]]))  # two pixels are taken for the absent third class
    assert found.class_accuracy == pytest.approx((4 / 6 + 1) / 2)
    assert found.class_iou == pytest.approx((4 / 6 + 1) / 2)


def test_a_matrix_without_a_pixel_is_refused():
    with pytest.raises(ValueError, match="without pixels"):
        scores(np.zeros((3, 3), int))
