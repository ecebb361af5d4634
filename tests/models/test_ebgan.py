"""EBGAN: conformance, its margin and the pulling-away term."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf
from conformance import Case, Conformance, without_noise

from keras_gen.errors import UserError
from keras_gen.models.ebgan import EBGAN, Config

TINY = Config(
    architecture="dcgan",
    image_size=8,
    channels=2,
    latent_dim=3,
    filters=3,
    code_dim=4,
    generator_norm="none",
    discriminator_norm="none",
)
PLAYERS = {"generator": ("generator",), "discriminator": ("discriminator",)}


def batch(seed, count):
    rng = np.random.default_rng(seed)
    return tf.constant(rng.uniform(-1, 1, (count, 8, 8, 2)), tf.float32), tf.fill((count,), -1)


Calm = without_noise(EBGAN)


class TestEBGAN(Conformance):
    case = Case(
        EBGAN,
        TINY,
        dataclasses.replace(TINY, pulling_away=0.0),
        batch,
        PLAYERS,
        calm_family=Calm,
        reached=("discriminator",),
        coupled=("pulling_away",),
    )


@pytest.mark.parametrize("margin", [0.01, 5.0])
def test_nothing_is_asked_beyond_the_margin(margin):
    """Energies by NumPy; generated images with energies above the margin do not add to the discriminator's loss."""
    keras.utils.set_random_seed(0)
    model = Calm(dataclasses.replace(TINY, margin=margin))
    images, labels = batch(0, 4)
    made = model.objective((images, labels))
    losses, terms = made.losses, made.terms
    fake = model.generator(model.draw_noise(4), training=True)

    def energies(x):
        return np.square(model.discriminator(x)["reconstruction"] - x).mean((1, 2, 3))

    real, fake = energies(images), energies(fake)
    assert float(losses["discriminator"]) == pytest.approx(real.mean() + np.maximum(0, margin - fake).mean(), rel=1e-4)
    assert float(losses["generator"]) == pytest.approx(fake.mean() + 0.1, rel=1e-4)  # all alike: the term is 1
    assert float(terms["pulling_away"]) == pytest.approx(1.0, abs=1e-4)
    assert float(terms["real_accuracy"]) == np.mean(real < margin / 2)


@pytest.mark.parametrize("field", ["margin", "code_dim"])
def test_what_cannot_be_is_said(field):
    with pytest.raises(UserError, match=f"{field} got 0; accepted are "):
        Config(**{field: 0})
