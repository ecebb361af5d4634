"""beta-TCVAE: conformance, and its loss against that of the VAE, whose divergence it splits into weighted parts."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf
from conformance import Case, Conformance

from keras_gen.errors import UserError
from keras_gen.models.beta_tcvae import BetaTCVAE, Config
from keras_gen.ops.divergences import log_normal

TINY = Config(image_size=9, channels=2, latent_dim=3, hidden_units=(8, 6), filters=2, train_size=50)
PARTS = ("mutual_information", "total_correlation", "dimension_wise_kl")


def batch(seed, count):
    rng = np.random.default_rng(seed)
    return tf.constant(rng.uniform(-1, 1, (count, 9, 9, 2)).astype(np.float32)), tf.zeros(count, tf.int32)


class Calm(BetaTCVAE):
    """A model without noise: replicas draw different noise, so two replicas would take another step than one device."""

    family = "beta-TCVAE without noise"

    def draw_noise(self, samples, count):
        return 0.0 * super().draw_noise(samples, count)


class TestBetaTCVAE(Conformance):
    """The parts of the divergence couple the examples of a batch, but with equal weights the coupling cancels."""

    represents = "coupled examples"
    case = Case(
        BetaTCVAE,
        TINY,
        dataclasses.replace(TINY, alpha=1.0, beta=1.0, gamma=1.0),
        batch,
        {"vae": ("encoder", "decoder")},
        calm_family=Calm,
        coupled=PARTS,
    )


@pytest.mark.parametrize("sampling", ["weighted", "stratified"])
def test_equal_weights_give_the_vae_with_one_sample(sampling):
    keras.utils.set_random_seed(0)
    model = Calm(dataclasses.replace(TINY, beta=1.0, sampling=sampling))
    images, labels = batch(0, 6)
    step = model.objective((images, labels))
    losses, terms = step.losses, step.terms
    mean, log_variance = model.encode(images)
    kl = float(tf.reduce_mean(log_normal(mean, mean, log_variance) - log_normal(mean)))
    assert float(losses["vae"]) == pytest.approx(float(terms["reconstruction"]) + kl, rel=1e-5)
    assert sum(float(terms[part]) for part in PARTS) == pytest.approx(kl, rel=1e-4, abs=1e-5)


def test_each_weight_is_that_of_its_part():
    keras.utils.set_random_seed(0)
    model = Calm(dataclasses.replace(TINY, alpha=2.0, beta=3.0, gamma=0.5))
    step = model.objective(batch(0, 6))
    losses, terms = step.losses, step.terms
    expected = float(terms["reconstruction"]) + sum(
        w * float(terms[p]) for w, p in zip((2, 3, 0.5), PARTS, strict=True)
    )
    assert float(losses["vae"]) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("field", ["alpha", "beta", "gamma"])
def test_weights_below_zero_are_refused(field):
    with pytest.raises(UserError, match=f"{field} got -1"):
        Config(**{field: -1})
