"""Sparse autoencoder: conformance, and its penalties make codes sparse."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf
from conformance import Case, Conformance

from keras_gen.errors import UserError
from keras_gen.models.sparse_autoencoder import Config, SparseAutoencoder
from keras_gen.ops.divergences import kl_bernoulli

TINY = Config(image_size=6, channels=2, latent_dim=80, sparsity_weight=0.02, activity_decay=0.5)
PLAYERS = {"autoencoder": ("encoder", "decoder")}


def batch(seed, count):
    rng = np.random.default_rng(seed)
    images = rng.uniform(-1, 1, (count, 6, 6, 2)).astype(np.float32)
    return tf.constant(images), tf.constant(rng.integers(0, 3, count), tf.int32)


class TestTargetActivity(Conformance):
    case = Case(SparseAutoencoder, TINY, TINY, batch, PLAYERS)


class TestL1(Conformance):
    config = dataclasses.replace(TINY, architecture="conv", hidden_units=(8,), filters=2, latent_dim=12, sparsity="l1")
    case = Case(SparseAutoencoder, config, config, batch, PLAYERS)


def test_the_average_follows_the_activities_and_the_penalty_is_the_tangent_there():
    keras.utils.set_random_seed(0)
    model = SparseAutoencoder(dataclasses.replace(TINY, weight_decay=0.0))
    model.compile({"autoencoder": keras.optimizers.SGD(0.0)})
    expected = np.full(80, 0.05)
    for seed in range(3):
        images, labels = batch(seed, 4)
        latents = model.encode(images)
        with tf.GradientTape() as tape:
            tape.watch(latents)
            penalty, terms, _ = model.penalty(latents)
        # d/da of KL(rho || q), q = mean of a, at the q that was followed so far: -rho / q + (1 - rho) / (1 - q)
        slope = 0.02 * (-0.05 / expected + 0.95 / (1 - expected)) / 4
        np.testing.assert_allclose(tape.gradient(penalty, latents), np.tile(slope, (4, 1)), rtol=1e-3, atol=1e-7)
        np.testing.assert_allclose(
            terms["sparsity"], np.sum(kl_bernoulli(0.05, expected.astype(np.float32))), atol=1e-4
        )
        model.train_step((images, labels))
        expected = 0.5 * expected + 0.5 * latents.numpy().mean(0)
        np.testing.assert_allclose(model.activity, expected, rtol=1e-5)


@pytest.mark.parametrize("sparsity", ["kl", "l1"])
def test_codes_become_sparse(sparsity):
    """Images of four strokes out of sixteen: with the penalty, less than half of the units are active."""
    rng = np.random.default_rng(0)
    strokes = rng.choice([0.0, 0.5], (16, 36), p=[0.8, 0.2])
    chosen = np.argsort(rng.random((128, 16)))[:, :4]
    images = tf.constant(strokes[chosen].sum(1).clip(0, 1).reshape(-1, 6, 6, 1) * 2 - 1, tf.float32)
    batch, active = (images, tf.zeros(128, tf.int32)), {}
    for weight in (0.0, 1e-2):
        keras.utils.set_random_seed(0)
        config = Config(image_size=6, channels=1, latent_dim=48, sparsity=sparsity, sparsity_weight=weight)
        model = SparseAutoencoder(config)
        model.compile(model.make_optimizers(1e-2))
        step = tf.function(model.train_step, autograph=False)
        for _ in range(200):
            step(batch)
        active[weight] = float(tf.reduce_mean(model.validate(batch)["active_share"]))
    assert active[1e-2] < 0.5 * active[0.0]


def test_features_are_what_units_add():
    model = SparseAutoencoder(dataclasses.replace(TINY, latent_dim=5))
    latents = tf.random.stateless_uniform((7, 5), (0, 0))
    features = model.features(latents)
    off = tf.reduce_mean(latents, axis=0)[None] * (1 - tf.one_hot([3], 5))
    change = (model.decode(off + tf.one_hot([3], 5)) - model.decode(off))[0]
    np.testing.assert_allclose(features[3], change / tf.reduce_max(tf.abs(change)), atol=1e-5)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"target_activity": 0.0}, "target_activity got 0.0"),
        ({"activity_decay": 1.0}, "activity_decay got 1.0"),
        ({"sparsity_weight": -1.0}, "sparsity_weight got -1.0"),
        ({"weight_decay": -1.0}, "weight_decay got -1.0"),
        ({"architecture": "conv"}, r"hidden_units got \(\)"),
    ],
)
def test_fields_that_cannot_be(fields, said):
    with pytest.raises(UserError, match=said):
        Config(**fields)
