"""Denoising autoencoder: the common questions, what it learns and how far it sees."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf
from conformance import Case, Conformance

from keras_gen.errors import UserError
from keras_gen.models.denoising_autoencoder import Config, DenoisingAutoencoder, denoiser

TINY = Config(filters=3, levels=2, image_size=9, channels=2)


def batch(seed, count):
    rng = np.random.default_rng(seed)
    clean = rng.uniform(-1, 1, (count, 9, 9, 2)).astype(np.float32)
    noisy = np.clip(clean + rng.normal(0, 0.3, clean.shape), -1, 1).astype(np.float32)
    return tf.constant(noisy), tf.constant(clean)


class TestDenoisingAutoencoder(Conformance):
    case = Case(DenoisingAutoencoder, TINY, TINY, batch, {"network": ("network",)})


class TestWithoutLevels(Conformance):
    config = dataclasses.replace(TINY, levels=0, distance="l1")
    case = Case(DenoisingAutoencoder, config, config, batch, {"network": ("network",)})


def test_it_learns_what_images_are_like():
    """Grey images of one value each, N(0, 0.1^2), noise N(0, 0.3^2) on 16 pixels. The mean of the pixels errs by
    0.3^2 / 16 = 0.0056; who knows the images shrinks it to the best estimate, which errs by 0.0036."""
    rng = np.random.default_rng(0)

    def drawn(count):
        clean = np.broadcast_to(rng.normal(0, 0.1, (count, 1, 1, 1)), (count, 4, 4, 1))
        return tf.constant(clean + rng.normal(0, 0.3, clean.shape), tf.float32), tf.constant(clean, tf.float32)

    keras.utils.set_random_seed(0)
    model = DenoisingAutoencoder(Config(filters=8, levels=2, image_size=4, channels=1))
    model.compile(model.make_optimizers(keras.optimizers.schedules.PolynomialDecay(5e-3, 300, 0.0)))
    step = tf.function(model.train_step, autograph=False)
    for _ in range(300):
        step(drawn(200))
    error = float(model.evaluate(*drawn(2000), batch_size=2000, return_dict=True, verbose=0)["mse"])
    mean = 0.3**2 / 16
    best = 0.1**2 * mean / (0.1**2 + mean)
    assert 0.87 * best < error < 0.9 * mean  # a mean of 2,000 squares deviates by 3.2 %


def test_it_sees_as_far_as_its_levels_let_it():
    """How far one pixel is felt: 3x3 convolutions reach 1 at full size, 2 at half ..., and the middle has two."""
    reach = {}
    for levels in (0, 1, 2):
        network = denoiser(Config(filters=4, levels=levels, image_size=64, channels=1))
        image = np.zeros((1, 64, 64, 1), np.float32)
        before = network(image).numpy()
        image[0, 32, 32] = 1
        changed = np.flatnonzero(np.abs(network(image).numpy() - before)[0, ..., 0].max(0) > 0)
        reach[levels] = changed.max() - changed.min() + 1
    assert reach[0] == 7
    assert reach[0] < reach[1] < reach[2] < 64


@pytest.mark.parametrize(("fields", "said"), [({"filters": 0}, "filters got 0"), ({"levels": -1}, "levels got -1")])
def test_fields_that_cannot_be(fields, said):
    with pytest.raises(UserError, match=said):
        Config(**fields)
