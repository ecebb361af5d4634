"""Tests of the conformance tests: every shape of step has a family, and frozen networks one that is defined here."""

import dataclasses
import re
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from conformance import SHAPES, Case, Conformance

from keras_gen.models.autoencoder import Autoencoder, Config

TINY = Config(image_size=9, channels=2, latent_dim=3, hidden_units=(8, 6), filters=2)


class Perceptual(Autoencoder):
    """An autoencoder that also compares features of a frozen network."""

    family = "perceptual_autoencoder"

    def make_networks(self, config):
        super().make_networks(config)
        images = keras.Input((9, 9, 2))
        features = keras.layers.Conv2D(4, 3, activation="tanh", kernel_initializer=keras.initializers.HeNormal(seed=7))
        self.features = self.add_frozen("features", keras.Model(images, features(images)))

    def objective(self, batch):
        step, (images, _) = super().objective(batch), batch
        drawn = self.decoder(self.encoder(images, training=True), training=True)
        difference = tf.cast(self.features(drawn), tf.float32) - tf.cast(self.features(images), tf.float32)
        loss = step.losses["autoencoder"] + tf.reduce_mean(tf.square(difference))
        return dataclasses.replace(step, losses={"autoencoder": loss})


def batch(seed, count):
    images = np.random.default_rng(seed).uniform(-1, 1, (count, 9, 9, 2)).astype(np.float32)
    return tf.constant(images), tf.zeros(count, tf.int32)


class TestPerceptual(Conformance):
    represents = "a frozen network"
    case = Case(Perceptual, TINY, TINY, batch, {"autoencoder": ("encoder", "decoder")})


def test_every_shape_of_step_is_represented_once():
    texts = [path.read_text(encoding="utf-8") for path in Path(__file__).parent.rglob("test_*.py")]
    assert sorted(re.findall(r'^    represents = "(.+)"$', "\n".join(texts), re.MULTILINE)) == sorted(SHAPES)
