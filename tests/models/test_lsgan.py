"""LSGAN: conformance, and its coding."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf
from conformance import Case, Conformance, without_noise

from keras_gen.errors import UserError
from keras_gen.models.lsgan import LSGAN, Config

TINY = Config(
    architecture="dcgan",
    image_size=8,
    channels=2,
    latent_dim=3,
    filters=3,
    generator_norm="layer",
    discriminator_norm="layer",
)
PLAYERS = {"generator": ("generator",), "discriminator": ("discriminator",)}


def batch(seed, count):
    """As many examples as each batch of a step needs."""
    rng = np.random.default_rng(seed)
    images = rng.uniform(-1, 1, (TINY.n_critic * count, 8, 8, 2)).astype(np.float32)
    return tf.constant(images), tf.fill((len(images),), -1)


Calm = without_noise(LSGAN)


class TestLSGAN(Conformance):
    case = Case(
        LSGAN,
        TINY,
        TINY,
        batch,
        PLAYERS,
        still=(),
        calm_family=Calm,
        reached=("discriminator",),
    )


@pytest.mark.parametrize("coding", [(0.0, 1.0, 1.0), (-1.0, 1.0, 0.0)])
def test_the_coding(coding):
    """Squared distances from b, a and c, and accuracies at the midpoint of a and b."""
    a, b, c = coding
    keras.utils.set_random_seed(0)
    model = Calm(dataclasses.replace(TINY, a=a, b=b, c=c, label_smoothing=0.2))
    images, labels = batch(0, 4)
    made = model.objective((images, labels))
    losses, terms = made.losses, made.terms
    real = model.discriminate(images, labels)["logit"].numpy()
    fake = model.discriminate(model.generator(model.draw_noise(4), training=True), labels)["logit"].numpy()
    expected = np.square(real - (b - 0.2)).mean() + np.square(fake - a).mean()
    assert float(losses["discriminator"]) == pytest.approx(expected, rel=1e-4)
    assert float(losses["generator"]) == pytest.approx(np.square(fake - c).mean(), rel=1e-4)
    assert float(terms["real_accuracy"]) == np.mean(real > (a + b - 0.2) / 2)


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"a": 1.0}, "b got 1.0; accepted are numbers greater than a=1.0 plus label_smoothing=0.0"),
        ({"b": 3.0, "a": 2.0, "c": 1.0}, "c got 1.0; accepted are numbers greater than a=2.0."),
    ],
)
def test_a_coding_that_says_nothing(fields, sentence):
    with pytest.raises(UserError) as error:
        Config(**fields)
    assert sentence in str(error.value)
