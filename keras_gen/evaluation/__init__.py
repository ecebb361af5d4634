"""Evaluation of finished runs, with one module for each task.

The first of a family's tasks with an evaluation determines how its runs are evaluated. Each module lists the flags that
it uses; `refuse_others` refuses flags that would have no effect.
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
    scores,
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
    """The evaluation of a family with these tasks; None if there is none.

    Args:
        tasks: the tasks in the family's order.
        flags: a dataclass with all flags.
        beside: the run in words, for the error message.

    Raises:
        UserError: if a flag was given that the evaluation does not use.
    """
    found = next((EVALUATIONS[task] for task in tasks if task in EVALUATIONS), None)
    if found:
        accepted = found.accepted(tasks)
        if "generate" in tasks:
            accepted |= scores.FLAGS_OF_A_RUN if flags.scores.names else {"scores"}
        refuse_others(flags, accepted, beside)
    return found


def evaluate(subject: Subject, evaluation: Evaluation) -> Result:
    """Evaluates a run, with the scores of its latent units if `--metrics` includes them."""
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
    "scores",
]
