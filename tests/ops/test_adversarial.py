"""Objectives against closed forms."""

import numpy as np
import pytest
import tensorflow as tf

from keras_gen.ops.adversarial import discriminator_loss, feature_matching, generator_loss

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
    assert float(discriminator_loss("wasserstein", zero + 3, zero + 3)) == 0


def test_lsgan_and_wasserstein():
    real, fake = tf.constant([0.0, 2.0]), tf.constant([1.0, -3.0])
    assert float(discriminator_loss("lsgan", real, fake)) == pytest.approx(1 + 5)
    assert float(generator_loss("lsgan", fake)) == pytest.approx(8)
    assert float(discriminator_loss("wasserstein", real, fake)) == pytest.approx(-1 - 1)
    assert float(generator_loss("wasserstein", fake)) == pytest.approx(1)


@pytest.mark.parametrize("function", [lambda: discriminator_loss("x", 0.0, 0.0), lambda: generator_loss("x", 0.0)])
def test_an_unknown_objective_is_named(function):
    with pytest.raises(ValueError, match="accepted are nonsaturating, minimax, lsgan, hinge and wasserstein"):
        function()


def test_feature_matching_is_the_squared_distance_of_means():
    rng = np.random.default_rng(2)
    real, fake = rng.normal(size=(2, 6, 3, 4)).astype(np.float32)
    expected = np.sum((real.mean(axis=0) - fake.mean(axis=0)) ** 2)
    assert float(feature_matching(real, fake)) == pytest.approx(expected, rel=1e-5)
    assert float(feature_matching(tf.constant(real, tf.bfloat16), real)) < 1e-4
