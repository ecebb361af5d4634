"""Importance sampling, against a model whose likelihood has a closed form, and with constant weights."""

import numpy as np
import pytest
import tensorflow as tf
from scipy.stats import multivariate_normal

from keras_gen.metrics.log_likelihood import LogLikelihood
from keras_gen.ops.divergences import log_normal

PIXELS, LATENT, NOISE = 4, 2, 0.5


class LinearGaussian:
    """x = W z + b + 0.5 e: p(x) = N(b, W W^T + 0.25), and p(z|x) is normal too. The proposal is wider by a factor.

    Bishop 2006, equations 2.113 to 2.117.
    """

    def __init__(self, widened):
        rng = np.random.default_rng(0)
        self.matrix, self.offset = rng.normal(0, 0.7, (PIXELS, LATENT)), rng.normal(0, 0.3, PIXELS)
        self.covariance = np.linalg.inv(np.eye(LATENT) + self.matrix.T @ self.matrix / NOISE**2)
        self.widened = widened
        self.images = rng.normal(0, 1, (7, 2, 2, 1)).astype(np.float32)

    def exact(self):
        of_x = multivariate_normal(self.offset, self.matrix @ self.matrix.T + NOISE**2 * np.eye(PIXELS))
        return of_x.logpdf(self.images.reshape(-1, PIXELS))

    def log_weights(self, images, noise, labels):
        x, w, b = tf.reshape(images, (-1, PIXELS)), *(tf.cast(v, tf.float32) for v in (self.matrix, self.offset))
        mean = (x - b) @ w @ tf.cast(self.covariance, tf.float32) / NOISE**2
        root = tf.cast(np.linalg.cholesky(self.covariance) * self.widened, tf.float32)
        z = mean + tf.einsum("ij,knj->kni", root, noise)
        log_q = log_normal(noise) - tf.reduce_sum(tf.math.log(tf.linalg.diag_part(root)))
        log_p = log_normal(x, tf.einsum("pl,knl->knp", w, z) + b, tf.math.log(NOISE**2))
        return log_p + log_normal(z) - log_q


def estimate(model, samples, seed=0):
    found = LogLikelihood(model.log_weights, LATENT, samples=samples, images="as they are", seed=seed)
    for part in (model.images[:5], model.images[5:]):
        found.update(tf.constant(part))
    return found


@pytest.mark.parametrize("samples", [1, 3, 999, 1001])
def test_samples_of_the_true_posterior_give_the_likelihood_whatever_their_number(samples):
    model = LinearGaussian(widened=1.0)
    np.testing.assert_allclose(estimate(model, samples).values(), model.exact(), atol=2e-5)


@pytest.mark.parametrize("seed", [0, 1])
def test_a_wider_proposal_comes_near_with_many_samples(seed):
    """The weight of a proposal wider by s in d units has the relative variance (s^2 / sqrt(2 s^2 - 1))^d - 1 = 1.29.

    So the logarithm of a mean of 20,000 is off by 0.008 (one standard deviation), and by less than four in 14 draws.
    """
    model = LinearGaussian(widened=2.0)
    errors = estimate(model, 20_000, seed).values() - model.exact()
    assert np.abs(errors).max() < 4 * np.sqrt(1.29 / 20_000)
    assert np.abs(errors).max() > 1e-4


def test_one_sample_is_the_elbo_and_two_are_between_it_and_the_likelihood():
    """The ELBO is low by KL(q || p(z|x)) = s^2 - 1 - log s^2 = 1.61 in two units; that of 14,000 is off by 0.025."""
    model = LinearGaussian(widened=2.0)
    exact = np.tile(model.exact(), 2000)
    model.images = np.tile(model.images, (2000, 1, 1, 1))
    off = {}
    for samples in (1, 2):
        found = LogLikelihood(model.log_weights, LATENT, samples=samples, images="")
        found.update(tf.constant(model.images))
        off[samples] = np.mean(found.values() - exact)
    assert off[1] == pytest.approx(-(4 - 1 - np.log(4)), abs=0.1)
    assert off[1] + 0.5 < off[2] < -0.3


def test_every_chunk_has_noise_of_its_own():
    """Weights exp(e), e normal: their mean is exp(1/2), and that of 2000 is off by 0.029 where all are independent.

    A hundred images go in chunks of ten samples: with the same noise in all the error would be 0.4.
    """
    found = LogLikelihood(lambda images, noise, labels: noise[..., 0], 3, samples=2000, images="")
    found.update(tf.zeros((100, 2, 2, 1)))
    errors = np.exp(found.values() - 0.5) - 1
    assert 0.02 < np.sqrt(np.mean(errors**2)) < 0.04
    found.update(tf.zeros((100, 2, 2, 1)))
    assert np.abs(found.values()[:100] - found.values()[100:]).min() > 0  # nor do two batches share it


@pytest.mark.parametrize("level", [0.0, -2e4, 2e4])
def test_weights_beyond_the_range_of_exp_and_chunks_that_are_not_full(level):
    """Seven images are processed in chunks of 142 samples; with equal weights the mean equals each of them."""
    found = LogLikelihood(lambda images, noise, labels: 0.0 * noise[..., 0] + level, 1, samples=1500, images="")
    found.update(tf.zeros((7, 2, 2, 1)))
    np.testing.assert_allclose(found.values(), np.full(7, level), atol=1e-5, rtol=1e-6)


def test_labels_reach_the_model_and_the_result_says_how_it_came_about():
    def log_weights(images, noise, labels):
        return 0.0 * noise[..., 0] - tf.cast(labels, tf.float32)

    found = LogLikelihood(log_weights, 1, samples=4, images="grey values as they are", seed=5)
    found.update(tf.zeros((4, 2, 2, 1)), tf.constant([1, 2, 3, 6]))
    result = found.result()
    assert result["nats"] == pytest.approx(3.0)
    assert result["standard_error"] == pytest.approx(np.sqrt(3.5) / 2)
    assert result["protocol"] == {"samples": 4, "images": 4, "of": "grey values as they are", "seed": 5}
    said = " ".join(LogLikelihood.lines(result))
    for word in ("K = 4", "4 images", "grey values as they are", "seed 5", "3.0000", "0.9354"):
        assert word in said
