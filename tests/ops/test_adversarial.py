"""Objectives against closed forms."""

import numpy as np
import pytest
import tensorflow as tf

from keras_gen.ops.adversarial import AdversarialLoss, feature_matching

LOGITS = np.linspace(-4, 4, 9, dtype=np.float32)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def test_nonsaturating_values_and_gradients():
    real, fake = tf.constant(LOGITS), tf.constant(LOGITS[::-1].copy() * 0.5)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch([real, fake])
        loss = AdversarialLoss("nonsaturating").discriminator(real, fake)
        generator = AdversarialLoss("nonsaturating").generator(fake)
    expected = -np.log(sigmoid(real)).mean() - np.log(1 - sigmoid(fake)).mean()
    assert float(loss) == pytest.approx(expected, rel=1e-5)
    np.testing.assert_allclose(tape.gradient(loss, real), (sigmoid(real) - 1) / 9, rtol=1e-4)
    np.testing.assert_allclose(tape.gradient(loss, fake), sigmoid(fake) / 9, rtol=1e-4)
    assert float(generator) == pytest.approx(-np.log(sigmoid(fake)).mean(), rel=1e-5)
    np.testing.assert_allclose(tape.gradient(generator, fake), (sigmoid(fake) - 1) / 9, rtol=1e-4)


def test_nonsaturating_is_finite_at_extreme_logits():
    far = tf.constant([1e4, -1e4])
    assert np.isfinite(AdversarialLoss("nonsaturating").discriminator(far, far))
    assert np.isfinite(AdversarialLoss("nonsaturating").generator(far))


def test_at_chance_each_objective_has_its_known_value():
    zero = tf.zeros((2, 3))
    assert float(AdversarialLoss("nonsaturating").discriminator(zero, zero)) == pytest.approx(2 * np.log(2))
    assert float(AdversarialLoss("lsgan").discriminator(zero + 0.5, zero + 0.5)) == pytest.approx(0.5)
    assert float(AdversarialLoss("wasserstein").discriminator(zero + 3, zero + 3)) == 0


def test_lsgan_and_wasserstein():
    real, fake = tf.constant([0.0, 2.0]), tf.constant([1.0, -3.0])
    assert float(AdversarialLoss("lsgan").discriminator(real, fake)) == pytest.approx(1 + 5)
    assert float(AdversarialLoss("lsgan").generator(fake)) == pytest.approx(8)
    assert float(AdversarialLoss("wasserstein").discriminator(real, fake)) == pytest.approx(-1 - 1)
    assert float(AdversarialLoss("wasserstein").generator(fake)) == pytest.approx(1)


def test_energies_with_a_margin():
    real, fake = tf.constant([-0.1, -0.3]), tf.constant([-0.2, -0.9])
    loss = AdversarialLoss("energy", margin=0.5)
    assert float(loss.discriminator(real, fake)) == pytest.approx(0.2 + 0.3 / 2)
    assert float(loss.generator(fake)) == pytest.approx(0.55)


def test_an_unknown_objective_is_named():
    with pytest.raises(ValueError, match="got 'x'; accepted are nonsaturating, minimax, lsgan, hinge, wasserstein and"):
        AdversarialLoss("x")


LOSSES = [
    AdversarialLoss("nonsaturating"),
    AdversarialLoss("minimax", targets=(0.9, 0.0)),
    AdversarialLoss("lsgan", targets=(1.0, -1.0), generator_target=0.0),
    AdversarialLoss("hinge"),
    AdversarialLoss("wasserstein"),
    AdversarialLoss("energy", margin=2.0),
]


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.objective)
def test_of_several_discriminators_all_is_the_mean(loss):
    """With two scales whose maps have different sizes, both discriminators have equal weight."""
    rng = np.random.default_rng(0)
    real, fake = ([tf.constant(rng.normal(size=(2, n, n, 1)), tf.float32) for n in (4, 2)] for _ in range(2))
    assert float(loss.discriminator(real, fake)) == pytest.approx(
        np.mean([float(loss.discriminator(*pair)) for pair in zip(real, fake, strict=True)]), rel=1e-6
    )
    assert float(loss.generator(fake)) == pytest.approx(np.mean([float(loss.generator(own)) for own in fake]), rel=1e-6)
    each = [loss.decisions(*pair) for pair in zip(real, fake, strict=True)]
    together = loss.decisions(real, fake)
    assert tuple(together) == loss.terms
    for name, value in together.items():
        assert float(value) == pytest.approx(np.mean([float(own[name]) for own in each]), rel=1e-6, abs=1e-7)
    with pytest.raises(ValueError, match="zip"):
        loss.discriminator(real, fake[:1])


