"""Conformance tests for every family.

A family's test module subclasses `Conformance` and sets `case`. Nothing is mocked: a tiny model is trained for a few
steps, saved, exported and replicated.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_gen.diagnostics.gan_health import TERMS
from keras_gen.engine.checkpoints import Checkpoints, Progress
from keras_gen.engine.model import GenerativeModel
from keras_gen.engine.strategy import mirrored
from keras_gen.engine.tasks import TASKS
from keras_gen.engine.terms import described
from keras_gen.export.exporter import export
from keras_gen.export.tflite import TFLiteModel
from keras_gen.models.gan import GAN

EMA_DECAY = 0.2  # reached in the second step; before that, the average follows faster


@dataclasses.dataclass(frozen=True)
class Case:
    """A family with tiny configurations for its tests.

    Attributes:
        family: the class.
        config: a tiny configuration; the networks may use random numbers in training (dropout).
        calm: the same without random numbers in the step, for comparing replicas.
        batch: (seed, number of examples) -> a batch as from the family's data; if a step takes several batches, with
            that many examples for each.
        players: player -> names of the networks that it should update according to the paper.
        still: suffixes of the paths of variables whose gradient is 0 by construction, such as the last bias of a
            Wasserstein critic, which cancels in its loss.
        calm_family: the family without random numbers in its step, if its configuration cannot switch them off.
        spoil: value that makes a step not finite when it overwrites an example, for families in which NaN has a
            meaning.
        reached: players whose losses depend on a spoiled example of the data; None: all.
        coupled: players and terms whose loss compares the examples of a batch, so that it differs between parts of a
            batch and the whole; with `calm`, no other loss may depend on them.
    """

    family: type[GenerativeModel]
    config: Any
    calm: Any
    batch: Callable[[int, int], Any]
    players: dict[str, tuple[str, ...]]
    still: tuple[str, ...] = ()
    calm_family: type[GenerativeModel] | None = None
    spoil: float = float("nan")
    reached: tuple[str, ...] | None = None
    coupled: tuple[str, ...] = ()


def without_noise(family: type[GAN]) -> type[GAN]:
    """A GAN without noise: replicas draw different noise, so two replicas would take another step than one device."""

    class Calm(family):
        def draw_noise(self, count):
            return 0.0 * super().draw_noise(count) + 0.5

    Calm.family = f"{family.family} without noise"
    return Calm


def sgd(model: GenerativeModel, rate: float = 0.01, **rates: float) -> dict[str, keras.optimizers.Optimizer]:
    return {player: keras.optimizers.SGD(rates.get(player, rate)) for player in model.players}


def snapshot(model: GenerativeModel) -> dict[str, np.ndarray]:
    return {name: variable.numpy() for name, variable in model.state().items()}


def step(model: GenerativeModel, batch: Any) -> dict[str, float]:
    function = tf.function(model.train_step, autograph=False)
    return {name: float(value) for name, value in function(batch).items()}


SHAPES = (
    "one player",
    "players who share a forward pass",
    "players who take turns",
    "a gradient in the loss",
    "running state",
    "coupled examples",
    "a frozen network",
)
"""The shapes of training steps. Tests of the base class run for one family per shape; `pytest -m full` runs them for
all families."""


@dataclasses.dataclass(frozen=True)
class Compiled:
    """A compiled model with its step as one function, which is traced once for all tests.

    Attributes:
        model: the model for `case.config`, with its own optimizers and averaged weights.
        function: its training step.
        before: its state before the first step.
        logs: logs of the steps so far.
    """

    model: GenerativeModel
    function: Callable[[Any], dict[str, tf.Tensor]]
    before: dict[str, np.ndarray]
    logs: list[dict[str, float]] = dataclasses.field(default_factory=list)

    def step(self, batch: Any) -> dict[str, float]:
        return {name: float(value) for name, value in self.function(batch).items()}

    def assign(self, state: dict[str, np.ndarray]) -> None:
        for name, variable in self.model.state().items():
            variable.assign(state[name])


class Conformance:
    """Base class of a family's tests. Set `case`, and `represents` if the family represents one of `SHAPES`."""

    case: Case
    represents: str = ""

    @classmethod
    def compiled(cls, seed: int) -> Compiled:
        keras.utils.set_random_seed(seed)
        model = cls.case.family(cls.case.config)
        model.compile(model.make_optimizers(1e-3), ema_decay=EMA_DECAY)
        return Compiled(model, tf.function(model.train_step, autograph=False), snapshot(model))

    @pytest.fixture(scope="class")
    @classmethod
    def trained(cls) -> Compiled:
        """A model after three steps, shared by all tests, which must not change it."""
        trained = cls.compiled(0)
        trained.logs.extend(trained.step(cls.case.batch(seed, 2)) for seed in range(3))
        return trained

    @pytest.fixture(scope="class")
    @classmethod
    def spare(cls) -> Compiled:
        """Another model with other weights, for tests that change it; each of them first sets the state it needs."""
        return cls.compiled(99)

    def test_every_term_is_logged_and_finite(self, trained):
        model = trained.model
        names = {metric.name for metric in model.metrics}
        assert model.health() is None or set(TERMS[:2] if model.health().critic else TERMS) <= names
        for log in trained.logs:
            assert set(log) == names
            assert all(np.isfinite(list(log.values())))
        means = {metric.name: float(metric.result()) for metric in model.metrics}
        for name in names:
            np.testing.assert_allclose(means[name], np.mean([log[name] for log in trained.logs]), rtol=1e-5, atol=1e-7)

    def test_validation_terms_are_means_over_examples(self, trained):
        model = trained.model
        batch = self.case.batch(7, 3)[: len(model.batch_parts(training=False))]
        one_by_one = tf.data.Dataset.from_tensor_slices(batch).batch(1)
        uneven = tf.data.Dataset.from_tensor_slices(batch).batch(2)
        first = model.evaluate(one_by_one, return_dict=True, verbose=0)
        second = model.evaluate(uneven, return_dict=True, verbose=0)
        assert set(first) == set(model._meters["test"])
        assert model.monitor in first
        for name, value in first.items():
            np.testing.assert_allclose(second[name], value, rtol=1e-4)

    def test_each_player_moves_its_own_variables_and_no_others(self, spare):
        model = spare.model
        for player in model.players:
            spare.assign(spare.before)
            for name, optimizer in model.optimizers.items():
                optimizer.learning_rate = 0.1 if name == player else 0.0
            own = {id(v) for name in self.case.players[player] for v in model.networks[name].trainable_variables}
            before = {id(v): v.numpy() for n in model.networks.values() for v in n.trainable_variables}
            frozen = [v.numpy() for network in model.frozen.values() for v in network.variables]
            spare.step(self.case.batch(0, 2))
            for old, new in zip(frozen, (v for n in model.frozen.values() for v in n.variables), strict=True):
                np.testing.assert_array_equal(new, old)
            for network in model.networks.values():
                for variable in network.trainable_variables:
                    moved = not np.array_equal(before[id(variable)], variable.numpy())
                    may = id(variable) in own
                    if may and variable.path.endswith(self.case.still):
                        continue
                    assert moved == may, f"{player}: {variable.path} moved: {moved}"

    def test_the_average_follows_the_weights(self, spare):
        model = spare.model
        spare.assign(spare.before)
        for optimizer in model.optimizers.values():
            optimizer.learning_rate = 0.01
        name, network = next(iter(model.networks.items()))
        expected = [v.numpy() for v in network.trainable_variables]
        for seed in range(2):
            spare.step(self.case.batch(seed, 2))
            new = [v.numpy() for v in network.trainable_variables]
            decay = min(EMA_DECAY, (2 + seed) / (11 + seed))
            expected = [decay * e + (1 - decay) * n for e, n in zip(expected, new, strict=True)]
        for e, average in zip(expected, model.averages[name].trainable_variables, strict=True):
            np.testing.assert_allclose(average.numpy(), e, rtol=1e-5, atol=1e-7)

    def test_it_offers_what_its_tasks_need(self, spare):
        assert spare.model.tasks
        for task in spare.model.tasks:
            needed = {name for name in vars(TASKS[task]) if not name.startswith("_")}
            assert needed <= set(dir(spare.model)), task

    def test_players_are_those_of_the_paper(self, spare):
        assert spare.model.players == self.case.players

    def test_state_names_every_variable_once(self, trained, spare):
        model = trained.model
        state = model.state()
        held = {id(variable) for variable in state.values()}
        everything = [*model.variables, *(v for o in model.optimizers.values() for v in o.variables)]
        assert {id(variable.value) for variable in everything} <= held
        assert list(spare.model.state()) == list(state)

    def test_a_restored_model_goes_on_exactly(self, trained, spare, tmp_path):
        model, other = trained.model, spare.model
        checkpoints = Checkpoints(tmp_path, model.state(), keep=1)
        assert checkpoints.save(Progress(3))
        spare.assign(spare.before)
        reader = Checkpoints(tmp_path / "elsewhere", other.state(), keep=1)
        assert reader.restore(tmp_path) == (Progress(3), [])
        kept = snapshot(model)
        for name, value in snapshot(other).items():
            np.testing.assert_array_equal(value, kept[name], err_msg=name)
        batch = self.case.batch(11, 2)
        trained.step(batch)
        spare.step(batch)
        after = snapshot(other)
        for name, value in snapshot(model).items():
            np.testing.assert_array_equal(after[name], value, err_msg=name)
        trained.assign(kept)

    def test_every_term_has_a_sentence(self, trained):
        model = trained.model
        for terms in model._meters.values():
            for term in terms:
                assert described(type(model), term).endswith(".")

    def test_exports_draw_what_the_model_draws(self, trained, tmp_path):
        """Each file gives the outputs of its network. A .tflite in place of the network gives those of the model's own
        method."""
        model = trained.model
        batches = [self.case.batch(5, 3)]
        serving = model.serving()
        for item in serving.values():  # what trains faster would not convert to what runs fast
            assert not any(type(layer).__name__.startswith("Fast") for layer in item.network._flatten_layers())
        report = export(serving, tmp_path, batches)
        for item in report.values():
            for figures in item["files"].values():
                assert figures["max_abs_difference"] < 1e-4
        tasks = {item.task: name for name, item in serving.items() if item.task}
        assert tasks, "nothing that is exported does what the model does"
        for task, name in tasks.items():
            network = TFLiteModel(tmp_path / ("model.tflite" if name == next(iter(serving)) else f"{name}.tflite"))
            if task == "generate":
                drawn, expected = model.generate(3, seed=1, network=network), model.generate(3, seed=1)
            else:
                inputs = serving[name].examples_of(batches)
                drawn, expected = network(*inputs), getattr(model, task)(*map(tf.convert_to_tensor, inputs))
            np.testing.assert_allclose(drawn, expected, rtol=1e-4, atol=1e-4, err_msg=task)

    @pytest.mark.full
    def test_the_way_a_batch_is_worked_off_makes_no_difference(self):
        """Two replicas, or four parts one after the other, take the same steps as one device with the whole batch.

        Eight steps of SGD (Adam would hide a factor in the gradient) on the same batches of four, or of four times the
        minimum number of examples of a loss. Differences are compared with the weights, and with the change of the
        weights; the rest is due to the order of sums.
        """
        count = 4 * self.case.family.min_examples_per_part
        batches = [self.case.batch(seed, count) for seed in range(8)]
        dataset = tf.data.Dataset.from_tensor_slices(
            tf.nest.map_structure(lambda *parts: np.concatenate(parts), *batches)
        ).batch(len(tf.nest.flatten(batches[0])[0]))

        def train(strategy, accumulate):
            with strategy.scope():
                keras.utils.set_random_seed(3)
                model = (self.case.calm_family or self.case.family)(self.case.calm)
                model.compile(sgd(model), accumulate=accumulate)
            before = weights_of(model)
            history = model.fit(dataset, epochs=1, shuffle=False, verbose=0)
            return before, weights_of(model), history.history

        assert mirrored().num_replicas_in_sync == 2
        coupled = {f"{name}_gradient_norm" for name in self.case.coupled} | set(self.case.coupled)
        before, expected, log = train(tf.distribute.get_strategy(), 1)
        for way, strategy, parts in (("replicas", mirrored(), 1), ("parts", tf.distribute.get_strategy(), 4)):
            _, found, its_log = train(strategy, parts)
            for name in {n for player, own in self.case.players.items() if player not in coupled for n in own}:
                difference = np.linalg.norm(found[name] - expected[name])
                assert difference < 1e-6 * np.linalg.norm(expected[name]), (way, name)
                assert difference < 1e-2 * np.linalg.norm(expected[name] - before[name]), (way, name)
            for term in set(log) - coupled:
                if not (way == "replicas" and term.endswith("_gradient_norm")):  # the norm of half a batch is another
                    # atol: a term near 0 may be the difference of numbers near 1.
                    np.testing.assert_allclose(its_log[term], log[term], rtol=1e-4, atol=1e-6, err_msg=f"{way}: {term}")

    @pytest.mark.full
    def test_an_overflow_on_one_replica_skips_the_step_on_all(self):
        """float16 on two replicas, with values that are not finite only in the second half of the batch.

        If a step takes several batches, each has such values.
        """
        count = 2 * self.case.family.min_examples_per_part
        keras.config.set_dtype_policy("mixed_float16")
        try:
            with mirrored().scope():
                keras.utils.set_random_seed(4)
                model = (self.case.calm_family or self.case.family)(self.case.calm)
                model.compile(sgd(model))
            several = model.batches_per_step

            def spoiled(seed):
                def spoil(x):
                    x = np.array(x)
                    x[-several:] = self.case.spoil if x.dtype.kind == "f" else x[-several:]
                    return x

                return tf.nest.map_structure(spoil, self.case.batch(seed, count))

            def fit(batch):
                model.fit(tf.data.Dataset.from_tensors(batch), epochs=1, shuffle=False, verbose=0, checked=False)
                scales = {p: float(np.asarray(o.dynamic_scale)) for p, o in model.optimizers.items()}
                return scales, weights_of(model)

            for optimizer in model.optimizers.values():
                optimizer.dynamic_scale.assign(64.0)  # small enough for the good batches
            reached = self.case.players if self.case.reached is None else self.case.reached
            halved = {player: 64.0 / 2**several if player in reached else 64.0 for player in model.players}
            _, before = fit(self.case.batch(0, count))
            untouched = {name for player in set(model.players) - set(reached) for name in model.players[player]}
            scales, after = fit(spoiled(1))
            assert scales == halved
            for name in set(before) - untouched:
                np.testing.assert_array_equal(after[name], before[name], err_msg=name)
            scales, after = fit(self.case.batch(2, count))
            assert scales == halved
            for name, variable in model.networks.items():
                assert np.isfinite(after[name]).all()
                assert not np.array_equal(after[name], before[name])
                for v in learnt(variable):
                    one, other = mirrored().experimental_local_results(v.value)
                    np.testing.assert_array_equal(one, other)
        finally:
            keras.config.set_dtype_policy("float32")


def learnt(network: keras.Model) -> list[keras.Variable]:
    """The variables of a network that training changes: trainable weights, or all variables if there are none (a
    codebook)."""
    return network.trainable_variables or network.variables


def weights_of(model: GenerativeModel) -> dict[str, np.ndarray]:
    """Everything that each network has learned, as one vector."""
    return {
        name: np.concatenate([v.numpy().ravel() for v in learnt(network)]) for name, network in model.networks.items()
    }
