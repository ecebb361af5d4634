"""GAN: conformance, steps with several batches, and the inputs of the discriminator."""

import dataclasses
from functools import partial

import keras
import numpy as np
import pytest
import tensorflow as tf
from conformance import Case, Conformance, sgd, step, without_noise

from keras_gen.engine.schedules import Schedule
from keras_gen.engine.strategy import mirrored
from keras_gen.errors import UserError
from keras_gen.models import began, cgan, ebgan, lsgan, sngan, wgan, wgan_gp
from keras_gen.models.ebgan import EBGAN
from keras_gen.models.gan import GAN, Config
from keras_gen.models.lsgan import LSGAN
from keras_gen.ops.latents import hashed_vectors, latent_vectors, seeded_vectors, truncated

TINY = Config(image_size=8, channels=2, latent_dim=3, hidden_units=(6, 5))
PLAYERS = {"generator": ("generator",), "discriminator": ("discriminator",)}


def batch(seed, count):
    rng = np.random.default_rng(seed)
    images = rng.uniform(-1, 1, (count, 8, 8, 2)).astype(np.float32)
    return tf.constant(images), tf.constant(rng.integers(0, 4, count), tf.int32)


Calm = without_noise(GAN)


class TestGAN(Conformance):
    case = Case(GAN, TINY, TINY, batch, PLAYERS, calm_family=Calm, reached=("discriminator",))


class TestGANWithEverything(Conformance):
    """Two critic steps, convolutions, adaptive augmentation, noise on images and the geometric penalty."""

    represents = "players who take turns"
    config = dataclasses.replace(
        TINY,
        architecture="dcgan",
        filters=3,
        generator_norm="batch",
        n_critic=2,
        augment="ada",
        instance_noise=0.1,
        geometric_weight=0.1,
        label_smoothing=0.1,
        objective="minimax",
    )
    # Without what draws random numbers, and without batch normalisation, which sees half a batch on two replicas.
    calm = dataclasses.replace(config, generator_norm="layer", augment="none", instance_noise=0.0, geometric_weight=0.0)
    case = Case(
        GAN,
        config,
        calm,
        lambda seed, count: batch(seed, 2 * count),
        PLAYERS,
        calm_family=Calm,
        reached=("discriminator",),
    )


def test_the_gradients_of_both_objectives_reach_the_picture():
    """dL/dG(z) by the chain rule: the derivative of the objective with respect to the logit, which is -D or -(1 - D),
    times dlogit/dx."""
    for objective, by_logit in (("nonsaturating", lambda d: d - 1), ("minimax", lambda d: -d)):
        keras.utils.set_random_seed(1)
        model = GAN(dataclasses.replace(TINY, objective=objective))
        images, labels = batch(0, 4)
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(images)
            logit = model.discriminate(images, labels)["logit"]
            judged = dataclasses.make_dataclass("Judged", ["logit"])(logit)
            loss, _ = model.generator_loss(judged, judged)
        expected = by_logit(tf.sigmoid(logit))[:, :, None, None] / 4 * tape.gradient(logit, images)
        np.testing.assert_allclose(tape.gradient(loss, images), expected, rtol=1e-4, atol=1e-9)


def test_each_critic_step_sees_images_of_its_own():
    """With n_critic 3, each discriminator batch has every third image, and the generator is updated once."""
    seen = []

    class Watched(Calm):
        family = "watched"

        def discriminate(self, images, labels, training=True):
            seen.append(np.asarray(images))
            return super().discriminate(images, labels, training)

    keras.utils.set_random_seed(0)
    model = Watched(dataclasses.replace(TINY, n_critic=3))
    model.compile(sgd(model))
    images, labels = batch(0, 6)
    model.train_step((images, labels))
    real = seen[::2]
    assert len(real) == 3
    for number, shown in enumerate(real):
        np.testing.assert_array_equal(shown, images[number::3])
    counts = {player: int(optimizer.iterations) for player, optimizer in model.optimizers.items()}
    assert counts == {"generator": 1, "discriminator": 3}


