"""Bounds of the mutual information against exact values."""

import numpy as np
import pytest
import tensorflow as tf

from keras_gen.ops.information import categorical_information, imbalance, mean_entropy, normal_information


def test_with_the_true_posterior_the_bound_is_the_information():
    """A code with four equally frequent values through a noisy channel: I from the joint distribution."""
    rng = np.random.default_rng(0)
    channel = rng.dirichlet(np.ones(5), size=4)  # p(x|c), five pictures
    joint = channel / 4
    information = np.sum(joint * np.log(joint / (joint.sum(0) * joint.sum(1, keepdims=True))))
    posterior = joint / joint.sum(0)
    pairs = rng.multinomial(200_000, joint.ravel()).reshape(4, 5)
    codes, pictures = (np.repeat(places, pairs.ravel()) for places in np.indices((4, 5)).reshape(2, -1))
    found = float(categorical_information(tf.constant(np.log(posterior.T)[pictures], tf.float32), codes))
    assert found == pytest.approx(information, abs=0.01)
    wrong = float(categorical_information(tf.zeros((len(codes), 4)), codes))
    assert wrong == pytest.approx(0.0, abs=1e-5)


def test_a_normal_code_is_worth_half_a_nat_if_it_is_known_and_nothing_if_it_is_not():
    """From the densities: the entropy of N(0, 1), and log N(c; mean, 1)."""
    rng = np.random.default_rng(0)
    codes, means = rng.normal(size=(2, 50, 3))
    entropy = 0.5 * np.log(2 * np.pi * np.e)
    log_q = -0.5 * np.log(2 * np.pi) - 0.5 * (codes - means) ** 2
    expected = np.mean(np.sum(entropy + log_q, -1))
    assert float(normal_information(means, codes)) == pytest.approx(expected, rel=1e-5)
    assert float(normal_information(codes, codes)) == pytest.approx(1.5)


def test_entropy():
    """0 for certainty, log K for a uniform distribution, and NumPy's value in between."""
    assert float(mean_entropy(tf.constant([[80.0, 0.0, 0.0]]))) == pytest.approx(0, abs=1e-6)
    assert float(mean_entropy(tf.fill((2, 3), 5.0))) == pytest.approx(np.log(3), rel=1e-6)
    p = np.array([[0.7, 0.2, 0.1], [0.5, 0.25, 0.25]])
    expected = -(p * np.log(p)).sum(axis=1).mean()
    assert float(mean_entropy(tf.constant(np.log(p) + 3, tf.float32))) == pytest.approx(expected, rel=1e-5)


def test_imbalance():
    """0 for equally frequent classes, certain or not; log K for a single class; plus the entropy, the information of a
    class."""
    sure = tf.constant(80.0 * np.eye(3), tf.float32)
    assert float(imbalance(sure)) == pytest.approx(0, abs=1e-6)
    assert float(imbalance(tf.fill((2, 3), 5.0))) == pytest.approx(0, abs=1e-6)
    assert float(imbalance(tf.gather(sure, [1, 1]))) == pytest.approx(np.log(3), rel=1e-6)
    p = np.array([[0.7, 0.2, 0.1], [0.5, 0.25, 0.25]])  # of either image, which are equally frequent
    joint = p / 2
    information = np.sum(joint * np.log(joint / (joint.sum(axis=0) * joint.sum(axis=1, keepdims=True))))
    logits = tf.constant(np.log(p) + 3, tf.float32)
    found = np.log(3) - float(imbalance(logits)) - float(mean_entropy(logits))
    assert found == pytest.approx(information, abs=1e-6)


def test_the_gradient_where_a_probability_is_zero():
    logits = tf.Variable([[300.0, 0.0, -300.0], [200.0, 0.0, -300.0]])
    with tf.GradientTape() as tape:
        loss = imbalance(logits) + mean_entropy(logits)
    assert np.all(np.isfinite(tape.gradient(loss, logits)))
