"""BEGAN: conformance, and the weight that controls the balance."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf
from conformance import Case, Conformance, sgd, step, without_noise

from keras_gen.errors import UserError
from keras_gen.models.began import BEGAN, Config

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


Calm = without_noise(BEGAN)


class TestBEGAN(Conformance):
    case = Case(
        BEGAN,
        TINY,
        TINY,
        batch,
        PLAYERS,
        calm_family=Calm,
        reached=("discriminator",),
    )


def test_k_follows_the_balance():
    """k by NumPy over three steps without learning. The loss uses k before its update, and M is logged."""
    keras.utils.set_random_seed(0)
    model = Calm(dataclasses.replace(TINY, gamma=1.0, lambda_k=0.5))
    model.compile(sgd(model, 0.0))
    k = 0.0
    for seed in range(3):
        log = step(model, batch(seed, 4))
        real, fake = log["real_error"], log["fake_error"]
        assert log["k"] == pytest.approx(k, abs=1e-6)
        assert log["discriminator_loss"] == pytest.approx(real - k * fake, rel=1e-4)
        assert log["convergence"] == pytest.approx(real + abs(real - fake), rel=1e-4)
        k = min(1.0, max(0.0, k + 0.5 * (real - fake)))
    assert k > 0.1
    assert float(model.k) == pytest.approx(k, rel=1e-4)


@pytest.mark.parametrize("gamma", [0.0, 1.5])
def test_a_ratio_out_of_range_is_refused(gamma):
    with pytest.raises(UserError, match=f"gamma got {gamma}; accepted are numbers above 0 up to 1"):
        Config(gamma=gamma)
