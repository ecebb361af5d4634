"""Weight normalisation against recorded arrays, the formula of its gradient, and its uses."""

from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_gen.layers.weight import WeightNormalization


def built(layer, inputs):
    layer.build(inputs)
    return layer


def test_equal_to_tensorflow_addons():
    """Arrays recorded from tensorflow-addons 0.23.0: a convolution with given v and bias.

    Its first call sets g to the norms of v, which gives the recorded y. Another g scales the output without the bias.
    """
    recorded = np.load(Path(__file__).parent / "tfa_weight_normalization.npz", allow_pickle=False)
    v, g, bias, y = (recorded[name] for name in ("v", "g", "bias", "y"))
    norms = np.sqrt(np.sum(v**2, axis=(0, 1, 2)))
    layer = built(WeightNormalization(keras.layers.Conv2D(5, 3)), recorded["x"].shape)
    layer.layer.set_weights([v, bias])
    layer.g.assign(norms)
    np.testing.assert_allclose(layer(recorded["x"]), y, atol=5e-6)
    layer.g.assign(g)
    np.testing.assert_allclose(layer(recorded["x"]), (y - bias) * g / norms + bias, atol=5e-6)


@pytest.mark.parametrize(
    ("layer", "inputs"),
    [(keras.layers.Dense(5), (4, 7)), (keras.layers.Conv2D(4, 3), (4, 6, 6, 3))],
    ids=["dense", "convolution"],
)
def test_it_begins_as_the_layer_is_and_only_g_says_how_large_it_is(layer, inputs):
    x = np.random.default_rng(0).normal(size=inputs).astype(np.float32)
    normalised = built(WeightNormalization(layer), inputs)
    before = layer(x)
    np.testing.assert_allclose(normalised(x), before, atol=1e-5)
    layer.kernel.assign(37.0 * layer.kernel)
    np.testing.assert_allclose(normalised(x), before, atol=1e-5)
    normalised.g.assign(2.0 * normalised.g)
    np.testing.assert_allclose(normalised(x), 2.0 * before, atol=1e-5)


def test_the_gradients_are_those_of_equation_3():
    """dL/dg is the component of dL/dw along v / ||v||, and dL/dv is the orthogonal component times g / ||v||."""
    rng = np.random.default_rng(1)
    x, weights = rng.normal(size=(9, 4)).astype(np.float32), rng.normal(size=(9, 3)).astype(np.float32)
    layer = built(WeightNormalization(keras.layers.Dense(3, use_bias=False)), (None, 4))
    layer.g.assign([0.5, 2.0, -3.0])
    v, g = layer.layer.kernel, layer.g
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(layer(x) * weights)
    of_v, of_g = tape.gradient(loss, [v.value, g.value])
    norms, by_w = np.linalg.norm(v.numpy(), axis=0), x.T @ weights
    expected = np.sum(by_w * v.numpy() / norms, axis=0)
    np.testing.assert_allclose(of_g, expected, rtol=1e-4, atol=1e-5)
    scale = g.numpy() / norms
    np.testing.assert_allclose(of_v, scale * (by_w - expected * v.numpy() / norms), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(np.sum(of_v * v.numpy(), axis=0), 0, atol=1e-4)


def test_a_column_of_zeros_stays_finite():
    layer = built(WeightNormalization(keras.layers.Dense(3, kernel_initializer="zeros")), (None, 4))
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(layer(tf.ones((2, 4))))
    assert float(loss) == 0
    assert all(np.isfinite(slope).all() for slope in tape.gradient(loss, [v.value for v in layer.trainable_variables]))


def test_a_fixed_scale_is_kept_and_copies_are_equal():
    keras.utils.set_random_seed(0)
    dense = [WeightNormalization(keras.layers.Dense(4), learn_scale=learnt) for learnt in (True, False)]
    network = keras.Sequential([keras.Input((3,)), *dense])
    assert [len(layer.trainable_variables) for layer in dense] == [3, 2]
    x = np.random.default_rng(2).normal(size=(5, 3)).astype(np.float32)
    dense[1].g.assign([1.0, 2.0, 3.0, 4.0])
    copy = keras.models.clone_model(network)
    copy.set_weights(network.get_weights())
    np.testing.assert_array_equal(copy(x), network(x))
    assert len(copy.trainable_variables) == 5


def test_in_low_precision_the_norm_is_of_the_float32_kernel():
    keras.config.set_dtype_policy("mixed_float16")
    try:
        layer = built(WeightNormalization(keras.layers.Dense(8)), (None, 1000))
    finally:
        keras.config.set_dtype_policy("float32")
    x = np.random.default_rng(3).normal(size=(4, 1000)).astype(np.float32)
    before = layer(x)
    assert before.dtype == tf.float16
    layer.layer.kernel.assign(1e4 * layer.layer.kernel)  # whose squares float16 cannot hold
    np.testing.assert_allclose(layer(x), before, atol=0.02)
