"""FactorVAE: conformance, and the total correlation that its discriminator estimates."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf
from conformance import Case, Conformance

from keras_gen.engine.model import Step
from keras_gen.errors import UserError
from keras_gen.models.factor_vae import Config, FactorVAE

TINY = Config(
    image_size=9,
    channels=2,
    latent_dim=3,
    hidden_units=(8, 6),
    filters=2,
    discriminator_layers=2,
    discriminator_units=5,
)


def batch(seed, count):
    # From 100 on, as in eight examples of 0 to 7 the input of a ReLU is 0 but for rounding, where its gradient jumps.
    rng = np.random.default_rng(100 + seed)
    return tf.constant(rng.uniform(-1, 1, (count, 9, 9, 2)).astype(np.float32)), tf.zeros(count, tf.int32)


class Calm(FactorVAE):
    """A model without noise: replicas draw different noise, so two replicas would take another step than one device."""

    family = "FactorVAE without noise"

    def draw_noise(self, samples, count):
        return 0.0 * super().draw_noise(samples, count)


class TestFactorVAE(Conformance):
    """The discriminator sees shuffled codes of a part of the batch; with gamma 0 the VAE does not depend on it."""

    case = Case(
        FactorVAE,
        TINY,
        dataclasses.replace(TINY, gamma=0.0),
        batch,
        {"vae": ("encoder", "decoder"), "discriminator": ("discriminator",)},
        calm_family=Calm,
        coupled=("discriminator", "discriminator_loss", "total_correlation"),
    )


def test_the_vae_pays_for_the_mean_logit():
    keras.utils.set_random_seed(0)
    model = Calm(dataclasses.replace(TINY, gamma=7.0))
    images, labels = batch(0, 6)
    step = model.objective((images, labels))
    losses, terms = step.losses, step.terms
    mean, _ = model.encode(images)
    logits = model.discriminator(mean)
    assert float(terms["total_correlation"]) == pytest.approx(float(tf.reduce_mean(logits)), rel=1e-5)
    expected = sum(float(terms[name]) for name in ("reconstruction", "kl")) + 7 * float(terms["total_correlation"])
    assert float(losses["vae"]) == pytest.approx(expected, rel=1e-5)


def test_the_discriminator_finds_the_total_correlation_of_normals():
    """Two units with correlation 0.8: TC = -log(1 - 0.8^2) / 2 = 0.51 nats, and near 0 without it."""
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    model = FactorVAE(dataclasses.replace(TINY, latent_dim=2, discriminator_units=32))
    model.compile({"vae": keras.optimizers.SGD(0.0), "discriminator": keras.optimizers.Adam(5e-3)})

    def draw(correlation, count):
        covariance = [[1, correlation], [correlation, 1]]
        return tf.constant(rng.multivariate_normal([0, 0], covariance, count), tf.float32)

    def objective(z):
        losses, terms = model.divergence(z, tf.zeros_like(z), tf.zeros_like(z))
        return Step({"discriminator": losses["discriminator"]}, terms)

    step = tf.function(lambda z: model.minimise(objective, z))
    for _ in range(400):
        step(draw(0.8, 256))
    found = float(tf.reduce_mean(model.discriminator(draw(0.8, 20_000))))
    assert found == pytest.approx(-0.5 * np.log(1 - 0.8**2), abs=0.12)


def test_the_discriminator_may_learn_at_another_rate():
    optimizers = FactorVAE(dataclasses.replace(TINY, discriminator_rate=3.0)).make_optimizers(0.01)
    rates = {name: float(optimizer.learning_rate) for name, optimizer in optimizers.items()}
    assert rates == pytest.approx({"vae": 0.01, "discriminator": 0.03})


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"gamma": -1.0}, "gamma got -1.0"),
        ({"discriminator_layers": 0}, "discriminator_layers got 0"),
        ({"discriminator_units": 0}, "discriminator_units got 0"),
        ({"discriminator_rate": 0.0}, "discriminator_rate got 0.0"),
    ],
)
def test_fields_that_cannot_be(fields, said):
    with pytest.raises(UserError, match=said):
        Config(**fields)
