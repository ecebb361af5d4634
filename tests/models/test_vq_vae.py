"""VQ-VAE: conformance, which networks its losses train, and the samples of its prior."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf
from conformance import Case, Conformance

from keras_gen.errors import UserError
from keras_gen.models.vq_vae import VQVAE, Config

TINY = Config(
    num_codes=6,
    code_dim=3,
    restart_after=2,
    filters=4,
    residual_filters=3,
    prior_filters=8,
    prior_layers=2,
    levels=2,
    image_size=9,
    channels=2,
)
PLAYERS = {"vq_vae": ("encoder", "decoder"), "prior": ("prior",)}


def batch(seed, count):
    rng = np.random.default_rng(seed)
    images = rng.uniform(-1, 1, (count, 9, 9, 2)).astype(np.float32)
    return tf.constant(images), tf.constant(rng.integers(0, 3, count), tf.int32)


class TestVQVAE(Conformance):
    """With restarts: replicas and parts must agree on the vectors to which codes are moved."""

    represents = "running state"
    case = Case(VQVAE, TINY, TINY, batch, PLAYERS)


@pytest.fixture
def model():
    keras.utils.set_random_seed(0)
    return VQVAE(TINY)


def test_the_losses_are_equation_3_and_the_likelihood_of_the_codes(model):
    """The commitment loss trains only the encoder, the distance both networks."""
    images = batch(0, 4)
    step = model.objective(images)
    losses, terms = step.losses, step.terms
    vectors = model.encoder(images[0]).numpy()
    codebook = model.quantiser.get_layer("quantiser").codebook.numpy()
    indices = np.linalg.norm(vectors[..., None, :] - codebook, axis=-1).argmin(-1)
    drawn = model.decoder(codebook[indices]).numpy()
    distance = np.mean((drawn - images[0].numpy()) ** 2)
    commitment = np.mean((vectors - codebook[indices]) ** 2)
    assert float(terms["commitment"]) == pytest.approx(commitment, rel=1e-5)
    assert float(losses["vq_vae"]) == pytest.approx(distance + 0.25 * commitment, rel=1e-5)
    log_p = tf.nn.log_softmax(model.prior(indices.astype(np.int32))).numpy()
    chosen = np.take_along_axis(log_p, indices[..., None], -1)
    assert float(losses["prior"]) == pytest.approx(-chosen.sum() / 4, rel=1e-5)


def test_the_prior_is_cut_off_from_encoder_and_codes(model):
    with tf.GradientTape() as tape:
        losses = model.objective(batch(0, 4)).losses
    others = [*model.encoder.trainable_variables, *model.decoder.trainable_variables]
    found = tape.gradient(losses["prior"], [v.value for v in others])
    assert all(gradient is None or not np.any(gradient) for gradient in found)


def test_vectors_that_are_not_finite_teach_the_prior_nothing(model):
    """Otherwise the indices of such vectors would look like valid codes."""
    images, labels = batch(0, 2)
    losses = model.objective((images + np.nan, labels)).losses
    assert np.isnan(losses["prior"])


def test_pictures_from_the_prior_are_those_of_the_seed(model):
    drawn = model.generate(3, seed=5)
    assert drawn.shape == (3, 9, 9, 2)
    np.testing.assert_array_equal(model.generate(3, seed=5), drawn)
    assert not np.array_equal(model.generate(3, seed=6), drawn)


@pytest.mark.parametrize(("image_size", "levels", "side"), [(8, 0, 4), (28, 0, 7), (30, 0, 8), (30, 3, 4), (5, 1, 3)])
def test_any_size_comes_back_from_a_map_of_its_halves(image_size, levels, side):
    model = VQVAE(dataclasses.replace(TINY, image_size=image_size, levels=levels))
    images = tf.zeros((1, image_size, image_size, 2))
    assert model.encode(images).shape == (1, side, side)
    assert model.decode(model.encode(images)).shape == images.shape


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"num_codes": 0}, "num_codes got 0"),
        ({"code_dim": -1}, "code_dim got -1"),
        ({"commitment": -0.5}, "commitment got -0.5"),
        ({"decay": 1.0}, "decay got 1.0; accepted are numbers from 0 to below 1."),
        ({"restart_after": -1}, "restart_after got -1"),
        ({"levels": -1}, "levels got -1"),
    ],
)
def test_fields_that_cannot_be(fields, said):
    with pytest.raises(UserError, match=said):
        Config(**fields)
