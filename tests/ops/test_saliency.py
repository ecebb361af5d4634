"""Saliency metrics against their definitions."""

import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

from keras_gen.ops import saliency


@pytest.fixture
def maps():
    rng = np.random.default_rng(0)
    return (rng.uniform(0.01, 1, (3, 6, 5, 1)).astype(np.float32) for _ in range(2))


def test_against_numpy_and_scipy(maps):
    found, reference = maps
    for number, (p, q) in enumerate(zip(found.reshape(3, -1), reference.reshape(3, -1), strict=True)):
        p, q = p / p.sum(), q / q.sum()
        expected = {
            "kl_divergence": stats.entropy(q, p),
            "correlation": stats.pearsonr(p, q).statistic,
            "similarity": np.minimum(p, q).sum(),
            "normalised_scanpath": np.sum(q * stats.zscore(p)),
        }
        for name, value in expected.items():
            measured = getattr(saliency, name)(tf.constant(found), tf.constant(reference))
            np.testing.assert_allclose(measured[number], value, rtol=1e-4, atol=1e-6, err_msg=name)


def test_a_map_is_like_itself_at_any_scale(maps):
    found, _ = map(tf.constant, maps)
    for name, best in (("kl_divergence", 0.0), ("correlation", 1.0), ("similarity", 1.0)):
        np.testing.assert_allclose(getattr(saliency, name)(found, 0.1 * found), best, atol=1e-4)


@pytest.mark.parametrize("value", [0.0, 0.5])
def test_a_constant_map_tells_nothing(maps, value):
    found, _ = map(tf.constant, maps)
    constant = tf.fill(found.shape, value)
    for one, other in ((constant, found), (found, constant)):
        np.testing.assert_array_equal(saliency.correlation(one, other), 0.0)
        assert np.isfinite(saliency.kl_divergence(one, other)).all()
    np.testing.assert_array_equal(saliency.normalised_scanpath(constant, found), 0.0)
    np.testing.assert_allclose(saliency.normalised_scanpath(found, constant), 0.0, atol=1e-4)
