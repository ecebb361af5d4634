"""RMSprop with its epsilon outside the root, against NumPy."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_gen.layers.rmsprop import TorchRMSprop


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_it_equals_numpy_whatever_the_size_of_gradients(momentum):
    rng = np.random.default_rng(0)
    variable = keras.Variable(np.ones(6), dtype="float32")
    optimizer = TorchRMSprop(1e-2, momentum=momentum)
    optimizer.build([variable])
    apply = tf.function(lambda gradient: optimizer.apply([gradient], [variable]))
    weights, mean_square, buffer = np.ones(6), np.zeros(6), np.zeros(6)
    for _ in range(20):
        gradient = rng.normal(size=6) * np.geomspace(1e-9, 1e3, 6)
        gradient[3] = 0.0
        apply(tf.constant(gradient, tf.float32))
        mean_square = 0.99 * mean_square + 0.01 * gradient**2
        buffer = momentum * buffer + gradient / (np.sqrt(mean_square) + 1e-8)
        weights -= 1e-2 * buffer
    np.testing.assert_allclose(variable, weights, atol=2e-5)


def test_the_first_step_is_the_same_for_small_gradients():
    """The step is learning_rate / sqrt(1 - rho); Keras' own moves the smallest weight by a hundredth of that."""
    moved = []
    for kind in (TorchRMSprop, keras.optimizers.RMSprop):
        variable = keras.Variable([0.0, 0.0, 0.0])
        optimizer = kind(0.01, rho=0.99)
        optimizer.build([variable])
        optimizer.apply([tf.constant([1e-5, 1.0, -1e5])], [variable])
        moved.append(np.abs(variable.numpy()))
    np.testing.assert_allclose(moved[0], [0.1, 0.1, 0.1], rtol=0.02)
    assert moved[1][0] < 1e-3


def test_it_is_rebuilt_from_its_configuration():
    optimizer = TorchRMSprop(0.02, rho=0.95, momentum=0.1)
    assert TorchRMSprop.from_config(optimizer.get_config()).get_config() == optimizer.get_config()


def test_a_centred_mean_square_is_refused():
    with pytest.raises(ValueError, match="centered got True; accepted is False"):
        TorchRMSprop(centered=True)
