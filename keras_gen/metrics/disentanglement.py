"""How well the units of a latent code stand for the known factors of images, one unit for each.

- Mutual information gap (Chen et al. 2018, arXiv 1802.04942, section 4): of each factor, by how much the unit that
  knows most about it knows more than the next one, as a share of the factor's entropy. 1: each factor has a unit of its
  own, and no other knows anything about it.
- FactorVAE score (Kim, Mnih 2018, arXiv 1802.05983, section 4): how often one can tell which factor was held fixed in a
  group of images from the unit that varied least in it. It does not mind a factor that several units share.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

Means = Callable[[np.ndarray], np.ndarray]
"""Classes of factors, int (n, factors) -> latent vectors of their images, the mean where they are distributed, (n,
latent_dim)."""
Posteriors = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
"""The same -> mean and log variance of their posteriors, (n, latent_dim) each."""

SCORES = {"mig": "MIG", "factor_vae_score": "FactorVAE score"}
"""Names of the scores and what they are called on the screen."""
_CHUNK = 2**23  # densities held at a time: 64 MB
_ENCODED = 500  # images encoded at a time


def of_factors(encode: Callable[[tf.Tensor, tf.Tensor], Any], draw: Callable[[np.ndarray], tf.Tensor]) -> Any:
    """`Means` or `Posteriors` of an encoder.

    Args:
        encode: (images, int32 labels (n,)) -> latent vectors (n, latent_dim), or their means and log variances.
        draw: classes of factors, int (n, factors) -> images, whose labels are the classes of the first factor.
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
    """The mutual information gap, and its protocol.

    Args:
        encode: see `Posteriors`.
        levels: how many classes each factor has.
        images: drawn with all factors at random, whose posteriors make up q(z).
        samples: of latent vectors, over which the logarithms are averaged; at most `images`.
        seed: of factors and samples.
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
    """I(z_j; v_k) = E log q(z_j|v_k) - log q(z_j) of each unit and each factor, (latent, factors), in nats.

    Args:
        mean, log_variance: of the posteriors of images, (n, latent_dim).
        factors: their classes, int (n, factors).
        samples: how many of the images a latent vector is drawn from, to average over.
        rng: of the samples.
    """
    chosen = rng.permutation(len(mean))[:samples]
    deviation = np.exp(0.5 * np.asarray(log_variance, np.float64))
    z = mean[chosen] + deviation[chosen] * rng.normal(size=(len(chosen), mean.shape[1]))
    ratios = np.zeros((mean.shape[1], factors.shape[1]))
    step = max(1, _CHUNK // mean.size)
    for start in range(0, len(chosen), step):
        part = slice(start, start + step)
        # (sample, unit, image), without the factor that all densities share
        density = np.exp(-0.5 * np.square((z[part, :, None] - mean.T) / deviation.T)) / deviation.T
        marginal = density.mean(axis=-1)
        for k, classes in enumerate(factors.T):
            alike = (classes[chosen[part], None] == classes).astype(density.dtype)
            conditional = (density @ alike[..., None])[..., 0] / alike.sum(axis=-1, keepdims=True)
            ratios[:, k] += np.log(conditional / marginal).sum(axis=0)
    return ratios / len(chosen)


def factor_vae_score(
    encode: Means,
    levels: Sequence[int],
    *,
    votes: int = 800,
    group: int = 64,
    images: int = 10_000,
    least_variance: float = 0.05,
    seed: int = 0,
) -> tuple[float, str]:
    """The FactorVAE score on votes that the majority was not learnt from, and its protocol; chance is 1 / factors.

    Args:
        encode: see `Means`.
        levels: how many classes each factor has.
        votes: groups of images that the majority is learnt from, and as many to score it.
        group: images in which one factor is the same.
        images: with all factors at random, for the variance of each unit.
        least_variance: units whose means vary less are left out, as they say nothing; without any other the score is 0.
        seed: of everything.
    """
    rng = np.random.default_rng(seed)

    def draw(count: int) -> np.ndarray:
        return np.stack([rng.integers(0, classes, count) for classes in levels], axis=-1)

    variance = np.var(encode(draw(images)), axis=0)
    active = np.flatnonzero(variance >= least_variance)
    fixed = rng.integers(0, len(levels), 2 * votes)
    factors = draw(2 * votes * group).reshape(2 * votes, group, -1)
    rows = np.arange(2 * votes)
    factors[rows, :, fixed] = factors[rows, :1, fixed]
    means = encode(factors.reshape(-1, len(levels))).reshape(2 * votes, group, -1)
    protocol = (
        f"{votes} votes to learn the majority and {votes} to score it, {group} images each, latent vectors or means "
        f"of posteriors, divided by their deviation over {images} images; {len(active)} units of {len(variance)} "
        f"with a variance of {least_variance:g} or more; chance {1 / len(levels):.3f}, seed {seed} (Kim, Mnih 2018)"
    )
    if not len(active):
        return 0.0, protocol
    still = np.argmin(np.var(means[..., active], axis=1) / variance[active], axis=-1)
    counts = np.zeros((len(active), len(levels)))
    np.add.at(counts, (still[:votes], fixed[:votes]), 1)
    return float(np.mean(counts.argmax(axis=-1)[still[votes:]] == fixed[votes:])), protocol


def _entropy(classes: np.ndarray) -> float:
    shares = np.unique(classes, return_counts=True)[1] / len(classes)
    return float(-np.sum(shares * np.log(shares)))
