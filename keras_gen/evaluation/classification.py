"""Classification of images: how many a run gets wrong, and which classes it takes for which."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from keras_gen.evaluation.subject import Evaluation, Result, Subject

_BATCH = 50  # images at a time
_CONFUSIONS = 10  # that are shown


def measure(subject: Subject) -> Result:
    """Count the errors by class and by what they are taken for."""
    data = subject.data
    confusion = sum(
        tf.math.confusion_matrix(labels, tf.argmax(subject.model.classify(images), axis=-1), data.num_classes).numpy()
        for images, labels in subject.batches(_BATCH)
    )
    count, errors = int(confusion.sum()), int(confusion.sum() - confusion.trace())
    figures = {
        "errors": errors,
        "confusion": {"rows_are": "the class, columns what it is taken for", "counts": confusion.tolist()},
    }
    title = f"errors: {errors} of {count} validation images ({errors / count:.2%})"
    return Result(figures, [title, *_confusions(confusion, data.classes), *data.describe().splitlines()])


def _confusions(confusion: np.ndarray, classes: Sequence[str]) -> list[str]:
    """Lines of the most frequent errors, of counts (class, what it is taken for)."""
    wrong = confusion * (1 - np.eye(len(classes), dtype=confusion.dtype))
    most = np.argsort(-wrong, axis=None, kind="stable")[:_CONFUSIONS]
    places = [place for place in zip(*np.unravel_index(most, wrong.shape), strict=True) if wrong[place]]
    said = [f"{classes[row]} taken for {classes[column]}" for row, column in places]
    width, totals = max(map(len, said), default=0), confusion.sum(axis=1)
    return [
        f"  {line:<{width}} {wrong[row, column]:5} of {totals[row]}"
        for line, (row, column) in zip(said, places, strict=True)
    ]


EVALUATION = Evaluation(measure, {"classify": ()})
