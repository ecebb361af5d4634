"""PixelCNN: which positions each position depends on, by gradients."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_gen.networks.pixelcnn import pixelcnn


def dependence(network, side):
    """Matrix (positions, positions): whether the logits of a position depend on the code at another one."""
    embedding = network.get_layer("embedding")
    rest = keras.Model(embedding.output, network.output)
    x = tf.random.stateless_normal((1, side, side, embedding.output.shape[-1]), (0, 0))
    with tf.GradientTape() as tape:
        tape.watch(x)
        logits = tf.reshape(tf.reduce_sum(rest(x), -1), (-1,))
    return np.abs(tape.jacobian(logits, x)).sum((1, 4)).reshape(side**2, side**2) > 0


@pytest.mark.parametrize("side", [2, 5])
def test_a_place_sees_all_before_it_and_nothing_else(side):
    """In raster order, without a blind spot: the lower triangle without its diagonal."""
    keras.utils.set_random_seed(0)
    seen = dependence(pixelcnn(side, side, 5, filters=16, depth=5), side)
    np.testing.assert_array_equal(seen, np.tri(side**2, k=-1, dtype=bool))


def test_each_layer_sees_one_more_row():
    """The first two layers; positions above include columns further right."""
    keras.utils.set_random_seed(0)
    for depth in (1, 2):
        seen = dependence(pixelcnn(5, 5, 3, filters=16, depth=depth), 5)[22].reshape(5, 5)  # of the last row's middle
        rows = depth + 1
        assert not seen[: 4 - rows].any()
        assert seen[4 - rows, 2]
        assert seen[3, 3]


def test_a_map_need_not_be_square():
    assert pixelcnn(2, 3, 7, filters=4, depth=1).output_shape == (None, 2, 3, 7)
