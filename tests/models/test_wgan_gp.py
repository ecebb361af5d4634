"""WGAN-GP: conformance with its three penalties, where each evaluates the gradient, and mixed precision."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf
from conformance import Case, Conformance, without_noise

from keras_gen.errors import UserError
from keras_gen.models.gan import DiscriminatorOutput
from keras_gen.models.wgan_gp import WGANGP, Config

TINY = Config(
    architecture="dcgan", image_size=8, channels=2, latent_dim=3, filters=4, generator_norm="none", n_critic=2
)
PLAYERS = {"generator": ("generator",), "discriminator": ("discriminator",)}


def batch(seed, count):
    """As many examples as a step with two batches needs, so that each batch has `count`."""
    rng = np.random.default_rng(seed)
    images = rng.uniform(-1, 1, (2 * count, 8, 8, 2)).astype(np.float32)
    return tf.constant(images), tf.fill((2 * count,), -1)


class Calm(without_noise(WGANGP)):
    """A model without noise: replicas draw different noise, so two replicas would take another step than one device."""

    def draw_uniform(self, shape):
        return 0.0 * super().draw_uniform(shape) + 0.3


class TestWGANGP(Conformance):
    represents = "a gradient in the loss"
    case = Case(
        WGANGP,
        TINY,
        TINY,
        batch,
        PLAYERS,
        still=("logit_units/bias",),
        calm_family=Calm,
        reached=("discriminator",),
    )


class Linear(WGANGP):
    """A critic that is a linear function of the image, with gradient `slope`."""

    family = "WGAN-GP with a linear critic"
    slope = np.full((8, 8, 2), 0.25)

    def discriminate(self, images, labels, training=True):
        return {"logit": tf.reduce_sum(images * tf.constant(self.slope, images.dtype), axis=(1, 2, 3))[:, None]}


def judged(model, seed):
    images, labels = batch(seed, 3)
    return DiscriminatorOutput(images, labels, model.discriminate(images, labels))


@pytest.mark.parametrize("penalty", ["gradient", "dragan", "r1"])
def test_a_linear_critic_pays_for_the_length_of_its_slope(penalty):
    """The gradient norm is sqrt(128) / 4 = 2.83: (2.83 - 1)^2, or for r1 2.83^2 / 2, each with its paper's
    objective."""
    model = Linear(dataclasses.replace(TINY, penalty=penalty, penalty_weight=3.0))
    real, fake = judged(model, 0), judged(model, 1)
    loss, terms = model.discriminator_loss(real, fake)
    price = 8.0 / 2 if penalty == "r1" else (np.sqrt(8.0) - 1.0) ** 2
    assert float(terms["gradient_penalty"]) == pytest.approx(price, rel=1e-5)
    if penalty == "gradient":
        difference = float(tf.reduce_mean(real.logit) - tf.reduce_mean(fake.logit))
        assert float(terms["wasserstein_estimate"]) == pytest.approx(difference, rel=1e-5)
        assert float(loss) == pytest.approx(3 * price - difference, rel=1e-5)
    else:
        cross_entropy = float(tf.reduce_mean(tf.nn.softplus(-real.logit)) + tf.reduce_mean(tf.nn.softplus(fake.logit)))
        assert float(loss) == pytest.approx(3 * price + cross_entropy, rel=1e-5)
        assert "wasserstein_estimate" not in terms


@pytest.mark.parametrize("precision", ["mixed_float16", "mixed_bfloat16"])
@pytest.mark.parametrize("architecture", ["dcgan", "resnet"])
def test_mixed_precision(precision, architecture):
    """The penalty equals that in float32 within 5 %, and training continues. Under float16 the first steps are skipped
    until a loss scale is found at which the second derivatives of the penalty do not overflow."""
    config = dataclasses.replace(TINY, architecture=architecture, filters=16, n_critic=1)
    keras.utils.set_random_seed(0)
    expected = Calm(config).objective(batch(0, 4)).terms
    keras.config.set_dtype_policy(precision)
    try:
        keras.utils.set_random_seed(0)
        model = Calm(config)
        model.compile(model.make_optimizers(1e-3))
    finally:
        keras.config.set_dtype_policy("float32")
    step = tf.function(model.train_step, autograph=False)
    log = step(batch(0, 4))
    assert float(log["gradient_penalty"]) == pytest.approx(float(expected["gradient_penalty"]), rel=0.05)
    for seed in range(1, 13):
        before = {name: network.get_weights() for name, network in model.networks.items()}
        assert np.isfinite([float(value) for value in step(batch(seed, 4)).values()]).all()
    for name, network in model.networks.items():
        for old, variable in zip(before[name], network.trainable_variables, strict=True):
            assert np.isfinite(variable).all()
            moved = not np.array_equal(old, variable)
            assert moved or variable.path.endswith("logit_units/bias"), variable.path


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"discriminator_norm": "batch"}, "discriminator_norm got 'batch'"),
        ({"penalty_weight": -1.0}, "penalty_weight got -1.0"),
        ({"label_smoothing": 0.1}, "label_smoothing got 0.1"),
    ],
)
def test_fields_that_cannot_be(fields, said):
    with pytest.raises(UserError, match=said):
        Config(**fields)
    Config(penalty="r1", label_smoothing=0.1)
