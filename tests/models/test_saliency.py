"""Saliency: conformance, and it learns which objects pop out."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf
from conformance import Case, Conformance

from keras_gen.errors import UserError
from keras_gen.models.saliency import Config, Saliency

TINY = Config(image_size=16, filters=4, levels=3, dropout=0.5)
PLAYERS = {"saliency": ("network",)}


def batch(seed, count):
    rng = np.random.default_rng(seed)
    pictures = rng.uniform(-1, 1, (count, 16, 16, 3)).astype(np.float32)
    return tf.constant(pictures), tf.constant(rng.uniform(-1, 1, (count, 16, 16, 1)), tf.float32)


class TestCrossEntropy(Conformance):
    case = Case(Saliency, TINY, dataclasses.replace(TINY, dropout=0.0), batch, PLAYERS)


class TestDivergence(Conformance):
    config = dataclasses.replace(TINY, network="encoder-decoder", loss="kl", dropout=0.0)
    case = Case(Saliency, config, config, batch, PLAYERS)


def test_losses_are_those_of_the_papers():
    picture, target = batch(0, 3)
    y = 0.5 * (target.numpy().astype(np.float64) + 1)
    for loss in ("bce", "kl"):
        keras.utils.set_random_seed(0)
        model = Saliency(dataclasses.replace(TINY, loss=loss, dropout=0.0))
        s = 0.5 * (model.translate(picture).numpy().astype(np.float64) + 1)
        if loss == "bce":
            expected = -np.mean(y * np.log(s) + (1 - y) * np.log(1 - s))
        else:
            p, q = (x / x.sum((1, 2, 3), keepdims=True) for x in (s, y))
            expected = np.mean(np.sum(q * np.log(q / p), axis=(1, 2, 3)))
        step = model.objective((picture, target))
        np.testing.assert_allclose(step.losses["saliency"], expected, rtol=1e-4)
        assert step.terms[loss] is step.losses["saliency"]


@pytest.mark.parametrize("loss", ["bce", "kl"])
def test_it_learns_what_pops_out(loss):
    """One bright spot among dim ones: after a hundred steps its maps are right far more often than by chance."""
    rng = np.random.default_rng(0)
    cells = rng.permuted(np.tile(np.arange(16), (64, 1)), axis=1)
    level = np.where(cells == 0, 1.0, np.where(cells < 8, 0.3, -0.8))
    pictures = np.kron(level.reshape(64, 4, 4), np.ones((4, 4)))[..., None].repeat(3, -1)
    maps = np.where(pictures[..., :1] == 1.0, 1.0, -1.0)
    data = tf.constant(pictures, tf.float32), tf.constant(maps, tf.float32)
    keras.utils.set_random_seed(0)
    model = Saliency(Config(image_size=16, filters=8, levels=2, loss=loss))
    model.compile(model.make_optimizers(5e-3))
    before = float(tf.reduce_mean(model.validate(data)["nss"]))
    step = tf.function(model.train_step, autograph=False)
    for _ in range(100):
        step(data)
    after = {name: float(tf.reduce_mean(value)) for name, value in model.validate(data).items()}
    assert before < 1.0
    assert after["nss"] > 3.0  # of at most 3.87, the square root of 15, for a sixteenth of the pixels
    assert after["cc"] > 0.8


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"image_size": 30}, "image_size got 30; accepted are multiples"),
        ({"levels": 1}, "levels got 1"),
        ({"dropout": 1.0}, "dropout got 1.0"),
        ({"target_channels": 3}, "target_channels got 3; accepted is 1"),
    ],
)
def test_fields_that_cannot_be(fields, said):
    with pytest.raises(UserError, match=said):
        Config(**fields)
