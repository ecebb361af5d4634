"""Inception score of a table of probabilities whose score is known."""

import numpy as np
import pytest

from keras_gen.metrics.inception_score import InceptionScore

TABLE = np.array([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1], [0.2, 0.3, 0.5], [0.6, 0.3, 0.1]])


def test_the_score_of_a_table_by_its_formula():
    """The definition, image by image."""
    score = InceptionScore(classes=3, splits=1)
    score.update(TABLE)
    marginal = TABLE.mean(axis=0)
    expected = np.exp(np.mean([sum(p * np.log(p / q) for p, q in zip(row, marginal, strict=True)) for row in TABLE]))
    assert score.result() == (pytest.approx(expected, rel=1e-12), 0.0)


def test_batches_do_not_matter_and_parts_take_turns():
    """Image i is in part i mod 2, in whatever batches the images come."""
    score = InceptionScore(classes=3, splits=2)
    for batch in (TABLE[:1], TABLE[1:1], TABLE[1:]):
        score.update(batch)
    parts = []
    for part in (TABLE[::2], TABLE[1::2]):
        alone = InceptionScore(classes=3, splits=1)
        alone.update(part)
        parts.append(alone.result()[0])
    assert score.result() == pytest.approx((np.mean(parts), np.std(parts)), rel=1e-12)


@pytest.mark.parametrize(("table", "expected"), [(np.eye(5), 5), (np.full((8, 5), 0.2), 1), (np.eye(5)[[2] * 6], 1)])
def test_extremes(table, expected):
    """Every class once is the number of classes; images that say nothing, or one class only, are 1."""
    score = InceptionScore(classes=5, splits=1)
    score.update(table)
    assert score.result()[0] == pytest.approx(expected, rel=1e-12)


def test_fewer_images_than_parts_leave_parts_out():
    score = InceptionScore(classes=3)
    with pytest.raises(ValueError, match="no images"):
        score.result()
    score.update(TABLE)
    assert score.result() == (1.0, 0.0)
