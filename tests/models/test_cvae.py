"""Conditional VAE: conformance, and the effect of the label."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf
from conformance import Case, Conformance

from keras_gen.errors import UserError
from keras_gen.models.cvae import CVAE, Config
from keras_gen.ops.divergences import log_normal
from keras_gen.ops.likelihoods import log_likelihood

TINY = Config(image_size=9, channels=2, latent_dim=3, hidden_units=(8, 6), filters=2, num_classes=4)


def batch(seed, count):
    rng = np.random.default_rng(seed)
    images = rng.uniform(-1, 1, (count, 9, 9, 2)).astype(np.float32)
    return tf.constant(images), tf.constant(rng.integers(0, 4, count), tf.int32)


class Calm(CVAE):
    """A model without noise: replicas draw different noise, so two replicas would take another step than one device."""

    family = "CVAE without noise"

    def draw_noise(self, samples, count):
        return 0.0 * super().draw_noise(samples, count)


@pytest.fixture
def model():
    keras.utils.set_random_seed(0)
    return CVAE(TINY)


class TestCVAE(Conformance):
    case = Case(
        CVAE,
        TINY,
        TINY,
        batch,
        {"vae": ("encoder", "decoder")},
        calm_family=Calm,
    )


def test_the_served_networks_take_the_label_as_an_input_of_its_own(model):
    images, labels = batch(0, 3)
    served = model.serving()
    assert [[port.name for port in served[name].inputs] for name in ("cvae", "decoder")] == [
        ["images", "label"],
        ["latents", "label"],
    ]
    assert served["decoder"].inputs[1].num_classes == 4
    mean, _ = model.encode(images, labels)
    np.testing.assert_allclose(served["encoder"](images, labels), mean, atol=1e-6)
    for found, expected in zip(served["decoder"].examples_of([(images, labels)]), (mean, labels), strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-6)
    np.testing.assert_allclose(served["decoder"](mean, labels), model.decode(mean, labels), atol=1e-6)


def test_each_class_has_pictures_of_its_own_from_the_same_latent_vector(model):
    drawn = {label: model.generate(2, seed=5, label=label) for label in range(4)}
    assert all(not np.array_equal(drawn[0], drawn[label]) for label in (1, 2, 3))
    np.testing.assert_array_equal(model.generate(2, seed=5, label=1), drawn[1])
    in_turn = model.generate(4, seed=5)
    np.testing.assert_allclose(in_turn[:2], [drawn[0][0], drawn[1][1]], atol=1e-6)


def test_weights_of_samples_are_those_given_the_label(model):
    """log p(x|z, y) + log p(z) - log q(z|x, y) at the mean, computed with the networks; other labels give
    other values."""
    images, labels = batch(0, 4)
    mean, log_variance = model.encoder(model.conditioned(images, labels))
    logits = model.decoder(model.conditioned(mean, labels))
    ratio = log_normal(mean) - log_normal(mean, mean, log_variance)
    found = model.log_weights(images, tf.zeros((1, 4, 3)), labels)[0]
    np.testing.assert_allclose(found, log_likelihood("bernoulli", logits, images) + ratio, rtol=1e-5)
    assert np.all(found != model.log_weights(images, tf.zeros((1, 4, 3)), (labels + 1) % 4)[0])


def test_a_class_that_is_not_there_is_refused(model):
    with pytest.raises(UserError, match=r"label got 4; accepted are the classes 0 to 3\."):
        model.generate(1, label=4)


def test_data_without_labels_are_refused():
    with pytest.raises(UserError, match="data has images without labels"):
        dataclasses.replace(TINY, num_classes=0)
