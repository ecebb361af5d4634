"""Disentanglement: whether each known factor of variation is represented by one latent unit.

- Mutual information gap, MIG (Chen et al. 2018, arXiv 1802.04942, section 4): for each factor, the difference between
  the two largest values of mutual information with a latent unit, divided by the factor's entropy; mean over factors.
  It is 1 if each factor is fully encoded by one unit and no other unit has information about it.
- FactorVAE score (Kim, Mnih 2018, arXiv 1802.05983, section 4): the accuracy of predicting which factor was fixed in a
  group of images from the latent unit with the smallest variance. Factors that are spread over several units are not
  penalised.
- BetaVAE score (Higgins et al. 2017, ICLR, section 3): the same prediction by a linear classifier, from the mean
  absolute difference of each unit between pairs of images with the fixed factor in common.
- SAP, separated attribute predictability (Kumar et al. 2018, arXiv 1711.00848, section 3): for each factor, the
  difference between the accuracies of the two units that predict it best; mean over factors.
- DCI (Eastwood, Williams 2018, ICLR, section 2): disentanglement, 1 if each unit is important for one factor only;
  completeness, 1 if one unit only is important for each factor; informativeness, how well factors are predicted.
- Modularity (Ridgeway, Mozer 2018, arXiv 1802.05312, section 3): 1 if each unit has information about one factor only.
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

SCORES = {
    "mig": "MIG",
    "factor_vae_score": "FactorVAE score",
    "beta_vae_score": "BetaVAE score",
    "sap": "SAP",
    "dci_disentanglement": "DCI disentanglement",
    "dci_completeness": "DCI completeness",
    "dci_informativeness": "DCI informativeness",
    "modularity": "modularity",
}
"""Titles of the scores by name."""
_BINS = 20  # of a unit's values, for SAP and modularity, as in the program of Locatello et al. 2019, arXiv 1811.12359
_TREES, _TREE_DEPTH = 50, 12  # of the random forests of DCI
_MIN_INFORMATION = 0.02  # information [nats] below which a unit is not in use; by chance it is about 0.005
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


def beta_vae_score(
    encode: Means, levels: Sequence[int], *, votes: int = 800, group: int = 64, seed: int = 0
) -> tuple[float, str]:
    """The BetaVAE score, in [0, 1], and its protocol. Chance level is 1 / number of factors.

    The linear classifier (multinomial logistic regression) is fitted on one set of votes and scored on another.

    Args:
        encode: see `Means`.
        levels: number of values of each factor.
        votes: number of votes for fitting, and again for scoring.
        group: number of pairs of images of a vote. The images of a pair share the value of one factor, which is the
            same factor for all pairs of the vote.
        seed: random seed.
    """
    from sklearn.linear_model import LogisticRegression  # imported here because it takes a second

    rng = np.random.default_rng(seed)
    fixed = rng.integers(0, len(levels), 2 * votes)
    pairs = np.stack([rng.integers(0, count, (2 * votes, group, 2)) for count in levels], axis=-1)
    rows = np.arange(2 * votes)
    pairs[rows, :, 1, fixed] = pairs[rows, :, 0, fixed]
    means = encode(pairs.reshape(-1, len(levels))).reshape(2 * votes, group, 2, -1)
    differences = np.abs(means[:, :, 0] - means[:, :, 1]).mean(axis=1)
    scale = differences[:votes].std(axis=0)
    differences = differences / np.where(scale > 0, scale, 1.0)  # the scale of a unit must not matter
    classifier = LogisticRegression(max_iter=5000).fit(differences[:votes], fixed[:votes])
    protocol = (
        f"{votes} votes to fit a logistic regression and {votes} to score it, {group} pairs of images each, mean "
        "absolute difference of each latent unit or mean of a posterior, divided by its deviation; chance "
        f"{1 / len(levels):.3f}, seed {seed} (Higgins et al. 2017)"
    )
    return float(classifier.score(differences[votes:], fixed[votes:])), protocol


def codes_of_random_factors(
    encode: Means, levels: Sequence[int], images: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Random factor values, int (images, factors), after the codes of their images, (images, latent_dim)."""
    rng = np.random.default_rng(seed)
    factors = np.stack([rng.integers(0, count, images) for count in levels], axis=-1)
    return np.asarray(encode(factors), np.float64), factors


def separated_attribute_predictability(codes: np.ndarray, factors: np.ndarray) -> tuple[float, str]:
    """SAP, in [0, 1], and its protocol. It is at most 1 - 1/v for a factor with v values, whose chance level is 1/v.

    A unit predicts a factor by thresholds on its value: the predicted value of a bin is the one that is most frequent
    in it relative to its frequency anywhere. Bins are fitted on the first half of the images, and the accuracy, a mean
    over the factor's values, is measured on the second half.

    Args:
        codes: latent vectors or means of posteriors, (n, latent_dim).
        factors: factor values, int (n, factors).
    """
    half = len(codes) // 2
    gaps = []
    for values in factors.T:
        accuracies = np.sort([_threshold_accuracy(unit, values, half) for unit in codes.T])
        gaps.append(accuracies[-1] - (accuracies[-2] if len(accuracies) > 1 else 1.0 / (values.max() + 1)))
    protocol = (
        f"{half} images to fit thresholds between {_BINS} bins of each unit and {len(codes) - half} to score them, "
        f"balanced accuracy, gap of the two best units, mean over {factors.shape[1]} factors (Kumar et al. 2018)"
    )
    return float(np.mean(gaps)), protocol


