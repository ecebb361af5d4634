"""Normalisation layers against formulas, and no combination makes a network constant."""

from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from keras_gen.errors import UserError
from keras_gen.models.gan import GAN
from keras_gen.models.gan import Config as GANConfig
from keras_gen.models.infogan import Config as InfoGANConfig
from keras_gen.models.infogan import InfoGAN
from keras_gen.models.wgan_gp import WGANGP
from keras_gen.models.wgan_gp import Config as WGANGPConfig
from keras_gen.networks import gan as networks
from keras_gen.networks.normalisation import normalised, normalises_vectors_over_batch
from keras_gen.networks.patchgan import patchgan

LAYOUTS = [
    {"architecture": "mlp", "hidden_units": (6, 5)},
    {"architecture": "dcgan", "filters": 3, "dense": 6},
    {"architecture": "resnet", "filters": 4},
]


def network(norm, shape):
    x = keras.Input(shape)
    return keras.Model(x, normalised(x, norm))


def test_instance_normalisation_equals_tensorflow_addons():
    """Arrays recorded from tensorflow-addons 0.23.0, InstanceNormalization."""
    recorded = np.load(Path(__file__).parent / "tfa_instance_normalization.npz", allow_pickle=False)
    model = network("instance", recorded["x"].shape[1:])
    model.layers[-1].epsilon = float(recorded["epsilon"])
    model.set_weights([recorded["gamma"], recorded["beta"]])
    np.testing.assert_allclose(model(recorded["x"]), recorded["y"], atol=2e-6)


@pytest.mark.parametrize("norm", ["instance", "layer"])
@pytest.mark.parametrize("shape", [(7,), (1, 1, 7)])
def test_of_one_place_the_channels_are_normalised(norm, shape):
    x = np.random.default_rng(0).normal(3, 2, (4, *shape)).astype(np.float32)
    expected = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5)
    np.testing.assert_allclose(network(norm, shape)(x), expected, atol=1e-5)


@pytest.mark.parametrize("layout", LAYOUTS, ids=lambda layout: layout["architecture"])
@pytest.mark.parametrize("norm", ["instance", "layer", "batch", "none"])
def test_no_normalisation_makes_a_network_constant(layout, norm):
    """Other latents give other images, other images give other logits, and gradients reach all weights."""
    keras.utils.set_random_seed(0)
    config = networks.Layout(
        **layout, image_size=8, latent_dim=3, generator_norm=norm, discriminator_norm=norm, channels=2
    )
    for model, inputs in (
        (networks.generator(config), tf.random.normal((2, 3))),
        (networks.discriminator(config), tf.random.normal((2, 8, 8, 2))),
    ):
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            outputs = model(inputs, training=norm == "batch")
            outputs = outputs["logit"] if isinstance(outputs, dict) else outputs
            value = tf.reduce_sum(tf.square(outputs + 0.1))
        assert float(tf.reduce_max(tf.abs(outputs[0] - outputs[1]))) > 1e-5
        gradients = tape.gradient(value, [inputs, *(v.value for v in model.trainable_variables)])
        assert all(float(tf.reduce_max(tf.abs(gradient))) > 0 for gradient in gradients if gradient.shape.rank > 1)


def test_the_recogniser_reads_images_whatever_the_normalisation():
    keras.utils.set_random_seed(0)
    config = InfoGANConfig(image_size=8, filters=3, latent_dim=3, recogniser_units=4, discriminator_norm="instance")
    codes = InfoGAN(config).discriminator(tf.random.normal((2, 8, 8, 1)))["codes"]
    assert float(tf.reduce_max(tf.abs(codes[0] - codes[1]))) > 1e-3


def test_a_critic_with_a_penalty_has_a_slope_under_instance_normalisation():
    keras.utils.set_random_seed(0)
    config = WGANGPConfig(
        architecture="mlp", image_size=8, hidden_units=(6, 5), latent_dim=3, discriminator_norm="instance"
    )
    images = tf.random.normal((2, 8, 8, 1))
    with tf.GradientTape() as tape:
        tape.watch(images)
        logit = WGANGP(config).discriminate(images, tf.constant([-1, -1]))["logit"]
    assert float(tf.reduce_max(tf.abs(tape.gradient(logit, images)))) > 1e-4


def test_pixel_gan_of_a_single_pixel():
    keras.utils.set_random_seed(0)
    logits = patchgan(1, (3,), patch=1, filters=8)(tf.random.normal((2, 1, 1, 3)))
    assert float(tf.abs(logits[0] - logits[1])[0, 0, 0]) > 1e-6


@pytest.mark.parametrize("norm", ["instance", "layer"])
def test_a_single_unit_is_refused(norm):
    with pytest.raises(UserError, match="a layer of one unit, which would always be 0; accepted are 2 units or more"):
        network(norm, (1,))


def test_vectors_normalised_over_the_batch_need_two_examples():
    """Also inside a network that is a layer of another network. Maps with several positions are not affected."""
    assert not normalises_vectors_over_batch(network("batch", (4, 4, 3)))
    inner = network("batch", (3,))
    x = layers.Input((3,))
    assert normalises_vectors_over_batch(keras.Model(x, inner(x)))
    for norm, fewest in (("batch", 2), ("layer", 1)):
        config = GANConfig(image_size=8, hidden_units=(6,), latent_dim=3, generator_norm=norm)
        assert GAN(config).min_examples_per_part == fewest