def test_two_devices_take_the_critic_steps_of_one():
    """Like the conformance test of replicas, for steps with several batches."""

    config = dataclasses.replace(TINY, n_critic=2)
    data = tf.data.Dataset.from_tensor_slices(batch(0, 32)).batch(8)

    def train(strategy):
        with strategy.scope():
            keras.utils.set_random_seed(3)
            model = Calm(config)
            model.compile(sgd(model, 0.1))
        model.fit(data, epochs=1, shuffle=False, verbose=0)
        return [v.numpy() for v in model.generator.variables + model.discriminator.variables]

    for one, two in zip(train(tf.distribute.get_strategy()), train(mirrored()), strict=True):
        np.testing.assert_allclose(two, one, atol=2e-6)


@pytest.mark.parametrize(("bias", "expected"), [(9.0, 8 / 100), (-9.0, 0.0)])
def test_augmentation_follows_the_overfitting(bias, expected):
    """If the discriminator classifies all real images correctly, the probability rises by 4 images / a span of 100 per
    step."""
    keras.utils.set_random_seed(0)
    model = GAN(dataclasses.replace(TINY, augment="ada", ada_span=100))
    model.compile(sgd(model, 0.0))
    head = model.discriminator.get_layer("logit_units")
    head.kernel.assign(0 * head.kernel)
    head.bias.assign([bias])
    for seed in range(2):
        log = step(model, batch(seed, 4))
    assert log["augmentation"] == pytest.approx(expected / 2)  # as it was in this step
    assert float(model.augmentation) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("family", "config"),
    [
        (GAN, dataclasses.replace(TINY, label_smoothing=0.4)),
        (LSGAN, lsgan.Config(architecture="mlp", image_size=8, channels=2, latent_dim=3, hidden_units=(6,))),
        (
            EBGAN,
            ebgan.Config(architecture="mlp", image_size=8, channels=2, latent_dim=3, hidden_units=(6,), code_dim=3),
        ),
    ],
)
def test_augmentation_goes_by_the_decision_boundary(family, config):
    """Logits just above the boundary, which need not be 0, raise the probability; those below lower it to 0."""
    keras.utils.set_random_seed(0)
    boundary = family(config).adversarial_loss.decision_boundary
    assert boundary != 0

    class Fixed(family):
        def discriminate(self, images, labels, training=True):
            said = super().discriminate(images, labels, training)
            return said | {"logit": 0.0 * said["logit"] + self.fixed}

    Fixed.family = "fixed"
    model = Fixed(dataclasses.replace(config, augment="ada", ada_span=100))
    model.fixed = tf.Variable(boundary + 0.01, trainable=False)
    model.compile(sgd(model, 0.0))
    found = []
    for seed, shift in enumerate((0.01, 0.01, -0.01, -0.01, -0.01)):
        model.fixed.assign(boundary + shift)
        model.train_step(batch(seed, 4))
        found.append(float(model.augmentation))
    assert found == pytest.approx([0.04, 0.08, 0.04, 0.0, 0.0])


@pytest.mark.parametrize("critic", [wgan, wgan_gp, began])
def test_adaptive_augmentation_of_a_critic_is_refused(critic):
    """A critic does not classify, so there is no fraction of real images that it classifies as real."""
    with pytest.raises(UserError, match=r"augment got .ada., which needs to know .* none and diffaugment"):
        critic.Config(augment="ada")
    critic.Config(augment="diffaugment")
    wgan_gp.Config(augment="ada", penalty="r1")


@pytest.mark.parametrize(
    "config",
    [wgan.Config, wgan_gp.Config, began.Config, ebgan.Config, sngan.Config, partial(cgan.Config, objective="hinge")],
)
def test_an_objective_without_targets_has_nothing_to_smooth(config):
    with pytest.raises(UserError, match=r"label_smoothing got 0\.1; accepted is 0, because"):
        config(label_smoothing=0.1)


