"""Generation of images from noise: the energy score, and the modes that were found of a known mixture."""

from __future__ import annotations

import textwrap

import numpy as np

from keras_gen.evaluation.subject import Evaluation, Result, Subject
from keras_gen.metrics.modes import SAMPLES, Modes

_BATCH = 50  # images at a time


def measure(subject: Subject) -> Result:
    """The distance between the distributions of drawn and of validation images."""
    model, mixture = subject.model, subject.data.mixture
    scores = np.concatenate([np.asarray(model.validate(batch)["energy_score"]) for batch in subject.batches(_BATCH)])
    result = Result({"energy_score": float(scores.mean())})
    if mixture:
        modes = Modes(mixture.centres, mixture.deviation)
        modes.update(model.draw(model.fixed_latents(SAMPLES)))
        figures = modes.result()
        result += Result({"modes": figures}, [*modes.lines(figures), ""])
    about = (
        f"Gneiting and Raftery 2007, eq. 22, root mean squares of pixels: the seeds 0 to 63 against {len(scores)} "
        "validation images, smaller is better; compare runs on the same data alone."
    )
    lines = [f"{'energy score':<24}{scores.mean():12.4f}", "", *textwrap.wrap(about, 100)]
    return result + Result(lines=lines)


EVALUATION = Evaluation(measure, {"generate": ()})
