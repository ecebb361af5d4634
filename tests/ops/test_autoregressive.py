"""Autoregressive distributions: likelihoods that sum to 1, and samples that follow them."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_gen.networks.pixelcnn import pixelcnn
from keras_gen.ops.autoregressive import negative_log_likelihood, sample


@pytest.fixture(scope="module")
def network():
    """A distribution over 2x2 maps of two codes, random but far from uniform."""
    keras.utils.set_random_seed(0)
    network = pixelcnn(2, 2, 2, filters=8, depth=2)
    network.get_layer("logits").kernel.assign(6 * network.get_layer("logits").kernel)
    return network


@pytest.fixture(scope="module")
def probabilities(network):
    """The probabilities of all sixteen maps, in the order of binary numbers."""
    maps = np.array(list(itertools.product((0, 1), repeat=4)), np.int32).reshape(-1, 2, 2)
    return np.exp(-negative_log_likelihood(network(maps), tf.constant(maps)))


def test_the_probabilities_of_all_maps_add_up_to_one(probabilities):
    assert probabilities.sum() == pytest.approx(1, rel=1e-5)
    assert probabilities.max() > 1.5 / 16


def test_uniform_logits_cost_the_logarithm_of_the_number_of_codes():
    nats = negative_log_likelihood(tf.zeros((3, 4, 5, 7)), tf.zeros((3, 4, 5), tf.int32))
    np.testing.assert_allclose(nats, np.full(3, 20 * np.log(7)), rtol=1e-6)


def test_samples_follow_the_distribution(network, probabilities):
    """4000 maps: a chi-squared statistic with 15 degrees of freedom exceeds 45 once in ten thousand times."""
    draw = tf.function(lambda seed: sample(network, (4000, 2, 2), seed))
    drawn = draw(tf.constant((0, 0))).numpy()
    found = np.bincount(drawn.reshape(-1, 4) @ (8, 4, 2, 1), minlength=16)
    expected = 4000 * probabilities
    assert np.sum((found - expected) ** 2 / expected) < 45
    np.testing.assert_array_equal(draw(tf.constant((0, 0))), drawn)
    assert not np.array_equal(draw(tf.constant((1, 0))), drawn)
