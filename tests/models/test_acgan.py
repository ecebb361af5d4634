"""ACGAN: conformance, and the class terms in both losses."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf
from conformance import Case, Conformance, without_noise

from keras_gen.errors import UserError
from keras_gen.models.acgan import ACGAN, Config
from keras_gen.models.gan import DiscriminatorOutput
from keras_gen.ops.adversarial import AdversarialLoss

TINY = Config(image_size=8, channels=2, latent_dim=3, filters=2, num_classes=4)
PLAYERS = {"generator": ("generator",), "discriminator": ("discriminator",)}


def batch(seed, count):
    rng = np.random.default_rng(seed)
    images = rng.uniform(-1, 1, (count, 8, 8, 2)).astype(np.float32)
    return tf.constant(images), tf.constant(rng.integers(0, 4, count), tf.int32)


Calm = without_noise(ACGAN)


class TestACGAN(Conformance):
    case = Case(
        ACGAN,
        TINY,
        dataclasses.replace(TINY, generator_norm="none"),
        batch,
        PLAYERS,
        calm_family=Calm,
        reached=("discriminator",),
    )


def judged(rng, right):
    """Six images whose classes the head predicts almost with certainty, `right` of them correctly."""
    labels = rng.integers(0, 4, 6)
    read = np.where(np.arange(6) < right, labels, (labels + 1) % 4)
    logits = rng.normal(size=(6, 4)) + 9 * np.eye(4)[read]
    said = {"logit": rng.normal(size=(6, 1)), "classes": logits}
    said = {name: tf.constant(value, tf.float32) for name, value in said.items()}
    return DiscriminatorOutput(tf.zeros((6, 8, 8, 2)), tf.constant(labels, tf.int32), said), logits, labels


def test_the_losses_are_those_of_the_paper():
    """Odena et al. 2017, equations 2 and 3: the discriminator maximises L_S + L_C, the generator L_C and its
    own loss."""
    keras.utils.set_random_seed(0)
    model, rng = ACGAN(dataclasses.replace(TINY, class_weight=0.5)), np.random.default_rng(0)
    (real, *of_real), (fake, *of_fake) = judged(rng, 5), judged(rng, 2)

    def minus_log_p(logits, labels):
        return np.mean(np.log(np.exp(logits).sum(-1)) - logits[np.arange(6), labels])

    loss, terms = model.discriminator_loss(real, fake)
    l_s = -float(AdversarialLoss("nonsaturating").discriminator(real.logit, fake.logit))
    assert float(loss) == pytest.approx(-l_s + 0.5 * (minus_log_p(*of_real) + minus_log_p(*of_fake)), rel=1e-5)
    assert float(terms["real_class_accuracy"]) == pytest.approx(5 / 6)
    assert float(terms["real_class_loss"]) == pytest.approx(minus_log_p(*of_real), rel=1e-5)
    loss, terms = model.generator_loss(real, fake)
    own = float(AdversarialLoss("nonsaturating").generator(fake.logit))
    assert float(loss) == pytest.approx(own + 0.5 * minus_log_p(*of_fake), rel=1e-5)
    assert float(terms["fake_class_accuracy"]) == pytest.approx(2 / 6)


def test_the_served_classifier_is_the_head():
    keras.utils.set_random_seed(0)
    model = ACGAN(TINY)
    images, labels = batch(0, 5)
    probabilities = model.serving()["classifier"].network(images).numpy()
    logits = model.discriminate(images, labels, training=False)["classes"]
    np.testing.assert_allclose(probabilities, tf.nn.softmax(logits), atol=1e-6)
    right = model.validate((images, labels))["class_accuracy"]
    np.testing.assert_array_equal(right, probabilities.argmax(-1) == labels.numpy())


def test_fields_that_cannot_be():
    with pytest.raises(UserError, match="class_weight got -1"):
        dataclasses.replace(TINY, class_weight=-1.0)
    with pytest.raises(UserError, match="data has images without labels"):
        dataclasses.replace(TINY, num_classes=0)
