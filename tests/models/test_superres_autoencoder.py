"""Super-resolution autoencoder: the common questions, and that it adds to what it is given."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf
from conformance import Case, Conformance

from keras_gen.errors import UserError
from keras_gen.models.superres_autoencoder import Config, SuperresAutoencoder
from keras_gen.ops.resampling import enlarge, shrink

TINY = Config(filters=4, depth=2, image_size=12, scale=2, channels=3)
PLAYERS = {"network": ("network",)}


def batch(seed, count):
    sharp = tf.constant(np.random.default_rng(seed).uniform(-0.8, 0.8, (count, 12, 12, 3)), tf.float32)
    return tf.clip_by_value(enlarge(shrink(sharp, 2), 2), -1.0, 1.0), sharp


class TestSuperresAutoencoder(Conformance):
    case = Case(SuperresAutoencoder, TINY, TINY, batch, PLAYERS)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_training_begins_near_the_enlarged_picture(scale):
    keras.utils.set_random_seed(0)
    model = SuperresAutoencoder(dataclasses.replace(TINY, scale=scale, image_size=24))
    picture = tf.random.stateless_uniform((2, 24, 24, 3), (0, 0), -0.5, 0.5)
    assert 0 < float(tf.reduce_max(tf.abs(model.translate(picture) - picture))) < 0.05


def test_it_brings_back_edges():
    """Boxes of black and white: after 150 steps the error is less than a third of the enlarged picture's."""
    rng = np.random.default_rng(0)
    sharp = np.kron(rng.choice([-0.9, 0.9], (32, 5, 5, 1)), np.ones((1, 5, 5, 1)))[:, :24, :24]
    sharp = tf.constant(sharp, tf.float32)
    data = tf.clip_by_value(enlarge(shrink(sharp, 2), 2), -1.0, 1.0), sharp
    keras.utils.set_random_seed(0)
    model = SuperresAutoencoder(Config(filters=16, depth=3, image_size=24, channels=1))
    model.compile(model.make_optimizers(5e-3))
    step = tf.function(model.train_step, autograph=False)
    for _ in range(150):
        step(data)
    drawn, given = (float(tf.reduce_mean(tf.square(x - sharp))) for x in (model.translate(data[0]), data[0]))
    assert drawn < given / 3


@pytest.mark.parametrize("field", ["filters", "depth"])
def test_fields_that_cannot_be(field):
    with pytest.raises(UserError, match=f"{field} got 0"):
        Config(**{field: 0})
