"""Recurrent autoencoder: conformance, and values after the end of a sequence have no effect."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf
from conformance import Case, Conformance

from keras_gen.errors import UserError
from keras_gen.models.recurrent_autoencoder import Config, RecurrentAutoencoder

MEAN, DEVIATION = (3.0, -200.0), (0.5, 40.0)
TINY = Config(units=5, latent_dim=3, length=7, columns=("a", "b"), mean=MEAN, deviation=DEVIATION)


def batch(seed, count):
    """Sequences of 3 to 7 steps; the first one has the maximum length."""
    rng = np.random.default_rng(seed)
    values = rng.normal(MEAN, DEVIATION, (count, 7, 2)).astype(np.float32)
    for one in values[1:]:
        one[rng.integers(3, 8) :] = np.nan
    return (tf.constant(values),)


class TestRecurrentAutoencoder(Conformance):
    case = Case(
        RecurrentAutoencoder,
        TINY,
        TINY,
        batch,
        {"autoencoder": ("encoder", "decoder")},
        spoil=1e38,  # NaN would be the end of the sequence
    )


@pytest.fixture(scope="module", params=["lstm", "gru"])
def model(request):
    keras.utils.set_random_seed(0)
    return RecurrentAutoencoder(dataclasses.replace(TINY, cell=request.param))


def test_padded_steps_change_neither_the_vector_nor_the_loss(model):
    """A model of 7 steps and one of 4 with the same weights, on sequences of 4 steps."""
    short = RecurrentAutoencoder(dataclasses.replace(model.config, length=4))
    for name, network in short.networks.items():
        network.set_weights(model.networks[name].get_weights())
    (sequences,) = batch(0, 3)
    cut = np.array(sequences)
    cut[:, 4:] = np.nan
    cut, alone = tf.constant(cut[:1]), sequences[:1, :4]
    np.testing.assert_allclose(model.encoder(cut), short.encoder(alone), atol=1e-6)
    np.testing.assert_allclose(model.reconstruct(cut)[:, :4], short.reconstruct(alone), rtol=1e-6)
    one, other = (m.objective((x,)).losses["autoencoder"] for m, x in ((model, cut), (short, alone)))
    np.testing.assert_allclose(one, other, rtol=1e-6)


def test_the_loss_is_the_mean_over_a_sequences_own_steps(model):
    (sequences,) = batch(1, 4)
    drawn, given = np.asarray(model.reconstruct(sequences), np.float64), np.asarray(sequences, np.float64)
    assert np.isfinite(drawn).all()
    expected = [
        np.mean(((y - x)[: int(np.isfinite(x[:, 0]).sum())] / DEVIATION) ** 2)
        for x, y in zip(given, drawn, strict=True)
    ]
    np.testing.assert_allclose(model.validate((sequences,))["mse"], expected, rtol=1e-5)
    np.testing.assert_allclose(model.objective((sequences,)).losses["autoencoder"], np.mean(expected), rtol=1e-5)
    errors = model.errors(sequences).numpy()
    assert (errors[np.isnan(given[..., 0])] == 0).all()


def test_the_encoder_reads_from_the_end_to_the_beginning(model):
    """Against Keras' own layer on the standardised sequence, reversed by hand."""
    (sequences,) = batch(2, 1)
    standard = (np.asarray(sequences)[:, ::-1] - MEAN) / DEVIATION
    layer = model.encoder.layers[2]
    forward = type(layer)(model.config.units)
    forward.build(standard.shape)
    forward.set_weights(layer.get_weights())
    expected = model.encoder.layers[3](forward(standard.astype(np.float32)))
    np.testing.assert_allclose(model.encoder(sequences), expected, atol=1e-5)


def test_the_unit_of_the_data_makes_no_difference(model):
    """The same sequences in thousandths give the same vectors and losses, and reconstructions in thousandths."""
    scaled = dataclasses.replace(
        model.config, mean=tuple(1000 * x for x in MEAN), deviation=tuple(1000 * x for x in DEVIATION)
    )
    other = RecurrentAutoencoder(scaled)
    for name, network in other.networks.items():
        network.set_weights(model.networks[name].get_weights())
    (sequences,) = batch(3, 4)
    np.testing.assert_allclose(other.encoder(1000 * sequences), model.encoder(sequences), atol=1e-5)
    np.testing.assert_allclose(other.reconstruct(1000 * sequences), 1000 * model.reconstruct(sequences), rtol=1e-4)
    np.testing.assert_allclose(
        other.validate((1000 * sequences,))["mse"], model.validate((sequences,))["mse"], rtol=1e-3
    )


@pytest.mark.parametrize(("fields", "said"), [({"latent_dim": 0}, "latent_dim got 0"), ({"units": -1}, "units got -1")])
def test_fields_that_cannot_be(fields, said):
    with pytest.raises(UserError, match=said):
        Config(**fields)
