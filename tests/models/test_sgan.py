"""SGAN: conformance, and the K + 1 classes, of which one means "generated"."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf
from conformance import Case, Conformance, without_noise

from keras_gen.errors import UserError
from keras_gen.models.sgan import SGAN, Config

TINY = Config(
    image_size=8,
    channels=2,
    latent_dim=3,
    hidden_units=(6, 5),
    discriminator_hidden_units=(9, 8),
    num_classes=4,
    generator_norm="none",
)
STILL = dataclasses.replace(TINY, input_noise=0.0, unit_noise=0.0)
PLAYERS = {"generator": ("generator",), "discriminator": ("discriminator",)}


def batch(seed, count):
    rng = np.random.default_rng(seed)
    images, unlabelled = rng.uniform(-1, 1, (2, count, 8, 8, 2)).astype(np.float32)
    return tf.constant(images), tf.constant(rng.integers(0, 4, count), tf.int32), tf.constant(unlabelled)


Calm = without_noise(SGAN)


class TestSGAN(Conformance):
    """The model for comparing replicas does not match features, whose means differ between the parts of a batch."""

    case = Case(
        SGAN,
        dataclasses.replace(TINY, consistency_weight=0.5, entropy_weight=0.1, balance_weight=0.1),
        dataclasses.replace(STILL, objective="nonsaturating"),
        batch,
        PLAYERS,
        calm_family=Calm,
        reached=("discriminator",),
    )


def test_the_served_classifier_says_what_the_model_says(model):
    images, *_ = batch(5, 3)
    probabilities = model.serving()["classifier"](images)
    np.testing.assert_allclose(probabilities, tf.nn.softmax(model.classify(images)), atol=1e-6)


@pytest.fixture
def model():
    keras.utils.set_random_seed(0)
    return SGAN(STILL)


def softmax(logits):
    return np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)


@pytest.mark.parametrize("architecture", ["mlp", "dcgan"])
def test_being_generated_is_a_class_of_logit_0(architecture):
    """D = Z / (Z + 1) is one minus the last probability of a softmax over K + 1 classes (Salimans et al. 2016, section
    5)."""
    model = SGAN(dataclasses.replace(STILL, architecture=architecture, filters=4))
    images, labels, _ = batch(0, 6)
    said = model.discriminate(images, labels, training=False)
    with_generated = np.concatenate([said["classes"], np.zeros((6, 1))], axis=1)
    np.testing.assert_allclose(tf.sigmoid(said["logit"][:, 0]), 1 - softmax(with_generated)[:, -1], rtol=1e-5)
    np.testing.assert_allclose(tf.nn.softmax(said["classes"]), softmax(with_generated[:, :-1]), rtol=1e-5)


def test_the_losses_are_those_of_the_k_plus_1_classes(model):
    """-log p(y | x, real) of labelled, -log p(real) of unlabelled and -log p(generated) of generated images."""
    images, labels, unlabelled = batch(1, 5)
    real, fake = model._forward((images, labels, unlabelled))
    loss, terms = model.discriminator_loss(real, fake)
    known, of_real, of_fake = (
        softmax(np.concatenate([model.discriminator(x)["classes"], np.zeros((5, 1))], axis=1))
        for x in (images, unlabelled, fake.images)
    )
    supervised = -np.mean(np.log(known[np.arange(5), labels] / (1 - known[:, -1])))
    unsupervised = -np.mean(np.log(1 - of_real[:, -1])) - np.mean(np.log(of_fake[:, -1]))
    assert float(terms["supervised_loss"]) == pytest.approx(supervised, rel=1e-4)
    assert float(terms["unsupervised_loss"]) == pytest.approx(unsupervised, rel=1e-4)
    assert float(loss) == pytest.approx(supervised + 0.5 * unsupervised, rel=1e-4)
    wrong = known[:, :-1].argmax(axis=1) != labels
    assert float(terms["error"]) == pytest.approx(np.mean(wrong))


def test_a_generator_of_the_right_mean_features_is_content(model):
    """This also holds if it generates other images, here the real ones in another order."""
    images, labels, unlabelled = batch(2, 4)
    real, _ = model._forward((images, labels, unlabelled))
    shuffled = tf.reverse(unlabelled, [0])
    fake = dataclasses.replace(real, images=shuffled, outputs=model.discriminate(shuffled, labels))
    assert float(model.generator_loss(real, fake)[0]) == pytest.approx(0, abs=1e-9)
    moved = dataclasses.replace(fake, outputs={"features": fake.outputs["features"] + [[1.0] + 7 * [0.0]]})
    assert float(model.generator_loss(real, moved)[0]) == pytest.approx(1, rel=1e-4)


def test_noise_is_for_training_alone():
    keras.utils.set_random_seed(0)
    model, (images, labels, _) = SGAN(TINY), batch(3, 4)
    first, second = (model.discriminate(images, labels)["logit"].numpy() for _ in range(2))
    assert not np.allclose(first, second)
    np.testing.assert_array_equal(model.classify(images), model.classify(images))


def test_the_teacher_is_the_average():
    """The penalty is the distance from the predictions of the averaged weights, which get no gradient; it is part of
    the loss."""
    keras.utils.set_random_seed(0)
    model = SGAN(dataclasses.replace(TINY, consistency_weight=3.0))
    examples = batch(4, 5)
    unlabelled = examples[2]
    np.testing.assert_array_equal(
        model._forward(examples)[0].teacher_logits, model.classify(unlabelled)
    )  # its own teacher
    model.compile(model.make_optimizers(1e-3), ema_decay=0.9)
    average = model.averages["discriminator"]
    average.set_weights([2.0 * weight for weight in average.get_weights()])
    with tf.GradientTape() as tape:
        real, fake = model._forward(examples)
        loss, terms = model.discriminator_loss(real, fake)
    p, q = (softmax(logits.numpy()) for logits in (real.outputs["classes"], average(unlabelled)["classes"]))
    expected = np.square(p - q).sum(axis=1).mean()
    assert expected > 1e-3
    assert float(terms["consistency_loss"]) == pytest.approx(expected, rel=1e-4)
    without = float(terms["supervised_loss"]) + 0.5 * float(terms["unsupervised_loss"])
    assert float(loss) == pytest.approx(without + 3.0 * expected, rel=1e-4)
    learnt = tape.gradient(loss, [weight.value for weight in average.trainable_variables])
    assert all(gradient is None for gradient in learnt)
    still = SGAN(dataclasses.replace(STILL, consistency_weight=3.0, unit_noise=1e-9))
    assert float(still.discriminator_loss(*still._forward(examples))[1]["consistency_loss"]) < 1e-10


def test_undecided_answers_and_rare_classes_cost():
    """The entropy of the classes of unlabelled images and the divergence of their mean, by NumPy, with their
    weights."""
    keras.utils.set_random_seed(0)
    model = SGAN(dataclasses.replace(STILL, entropy_weight=2.0, balance_weight=3.0))
    real, fake = model._forward(batch(6, 5))
    loss, terms = model.discriminator_loss(real, fake)
    p = softmax(real.outputs["classes"].numpy())
    mean = p.mean(axis=0)
    assert float(terms["entropy"]) == pytest.approx(-(p * np.log(p)).sum(axis=1).mean(), rel=1e-4)
    assert float(terms["imbalance"]) == pytest.approx((mean * np.log(len(mean) * mean)).sum(), rel=1e-3)
    without = float(terms["supervised_loss"]) + 0.5 * float(terms["unsupervised_loss"])
    weighted = 2.0 * float(terms["entropy"]) + 3.0 * float(terms["imbalance"])
    assert float(loss) == pytest.approx(without + weighted, rel=1e-5)


def test_fields_that_cannot_be():
    with pytest.raises(UserError, match=r"consistency_weight got 1.0, which would compare images with themselves"):
        dataclasses.replace(STILL, consistency_weight=1.0)
    with pytest.raises(UserError, match=r"discriminator_hidden_units got \(8, 0\)"):
        Config(discriminator_hidden_units=(8, 0))
    with pytest.raises(UserError, match="unit_noise got -1"):
        Config(unit_noise=-1.0)
