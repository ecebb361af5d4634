"""Disentanglement: whether each known factor of variation is represented by one latent unit.

- Mutual information gap, MIG (Chen et al. 2018, arXiv 1802.04942, section 4): for each factor, the difference between
  the two largest values of mutual information with a latent unit, divided by the factor's entropy; mean over factors.
  It is 1 if each factor is fully encoded by one unit and no other unit has information about it.
- FactorVAE score (Kim, Mnih 2018, arXiv 1802.05983, section 4): the accuracy of predicting which factor was fixed in a
  group of images from the latent unit with the smallest variance. Factors that are spread over several units are not
  penalised.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

Means = Callable[[np.ndarray], np.ndarray]
"""Maps factor values, int (n, factors), to the latent vectors (or posterior means) of their images, (n, latent_dim)."""
Posteriors = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
"""Maps factor values to the means and log variances of the posteriors, each (n, latent_dim)."""

SCORES = {"mig": "MIG", "factor_vae_score": "FactorVAE score"}
"""Titles of the scores by name."""
_CHUNK = 2**23  # densities computed at a time: 64 MB
_ENCODED = 500  # images encoded at a time


def factor_encoder(encode: Callable[[tf.Tensor, tf.Tensor], Any], draw: Callable[[np.ndarray], tf.Tensor]) -> Any:
    """A function from factor values to latent vectors: `Means` or `Posteriors`, depending on the encoder.

    Args:
        encode: maps images and int32 labels (n,) to latent vectors (n, latent_dim), or to means and log variances.
        draw: maps factor values, int (n, factors), to images. The labels are the values of the first factor.
    """
    encode = tf.function(encode, reduce_retracing=True)

    def encoded(factors: np.ndarray) -> Any:
        chunks = (factors[start : start + _ENCODED] for start in range(0, len(factors), _ENCODED))
        parts = [encode(draw(chunk), tf.constant(chunk[:, 0], tf.int32)) for chunk in chunks]
        return tf.nest.map_structure(lambda *arrays: np.concatenate(arrays), *parts)

    return encoded


def mutual_information_gap(
    encode: Posteriors, levels: Sequence[int], *, images: int = 10_000, samples: int = 2_000, seed: int = 0
) -> tuple[float, str]:
    """The mutual information gap, from 0 to 1 up to estimation errors, and its protocol.

    Args:
        encode: see `Posteriors`.
        levels: number of values of each factor.
        images: number of images with random factors. q(z) is the mean of their posteriors.
        samples: number of latent samples for the estimate of mutual information; at most `images`.
        seed: random seed of factors and samples.
    """
    rng = np.random.default_rng(seed)
    factors = np.stack([rng.integers(0, count, images) for count in levels], axis=-1)
    information = mutual_information(*encode(factors), factors, samples=samples, rng=rng)
    entropy = np.array([_entropy(classes) for classes in factors.T])
    ordered = np.sort(information, axis=0)
    gaps = (ordered[-1] - (ordered[-2] if len(ordered) > 1 else 0.0)) / entropy
    protocol = (
        f"{images} images with all factors at random, q(z) and q(z|factor) the means of their posteriors, logarithms "
        f"averaged over {samples} samples, gap of the two best units as a share of the factor's entropy, mean over "
        f"{len(levels)} factors, seed {seed} (Chen et al. 2018)"
    )
    return float(np.mean(gaps)), protocol


def mutual_information(
    mean: np.ndarray, log_variance: np.ndarray, factors: np.ndarray, *, samples: int, rng: np.random.Generator
) -> np.ndarray:
    """Mutual information I(z_j; v_k) = E [log q(z_j|v_k) - log q(z_j)] of each unit and factor, (latent_dim, factors).

    The unit is nats.

    Args:
        mean, log_variance: posteriors of images, each (n, latent_dim).
        factors: factor values of the images, int (n, factors).
        samples: number of images for which a latent vector is sampled; the expectation is the mean over these.
        rng: random generator.
    """
    chosen = rng.permutation(len(mean))[:samples]
    deviation = np.exp(0.5 * np.asarray(log_variance, np.float64))
    z = mean[chosen] + deviation[chosen] * rng.normal(size=(len(chosen), mean.shape[1]))
    ratios = np.zeros((mean.shape[1], factors.shape[1]))
    step = max(1, _CHUNK // mean.size)
    for start in range(0, len(chosen), step):
        part = slice(start, start + step)
        # (sample, unit, image), without the factor 1 / sqrt(2 pi), which cancels
        density = np.exp(-0.5 * np.square((z[part, :, None] - mean.T) / deviation.T)) / deviation.T
        marginal = density.mean(axis=-1)
        for k, classes in enumerate(factors.T):
            same = (classes[chosen[part], None] == classes).astype(density.dtype)
            conditional = (density @ same[..., None])[..., 0] / same.sum(axis=-1, keepdims=True)
            ratios[:, k] += np.log(conditional / marginal).sum(axis=0)
    return ratios / len(chosen)


def factor_vae_score(
    encode: Means,
    levels: Sequence[int],
    *,
    votes: int = 800,
    group: int = 64,
    images: int = 10_000,
    min_variance: float = 0.05,
    seed: int = 0,
) -> tuple[float, str]:
    """The FactorVAE score, in [0, 1], and its protocol. Chance level is 1 / number of factors.

    The majority-vote classifier is fitted on one set of votes and scored on another.

    Args:
        encode: see `Means`.
        levels: number of values of each factor.
        votes: number of votes (groups of images) for fitting, and again for scoring.
        group: number of images in a group. They share the value of one factor.
        images: number of images with random factors, for the variance of each unit.
        min_variance: units with a smaller variance carry no information and are left out. If none is left, the score
            is 0.
        seed: random seed.
    """
    rng = np.random.default_rng(seed)

    def draw(count: int) -> np.ndarray:
        return np.stack([rng.integers(0, classes, count) for classes in levels], axis=-1)

    variance = np.var(encode(draw(images)), axis=0)
    active = np.flatnonzero(variance >= min_variance)
    fixed = rng.integers(0, len(levels), 2 * votes)
    factors = draw(2 * votes * group).reshape(2 * votes, group, -1)
    rows = np.arange(2 * votes)
    factors[rows, :, fixed] = factors[rows, :1, fixed]
    means = encode(factors.reshape(-1, len(levels))).reshape(2 * votes, group, -1)
    protocol = (
        f"{votes} votes to learn the majority and {votes} to score it, {group} images each, latent vectors or means "
        f"of posteriors, divided by their deviation over {images} images; {len(active)} units of {len(variance)} "
        f"with a variance of {min_variance:g} or more; chance {1 / len(levels):.3f}, seed {seed} (Kim, Mnih 2018)"
    )
    if not len(active):
        return 0.0, protocol
    steadiest = np.argmin(np.var(means[..., active], axis=1) / variance[active], axis=-1)
    counts = np.zeros((len(active), len(levels)))
    np.add.at(counts, (steadiest[:votes], fixed[:votes]), 1)
    return float(np.mean(counts.argmax(axis=-1)[steadiest[votes:]] == fixed[votes:])), protocol


def _entropy(classes: np.ndarray) -> float:
    shares = np.unique(classes, return_counts=True)[1] / len(classes)
    return float(-np.sum(shares * np.log(shares)))
