"""Autoencoder: conformance, and a linear autoencoder finds the principal components."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf
from conformance import Case, Conformance

from keras_gen.errors import UserError
from keras_gen.models.autoencoder import Autoencoder, Config

TINY = Config(image_size=9, channels=2, latent_dim=3, hidden_units=(8, 6), filters=2)


def batch(seed, count):
    rng = np.random.default_rng(seed)
    images = rng.uniform(-1, 1, (count, 9, 9, 2)).astype(np.float32)
    return tf.constant(images), tf.constant(rng.integers(0, 3, count), tf.int32)


class TestAutoencoder(Conformance):
    represents = "one player"
    case = Case(Autoencoder, TINY, TINY, batch, {"autoencoder": ("encoder", "decoder")})


class TestDenseAutoencoder(Conformance):
    config = dataclasses.replace(TINY, architecture="dense", distance="l1")
    case = Case(Autoencoder, config, config, batch, {"autoencoder": ("encoder", "decoder")})


def test_it_learns_what_its_images_have_in_common():
    """Images determined by two numbers: two latent units suffice, one does not (PCA leaves 50 %)."""
    rng = np.random.default_rng(0)
    basis = rng.choice([-0.4, 0.4], (2, 6, 6, 1)).astype(np.float32)
    images = tf.constant(np.tensordot(rng.uniform(-1, 1, (256, 2)), basis, 1), tf.float32)
    errors = {}
    for latent_dim in (1, 2):
        keras.utils.set_random_seed(0)
        model = Autoencoder(
            Config(image_size=6, channels=1, latent_dim=latent_dim, architecture="dense", hidden_units=(32,))
        )
        model.compile(model.make_optimizers(3e-3))
        step = tf.function(model.train_step, autograph=False)
        for _ in range(400):
            step((images, tf.zeros(256, tf.int32)))
        errors[latent_dim] = float(tf.reduce_mean(tf.square(model.reconstruct(images) - images)) / np.var(images))
    assert errors[2] < 0.02
    assert errors[1] > 10 * errors[2]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"latent_dim": 0}, "latent_dim got 0"),
        ({"hidden_units": ()}, r"hidden_units got \(\) with architecture='conv'; accepted are one or more"),
        ({"hidden_units": (8, 0)}, r"hidden_units got \(8, 0\)"),
        ({"filters": -1}, "filters got -1"),
    ],
)
def test_fields_that_cannot_be(fields, said):
    with pytest.raises(UserError, match=said):
        Config(**fields)
