"""VAE: conformance, and its bounds against exact values."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf
from conformance import Case, Conformance

from keras_gen.errors import UserError
from keras_gen.models.vae import VAE, Config
from keras_gen.ops.divergences import kl_to_standard_normal, log_normal
from keras_gen.ops.latents import hashed_vectors
from keras_gen.visual.latent_views import encode_dataset

TINY = Config(image_size=9, channels=2, latent_dim=3, hidden_units=(8, 6), filters=2)
PLAYERS = {"vae": ("encoder", "decoder")}


def batch(seed, count):
    rng = np.random.default_rng(seed)
    images = rng.uniform(-1, 1, (count, 9, 9, 2)).astype(np.float32)
    return tf.constant(images), tf.constant(rng.integers(0, 3, count), tf.int32)


class Calm(VAE):
    """A model without noise: replicas draw different noise, so two replicas would take another step than one device."""

    family = "vae without noise"

    def draw_noise(self, samples, count):
        return 0.0 * super().draw_noise(samples, count)


class TestVAE(Conformance):
    case = Case(VAE, TINY, TINY, batch, PLAYERS, calm_family=Calm)


class TestIWAE(Conformance):
    config = dataclasses.replace(TINY, architecture="dense", likelihood="logistic", importance_samples=3)
    case = Case(VAE, config, config, batch, PLAYERS, calm_family=Calm)


@pytest.fixture
def model():
    keras.utils.set_random_seed(0)
    return VAE(TINY)


def objective(model, images, **fields):
    model.config = dataclasses.replace(model.config, **fields)
    step = model.objective((images, None))
    return float(step.losses["vae"]), {name: float(value) for name, value in step.terms.items()}


def test_the_loss_is_the_negative_bound(model):
    """Reconstruction and KL divergence, the latter in closed form and weighted by beta."""
    images, _ = batch(0, 4)
    mean, log_variance = model.encoder(images)
    kl = float(tf.reduce_mean(tf.reduce_sum(kl_to_standard_normal(mean, log_variance), -1)))
    loss, terms = objective(model, images, beta=3.0)
    assert terms["kl"] == pytest.approx(kl, rel=1e-5)
    assert loss == pytest.approx(terms["reconstruction"] + 3 * kl, rel=1e-5)


def test_free_bits_cost_nothing_below_them(model):
    images, _ = batch(0, 4)
    loss, terms = objective(model, images, free_bits=100.0)
    assert loss == pytest.approx(terms["reconstruction"] + 3 * 100.0, rel=1e-5)


def test_the_weight_of_the_divergence_warms_up(model):
    model.config = dataclasses.replace(TINY, warm_up=4)
    model.compile({"vae": keras.optimizers.SGD(0.0)})
    weights = []
    for _ in range(6):
        weights.append(float(model._warm_up_factor()))
        model.train_step(batch(0, 2))
    assert weights == [0.25, 0.5, 0.75, 1.0, 1.0, 1.0]


def test_more_samples_tighten_the_bound(model):
    """Burda et al. 2016, theorem 1, averaged over 100 draws: the bound with 50 samples is much higher than with 2."""
    images, _ = batch(0, 8)
    # An encoder that is wrong: the posterior of random networks is not far from the prior.
    model.encoder.get_layer("mean").bias.assign([1.0, -1.0, 0.5])
    bounds = {}
    for count in (2, 50):
        model.config = dataclasses.replace(model.config, importance_samples=count)
        bound = tf.function(lambda: -model.objective((images, None)).losses["vae"], autograph=False)
        bounds[count] = [float(bound()) for _ in range(100)]
    spread = np.std(bounds[2]) / np.sqrt(100)
    assert np.mean(bounds[50]) > np.mean(bounds[2]) + 5 * spread


def test_the_bound_of_many_samples_is_the_likelihood():
    """If the decoder ignores its input, log p(x) is log p(x|z), and the KL divergence is the gap."""
    keras.utils.set_random_seed(0)
    model = VAE(dataclasses.replace(TINY, importance_samples=2000))
    model.decoder.layers[1].kernel.assign(0 * model.decoder.layers[1].kernel)
    images, _ = batch(0, 2)
    loss, terms = objective(model, images)
    assert loss == pytest.approx(terms["reconstruction"], abs=0.1)


def test_log_weights_are_the_bound_with_the_same_noise(model):
    """The mean weight of a single sample is the ELBO in validation; K samples give K independent columns."""
    images, labels = batch(0, 4)
    noise = hashed_vectors(images, TINY.latent_dim)
    weights = model.log_weights(images, tf.stack([noise, 0.0 * noise, noise]))
    assert weights.shape == (3, 4)
    np.testing.assert_array_equal(weights[0], weights[2])
    mean, log_variance = model.encode(images)
    z = mean + tf.exp(0.5 * log_variance) * noise
    log_ratio = log_normal(z) - log_normal(z, mean, log_variance)
    expected = log_ratio - model.validate((images, labels))["reconstruction"]
    np.testing.assert_allclose(weights[0], expected, rtol=1e-5)


def test_the_latent_space_is_that_of_the_means():
    """Its divergences add up to the KL divergence. It is conditional if a variant conditions its networks."""

    class Told(VAE):
        family = "told"

        def conditioned(self, inputs, labels):
            return inputs + 0.0 * tf.cast(tf.reshape(labels, (-1, *[1] * (inputs.shape.rank - 1))), tf.float32)

    images, labels = (part.numpy() for part in batch(0, 4))
    images = np.concatenate([images, images[..., :1]], axis=-1)  # of three channels, so that they can be shown
    model = VAE(dataclasses.replace(TINY, channels=3))
    space = model.latent_space()
    mean, log_variance = model.encode(images)
    np.testing.assert_array_equal(space.vectors(images, labels), mean)
    found = encode_dataset(space, [(images, labels)]).divergence.sum()
    assert found == pytest.approx(float(tf.reduce_mean(tf.reduce_sum(kl_to_standard_normal(mean, log_variance), -1))))
    told = Told(model.config).latent_space()
    assert (space.conditional, told.conditional) == (False, True)
    assert told.pictures(told.vectors(images, labels), labels).shape == images.shape


def test_pictures_from_the_prior_are_those_of_the_seed(model):
    assert model.generate(3).shape == (3, 9, 9, 2)
    np.testing.assert_array_equal(model.generate(3, seed=5), model.generate(3, seed=5))
    assert not np.array_equal(model.generate(3, seed=5), model.generate(3, seed=6))


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"latent_dim": 0}, "latent_dim got 0"),
        ({"beta": -0.5}, "beta got -0.5"),
        ({"hidden_units": (0,)}, "hidden_units got"),
        ({"importance_samples": 0}, "importance_samples got 0"),
        ({"importance_samples": 5, "beta": 2.0}, "importance_samples got 5, whose bound has no separate KL divergence"),
    ],
)
def test_fields_that_cannot_be(fields, said):
    with pytest.raises(UserError, match=said):
        Config(**fields)
