"""WGAN: the common questions, the clipped critic and its estimate."""

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
    """As many examples as each of a step's batches needs."""
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
        lambda b: WGAN(TINY).fixed_latents(len(b[0])),
        PLAYERS,
        still=("logit_units/bias",),
        calm_family=Calm,
        reached=("discriminator",),
    )


def test_the_critic_stays_within_its_bound():
    """After every one of its steps, also at a rate that would leave it far behind; and only the critic."""
    keras.utils.set_random_seed(0)
    model = WGAN(dataclasses.replace(TINY, clip=0.02))
    model.compile(model.make_optimizers(0.5))
    widest = []
    for seed in range(3):
        step(model, batch(seed, 4))
        widest.append(max(float(tf.reduce_max(tf.abs(v.value))) for v in model.discriminator.trainable_variables))
    assert widest == pytest.approx([0.02] * 3)
    assert max(float(tf.reduce_max(tf.abs(v.value))) for v in model.generator.trainable_variables) > 0.02


def test_the_estimate_is_what_the_critic_wins():
    """E D(x) - E D(G(z)), which the critic maximises and of which the generator sees the second term."""
    keras.utils.set_random_seed(0)
    losses, terms, _ = Calm(TINY)._of_both(batch(0, 4))
    assert float(terms["wasserstein_estimate"]) == pytest.approx(float(terms["real_logit"] - terms["fake_logit"]))
    assert float(losses["discriminator"]) == pytest.approx(-float(terms["wasserstein_estimate"]))
    assert float(losses["generator"]) == pytest.approx(-float(terms["fake_logit"]))


def test_a_distance_has_no_targets_to_smooth():
    with pytest.raises(UserError, match=r"--label-smoothing got 0\.1; accepted is 0 where"):
        Config(label_smoothing=0.1)
    with pytest.raises(UserError, match=r"--clip got 0\.0"):
        Config(clip=0.0)
