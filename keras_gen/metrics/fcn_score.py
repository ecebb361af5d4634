"""The FCN score: whether a segmenter finds the objects of a label map in the image generated from it.

A segmenter that was trained on real images recognises objects in a generated image only if they look real and are in
the right place. The score measures how well the predicted classes agree with the label map, by three metrics of
semantic segmentation (Long, Shelhamer, Darrell 2015, arXiv 1411.4038, section 5). Isola et al. 2017 (arXiv 1611.07004,
section 4.1, table 1) report them for pix2pix. The scores of real images show how reliable the segmenter itself is.

Departures from the paper: its segmenter is FCN-8s, pretrained as VGG-16 and trained on Cityscapes. Here it is a small
network, trained from random weights on the training pairs of the same data. So scores are comparable between runs that
share a segmenter, but not with the paper.
"""

from __future__ import annotations

import dataclasses
import textwrap
from typing import Any

import numpy as np
import tensorflow as tf

from keras_gen.metrics.labels import IGNORED, LabelMaps
from keras_gen.metrics.segmenter import Segmenter

_TITLES = {"generated": "generated images", "real": "real images", "majority": "most frequent class"}


def confusion_matrix(labels: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """The number of pixels of class i (row) that were predicted as class j (column), int64 (classes, classes).

    Pixels with the label `IGNORED` do not count.

    Args:
        labels: true class ids, of any shape.
        predicted: predicted class ids, 0 to classes - 1, of the same shape.
        classes: number of classes.
    """
    labels, predicted = np.asarray(labels), np.asarray(predicted)
    counted = labels != IGNORED
    cells = labels[counted].astype(np.int64) * classes + predicted[counted]
    return np.bincount(cells, minlength=classes**2).reshape(classes, classes)


@dataclasses.dataclass(frozen=True)
class Scores:
    """Agreement of predicted and true classes, each in [0, 1] (Long et al. 2015, section 5).

    Attributes:
        pixel_accuracy: fraction of pixels with the correct class.
        class_accuracy: fraction of a class's pixels that are correct, mean over classes.
        class_iou: intersection over union of a class's true and predicted pixels, mean over classes.
    """

    pixel_accuracy: float
    class_accuracy: float
    class_iou: float


def scores(confusion: np.ndarray) -> Scores:
    """The scores of a confusion matrix. Means over classes leave out classes without true pixels.

    Raises:
        ValueError: for a matrix without any pixel.

    Examples:
        >>> scores(confusion_matrix([0, 0, 1, 1], [0, 0, 1, 0], classes=2))
        Scores(pixel_accuracy=0.75, class_accuracy=0.75, class_iou=0.5833333333333333)
    """
    true, predicted, correct = confusion.sum(1), confusion.sum(0), np.diag(confusion)
    if not true.sum():
        raise ValueError("confusion got a matrix without pixels; accepted are matrices with at least one.")
    occurs = true > 0
    union = true + predicted - correct
    return Scores(
        pixel_accuracy=float(correct.sum() / true.sum()),
        class_accuracy=float(np.mean(correct[occurs] / true[occurs])),
        class_iou=float(np.mean(correct[occurs] / union[occurs])),
    )


class FCNScore:
    """The FCN score of generated images, with those of real images and of always predicting the most frequent class."""

    def __init__(self, labels: LabelMaps, segmenter: Segmenter) -> None:
        """Args:
        labels: how sources are read as label maps.
        segmenter: predicts the classes that are compared with the label maps.
        """
        self._labels, self._segmenter = labels, segmenter
        empty = np.zeros((segmenter.classes, segmenter.classes), np.int64)
        self._confusions = {"generated": empty, "real": empty}

    def update(self, source: tf.Tensor, generated: tf.Tensor, target: tf.Tensor) -> None:
        """Adds a batch of sources, generated images and targets, each (batch, S, S, channels) in [-1, 1]."""
        labels = self._labels.read(source)
        for kind, images in (("generated", generated), ("real", target)):
            matrix = confusion_matrix(labels, self._segmenter(images), self._segmenter.classes)
            self._confusions[kind] = self._confusions[kind] + matrix

    def result(self) -> dict[str, Any]:
        """The three scores of each kind, the accuracy by class, and the protocol, as values that JSON can hold."""
        names, true = self._labels.classes, self._confusions["real"].sum(axis=1)
        majority = np.zeros_like(self._confusions["real"])
        majority[:, true.argmax()] = true
        occurring = np.flatnonzero(true)
        return {
            **{kind: dataclasses.asdict(scores(matrix)) for kind, matrix in self._confusions.items()},
            "majority": dataclasses.asdict(scores(majority)),
            "accuracy_by_class": {
                kind: {names[i]: float(matrix[i, i] / true[i]) for i in occurring}
                for kind, matrix in self._confusions.items()
            },
            "protocol": {
                **self._segmenter.identity,
                "classes_that_occur": [names[i] for i in occurring],
                "note": "Comparable between runs with the same segmenter, but not comparable with the paper's FCN-8s.",
            },
        }

    @staticmethod
    def lines(result: dict[str, Any]) -> list[str]:
        """A printable table of `result`, and the protocol as a paragraph."""
        protocol = result["protocol"]
        text = (
            f"Segmenter: {protocol['network']}, trained from random weights on the real pairs: {protocol['training']} "
            f"at {protocol['image_size']}x{protocol['image_size']}, seed {protocol['seed']}; {protocol['pairs']}. "
            f"Labels: {protocol['labels']}. {len(protocol['classes_that_occur'])} of {protocol['classes']} classes "
            f"occur. {protocol['note']}"
        )
        return [
            f"{'FCN score':<24}{'per-pixel':>12}{'per-class':>12}{'class IoU':>12}",
            *(
                f"{title:<24}" + "".join(f"{value:12.4f}" for value in result[kind].values())
                for kind, title in _TITLES.items()
            ),
            "",
            *textwrap.wrap(text, 100),
        ]
