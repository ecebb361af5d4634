"""DCGAN: conformance, and the five recommendations of its paper."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf
from conformance import Case, Conformance, without_noise

from keras_gen.export.rewrite import in_keras_layers
from keras_gen.models.dcgan import DCGAN, Config

TINY = Config(image_size=8, channels=2, latent_dim=3, filters=3)


def batch(seed, count):
    rng = np.random.default_rng(seed)
    return tf.constant(rng.uniform(-1, 1, (count, 8, 8, 2)), tf.float32), tf.fill((count,), -1)


Calm = without_noise(DCGAN)


class TestDCGAN(Conformance):
    case = Case(
        DCGAN,
        TINY,
        # Batch normalisation sees half a batch on each of two replicas: another function, so not compared.
        dataclasses.replace(TINY, generator_norm="layer", discriminator_norm="layer"),
        batch,
        {"generator": ("generator",), "discriminator": ("discriminator",)},
        calm_family=Calm,
        reached=("discriminator",),
    )


@pytest.mark.parametrize("size", [8, 16, 28, 32, 64, 128, 256])
@pytest.mark.parametrize("channels", [1, 3])
def test_the_recommendations(size, channels):
    """Strides instead of pooling, batch normalisation except at the ends, no hidden dense layers, ReLU and
    leaky ReLU."""
    model = DCGAN(Config(image_size=size, channels=channels, latent_dim=4, filters=2))
    assert model.generator.output_shape == (None, size, size, channels)
    assert model.discriminator.output["logit"].shape == (None, 1)

    def kinds(network):
        return [type(layer).__name__ for layer in in_keras_layers(network).layers]

    up, down = kinds(model.generator), kinds(model.discriminator)
    assert not {name for name in (*up, *down) if "Pooling" in name or "UpSampling" in name}
    assert up.count("Dense") == down.count("Dense") == 1
    assert up.count("BatchNormalization") == up.count("Conv2DTranspose")  # after the dense layer, not after the last
    assert down.count("BatchNormalization") == down.count("Conv2D") - 1  # not after the first
    assert up.count("ReLU") == up.count("BatchNormalization")
    assert down.count("LeakyReLU") == down.count("Conv2D")
    slopes = {layer.negative_slope for layer in model.discriminator.layers if isinstance(layer, keras.layers.LeakyReLU)}
    assert {round(float(slope), 6) for slope in slopes} == {0.2}


def test_the_paper_preset_is_the_paper():
    config, run, _ = DCGAN.presets["paper"]
    model = DCGAN(dataclasses.replace(config, image_size=64, channels=3))
    assert model.generator.layers[1].output.shape == (None, 4 * 4 * 1024)
    kernels = [v for v in model.generator.trainable_variables if v.path.endswith("kernel")]
    assert np.std(kernels[1]) == pytest.approx(0.02, rel=0.01)
    optimizer = model.make_optimizers(run.learning_rate)["generator"]
    assert (run.learning_rate, run.batch_size, optimizer.beta_1) == (2e-4, 128, 0.5)
