"""The base class: results of objectives, independent of replicas and parts, and how a step uses them."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_gen.engine.model import GenerativeModel, Step
from keras_gen.engine.strategy import mirrored
from keras_gen.errors import UserError

WAYS = {"one device": (False, 1), "parts": (False, 2), "replicas": (True, 1), "both": (True, 2)}


class Line(GenerativeModel):
    """y = a x with the squared error. It stores the batch, and a rule decides whether the player is updated."""

    family = "line"
    monitor = "loss"

    def __init__(self, batches_per_step=1, rule=None, remembers=8):
        super().__init__(None)
        self.batches_per_step = batches_per_step
        self.rule = rule
        x = keras.Input((1,))
        self.line = self.add_network("line", keras.Model(x, keras.layers.Dense(1, use_bias=False, dtype="float32")(x)))
        self.add_player("line", "line")
        self.log_terms(train=["loss"], test=["loss"])
        self.seen = self.add_weight(shape=(remembers, 1), initializer="zeros", trainable=False, name="seen")

    def train_step(self, batch):
        for part in self.batches_of(batch):
            terms = self.minimise(self.objective, part)
        return self.report(terms)

    def objective(self, batch):
        x, y = batch
        loss = tf.reduce_mean(tf.square(self.line(x, training=True) - y))
        moves = {"line": self.rule(self, batch)} if self.rule else {}
        return Step({"line": loss}, {"loss": loss}, gathered={"x": x}, apply=moves)

    def running_state(self, sums, gathered):
        return [(self.seen, gathered["x"])]

    def validate(self, batch):
        return {"loss": tf.reduce_mean(tf.square(self.line(batch[0]) - batch[1]), axis=1)}


def data(count, seed=0):
    x = np.random.default_rng(seed).normal(size=(count, 1)).astype(np.float32)
    return x, 3.0 * x


def fit(way, batches, optimizer=None, ema_decay=0.0, steps_per_execution=1, **settings):
    """A `Line` after one step per batch."""
    replicas, parts = WAYS[way]
    strategy = mirrored() if replicas else tf.distribute.get_strategy()
    with strategy.scope():
        keras.utils.set_random_seed(0)
        model = Line(**settings)
        optimizer = keras.optimizers.SGD(0.1) if optimizer is None else optimizer()
        model.compile(
            {"line": optimizer}, accumulate=parts, ema_decay=ema_decay, steps_per_execution=steps_per_execution
        )
    x, y = (np.concatenate(part) for part in zip(*batches, strict=True))
    dataset = tf.data.Dataset.from_tensor_slices((x, y)).batch(len(batches[0][0]))
    model.fit(dataset, epochs=1, steps_per_epoch=len(batches), shuffle=False, verbose=0, checked=False)
    return model


@pytest.mark.parametrize("way", WAYS)
def test_gathered_examples_are_the_batch_in_its_order(way):
    x, y = data(8)
    np.testing.assert_array_equal(fit(way, [(x, y)]).seen.numpy(), x)


@pytest.mark.parametrize("way", WAYS)
def test_gathered_examples_of_several_batches_in_a_step(way):
    """Of the two batches of a step, the last one has every second example."""
    x, y = data(16)
    np.testing.assert_array_equal(fit(way, [(x, y)], batches_per_step=2).seen.numpy(), x[1::2])


@pytest.mark.parametrize("way", WAYS)
def test_gathered_examples_that_are_not_finite_change_nothing(way):
    x, y = data(8)
    x[-1] = np.nan
    np.testing.assert_array_equal(fit(way, [(x, y)]).seen.numpy(), np.zeros((8, 1)))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
def test_a_player_moves_when_the_rule_says_so(way, policy):
    """The second of three steps is skipped: weights, slots, iterations and averages equal those of the other two."""

    def rule(model, batch):
        return model.step != 1

    first, second, third = (data(8, seed) for seed in range(3))
    keras.config.set_dtype_policy(policy)
    try:
        settings = {"optimizer": lambda: keras.optimizers.Adam(0.1), "ema_decay": 0.5}
        expected = fit(way, [first, third], **settings)
        found = fit(way, [first, second, third], rule=rule, **settings)
    finally:
        keras.config.set_dtype_policy("float32")
    assert found.step.numpy() == 3
    state = found.state()
    compared = {name for name in state if name.startswith(("network/", "average/", "optimizer/"))}
    assert len(compared) >= 6
    for name in compared:
        np.testing.assert_array_equal(state[name].numpy(), expected.state()[name].numpy(), err_msg=name)


@pytest.mark.parametrize("way", WAYS)
def test_a_rule_of_the_batch_is_decided_by_all_of_it(way):
    """The mean over all examples decides, although the parts disagree."""

    def rule(model, batch):
        return 1.0 - tf.reduce_mean(batch[0])

    def moved(x):
        x = np.reshape(x, (8, 1)).astype(np.float32)
        model = fit(way, [(x, x)], rule=rule)
        return model.optimizers["line"].iterations.numpy()

    assert moved([0, 0, 0, 0, 0, 0, 0, 7]) == 1
    assert moved([0, 0, 0, 0, 0, 0, 0, 9]) == 0


def test_parts_of_a_batch_are_refused_with_batch_normalisation():
    """Each part would have its own statistics. A frozen layer computes none."""
    x = keras.Input((1,))
    model = Line()
    model.networks["line"] = keras.Model(x, keras.layers.BatchNormalization()(keras.layers.Dense(1)(x)))
    with pytest.raises(UserError, match=r"^accumulate got 2, but batch normalisation \(line\) would take") as error:
        model.compile({"line": keras.optimizers.SGD()}, accumulate=2)
    assert error.value.in_flags.startswith("--accumulate got 2")
    model.compile({"line": keras.optimizers.SGD()}, accumulate=1)
    model.networks["line"].layers[-1].trainable = False
    model.compile({"line": keras.optimizers.SGD()}, accumulate=2)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("at_once", [1, 2])
def test_train_steps_are_counted(way, at_once):
    model = fit(way, [data(16, seed) for seed in range(3)], batches_per_step=2, steps_per_execution=at_once)
    assert model.step.numpy() == 3
    assert model.optimizers["line"].iterations.numpy() == 6
    assert any(variable is model.step.value for variable in model.state().values())


class Coupled(GenerativeModel):
    """Two networks of one player that share their first layer: a x and a b x, which are both minimised."""

    family = "coupled"
    monitor = "loss"

    def __init__(self):
        super().__init__(None)
        x, shared = keras.Input((1,)), keras.layers.Dense(1, use_bias=False, kernel_initializer="ones", name="shared")
        own = keras.layers.Dense(1, use_bias=False, kernel_initializer=keras.initializers.Constant(3.0), name="own")
        self.add_network("one", keras.Model(x, shared(x)))
        self.add_network("other", keras.Model(x, own(shared(x))))
        self.add_player("both", "one", "other")
        self.log_terms(train=["loss"])

    def objective(self, batch):
        loss = tf.add_n([tf.reduce_mean(network(batch, training=True)) for network in self.networks.values()])
        return Step({"both": loss}, {"loss": loss})


def test_a_layer_of_two_networks_is_updated_once():
    """The gradients are 1 + b for a and a for b."""
    model = Coupled()
    model.compile({"both": keras.optimizers.SGD(0.1, momentum=0.9)}, ema_decay=0.5)
    terms = model.train_step(tf.ones((2, 1)))
    state = {name: value.numpy().item() for name, value in model.state().items() if "kernel" in name}
    assert state["network/one/shared/kernel"] == state["network/other/shared/kernel"] == pytest.approx(1 - 0.1 * 4)
    assert state["network/other/own/kernel"] == pytest.approx(3 - 0.1)
    assert float(terms["both_gradient_norm"]) == pytest.approx(17**0.5)
    assert state["average/one/shared/kernel"] == state["average/other/shared/kernel"]
    slots = {name: value for name, value in state.items() if name.startswith("optimizer/")}
    assert list(slots) == [
        "optimizer/both/one/shared/kernel/momentum",
        "optimizer/both/other/own/kernel/momentum",
    ]
    assert list(slots.values()) == pytest.approx([-0.4, -0.1])
