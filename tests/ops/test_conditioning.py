"""Classes as inputs of networks."""

import numpy as np
import pytest
import tensorflow as tf

from keras_gen.ops.conditioning import conditioned


def test_what_the_networks_take_ends_with_the_class():
    labels = tf.constant([3, 1])
    images = np.random.default_rng(0).uniform(-1, 1, (2, 5, 5, 2)).astype(np.float32)
    told = conditioned(images, labels, 4).numpy()
    np.testing.assert_array_equal(told[..., :2], images)
    np.testing.assert_array_equal(told[0, :, :, 2:], np.broadcast_to([-1.0, -1, -1, 1], (5, 5, 4)))
    vectors = conditioned(tf.ones((2, 3)), labels, 4).numpy()
    np.testing.assert_array_equal(vectors, [[1, 1, 1, 0, 0, 0, 1], [1, 1, 1, 0, 1, 0, 0]])


@pytest.mark.parametrize("shape", [(2, 3), (2, 5, 5, 1)])
def test_it_keeps_the_precision(shape):
    assert conditioned(tf.ones(shape, tf.float16), tf.constant([0, 1]), 2).dtype == tf.float16
