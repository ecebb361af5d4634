"""Evaluation of translation: distances of translated images from the targets, and for label maps the FCN score.

The FCN score needs a segmenter that was trained on the real pairs. The first evaluation trains it and stores it beside
the run folder, so that all runs on the same data are evaluated with the same segmenter.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from keras_gen.console import say
from keras_gen.data.builtin.facades import CLASSES, PALETTE
from keras_gen.errors import UserError
from keras_gen.evaluation.subject import Evaluation, Result, Subject
from keras_gen.flags import BaseConfig, Positive
from keras_gen.metrics.fcn_score import FCNScore
from keras_gen.metrics.labels import LabelMaps, label_maps
from keras_gen.metrics.segmenter import open_segmenter

_BATCH = 8  # batch size


@dataclass(frozen=True)
class Options(BaseConfig):
    """Flags of this task only."""

    fcn_score: bool = True
    """Compute the FCN score if the sources are label maps."""
    segmenter: Path | None = None
    """File of the segmenter, which is trained and written if it does not exist; default: a file beside RUN whose name
    depends on the data."""
    segmenter_epochs: Positive[int] = 12
    """Epochs of training the segmenter on the real training pairs [epochs]."""


def measure(subject: Subject) -> Result:
    """Compares translated images with the targets.

    Raises:
        UserError: if the data are not pairs.
    """
    if "target_channels" not in subject.data.attributes():
        raise UserError(
            f"{subject.run} was trained on data without pairs; accepted are runs on pairs, whose targets the "
            "translations are compared with."
        )
    own: Options = subject.own.get("translation", Options())
    reconstruction = subject.reconstruction()
    labels = label_maps(subject.data, PALETTE, CLASSES) if own.fcn_score else "--no-fcn-score was given"
    score = None
    if isinstance(labels, LabelMaps):
        place, epochs = own.segmenter or subject.run.resolve().parent, own.segmenter_epochs
        size, seed = subject.model.config.image_size, subject.options.seed
        progress = {"say": say, "verbose": int(sys.stdout.isatty())}
        segmenter = open_segmenter(subject.data, labels, size, place, epochs=epochs, seed=seed, **progress)
        score = FCNScore(labels, segmenter)
    for source, target in subject.batches(_BATCH):
        drawn = subject.model.translate(source)
        reconstruction.update(drawn, target)
        if score:
            score.update(source, drawn, target)
    distances = reconstruction.result()
    result = Result({"reconstruction": distances}, reconstruction.lines(distances))
    if score is None:
        return result + Result({"fcn_score": {"left_out": labels}}, ["", f"FCN score left out: {labels}."])
    figures = score.result()
    return result + Result({"fcn_score": figures}, ["", *score.lines(figures)])


EVALUATION = Evaluation(
    measure,
    {"translate": ("seed", "metrics", "weights", "fcn_score", "segmenter", "segmenter_epochs")},
    examples="pairs",
)
