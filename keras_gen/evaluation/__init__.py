"""How finished runs are judged, one module for each task.

A run is evaluated by the first of its family's tasks that has an evaluation. Each module names the flags that it takes;
`refuse_others` refuses all that would not be used.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from keras_gen.engine.tasks import Task
from keras_gen.evaluation import (
    classification,
    disentanglement,
    folders,
    generation,
    reconstruction,
    restoration,
    translation,
)
from keras_gen.evaluation.subject import Evaluation, Options, Result, Subject, refuse_others

EVALUATIONS: dict[Task, Evaluation] = {
    "translate": translation.EVALUATION,
    "upscale": restoration.UPSCALING,
    "denoise": restoration.DENOISING,
    "reconstruct": reconstruction.EVALUATION,
    "classify": classification.EVALUATION,
    "generate": generation.EVALUATION,
}
"""Task -> its evaluation."""


def evaluation_of(tasks: Collection[Task], flags: Any, beside: str) -> Evaluation | None:
    """The evaluation of a family with these tasks, None if there is none.

    Args:
        tasks: in the family's order.
        flags: a dataclass of all flags, of which those that the evaluation does not take are refused.
        beside: the run in words, for the refusal.

    Raises:
        UserError: for a flag that would not be used.
    """
    found = next((EVALUATIONS[task] for task in tasks if task in EVALUATIONS), None)
    if found:
        refuse_others(flags, found.accepted(tasks), beside)
    return found


def evaluate(subject: Subject, evaluation: Evaluation) -> Result:
    """The figures of a run, and of its latent units if `--metrics` asks for them."""
    scores = disentanglement.measure(subject)
    return evaluation.measure(subject) + scores


__all__ = [
    "EVALUATIONS",
    "Evaluation",
    "Options",
    "Result",
    "Subject",
    "evaluate",
    "evaluation_of",
    "folders",
    "refuse_others",
]
