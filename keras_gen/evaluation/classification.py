"""Evaluation of classification: the number of errors, and the confusion matrix."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from keras_gen.evaluation.subject import Evaluation, Result, Subject

_BATCH = 50  # batch size
_CONFUSIONS = 10  # maximum number of confusions that are printed


def measure(subject: Subject) -> Result:
    """Counts the errors for each pair of true and predicted class."""
    data = subject.data
    confusion = sum(
        tf.math.confusion_matrix(labels, tf.argmax(subject.model.classify(images), axis=-1), data.num_classes).numpy()
        for images, labels in subject.batches(_BATCH)
    )
    count, errors = int(confusion.sum()), int(confusion.sum() - confusion.trace())
    figures = {
        "errors": errors,
        "confusion": {"rows_are": "the true class, columns the predicted one", "counts": confusion.tolist()},
    }
    title = f"errors: {errors} of {count} validation images ({errors / count:.2%})"
    return Result(figures, [title, *_confusions(confusion, data.classes), *data.describe().splitlines()])


def _confusions(confusion: np.ndarray, classes: Sequence[str]) -> list[str]:
    """Lines about the most frequent errors in a confusion matrix (true class, predicted class)."""
    wrong = confusion * (1 - np.eye(len(classes), dtype=confusion.dtype))
    most = np.argsort(-wrong, axis=None, kind="stable")[:_CONFUSIONS]
    places = [place for place in zip(*np.unravel_index(most, wrong.shape), strict=True) if wrong[place]]
    said = [f"{classes[row]} classified as {classes[column]}" for row, column in places]
    width, totals = max(map(len, said), default=0), confusion.sum(axis=1)
    return [
        f"  {line:<{width}} {wrong[row, column]:5} of {totals[row]}"
        for line, (row, column) in zip(said, places, strict=True)
    ]


EVALUATION = Evaluation(measure, {"classify": ()})
