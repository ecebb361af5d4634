"""Objectives and penalties against closed forms."""

import numpy as np
import pytest
import tensorflow as tf

from keras_gen.ops.adversarial import discriminator_loss, generator_loss
from keras_gen.ops.penalties import gradient_penalty

LOGITS = np.linspace(-4, 4, 9, dtype=np.float32)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def test_nonsaturating_values_and_gradients():
    real, fake = tf.constant(LOGITS), tf.constant(LOGITS[::-1].copy() * 0.5)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch([real, fake])
        loss = discriminator_loss("nonsaturating", real, fake)
        generator = generator_loss("nonsaturating", fake)
    expected = -np.log(sigmoid(real)).mean() - np.log(1 - sigmoid(fake)).mean()
    assert float(loss) == pytest.approx(expected, rel=1e-5)
    np.testing.assert_allclose(tape.gradient(loss, real), (sigmoid(real) - 1) / 9, rtol=1e-4)
    np.testing.assert_allclose(tape.gradient(loss, fake), sigmoid(fake) / 9, rtol=1e-4)
    assert float(generator) == pytest.approx(-np.log(sigmoid(fake)).mean(), rel=1e-5)
    np.testing.assert_allclose(tape.gradient(generator, fake), (sigmoid(fake) - 1) / 9, rtol=1e-4)


def test_nonsaturating_is_finite_at_extreme_logits():
    far = tf.constant([1e4, -1e4])
    assert np.isfinite(discriminator_loss("nonsaturating", far, far))
    assert np.isfinite(generator_loss("nonsaturating", far))


def test_at_chance_each_objective_has_its_known_value():
    zero = tf.zeros((2, 3))
    assert float(discriminator_loss("nonsaturating", zero, zero)) == pytest.approx(2 * np.log(2))
    assert float(discriminator_loss("lsgan", zero + 0.5, zero + 0.5)) == pytest.approx(0.5)
    assert float(discriminator_loss("wgangp", zero + 3, zero + 3)) == 0


def test_lsgan_and_wasserstein():
    real, fake = tf.constant([0.0, 2.0]), tf.constant([1.0, -3.0])
    assert float(discriminator_loss("lsgan", real, fake)) == pytest.approx(1 + 5)
    assert float(generator_loss("lsgan", fake)) == pytest.approx(8)
    assert float(discriminator_loss("wgangp", real, fake)) == pytest.approx(-1 - 1)
    assert float(generator_loss("wgangp", fake)) == pytest.approx(1)


@pytest.mark.parametrize("function", [lambda: discriminator_loss("x", 0.0, 0.0), lambda: generator_loss("x", 0.0)])
def test_an_unknown_objective_is_named(function):
    with pytest.raises(ValueError, match="accepted are nonsaturating, lsgan and wgangp"):
        function()


@pytest.mark.parametrize("norm", [1.0, 0.0, 3.0])
def test_the_penalty_of_a_linear_critic(norm):
    """(|w| - 1)^2 wherever it is measured; 0 for a critic of unit norm, and finite for a constant one."""
    rng = np.random.default_rng(0)
    real, fake = (tf.constant(rng.normal(size=(3, 4, 4, 2)), tf.float32) for _ in range(2))
    weights = rng.normal(size=(4, 4, 2)).astype(np.float32)
    weights = tf.Variable(norm * weights / np.linalg.norm(weights))
    with tf.GradientTape() as tape:
        penalty = gradient_penalty(
            lambda x: tf.reduce_sum(x * weights, axis=(1, 2, 3)), real, fake, tf.random.uniform((3, 1, 1, 1))
        )
    assert float(penalty) == pytest.approx((norm - 1) ** 2, abs=1e-4)
    assert np.isfinite(tape.gradient(penalty, weights)).all()


def test_the_penalty_is_measured_between_real_and_fake():
    """The critic |x|^2 / 2 has the gradient x: at the middle of 0 and a vector of length 4, a norm of 2."""
    real, fake = tf.zeros((1, 4)), tf.constant([[4.0, 0, 0, 0]])
    half = gradient_penalty(lambda x: tf.reduce_sum(x * x, 1) / 2, real, fake, tf.constant([[0.5]]))
    end = gradient_penalty(lambda x: tf.reduce_sum(x * x, 1) / 2, real, fake, tf.constant([[1.0]]))
    assert float(half) == pytest.approx(1.0, rel=1e-5)
    assert float(end) == pytest.approx(1.0, rel=1e-5)  # all real: the gradient is 0
    quarter = gradient_penalty(lambda x: tf.reduce_sum(x * x, 1) / 2, real, fake, tf.constant([[0.25]]))
    assert float(quarter) == pytest.approx(4.0, rel=1e-5)


def test_patches_are_scored_by_their_mean():
    """Logits of shape (batch, rows, columns, 1): one norm per example, of the mean logit."""
    image = tf.zeros((2, 3, 3, 1))
    penalty = gradient_penalty(lambda x: 3.0 * x, image, image, tf.zeros((2, 1, 1, 1)))
    assert float(penalty) == pytest.approx((3.0 / 9 * 3 - 1) ** 2, abs=1e-5)
