"""Spectral normalisation against recorded arrays, the formula of its gradient, and all its uses."""

from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_gen.engine.model import GenerativeModel, Step
from keras_gen.engine.strategy import mirrored
from keras_gen.export.exporter import export
from keras_gen.export.signature import Served, feature_map, vector
from keras_gen.layers.spectral import SpectralNormalization, power_iteration
from keras_gen.ops.penalties import gradient_penalty


def critic():
    return keras.Sequential(
        [
            keras.Input((8, 8, 2)),
            SpectralNormalization(keras.layers.Conv2D(6, 4, strides=2, padding="same"), name="first"),
            keras.layers.LeakyReLU(),
            keras.layers.Flatten(),
            SpectralNormalization(keras.layers.Dense(1), name="logit"),
        ]
    )


def built(layer, inputs):
    layer.build(inputs)
    return layer


def test_equal_to_tensorflow_addons():
    """Arrays recorded from tensorflow-addons 0.23.0, which runs one iteration in each of three training calls. It
    starts from u and replaces the kernel by the normalised one; neither u nor v depends on the scale of the kernel."""
    recorded = np.load(Path(__file__).parent / "tfa_spectral_normalization.npz", allow_pickle=False)
    layer = built(SpectralNormalization(keras.layers.Conv2D(8, 3, padding="same")), recorded["x"].shape)
    layer.layer.set_weights([recorded["kernel"], recorded["bias"]])
    matrix = recorded["kernel"].reshape(-1, 8)
    first = matrix @ recorded["u0"][0]
    layer.v.assign(first / np.linalg.norm(first))
    for number in range(3):
        if number:
            layer.power_iteration()
        np.testing.assert_allclose(layer(recorded["x"]), recorded["y_train"][number], atol=2e-6)
        normalised = recorded["kernel"] / layer.singular_value()
        np.testing.assert_allclose(normalised, recorded["kernel_after"][number], atol=2e-7)
    u = layer.v.numpy() @ matrix
    np.testing.assert_allclose(u / np.linalg.norm(u), recorded["u_after"][0], atol=2e-7)
    np.testing.assert_allclose(layer(recorded["x"]), recorded["y_infer"], atol=2e-6)


@pytest.mark.parametrize(
    ("layer", "inputs"),
    [
        (keras.layers.Dense(5), (None, 7)),
        (keras.layers.Conv2D(4, 3), (None, 6, 6, 3)),
        (keras.layers.Conv2DTranspose(4, 3), (None, 6, 6, 3)),
        (keras.layers.Embedding(6, 5), (None,)),
    ],
    ids=["dense", "convolution", "transposed", "embedding"],
)
def test_the_estimate_comes_to_the_largest_singular_value(layer, inputs):
    keras.utils.set_random_seed(0)
    spectral = built(SpectralNormalization(layer), inputs)
    kernel = (layer.embeddings if isinstance(layer, keras.layers.Embedding) else layer.kernel).numpy()
    largest = np.linalg.norm(kernel.reshape(-1, kernel.shape[-1]), 2)
    assert 0 < float(spectral.singular_value()) < 0.99 * largest
    for _ in range(300):
        spectral.power_iteration()
    assert float(spectral.singular_value()) == pytest.approx(largest, rel=1e-4)
    assert np.linalg.norm(spectral.v.numpy()) == pytest.approx(1, rel=1e-5)


def test_the_kernels_gradient_is_that_of_equation_12():
    """dL(W / sigma) / dW is (G - <G, W / sigma> u v^T) / sigma, where G is the gradient with respect to W / sigma."""
    rng = np.random.default_rng(1)
    x, weights = rng.normal(size=(9, 4)).astype(np.float32), rng.normal(size=(9, 3)).astype(np.float32)
    layer = built(SpectralNormalization(keras.layers.Dense(3, use_bias=False)), (None, 4))
    for _ in range(2):
        layer.power_iteration()
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(layer(x) * weights)
    kernel, v = layer.layer.kernel.numpy(), layer.v.numpy()
    u = v @ kernel / np.linalg.norm(v @ kernel)
    sigma, direct = float(layer.singular_value()), x.T @ weights
    expected = (direct - (direct * kernel / sigma).sum() * np.outer(v, u)) / sigma
    np.testing.assert_allclose(tape.gradient(loss, layer.layer.kernel.value), expected, rtol=1e-4, atol=1e-5)


def test_a_kernel_of_zeros_stays_finite():
    layer = built(SpectralNormalization(keras.layers.Dense(3, kernel_initializer="zeros")), (None, 4))
    before = layer.v.numpy()
    layer.power_iteration()
    np.testing.assert_array_equal(layer.v.numpy(), before)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(layer(tf.ones((2, 4))))
    assert float(loss) == 0
    assert np.isfinite(tape.gradient(loss, layer.layer.kernel.value)).all()


