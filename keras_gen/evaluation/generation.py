"""Evaluation of generation: the energy score, and for a known mixture the number of modes in the samples."""

from __future__ import annotations

import textwrap

import numpy as np

from keras_gen.evaluation.subject import Evaluation, Result, Subject
from keras_gen.metrics.modes import SAMPLES, Modes

_BATCH = 50  # batch size


def measure(subject: Subject) -> Result:
    """Compares the distributions of generated and of validation images."""
    model, mixture = subject.model, getattr(subject.data, "mixture", None)  # only images can have one
    scores = np.concatenate([np.asarray(model.validate(batch)["energy_score"]) for batch in subject.batches(_BATCH)])
    result = Result({"energy_score": float(scores.mean())})
    if mixture:
        modes = Modes(mixture.centres, mixture.deviation)
        modes.update(model.draw(model.fixed_latents(SAMPLES)))
        figures = modes.result()
        result += Result({"modes": figures}, [*modes.lines(figures), ""])
    about = (
        f"Gneiting and Raftery 2007, eq. 22, with root-mean-square distances of pixels: seeds 0 to 63 against "
        f"{len(scores)} validation images. Smaller is better; only comparable between runs on the same data."
    )
    lines = [f"{'energy score':<24}{scores.mean():12.4f}", "", *textwrap.wrap(about, 100)]
    return result + Result(lines=lines)


EVALUATION = Evaluation(measure, {"generate": ()})