def _threshold_accuracy(unit: np.ndarray, values: np.ndarray, half: int) -> float:
    edges = np.unique(np.quantile(unit[:half], np.linspace(0.0, 1.0, _BINS + 1)[1:-1]))
    bins = np.searchsorted(edges, unit, side="right")
    table = np.zeros((len(edges) + 1, values.max() + 1))
    np.add.at(table, (bins[:half], values[:half]), 1.0)
    predicted = np.argmax(table / np.maximum(table.sum(axis=0), 1.0), axis=1)[bins[half:]]
    right = predicted == values[half:]
    return float(np.mean([right[values[half:] == value].mean() for value in np.unique(values[half:])]))


def dci(codes: np.ndarray, factors: np.ndarray, seed: int = 0) -> tuple[dict[str, float], str]:
    """Disentanglement, completeness and informativeness, each in [0, 1], and their protocol.

    The importance R_ij of unit i for factor j is that of a random forest that predicts the factor. With P_ij = R_ij /
    sum_j R_ij, the disentanglement of unit i is 1 - H(P_i) / log(factors), and the mean over units is weighted by
    sum_j R_ij. Completeness is the same for the columns of R, with the logarithm of the number of units.
    Informativeness is the mean accuracy on images that the forests have not seen.

    Args:
        codes: latent vectors or means of posteriors, (n, latent_dim).
        factors: factor values, int (n, factors).
        seed: seed of the forests.
    """
    from sklearn.ensemble import RandomForestClassifier  # imported here because it takes a second

    half = len(codes) // 2
    forests = [
        RandomForestClassifier(_TREES, max_depth=_TREE_DEPTH, max_features=None, random_state=seed)
        for _ in range(factors.shape[1])
    ]
    for forest, values in zip(forests, factors.T, strict=True):
        forest.fit(codes[:half], values[:half])
    importance = np.stack([forest.feature_importances_ for forest in forests], axis=1)
    accuracies = [forest.score(codes[half:], v[half:]) for forest, v in zip(forests, factors.T, strict=True)]
    protocol = (
        f"random forests of {_TREES} trees of depth {_TREE_DEPTH} on {half} images, informativeness is their accuracy "
        f"on {len(codes) - half} others, mean over {factors.shape[1]} factors, seed {seed} (Eastwood, Williams 2018)"
    )
    scores = {
        "dci_disentanglement": _concentration(importance),
        "dci_completeness": _concentration(importance.T),
        "dci_informativeness": float(np.mean(accuracies)),
    }
    return scores, protocol


def _concentration(importance: np.ndarray) -> float:
    """Mean of 1 - entropy of the rows in units of its maximum, weighted by the sums of the rows."""
    sums = importance.sum(axis=1)
    shares = importance / np.where(sums > 0, sums, 1.0)[:, None]
    entropies = -np.sum(shares * np.log(np.where(shares > 0, shares, 1.0)), axis=1) / np.log(importance.shape[1])
    return float(np.sum(sums * (1.0 - entropies)) / sums.sum())


def modularity(codes: np.ndarray, factors: np.ndarray) -> tuple[float, str]:
    """Modularity, in [0, 1], and its protocol. It is 0 if no unit is in use.

    With the mutual information m_ij of unit i and factor j, and the factor j* of which the unit knows most, it is the
    mean over units of 1 - sum_{j != j*} m_ij^2 / (m_ij*^2 (factors - 1)).

    Args:
        codes: latent vectors or means of posteriors, (n, latent_dim).
        factors: factor values, int (n, factors), two factors or more.
    """
    information = np.array([[_binned_information(unit, values) for values in factors.T] for unit in codes.T])
    used = information[information.max(axis=1) >= _MIN_INFORMATION]
    protocol = (
        f"{len(codes)} images, mutual information from {_BINS} bins of each unit, mean over the {len(used)} units of "
        f"{len(information)} with {_MIN_INFORMATION} nats or more about a factor (Ridgeway, Mozer 2018)"
    )
    if not len(used):
        return 0.0, protocol
    squares = np.square(used / used.max(axis=1, keepdims=True))
    return float(np.mean(1.0 - (squares.sum(axis=1) - 1.0) / (factors.shape[1] - 1))), protocol


def _binned_information(unit: np.ndarray, values: np.ndarray) -> float:
    """Mutual information of a unit, in bins of equal width, and a factor [nats]."""
    bins = np.digitize(unit, np.histogram_bin_edges(unit, _BINS)[1:-1])
    joint = np.zeros((_BINS, values.max() + 1))
    np.add.at(joint, (bins, values), 1.0 / len(unit))
    independent = joint.sum(axis=1, keepdims=True) * joint.sum(axis=0)
    present = joint > 0
    return float(np.sum(joint[present] * np.log(joint[present] / independent[present])))


def _entropy(classes: np.ndarray) -> float:
    shares = np.unique(classes, return_counts=True)[1] / len(classes)
    return float(-np.sum(shares * np.log(shares)))
