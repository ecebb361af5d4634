"""Evaluation of reconstruction: distances, active latent units, and an estimate of the likelihood."""

from __future__ import annotations

from dataclasses import dataclass

import tensorflow as tf

from keras_gen.engine.config import read_config
from keras_gen.evaluation.subject import Evaluation, Result, Subject
from keras_gen.flags import BaseConfig, NonNegative
from keras_gen.metrics.log_likelihood import LogLikelihood
from keras_gen.ops.divergences import active_units

_BATCH = 50  # batch size
_BINARISED = {
    "none": "the images are not binarised",
    "threshold": "the images are binarised by a threshold",
    "sample": "the images are binarised at random, in the same way at every evaluation",
}


@dataclass(frozen=True)
class Options(BaseConfig):
    """Flags of this task only."""

    importance_samples: NonNegative[int] = 0
    """For a RUN with a likelihood: latent samples per image to estimate it with [samples]; 0: no estimate; 5000 in
    Burda et al. 2016."""


def measure(subject: Subject) -> Result:
    """Compares reconstructions with the images."""
    reconstruction, model = subject.reconstruction(), subject.model
    of_likelihood = "estimate_likelihood" in model.tasks
    likelihood = _likelihood(subject) if of_likelihood else None
    means = []
    for images, labels in subject.batches(_BATCH):
        reconstruction.update(model.reconstruct(images, labels), images)
        if of_likelihood:
            means.append(model.encode(images, labels)[0])
        if likelihood:
            likelihood.update(images, labels)
    distances = reconstruction.result()
    result = Result({"reconstruction": distances}, reconstruction.lines(distances))
    if means:
        active, of = int(tf.math.count_nonzero(active_units(tf.concat(means, axis=0)))), model.config.latent_dim
        line = f"active units: {active} of {of} (variance of the posterior's mean above 0.01)"
        result += Result({"active_units": {"active": active, "of": of}}, ["", line])
    if likelihood:
        figures = likelihood.result()
        result += Result({"log_likelihood": figures}, ["", *likelihood.lines(figures)])
    return result


def _likelihood(subject: Subject) -> LogLikelihood | None:
    """The estimate with the requested number of samples; None without samples."""
    samples, model = subject.own.get("reconstruction", Options()).importance_samples, subject.model
    if not samples:
        return None
    binarised = _BINARISED[read_config(subject.run)["data"]["binarise"]]
    about = f"{model.config.likelihood} likelihood, {binarised}"
    return LogLikelihood(
        model.log_weights, model.config.latent_dim, samples=samples, images=about, seed=subject.options.seed
    )


EVALUATION = Evaluation(
    measure, {"reconstruct": ("seed", "metrics", "weights"), "estimate_likelihood": ("importance_samples",)}
)
