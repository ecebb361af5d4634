"""SNGAN: conformance, and the Lipschitz constant of its discriminator."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf
from conformance import Case, Conformance, without_noise

from keras_gen.errors import UserError
from keras_gen.models.sngan import SNGAN, Config

TINY = Config(
    architecture="dcgan", image_size=8, channels=2, latent_dim=3, filters=3, generator_norm="layer", n_critic=2
)
PLAYERS = {"generator": ("generator",), "discriminator": ("discriminator",)}


def batch(seed, count):
    """As many examples as each batch of a step needs."""
    rng = np.random.default_rng(seed)
    images = rng.uniform(-1, 1, (TINY.n_critic * count, 8, 8, 2)).astype(np.float32)
    return tf.constant(images), tf.fill((len(images),), -1)


Calm = without_noise(SNGAN)


class TestSNGAN(Conformance):
    case = Case(
        SNGAN,
        TINY,
        TINY,
        batch,
        PLAYERS,
        still=("logit_units/bias",),  # the hinge is straight on both sides at first
        calm_family=Calm,
        reached=("discriminator",),
    )


@pytest.mark.parametrize("seed", range(3))
def test_the_discriminator_of_dense_layers_is_1_lipschitz(seed):
    """Once the power iterations have converged, for any weights, because every layer and leaky ReLU is 1-Lipschitz."""
    keras.utils.set_random_seed(seed)
    model = SNGAN(dataclasses.replace(TINY, architecture="mlp", hidden_units=(7, 6)))
    for variable in model.discriminator.trainable_variables:
        variable.assign(5.0 * variable)
    for _ in range(200):
        model.before_discriminator()
    rng = np.random.default_rng(seed)
    one, other = (rng.normal(size=(100, 8, 8, 2)).astype(np.float32) for _ in range(2))
    difference = np.abs(
        model.discriminate(one, None, False)["logit"] - model.discriminate(other, None, False)["logit"]
    )[:, 0]
    assert (difference <= 1.001 * np.linalg.norm((one - other).reshape(100, -1), axis=1)).all()


def test_the_estimate_moves_once_for_each_step_of_the_discriminator():
    """Twice with two critic steps, independent of the number of parts of a batch."""

    def vectors(accumulate):
        keras.utils.set_random_seed(0)
        model = Calm(TINY)
        model.compile({p: keras.optimizers.SGD(0.0) for p in PLAYERS}, accumulate=accumulate)
        start = [v.numpy() for v in model.discriminator.non_trainable_variables]
        model.train_step(batch(0, 4))
        return start, [v.numpy() for v in model.discriminator.non_trainable_variables]

    start, one = vectors(1)
    _, four = vectors(4)
    for before, by_one, by_four in zip(start, one, four, strict=True):
        np.testing.assert_allclose(by_four, by_one, atol=1e-6)
        assert not np.allclose(before, by_one)


def test_the_hinge_has_no_targets_to_smooth():
    with pytest.raises(UserError, match=r"label_smoothing got 0\.1; accepted is 0, because"):
        Config(label_smoothing=0.1)