def test_a_critic_of_unit_layers_cannot_be_steeper_than_1():
    keras.utils.set_random_seed(2)
    network = critic()
    for _ in range(100):
        power_iteration(network)
    x, y = (tf.random.stateless_normal((64, 8, 8, 2), (3, part)) for part in range(2))
    change = np.linalg.norm(network(x) - network(x + 0.1 * y), axis=1)
    # A convolution's kernel as a matrix bounds it up to the number of its windows that a pixel is in, here 2x2.
    assert (change <= 2 * 0.1 * np.linalg.norm(np.reshape(y, (64, -1)), axis=1)).all()


def test_calls_leave_everything_as_it_is_and_copies_are_equal():
    network = critic()
    before = [w.numpy() for w in network.weights]
    images = tf.random.stateless_normal((3, 8, 8, 2), (4, 0))
    first = network(images, training=True)
    np.testing.assert_array_equal(network(images, training=False), first)
    for weight, value in zip(network.weights, before, strict=True):
        np.testing.assert_array_equal(weight.numpy(), value)
    copy = keras.models.clone_model(network)
    copy.set_weights(before)
    np.testing.assert_array_equal(copy(images), first)
    assert len(network.trainable_variables) == 4
    power_iteration(network)
    assert not np.array_equal(network(images), first)


@pytest.mark.parametrize("precision", ["float16", "bfloat16"])
def test_in_low_precision_the_norm_is_of_the_float32_kernel(precision):
    """Compiled, with a gradient penalty: second derivatives pass through the normalisation."""
    images = tf.random.stateless_normal((4, 8, 8, 2), (5, 0))
    found = []
    for policy in ("float32", f"mixed_{precision}"):
        keras.utils.set_random_seed(6)
        keras.config.set_dtype_policy(policy)
        try:
            network = critic()
        finally:
            keras.config.set_dtype_policy("float32")
        logits = network(images)
        kernel = network.layers[0].layer.kernel
        kernel.assign(1000.0 * kernel)  # whose squares float16 cannot hold
        np.testing.assert_allclose(network(images), logits, rtol=0.02, atol=0.01)
        assert network.outputs[0].dtype == logits.dtype == ("float32" if policy == "float32" else precision)

        @tf.function
        def slope(network=network):
            power_iteration(network)
            with tf.GradientTape() as tape:
                penalty = gradient_penalty(network, images, -images, tf.zeros((4, 1, 1, 1)))
            return penalty, tape.gradient(penalty, [v.value for v in network.trainable_variables[::2]])

        penalty, slopes = slope()
        assert all(s.dtype == tf.float32 for s in slopes)
        found.append((float(penalty), np.concatenate([np.ravel(s) for s in slopes]), network.layers[0].v.numpy()))
    (penalty, slopes, v), (low_penalty, low_slopes, low_v) = found
    np.testing.assert_allclose(low_v, v, atol=1e-6)
    assert low_penalty == pytest.approx(penalty, rel=0.02)
    assert np.linalg.norm(low_slopes - slopes) < 0.03 * np.linalg.norm(slopes)


def test_it_is_exported(tmp_path):
    network = critic()
    served = Served(network, (feature_map("image", network.inputs[0]),), (vector("logit", network.outputs[0]),), "")
    images = np.random.default_rng(7).uniform(-1, 1, (4, 8, 8, 2)).astype(np.float32)
    (report,) = export({"critic": served}, tmp_path, [(images,)]).values()
    assert len(report["files"]) == 2
    for figures in report["files"].values():
        assert figures["max_abs_difference"] < 1e-5


class _Critic(GenerativeModel):
    """Each step has two calls, for real and generated images, independent of the number of parts."""

    family = "critic"

    def __init__(self, config=None):
        super().__init__(config)
        self.add_network("critic", critic())
        self.add_player("critic", "critic")

    def train_step(self, batch):
        power_iteration(self.networks["critic"])

        def objective(real):
            network = self.networks["critic"]
            loss = tf.reduce_mean(tf.nn.relu(1.0 - network(real)) + tf.nn.relu(1.0 + network(-real)))
            return Step({"critic": loss}, {})

        return self.report(self.minimise(objective, batch))


def test_the_way_a_batch_is_worked_off_makes_no_difference():
    """Two replicas, or four parts, equal one device and the whole batch: v is updated once per step in both cases."""
    images = tf.data.Dataset.from_tensors(tf.random.stateless_normal((4, 8, 8, 2), (8, 0))).repeat(5)

    def train(strategy, accumulate=1):
        with strategy.scope():
            keras.utils.set_random_seed(9)
            model = _Critic()
            model.compile({"critic": keras.optimizers.SGD(0.1)}, accumulate=accumulate)
        before = [w.numpy() for w in model.networks["critic"].weights]
        model.fit(images, epochs=1, shuffle=False, verbose=0, checked=False)
        return before, [w.numpy() for w in model.networks["critic"].weights]

    one_device = tf.distribute.get_strategy()
    before, expected = train(one_device)
    for _, found in (train(mirrored()), train(one_device, accumulate=4)):
        for start, one, other in zip(before, expected, found, strict=True):
            assert np.linalg.norm(other - one) < 1e-4 * np.linalg.norm(one - start)
