"""AUROC against its definition: the fraction of pairs of an anomaly and a normal example that are in order."""

import numpy as np

from keras_gen.metrics.detection import aurocs


def by_pairs(normal, anomalous):
    higher = np.subtract.outer(anomalous, normal)
    return np.mean((higher > 0) + 0.5 * (higher == 0))


def test_it_is_the_share_of_pairs_in_order():
    rng = np.random.default_rng(0)
    labels = rng.choice(["", "", "a", "b"], 300)
    scores = np.round(rng.normal(size=300) + 0.7 * (labels == "a") + 2 * (labels == "b"), 1)  # with ties
    found = aurocs(labels.tolist(), scores)
    assert list(found) == ["all", "a", "b"]
    normal = scores[labels == ""]
    np.testing.assert_allclose(found["all"], by_pairs(normal, scores[labels != ""]))
    for kind in "ab":
        np.testing.assert_allclose(found[kind], by_pairs(normal, scores[labels == kind]))


def test_four_examples_by_hand():
    assert aurocs(["", "", "x", "x"], np.array([1.0, 3.0, 2.0, 4.0])) == {"all": 0.75, "x": 0.75}


def test_without_one_of_both_there_is_none():
    assert aurocs(["", ""], np.array([1.0, 2.0])) == {}
    assert aurocs(["x"], np.array([1.0])) == {}