def test_instance_noise_ends():
    keras.utils.set_random_seed(0)
    model = GAN(dataclasses.replace(TINY, instance_noise=0.5, instance_noise_steps=2))
    model.compile(sgd(model))
    images = tf.zeros((64, 8, 8, 2))
    deviations = []
    for seed in range(3):
        deviations.append(float(tf.math.reduce_std(model._discriminator_inputs(images))))
        model.train_step(batch(seed, 2))
    assert deviations == pytest.approx([0.5, 0.25, 0.0], abs=0.01)


def test_a_seed_is_a_picture():
    """A seed gives the same image in the fixed latents, in `generate`, and for latents from elsewhere."""
    keras.utils.set_random_seed(0)
    model = GAN(TINY)
    fixed = model.draw(model.fixed_latents(3))
    for seed in range(3):
        np.testing.assert_allclose(model.generate(1, seed=seed)[0], fixed[seed], atol=1e-6)
    np.testing.assert_array_equal(seeded_vectors(tf.range(3), 5)[2], latent_vectors(1, 5, 2)[0])


def test_truncation_keeps_the_quantiles():
    """Equals scipy's truncated normal at the same quantiles; no value is beyond the threshold; infinity changes
    nothing."""
    from scipy.stats import norm, truncnorm

    z = latent_vectors(500, 4, seed=0).numpy()
    expected = truncnorm(-0.7, 0.7).ppf(norm.cdf(z))
    np.testing.assert_allclose(truncated(z, 0.7), expected, atol=1e-4)
    assert np.abs(truncated(z, 0.7)).max() <= 0.7
    np.testing.assert_array_equal(latent_vectors(500, 4, seed=0, truncation=float("inf")), z)


def test_equal_images_have_equal_vectors():
    images, _ = batch(0, 6)
    vectors = hashed_vectors(images, 4).numpy()
    np.testing.assert_array_equal(hashed_vectors(images[2:3], 4)[0], vectors[2])
    assert len(np.unique(vectors[:, 0])) == 6


def test_points_are_shown_on_the_plane():
    """Many generated points beside the data as one picture, and the logits of both."""
    model = GAN(dataclasses.replace(TINY, image_size=1))
    assert model.preview_examples == 2500
    rng = np.random.default_rng(0)
    images = tf.constant(rng.uniform(-1, 1, (2500, 1, 1, 2)), tf.float32)
    shown = model.preview((images, tf.fill((2500,), -1)))
    picture = shown["samples"].draw()
    assert picture.dtype == np.uint8
    assert picture.shape[2] == 3
    assert shown["logits/real"].values.shape == shown["logits/fake"].values.shape == (2500,)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"n_critic": 0}, "n_critic got 0; accepted are whole numbers from 1 on."),
        ({"latent_dim": 0}, "latent_dim got 0; accepted are whole numbers from 1 on."),
        ({"label_smoothing": 0.5}, "label_smoothing got 0.5; accepted are numbers from 0 to below 0.5."),
        (
            {"augment": "ada", "augmentations": ("cutout",)},
            "augmentations got ('cutout',) with augment='ada'; accepted",
        ),
        ({"augmentations": ("flip",)}, "augmentations got ('flip',) with augment='none'; accepted are none."),
        (
            {"architecture": "dcgan", "image_size": 36},
            "image_size got 36; architecture='dcgan' can make 4, 5, 6 or 7",
        ),
        ({"hidden_units": ()}, "hidden_units got () with architecture='mlp'; accepted are one or more numbers."),
    ],
)
def test_what_cannot_be_is_said(changes, sentence):
    with pytest.raises(UserError) as error:
        dataclasses.replace(TINY, **changes)
    assert sentence in str(error.value)


def test_both_learning_rates_end_with_the_run():
    """After three of four steps, both rates are half of the initial ones, although the critic took more steps."""
    model = GAN(dataclasses.replace(TINY, n_critic=3, discriminator_rate=2.0))
    model.compile(model.make_optimizers(Schedule(1e-3, 4)))
    step = tf.function(model.train_step, autograph=False)
    for seed in range(3):
        step(batch(seed, 6))
    assert model.learning_rates() == {"generator": pytest.approx(5e-4), "discriminator": pytest.approx(1e-3)}