@pytest.mark.parametrize("loss", [LOSSES[0], LOSSES[1], LOSSES[2]], ids=lambda loss: loss.objective)
def test_at_the_boundary_the_best_discriminator_does_not_know(loss):
    """If real and generated examples are equally frequent, the loss is minimal there: its derivative is 0."""
    logit = tf.fill((3, 1), loss.decision_boundary)
    with tf.GradientTape() as tape:
        tape.watch(logit)
        value = loss.discriminator(logit, logit)
    np.testing.assert_allclose(tape.gradient(value, logit), 0, atol=1e-7)


def test_boundaries():
    found = {loss.objective: loss.decision_boundary for loss in LOSSES}
    smoothed = pytest.approx(np.log(0.45 / 0.55))
    assert found == {
        "nonsaturating": 0.0, "minimax": smoothed, "lsgan": 0.0, "hinge": 0.0, "wasserstein": None, "energy": -1.0
    }  # fmt: skip
    assert AdversarialLoss("lsgan").decision_boundary == 0.5
    for loss in LOSSES:
        if loss.decision_boundary is None:
            assert loss.terms == ("real_logit", "fake_logit")  # a critic is never right
            continue
        boundary = loss.decision_boundary
        shares = loss.decisions(tf.constant([boundary + 1, boundary - 1]), tf.constant([boundary - 1] * 3))
        assert (float(shares["real_accuracy"]), float(shares["fake_accuracy"])) == (0.5, 1.0)
        assert float(loss.mean_sign(tf.constant([boundary + 1, boundary + 2, boundary - 1]))) == pytest.approx(1 / 3)


def test_score_maps_run_from_generated_to_real():
    logits = tf.constant([[-9.0, 0.0, 0.5, 1.0, 9.0]])
    for loss, expected in (
        (AdversarialLoss("nonsaturating"), 2 * sigmoid(logits.numpy()) - 1),
        (AdversarialLoss("lsgan"), [[-1, -1, 0, 1, 1]]),
        (AdversarialLoss("lsgan", targets=(1.0, -1.0)), [[-1, 0, 0.5, 1, 1]]),
        (AdversarialLoss("hinge"), [[-1, 0, 0.5, 1, 1]]),
    ):
        np.testing.assert_allclose(loss.score_map(logits), expected, atol=1e-6)
    energies = tf.constant([[-5.0, -2.0, -1.0, -0.5, 0.0]])
    np.testing.assert_allclose(LOSSES[-1].score_map(energies), [[-1, -1, 0, 0.5, 1]])
    with pytest.raises(ValueError, match="wasserstein has no decision boundary"):
        AdversarialLoss("wasserstein").score_map(logits)


def test_feature_matching_is_the_squared_distance_of_means():
    rng = np.random.default_rng(2)
    real, fake = rng.normal(size=(2, 6, 3, 4)).astype(np.float32)
    expected = np.sum((real.mean(axis=0) - fake.mean(axis=0)) ** 2)
    assert float(feature_matching(real, fake)) == pytest.approx(expected, rel=1e-5)
    assert float(feature_matching(tf.constant(real, tf.bfloat16), real)) < 1e-4


@pytest.mark.parametrize("objective", ["nonsaturating", "lsgan", "hinge", "wasserstein", "energy"])
def test_losses_are_the_same_in_a_graph(objective):
    loss, (real, fake) = AdversarialLoss(objective), tf.constant([[[0.3], [-1.2]], [[2.0], [0.1]]])
    eager = loss.discriminator([real, fake], [fake, real])
    np.testing.assert_allclose(tf.function(loss.discriminator)([real, fake], [fake, real]), eager, rtol=1e-6)
