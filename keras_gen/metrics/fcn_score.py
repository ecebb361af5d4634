"""The FCN score: do a segmenter's labels of the generated images agree with the label maps they were drawn from?

A segmenter that was trained on real images recognises in a generated one what it would recognise in a photograph, if
the generated one looks real and shows each thing where the label map has it. The score is how well its classes agree
with the label map, by the three figures of semantic segmentation (Long, Shelhamer, Darrell 2015, arXiv 1411.4038,
section 5), which Isola et al. 2017 (arXiv 1611.07004, section 4.1, Table 1) report for pix2pix. Those of real images
beside it say how far the segmenter itself can be trusted.

Departures from the paper: its segmenter is FCN-8s with the weights of VGG-16, trained on Cityscapes; this one is a
small network trained from random weights on the training pairs of the data at hand. Scores compare runs that share one
segmenter, and are not comparable with the paper's.
"""

from __future__ import annotations

import dataclasses
import textwrap
from typing import Any

import numpy as np
import tensorflow as tf

from keras_gen.metrics.labels import IGNORED, LabelMaps
from keras_gen.metrics.segmenter import Segmenter

_JUDGED = {"generated": "generated images", "real": "real images", "majority": "most frequent class"}


def confusion_matrix(labels: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """How many pixels of class i were taken for class j: int64 (classes, classes), without the `IGNORED` ones.

    Args:
        labels: true class ids, any shape.
        predicted: class ids of the same shape, 0 to classes - 1.
        classes: their number.
    """
    labels, predicted = np.asarray(labels), np.asarray(predicted)
    counted = labels != IGNORED
    cells = labels[counted].astype(np.int64) * classes + predicted[counted]
    return np.bincount(cells, minlength=classes**2).reshape(classes, classes)


@dataclasses.dataclass(frozen=True)
class Scores:
    """Agreement of predicted with true classes, each in [0, 1] (Long et al. 2015, section 5)."""

    pixel_accuracy: float
    """Share of all pixels whose class is right."""
    class_accuracy: float
    """Share of a class's pixels that are right, mean over classes."""
    class_iou: float
    """Intersection over union of a class's true and predicted pixels, mean over classes."""


def scores(confusion: np.ndarray) -> Scores:
    """The figures of a confusion matrix; classes without a true pixel are left out of the means over classes."""
    true, predicted, right = confusion.sum(1), confusion.sum(0), np.diag(confusion)
    if not true.sum():
        raise ValueError("confusion got a matrix without a pixel; accepted is one with at least one.")
    occurs = true > 0
    union = true + predicted - right
    return Scores(
        pixel_accuracy=float(right.sum() / true.sum()),
        class_accuracy=float(np.mean(right[occurs] / true[occurs])),
        class_iou=float(np.mean(right[occurs] / union[occurs])),
    )


class FCNScore:
    """The score of generated images, with those of real images and of the most frequent class beside it."""

    def __init__(self, labels: LabelMaps, segmenter: Segmenter) -> None:
        """Args:
        labels: how sources are read as label maps.
        segmenter: whose classes are compared with theirs.
        """
        self._labels, self._segmenter = labels, segmenter
        empty = np.zeros((segmenter.classes, segmenter.classes), np.int64)
        self._confusions = {"generated": empty, "real": empty}

    def update(self, source: tf.Tensor, generated: tf.Tensor, target: tf.Tensor) -> None:
        """Judge a batch: images (batch, S, S, channels) in [-1, 1]."""
        labels = self._labels.read(source)
        for kind, images in (("generated", generated), ("real", target)):
            matrix = confusion_matrix(labels, self._segmenter(images), self._segmenter.classes)
            self._confusions[kind] = self._confusions[kind] + matrix

    def result(self) -> dict[str, Any]:
        """The three figures of each kind, the accuracy by class, and the protocol, as plain values."""
        names, true = self._labels.classes, self._confusions["real"].sum(axis=1)
        always = np.zeros_like(self._confusions["real"])
        always[:, true.argmax()] = true
        occurring = np.flatnonzero(true)
        return {
            **{kind: dataclasses.asdict(scores(matrix)) for kind, matrix in self._confusions.items()},
            "majority": dataclasses.asdict(scores(always)),
            "accuracy_by_class": {
                kind: {names[i]: float(matrix[i, i] / true[i]) for i in occurring}
                for kind, matrix in self._confusions.items()
            },
            "protocol": {
                **self._segmenter.identity,
                "classes_that_occur": [names[i] for i in occurring],
                "note": "Compares runs judged by one segmenter; not comparable with the paper's FCN-8s on Cityscapes.",
            },
        }

    @staticmethod
    def lines(result: dict[str, Any]) -> list[str]:
        """A table of `result` for the screen, and the protocol as a paragraph."""
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
                for kind, title in _JUDGED.items()
            ),
            "",
            *textwrap.wrap(text, 100),
        ]
