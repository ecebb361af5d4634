"""WGAN: conformance, the clipped critic and its estimate."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf
from conformance import Case, Conformance, step, without_noise

from keras_gen.errors import UserError
from keras_gen.models.wgan import WGAN, Config

TINY = Config(
    architecture="dcgan",
    image_size=8,
    channels=2,
    latent_dim=3,
    filters=3,
    generator_norm="layer",
    discriminator_norm="none",
    n_critic=2,
)
PLAYERS = {"generator": ("generator",), "discriminator": ("discriminator",)}


def batch(seed, count):
    """As many examples as each batch of a step needs."""
    rng = np.random.default_rng(seed)
    images = rng.uniform(-1, 1, (TINY.n_critic * count, 8, 8, 2)).astype(np.float32)
    return tf.constant(images), tf.fill((len(images),), -1)


Calm = without_noise(WGAN)


class TestWGAN(Conformance):
    case = Case(
        WGAN,
        TINY,
        TINY,
        batch,
        PLAYERS,
        still=("logit_units/bias",),
        calm_family=Calm,
        reached=("discriminator",),
    )


def test_the_critic_stays_within_its_bound():
    """The critic is clipped after each of its steps, also at a large learning rate; the generator is not."""
    keras.utils.set_random_seed(0)
    model = WGAN(dataclasses.replace(TINY, clip=0.02))
    model.compile(model.make_optimizers(0.5))
    widest = []
    for seed in range(3):
        step(model, batch(seed, 4))
        widest.append(max(float(tf.reduce_max(tf.abs(v.value))) for v in model.discriminator.trainable_variables))
    assert widest == pytest.approx([0.02] * 3)
    assert max(float(tf.reduce_max(tf.abs(v.value))) for v in model.generator.trainable_variables) > 0.02


def test_the_paper_moves_every_layer_of_the_generator():
    """The first step of RMSProp is learning_rate / sqrt(1 - rho) for each weight, for gradients of any size."""
    keras.utils.set_random_seed(0)
    config, run = WGAN.presets["paper"].model, WGAN.presets["paper"].run
    model = WGAN(dataclasses.replace(config, image_size=64, filters=8, n_critic=1))
    model.compile(model.make_optimizers(run.learning_rate))
    before = model.generator.get_weights()
    images = np.random.default_rng(0).uniform(-1, 1, (4, 64, 64, 1)).astype(np.float32)
    model.train_step((tf.constant(images), tf.fill((4,), -1)))
    for variable, old in zip(model.generator.weights, before, strict=True):
        if variable.trainable:
            moved = np.median(np.abs(variable.numpy() - old))
            assert 0.7 < moved / (run.learning_rate / np.sqrt(0.01)) < 1.01, variable.path


def test_the_estimate_is_what_the_critic_wins():
    """E D(x) - E D(G(z)); the critic maximises it, and the generator depends on its second term."""
    keras.utils.set_random_seed(0)
    made = Calm(TINY).objective(batch(0, 4))
    losses, terms = made.losses, made.terms
    assert float(terms["wasserstein_estimate"]) == pytest.approx(float(terms["real_logit"] - terms["fake_logit"]))
    assert float(losses["discriminator"]) == pytest.approx(-float(terms["wasserstein_estimate"]))
    assert float(losses["generator"]) == pytest.approx(-float(terms["fake_logit"]))


def test_a_distance_has_no_targets_to_smooth():
    with pytest.raises(UserError, match=r"label_smoothing got 0\.1; accepted is 0, because"):
        Config(label_smoothing=0.1)
    with pytest.raises(UserError, match=r"clip got 0\.0"):
        Config(clip=0.0)
