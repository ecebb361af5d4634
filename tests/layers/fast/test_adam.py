"""The fused Adam equals Keras' Adam."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_gen.engine.schedules import Schedule
from keras_gen.engine.strategy import mirrored
from keras_gen.layers.fast.adam import FusedAdam

SHAPES = [(3, 4), (5,)]


def trained(optimizer, steps, variables=None, first=0):
    """Variables after gradients of very different sizes, some of which are always 0."""
    if variables is None:
        variables = [keras.Variable(np.random.default_rng(1).normal(size=shape), dtype="float32") for shape in SHAPES]
    apply = tf.function(lambda gradients: optimizer.apply(gradients, variables))
    for step in range(first, first + steps):
        rng = np.random.default_rng(100 + step)
        gradients = [rng.normal(size=shape) * np.geomspace(1e-6, 1e2, shape[-1]) for shape in SHAPES]
        gradients[0][0] = 0.0
        apply([tf.constant(gradient, tf.float32) for gradient in gradients])
    return variables


@pytest.mark.parametrize(
    "settings",
    [{}, {"beta_1": 0.5}, {"beta_1": 0.0, "beta_2": 0.9}, {"weight_decay": 0.1, "clipnorm": 1.0}, {"amsgrad": True}],
)
def test_it_equals_keras_adam(settings):
    optimizers = [kind(1e-2, **settings) for kind in (keras.optimizers.Adam, FusedAdam)]
    results = [trained(optimizer, 40) for optimizer in optimizers]
    for one, other in zip(*results, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=2e-6)
    assert len(optimizers[0].variables) == len(optimizers[1].variables)
    for one, other in zip(optimizers[0].variables, optimizers[1].variables, strict=True):
        # 1 - 0.999 is 1.3e-5 less in float32, where the kernel takes it; the bias correction takes it out again.
        np.testing.assert_allclose(one, other, rtol=2e-5, atol=1e-12)


def test_either_goes_on_with_the_slots_of_the_other_under_a_schedule():
    rate = Schedule(1e-2, 20)
    whole = trained(keras.optimizers.Adam(rate), 12)
    first = FusedAdam(rate)
    variables = trained(first, 6)
    second = keras.optimizers.Adam(rate)
    second.build(variables)
    for slot, value in zip(second.variables, first.variables, strict=True):
        slot.assign(value)
    for one, other in zip(whole, trained(second, 6, variables, first=6), strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=2e-6)


def test_the_first_step_is_the_closed_form():
    """m / sqrt(v) is the sign of the gradient after one step: every weight moves by the learning rate."""
    variable = keras.Variable([1.0, -2.0, 3.0])
    optimizer = FusedAdam(0.1, epsilon=0.0)
    optimizer.build([variable])
    optimizer.apply([tf.constant([1e-3, -5.0, 20.0])], [variable])
    np.testing.assert_allclose(variable, [0.9, -1.9, 2.9], rtol=1e-5)


@pytest.mark.parametrize("jit", [False, True])
def test_compiled_by_xla_it_is_the_same(jit):
    variable = keras.Variable(np.ones(4), dtype="float32")
    optimizer = FusedAdam(0.1)
    optimizer.build([variable])
    apply = tf.function(lambda gradient: optimizer.apply([gradient], [variable]), jit_compile=jit)
    for _ in range(3):
        apply(tf.constant([1.0, 2.0, -1.0, 0.0]))
    np.testing.assert_allclose(variable, [0.7, 0.7, 1.3, 1.0], atol=1e-5)


def test_replicas_move_by_the_sum_of_their_gradients():
    strategy = mirrored(2)
    results = []
    for kind in (keras.optimizers.Adam, FusedAdam):
        with strategy.scope():
            layer = keras.layers.Dense(2, use_bias=False, kernel_initializer="ones")
            layer.build((None, 1))
            variable = layer.kernel
            optimizer = kind(0.1)
            optimizer.build([variable])

        def on_replica(optimizer, variable):
            number = tf.cast(tf.distribute.get_replica_context().replica_id_in_sync_group, tf.float32)
            optimizer.apply([tf.stack([[number + 1.0, 1e-3 * number]])], [variable])

        step = tf.function(functools.partial(strategy.run, functools.partial(on_replica, optimizer, variable)))

        for _ in range(3):
            step()
        results.append([component.numpy() for component in strategy.experimental_local_results(variable.value)])
    np.testing.assert_allclose(results[0], results[1], atol=5e-6)
    np.testing.assert_array_equal(results[1][0], results[1][1])
