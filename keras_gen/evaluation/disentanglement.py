"""Disentanglement scores: how well single latent units represent the known factors of images."""

from __future__ import annotations

import textwrap

from keras_gen.data.builtin.shapes import LEVELS
from keras_gen.errors import UserError
from keras_gen.evaluation.subject import Result, Subject
from keras_gen.metrics.disentanglement import (
    SCORES,
    beta_vae_score,
    codes_of_random_factors,
    dci,
    factor_encoder,
    factor_vae_score,
    modularity,
    mutual_information_gap,
    separated_attribute_predictability,
)

_BY_ENCODER = {"factor_vae_score": factor_vae_score, "beta_vae_score": beta_vae_score}
_BY_ARRAYS = {"sap": separated_attribute_predictability, "modularity": modularity}
_IMAGES = 10_000  # with random factors, for the scores that are functions of codes and factors


def measure(subject: Subject) -> Result:
    """Computes the scores in `--metrics`.

    Raises:
        UserError: if the images have no known factors or the model has no latent vectors; for the mutual information
            gap, if the model has no posteriors.
    """
    scores, seed = subject.options.scores, subject.options.seed
    if not scores:
        return Result()
    asked, model, data = f"--metrics {scores[0]}", subject.model, subject.data
    space = model.latent_space()
    if space is None or getattr(data, "shapes", None) is None:
        raise UserError(
            f"{asked} needs latent vectors of images whose factors are known; accepted are runs of autoencoder, vae "
            "and their variants on --data shapes."
        )
    if "mig" in scores and "estimate_likelihood" not in model.tasks:
        raise UserError(
            f"--metrics mig needs posteriors of latent vectors, and {subject.run} is a run of {model.family}; accepted "
            "are runs of vae and its variants."
        )
    levels, found = tuple(LEVELS.values()), {}
    encode = factor_encoder(space.encode, data.draw)
    by_arrays = [name for name in scores if name not in ("mig", *_BY_ENCODER)]
    arrays = codes_of_random_factors(encode, levels, _IMAGES, seed) if by_arrays else ()
    forests = dci(*arrays, seed) if any(name.startswith("dci") for name in scores) else ({}, "")
    for name in scores:
        if name == "mig":
            value, protocol = mutual_information_gap(factor_encoder(model.encode, data.draw), levels, seed=seed)
        elif name in _BY_ENCODER:
            value, protocol = _BY_ENCODER[name](encode, levels, seed=seed)
        elif name in _BY_ARRAYS:
            value, protocol = _BY_ARRAYS[name](*arrays)
        else:
            value, protocol = forests[0][name], forests[1]
        found[name] = {"score": value, "protocol": protocol}
    lines = [
        line
        for name, score in found.items()
        for line in ("", f"{SCORES[name]:<24}{score['score']:12.4f}", *textwrap.wrap(score["protocol"], 100))
    ]
    return Result({"disentanglement": found}, lines)
