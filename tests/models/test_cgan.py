"""CGAN: conformance, and the effect of the class."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf
from conformance import Case, Conformance, without_noise

from keras_gen.errors import UserError
from keras_gen.models.cgan import CGAN, Config

TINY = Config(image_size=8, channels=2, latent_dim=3, filters=2, num_classes=4, discriminator_norm="none")
PROJECTED = dataclasses.replace(TINY, projection=True, objective="hinge")
PLAYERS = {"generator": ("generator",), "discriminator": ("discriminator",)}


def batch(seed, count):
    rng = np.random.default_rng(seed)
    images = rng.uniform(-1, 1, (count, 8, 8, 2)).astype(np.float32)
    return tf.constant(images), tf.constant(rng.integers(0, 4, count), tf.int32)


Calm = without_noise(CGAN)


class TestCGAN(Conformance):
    case = Case(
        CGAN,
        TINY,
        dataclasses.replace(TINY, generator_norm="none"),
        batch,
        PLAYERS,
        calm_family=Calm,
        reached=("discriminator",),
    )


@pytest.fixture
def model():
    keras.utils.set_random_seed(0)
    return CGAN(TINY)


def test_the_projection_is_the_bilinear_form():
    """Miyato and Koyama 2018, equation 11: psi(phi(x)) + v_y phi(x), computed from the weights."""
    keras.utils.set_random_seed(0)
    model = CGAN(PROJECTED)
    images, _ = batch(0, 3)
    labels = tf.constant([3, 0, 3])
    said = model.discriminate(images, labels, training=False)
    psi, v = (model.discriminator.get_layer(name).get_weights() for name in ("logit_units", "classes_units"))
    features = said["features"].numpy()
    expected = features @ psi[0] + psi[1] + (features * v[0].T[[3, 0, 3]]).sum(-1, keepdims=True)
    np.testing.assert_allclose(said["logit"], expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("config", [TINY, PROJECTED])
def test_the_discriminator_judges_an_image_by_its_class(config):
    keras.utils.set_random_seed(0)
    model = CGAN(config)
    images, _ = batch(0, 1)
    logits = [
        model.discriminate(images, tf.constant([label]), training=False)["logit"].numpy().item() for label in range(4)
    ]
    assert len(set(logits)) == 4


def test_each_class_has_pictures_of_its_own_from_the_same_noise(model):
    drawn = {label: model.generate(2, seed=5, label=label) for label in range(4)}
    assert all(not np.array_equal(drawn[0], drawn[label]) for label in (1, 2, 3))
    in_turn = model.generate(4, seed=5)
    np.testing.assert_allclose(in_turn[:2], [drawn[0][0], drawn[1][1]], atol=1e-6)
    sheet = model.preview(batch(0, 2))["classes"].columns
    np.testing.assert_allclose(sheet["2"], model.generate(8, seed=0, label=2), atol=1e-6)


def test_a_class_that_is_not_there_is_refused(model):
    with pytest.raises(UserError, match=r"label got 4; accepted are the classes 0 to 3\."):
        model.generate(1, label=4)


def test_data_without_labels_are_refused():
    with pytest.raises(UserError, match="data has images without labels, and a class-conditional model needs classes"):
        dataclasses.replace(TINY, num_classes=0)
