"""Penalties against closed forms."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_gen.ops.penalties import (
    consistency_penalty,
    dragan_penalty,
    geometric_penalty,
    gradient_penalty,
    pulling_away,
    r1_penalty,
)


def quadratic(x):
    """|x|^2 / 2, whose gradient is x."""
    return tf.reduce_sum(x * x, axis=1) / 2


@pytest.mark.parametrize("norm", [1.0, 0.0, 3.0])
def test_the_penalty_of_a_linear_critic(norm):
    """(|w| - 1)^2 at every point; 0 for a critic with unit gradient norm, and finite for a constant one."""
    rng = np.random.default_rng(0)
    real, fake = (tf.constant(rng.normal(size=(3, 4, 4, 2)), tf.float32) for _ in range(2))
    weights = rng.normal(size=(4, 4, 2)).astype(np.float32)
    weights = tf.Variable(norm * weights / np.linalg.norm(weights))
    with tf.GradientTape() as tape:
        penalty = gradient_penalty(
            lambda x: tf.reduce_sum(x * weights, axis=(1, 2, 3)), real, fake, tf.random.uniform((3,))
        )
    assert float(penalty) == pytest.approx((norm - 1) ** 2, abs=1e-4)
    assert np.isfinite(tape.gradient(penalty, weights)).all()


def test_the_penalty_is_measured_between_real_and_fake():
    """The critic |x|^2 / 2 has gradient x: halfway between 0 and a vector of length 4, the norm is 2."""
    real, fake = tf.zeros((1, 4)), tf.constant([[4.0, 0, 0, 0]])
    half = gradient_penalty(quadratic, real, fake, tf.constant([0.5]))
    end = gradient_penalty(quadratic, real, fake, tf.constant([1.0]))
    assert float(half) == pytest.approx(1.0, rel=1e-5)
    assert float(end) == pytest.approx(1.0, rel=1e-5)  # all real: the gradient is 0
    quarter = gradient_penalty(quadratic, real, fake, tf.constant([0.25]))
    assert float(quarter) == pytest.approx(4.0, rel=1e-5)


def test_patches_are_scored_by_their_mean():
    """Logits of shape (batch, rows, columns, 1): one norm per example, of the mean logit."""
    image = tf.zeros((2, 3, 3, 1))
    penalty = gradient_penalty(lambda x: 3.0 * x, image, image, tf.zeros((2,)))
    assert float(penalty) == pytest.approx((3.0 / 9 * 3 - 1) ** 2, abs=1e-5)


def test_dragan_is_measured_beside_real_examples():
    """At x + (1 - mix) noise std / 2, which is the gradient of the critic |x|^2 / 2 there."""
    rng = np.random.default_rng(1)
    real, noise = rng.normal(size=(5, 3)).astype(np.float32), rng.random((5, 3), np.float32)
    mix = rng.random(5, np.float32)
    beside = real + (1 - mix)[:, None] * 0.5 * real.std() * noise
    expected = np.mean((np.linalg.norm(beside, axis=1) - 1) ** 2)
    assert float(dragan_penalty(quadratic, tf.constant(real), noise, mix)) == pytest.approx(expected, rel=1e-5)
    none = dragan_penalty(quadratic, tf.constant(real), 0 * noise, mix)
    assert float(none) == pytest.approx(np.mean((np.linalg.norm(real, axis=1) - 1) ** 2), rel=1e-5)


def test_r1_is_half_the_mean_squared_norm():
    real = np.random.default_rng(2).normal(size=(6, 4)).astype(np.float32)
    assert float(r1_penalty(quadratic, tf.constant(real))) == pytest.approx(0.5 * (real**2).sum(1).mean(), rel=1e-5)
    weights = tf.Variable(tf.zeros((4,)))
    with tf.GradientTape() as tape:
        penalty = r1_penalty(lambda x: tf.linalg.matvec(x, weights), tf.constant(real))
    assert float(penalty) == 0
    np.testing.assert_array_equal(tape.gradient(penalty, weights), 0)  # |w|^2 / 2 at w = 0


@pytest.mark.parametrize("precision", ["float16", "bfloat16"])
def test_gradients_are_float32_where_the_critic_is_not(precision):
    """A convolutional critic in low precision, with its penalties and their gradients against those in float32."""
    images = tf.random.stateless_normal((4, 8, 8, 2), (3, 0))
    mix = tf.fill((4,), 0.5)
    found = {}
    for policy in ("float32", f"mixed_{precision}"):
        keras.utils.set_random_seed(4)
        critic = keras.Sequential(
            [
                keras.Input((8, 8, 2)),
                keras.layers.Conv2D(8, 3, activation="tanh", dtype=policy),
                keras.layers.Flatten(dtype=policy),
                keras.layers.Dense(1, dtype=policy),
            ]
        )
        with tf.GradientTape() as tape:
            values = [gradient_penalty(critic, images, -images, mix), r1_penalty(critic, images)]
            values.append(dragan_penalty(critic, images, tf.ones_like(images), mix))
            total = tf.add_n(values)
        assert all(value.dtype == tf.float32 for value in values)
        kernel = critic.layers[0].kernel.value
        found[policy] = np.array(values), tape.gradient(total, kernel).numpy()
    (values, slope), (low_values, low_slope) = found.values()
    np.testing.assert_allclose(low_values, values, rtol=0.02)
    assert np.linalg.norm(low_slope - slope) < 0.03 * np.linalg.norm(slope)


def test_pulling_away_is_the_mean_squared_cosine_of_pairs():
    features = np.random.default_rng(5).normal(size=(7, 2, 3)).astype(np.float32)
    flat = features.reshape(7, -1)
    pairs = [
        (a @ b / np.linalg.norm(a) / np.linalg.norm(b)) ** 2
        for i, a in enumerate(flat)
        for j, b in enumerate(flat)
        if i != j
    ]
    assert len(pairs) == 42
    assert float(pulling_away(tf.constant(features))) == pytest.approx(np.mean(pairs), rel=1e-5)
    assert float(pulling_away(tf.eye(5))) == 0
    assert float(pulling_away(tf.ones((5, 3)) * tf.constant([[1.0], [2], [-3], [4], [5]]))) == pytest.approx(1)
    zero = tf.zeros((3, 4))
    with tf.GradientTape() as tape:
        tape.watch(zero)
        value = pulling_away(zero)
    assert np.isfinite(tape.gradient(value, zero)).all()


def linear(matrix):
    return lambda z: tf.matmul(z, tf.constant(matrix, tf.float32), transpose_b=True)


def columns_with(singular_values, rows):
    """A matrix (rows, n) with these singular values."""
    rng = np.random.default_rng(6)
    count = len(singular_values)
    left = np.linalg.qr(rng.normal(size=(rows, count)))[0]
    right = np.linalg.qr(rng.normal(size=(count, count)))[0]
    return left @ np.diag(singular_values) @ right


def geometric(matrix, latents=3, directions=2, **settings):
    count = matrix.shape[1]
    z = tf.random.stateless_normal((latents, count), (7, 0))
    d = tf.random.stateless_normal((directions, latents, count), (7, 1))
    generator = linear(matrix)
    return float(geometric_penalty(generator, z, generator(z), d, **settings)), d.numpy()


@pytest.mark.parametrize("scale", [0.1, 1.0, 30.0])
def test_a_generator_that_changes_evenly_has_no_geometric_penalty(scale):
    assert geometric(scale * columns_with([1] * 4, 9))[0] == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("step", [0.1, 1.0])
def test_the_geometric_penalty_of_known_singular_values(step):
    values = np.array([3.0, 1, 1, 0.5])
    matrix = columns_with(values, 9)
    found, directions = geometric(matrix, directions=5, step=step)
    unit = directions / np.linalg.norm(directions, axis=2, keepdims=True)
    speeds = ((unit @ matrix.T) ** 2).sum(axis=2)
    assert found == pytest.approx(np.mean(speeds.var(axis=0) / speeds.mean(axis=0) ** 2), rel=1e-3)
    assert geometric(100 * matrix, directions=5, step=step)[0] == pytest.approx(found, rel=1e-3)  # no scale
    many, _ = geometric(matrix, latents=200, directions=200, step=step)
    expected = 2 / 6 * (4 * (values**4).sum() / (values**2).sum() ** 2 - 1)
    assert many == pytest.approx(expected, rel=0.05)  # of 40,000 draws the deviation is about 1 %


def test_the_geometric_penalty_of_a_collapsed_generator_is_finite():
    weights, z = tf.Variable(tf.zeros((3, 5))), tf.ones((2, 3))
    directions = tf.random.stateless_normal((2, 2, 3), (8, 0))
    with tf.GradientTape() as tape:
        penalty = geometric_penalty(lambda z: z @ weights, z, z @ weights, directions)
    assert float(penalty) == 0
    assert np.isfinite(tape.gradient(penalty, weights)).all()


def test_a_step_down_the_geometric_penalty_makes_a_generator_more_even():
    weights = keras.Variable(columns_with([4.0, 1, 0.2], 6).T.astype(np.float32))
    optimizer = keras.optimizers.Adam(0.03)

    @tf.function
    def step(number):
        z, *directions = tf.unstack(tf.random.stateless_normal((3, 32, 3), (9, number)))
        with tf.GradientTape() as tape:
            penalty = geometric_penalty(lambda z: z @ weights, z, z @ weights, tf.stack(directions))
        optimizer.apply([tape.gradient(penalty, weights.value)], [weights])

    before = np.linalg.svd(weights.numpy(), compute_uv=False)
    for number in tf.range(200):
        step(number)
    after = np.linalg.svd(weights.numpy(), compute_uv=False)
    assert before[0] / before[-1] > 15
    assert after[0] / after[-1] < 1.2


def test_consistency_is_the_squared_distance_of_probabilities():
    """0 for logits that differ by a constant, 2 for two certain and different answers, and NumPy's value in between."""
    first, second = np.random.default_rng(0).normal(size=(2, 5, 3)).astype(np.float32)
    p, q = (np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True) for logits in (first, second))
    expected = np.square(p - q).sum(axis=1).mean()
    assert float(consistency_penalty(tf.constant(first), tf.constant(second))) == pytest.approx(expected, rel=1e-5)
    assert float(consistency_penalty(tf.constant(first), tf.constant(first + 7))) == pytest.approx(0, abs=1e-10)
    sure = tf.constant([[50.0, 0.0], [0.0, 50.0]])
    assert float(consistency_penalty(sure, tf.reverse(sure, [0]))) == pytest.approx(2)
