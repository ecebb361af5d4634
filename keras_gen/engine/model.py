"""`GenerativeModel`, the one mechanism that every family stands on.

A family supplies what its paper says; the base does, once for all families, what every paper leaves out: several
optimizers, replicas, loss scaling, the moving average of weights, logging and an inventory of all that a checkpoint
must hold.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

import keras
import numpy as np
import tensorflow as tf

from keras_gen.diagnostics.gan_health import Health
from keras_gen.engine.config import Preset
from keras_gen.engine.feeding import Part, batch_of, check_shapes, dataset_of, given
from keras_gen.engine.saving import save
from keras_gen.engine.state import slot_paths, variable_paths
from keras_gen.engine.strategy import several_workers
from keras_gen.engine.tasks import Task
from keras_gen.errors import UserError, from_pipeline
from keras_gen.export.exporter import ExportError, Plan, export
from keras_gen.export.rewrite import in_keras_layers
from keras_gen.export.signature import Served
from keras_gen.flags import BaseConfig, Fields, configured, hidden_fields, signature_of
from keras_gen.layers.fast.adam import FusedAdam
from keras_gen.visual.latent_space import LatentSpace
from keras_gen.visual.views import View

if TYPE_CHECKING:
    from typing import Self

Values: TypeAlias = dict[str, tf.Tensor]
Gradients: TypeAlias = dict[str, list[tf.Tensor]]


@dataclasses.dataclass(frozen=True)
class Step:
    """What an objective gives for a batch, or for the part of a batch that it was called with.

    Attributes:
        losses: player -> the loss that it moves down, a scalar: the mean over the examples.
        terms: name -> value to log, a scalar: the mean over the examples.
        sums: name -> sum over the examples, of any shape; `running_state` gets those of the whole batch.
        gathered: name -> tensor whose first axis is the examples; `running_state` gets those of the whole batch, in
            its order.
        apply: player -> whether it moves this time; a player that is not named moves. A bool, or a number that is
            positive where it is to move. The mean over all parts of the batch decides, so that they agree, and a bool
            counts as 1 or -1. A player that does not move keeps its weights, slots, iterations and averages.
    """

    losses: Values
    terms: Values
    sums: Values = dataclasses.field(default_factory=dict)
    gathered: Values = dataclasses.field(default_factory=dict)
    apply: Values = dataclasses.field(default_factory=dict)


Objective: TypeAlias = Callable[[Any], Step]


class GenerativeModel(keras.Model):
    """Base class of all families: functional networks, players, and the update of a player.

    A family sets, as class attributes:
        family: stem of its module ("pix2pix"); the folder name of its runs.
        Config: a `BaseConfig` of all that defines its networks and losses; defaults are the paper's.
        presets: name -> `Preset`; the first is the default of its app.
        monitor: the validation term by which the best checkpoint is chosen (smaller is better).
        descriptions: term -> a sentence for TensorBoard, of those that `engine.terms` does not know.
        starts_from: other family -> names of its networks that this one can begin with, which have the same names here.
        tasks: what it can do, see `engine.tasks`; what it is evaluated by comes first. If they depend on the
            configuration, `tasks_of(config)` says which of them it has.
        next_commands: what a user does next with a run, beside exporting it: apps and their arguments, with RUN for the
            folder.
        fewest: examples that a loss needs which couples those of a batch (a contrast, a density over the batch). Such
            a loss is computed within each replica's part of a batch, and within each part of `--accumulate`.
        fewest_previews: examples that `preview` needs to say something, where a few do not.
        batches_per_step: batches of fresh examples that a step takes, one after the other in its batch (a property,
            where the configuration says how many); `batches_of` takes them apart.

    and, in `make_networks(config)`:
        self.add_network(name, network): each of its functional networks;
        self.add_frozen(name, network): each network that it uses and does not train;
        self.add_player(name, *networks): the networks that one optimizer moves;
        self.log_terms(...): the names of the losses that `train_step` reports, and what `test_step` measures.

    and, as methods:
        batch_parts(training): the `Part`s of a batch.
        call(inputs): what `model(inputs)` draws.
        objective(batch): one forward pass, which gives a `Step`: the losses of the players that move on it and the
            terms to log, means over the examples it got. A family never sees a tape, the number of replicas, the loss
            scale or the parts of a batch.
        validate(batch): the validation terms of each example, (batch,) each.
        preview(batch): what to look at, by title.
        latent_space(): its `LatentSpace`, if its images have latent vectors; a run then shows what they mean.
        health(): its `Health`, if its players train against each other; a run then watches over them.
        serving(): name -> `Served` network to export.

    and, where the paper differs from the base:
        train_step(batch): several `minimise` where players take turns; here one, of `objective`.
        betas(player), rates(learning_rate): the decays of Adam, and the learning rates of the players.
        make_optimizers(learning_rate): player -> optimizer, where it is not Adam.

    The base owns the update, one mean per logged term, the EMA copies, `state()` and `step`, an int64 variable: the
    train steps that are done.
    """

    family: ClassVar[str]
    Config: ClassVar[type[BaseConfig]] = BaseConfig
    presets: ClassVar[dict[str, Preset]]
    monitor: ClassVar[str]
    tasks: ClassVar[tuple[Task, ...]]
    descriptions: ClassVar[dict[str, str]] = {}
    next_commands: ClassVar[tuple[str, ...]] = ()
    starts_from: ClassVar[dict[str, tuple[str, ...]]] = {}
    min_examples_per_part: ClassVar[int] = 1
    preview_examples: int = 1
    batches_per_step: int = 1

    def __init_subclass__(cls, **settings: Any) -> None:
        """Let `help` of a family show the fields of its configuration."""
        super().__init_subclass__(**settings)
        if "Config" in vars(cls):
            cls.__doc__ = Fields(cls.__doc__ or "")
            cls.__signature__ = signature_of(cls.Config)

    def __init__(self, config: BaseConfig | None = None, **fields: Any) -> None:
        """Make the networks.

        Args:
            config: an instance of the family's `Config`; None: its defaults.
            fields: fields of `Config` to set otherwise.

        Raises:
            UserError: if there is no such field, or its value cannot be.
        """
        super().__init__(name=self.family)
        self.config = configured(self.Config, config, fields)
        self.networks: dict[str, keras.Model] = {}
        # Keras does not look into a proxy, or the variables of frozen networks would count as this model's.
        self.frozen: Mapping[str, keras.Model] = MappingProxyType({})
        self.players: dict[str, tuple[str, ...]] = {}
        self.optimizers: dict[str, keras.optimizers.Optimizer] = {}
        self.averages: dict[str, keras.Model] = {}
        self.ema_decay = 0.0
        self.fitted_on: Any = None
        self.accumulate = 1
        self.steps_per_call = 1  # Keras' own steps_per_execution stays 1: `make_train_function` says why
        self._steps_per_epoch = self._steps_left = 0
        self._part: Any = 0
        self.step = self.add_weight(
            name="step", dtype="int64", initializer="zeros", trainable=False, aggregation="only_first_replica"
        )
        self._meters: dict[str, dict[str, keras.metrics.Mean]] = {"train": {}, "test": {}}
        self._phase = "train"
        self._keep_meters_once = False
        self.make_networks(self.config)
        self.built = True  # as all networks are

    # -- what a family declares ------------------------------------------------------------------------------------

    @classmethod
    def tasks_of(cls, config: Any) -> tuple[Task, ...]:
        """What a model with this configuration can do: all `tasks`."""
        return cls.tasks

    def make_networks(self, config: Any) -> None:
        """Declare networks, players and terms of the model; the constructor calls it."""

    def add_network(self, name: str, network: keras.Model) -> keras.Model:
        """Register a functional network under `name`; its weights then belong to checkpoints."""
        self.networks[name] = network
        return network

    def add_frozen(self, name: str, network: keras.Model) -> Callable[[Any], Any]:
        """Register a network that the family uses and does not train, such as a classifier whose features it compares.

        It is in no player, average or checkpoint; its weights are those of a file that `frozen_files` names.

        Returns:
            The network as a function of its inputs, always in inference mode.
        """
        network.trainable = False
        self.frozen = MappingProxyType({**self.frozen, name: network})
        return lambda inputs: network(inputs, training=False)

    def frozen_files(self) -> Mapping[str, Path]:
        """Name -> file, of those files that the frozen networks' weights are from: config.json has their SHA-256."""
        return {}

    def add_player(self, name: str, *networks: str) -> None:
        """Register a player: the names of the networks that one optimizer moves; its gradient's norm is logged."""
        self.players[name] = networks
        self.log_terms(train=[f"{name}_gradient_norm"])

    def log_terms(self, train: Iterable[str] = (), test: Iterable[str] = ()) -> None:
        """Declare terms that `train_step` reports and `validate` gives, beside those that are declared already."""
        self._meters["train"] |= {term: keras.metrics.Mean(term) for term in train}
        self._meters["test"] |= {term: keras.metrics.Mean(term) for term in test}

    # -- compiling -------------------------------------------------------------------------------------------------

    def compile(
        self,
        optimizers: Mapping[str, keras.optimizers.Optimizer] | None = None,
        *,
        learning_rate: float | keras.optimizers.schedules.LearningRateSchedule | None = None,
        ema_decay: float = 0.0,
        accumulate: int = 1,
        jit_compile: bool = False,
        run_eagerly: bool = False,
        steps_per_execution: int = 1,
        **others: Any,
    ) -> None:
        """Give every player its optimizer and build its slots here, inside the strategy's scope.

        Args:
            optimizers: player -> optimizer; under a float16 policy each is wrapped by dynamic loss scaling. None: those
                of the paper.
            learning_rate: of the paper's optimizers, a number or a schedule; None: that of the preset that the model is
                of, "paper" if it is of none.
            ema_decay: decay per step of the averaged copy of every network, min(ema_decay, (1 + t) / (10 + t)) after
                t steps of its player; 0 keeps none.
            accumulate: equal parts in which a batch is worked off, for less memory and the same step; refused with
                batch normalisation, whose step would be another.
            jit_compile: compile the step by XLA.
            run_eagerly: no graph, for debugging.
            steps_per_execution: most steps per call into the graph. Small models need it: the step of a dense one is
                shorter than what Python does around it. `fit` then wants `steps_per_epoch`, in steps, of which the last
                call of an epoch takes what is left; the logs of a call are arrays, a value for each of its steps.
            others: none; `loss` and `metrics` are those of the paper.

        Raises:
            UserError: for other arguments, or if the optimizers are not those of all players.
        """
        if others:
            raise UserError(
                f"compile got {', '.join(others)}, but losses and metrics of {self.family} are its paper's; accepted "
                "are learning_rate=, or optimizers= with one for each player."
            )
        if optimizers is None:
            optimizers = self.make_optimizers(self._paper_rate() if learning_rate is None else learning_rate)
        elif learning_rate is not None:
            raise UserError("compile got optimizers and learning_rate; accepted is one of them.")
        if not isinstance(optimizers, Mapping) or set(optimizers) != set(self.players):
            got = sorted(optimizers) if isinstance(optimizers, Mapping) else repr(optimizers)
            raise UserError(
                f"optimizers got {got}; accepted is a dictionary with an optimizer for each player: "
                f"{', '.join(sorted(self.players))}."
            )
        super().compile(
            optimizer=None,
            loss=None,
            jit_compile=jit_compile,
            run_eagerly=run_eagerly,
            auto_scale_loss=False,  # the players' are wrapped below
        )
        if accumulate > 1 and (names := self._normalised_over_batch()):
            told = (
                f"accumulate got {accumulate}, but batch normalisation ({', '.join(names)}) would take its statistics "
                "from each micro-batch; accepted is 1, or another normalisation."
            )
            raise UserError(told, f"--{told}")
        self.accumulate = accumulate
        self.steps_per_call = steps_per_execution
        for player, optimizer in optimizers.items():
            if keras.config.dtype_policy().compute_dtype == "float16":
                optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
            optimizer.build(self.player_variables(player))
            self.optimizers[player] = optimizer
        if ema_decay:
            self.track_averages(ema_decay)

    def _normalised_over_batch(self) -> list[str]:
        """Names of the networks whose training normalises over the batch."""
        return [
            name
            for name, network in self.networks.items()
            if any(
                isinstance(layer, keras.layers.BatchNormalization) and layer.trainable
                for layer in network._flatten_layers()
            )
        ]

    def _paper_rate(self) -> float:
        """The learning rate of the preset that the configuration is of, of "paper" or else of the first preset."""
        own = [preset for preset in self.presets.values() if preset.model == self.config]
        return (own or [self.presets.get("paper") or next(iter(self.presets.values()))])[0].run.learning_rate

    def track_averages(self, decay: float) -> None:
        """Keep an averaged copy of every network from now on, with this decay per step."""
        self.ema_decay = decay
        for name, network in self.networks.items():
            self.averages[name] = keras.models.clone_model(network)
            self.averages[name].set_weights(network.get_weights())

    def player_variables(self, player: str) -> list[keras.Variable]:
        """The trainable variables that `player`'s optimizer moves."""
        return [v for name in self.players[player] for v in self.networks[name].trainable_variables]

    def make_optimizers(self, learning_rate: Any) -> dict[str, keras.optimizers.Optimizer]:
        """One optimizer for each player: Adam, with the paper's `betas` and `rates`.

        Args:
            learning_rate: of the run, a number or a schedule.
        """
        return {
            player: FusedAdam(rate, *self.betas(player), name=f"adam_{player}")
            for player, rate in self.rates(learning_rate).items()
        }

    def betas(self, player: str) -> tuple[float, float]:
        """Decays of Adam's first and second moments for a player: its usual ones."""
        return 0.9, 0.999

    def rates(self, learning_rate: Any) -> dict[str, Any]:
        """The learning rate of each player, given the run's: the same."""
        return dict.fromkeys(self.players, learning_rate)

    # -- one step --------------------------------------------------------------------------------------------------

    def train_step(self, batch: Any) -> dict[str, tf.Tensor]:
        """One step of all players on one forward pass."""
        return self.report(self.minimise(self.objective, batch))

    def objective(self, batch: Any) -> Step:
        """The losses of the players and the terms to log, of a batch or of a part of it."""
        raise NotImplementedError

    def minimise(self, objective: Objective, batch: Any) -> dict[str, tf.Tensor]:
        """Move players down their losses; all gradients are taken from one forward pass before anybody moves.

        Keras sums gradients over replicas, so each is divided by their number; under float16 it is scaled too. Both
        enter as the seed of the backward pass and cost nothing.

        Args:
            objective: batch -> `Step`. It is called once, or for each of the `accumulate` parts of the batch.
            batch: a tensor or a structure of tensors whose first axis is the examples.

        Returns:
            The terms, and player_gradient_norm -> global norm of this replica's gradient, unscaled; 0 if loss scaling
            skips the step.
        """
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        gradients, step = self._gradients(objective, batch, replicas)
        terms, moves = dict(step.terms), _agree(step.apply)
        for player, own in gradients.items():
            norm = tf.linalg.global_norm(own) * replicas / self._scale(player)
            if isinstance(self.optimizers[player], keras.optimizers.LossScaleOptimizer):
                own = _agree_on_overflow(own, norm)
                # An overflow is how loss scaling finds its scale; that step is skipped and must not spoil the mean.
                norm = tf.where(tf.math.is_finite(norm), norm, 0.0)
            terms[f"{player}_gradient_norm"] = norm
            _apply(self.optimizers[player], own, self.player_variables(player), moves.get(player))
        if step.sums or step.gathered:
            self._update_running_state(step)
        if self.ema_decay:
            self._update_averages({player: moves.get(player) for player in gradients})
        return terms

    def batches_of(self, batch: Any) -> list[Any]:
        """The `batches_per_step` batches that a step got as one.

        Each takes every n-th example, so that replicas, which get neighbouring ones, make the same of them as one
        device would.
        """
        count = self.batches_per_step
        return [tf.nest.map_structure(lambda x, i=i: x[i::count], batch) for i in range(count)]

    def _scale(self, player: str) -> tf.Tensor:
        return self.optimizers[player].scale_loss(tf.ones((), keras.config.floatx()))

    def part(self) -> tuple[Any, int]:
        """Within an objective: the number of the part of the batch that it was given, and how many parts there are.

        Parts are equal, and are counted over replicas and `accumulate`: choices out of the whole batch need it.
        """
        context = tf.distribute.get_replica_context()
        return (
            context.replica_id_in_sync_group * self.accumulate + self._part,
            context.num_replicas_in_sync * self.accumulate,
        )

    def _gradients(self, objective: Objective, batch: Any, replicas: int) -> tuple[Gradients, Step]:
        """Gradients and values of a whole batch, worked off in `accumulate` equal parts one after the other.

        Of the step, `apply` is a mean, and `losses` are left out.
        """
        parts = self.accumulate

        def mean(values: Values) -> Values:
            return {name: tf.cast(value, keras.config.floatx()) / parts for name, value in values.items()}

        def of_part(number: Any, part: Any) -> tuple[tuple[Gradients, Values, Values, Values], Values]:
            self._part = number
            with tf.GradientTape(persistent=True) as tape:
                step = objective(part)
                losses = {player: tf.cast(loss, keras.config.floatx()) for player, loss in step.losses.items()}
            gradients = {
                player: [
                    # An embedding's gradient has rows alone; sums and norms here are of whole tensors.
                    tf.convert_to_tensor(g) if isinstance(g, tf.IndexedSlices) else g
                    for g in tape.gradient(
                        loss,
                        [v.value for v in self.player_variables(player)],
                        output_gradients=self._scale(player) / (replicas * parts),
                    )
                ]
                for player, loss in losses.items()
            }
            votes = {player: _vote(value) for player, value in step.apply.items()}
            return (gradients, mean(step.terms), dict(step.sums), mean(votes)), dict(step.gathered)

        if parts == 1:
            (gradients, terms, sums, votes), gathered = of_part(0, batch)
            return gradients, Step({}, terms, sums, gathered, votes)

        def take(number: Any) -> Any:
            return tf.nest.map_structure(lambda x: tf.reshape(x, (parts, -1, *x.shape[1:]))[number], batch)

        def add(number: tf.Tensor, so_far: Any, rows: Any) -> tuple[tf.Tensor, Any, Any]:
            added, own = of_part(number, take(number))
            rows = {name: row.write(number, own[name]) for name, row in rows.items()}
            return number + 1, tf.nest.map_structure(tf.add, so_far, added), rows

        # One at a time, or the memory of all would be taken at once.
        first, own = of_part(0, take(0))
        rows = {
            name: tf.TensorArray(value.dtype, parts, element_shape=value.shape).write(0, value)
            for name, value in own.items()
        }
        start = (tf.constant(1), first, rows)
        _, (gradients, terms, sums, votes), rows = tf.while_loop(
            lambda number, *_: number < parts, add, start, parallel_iterations=1
        )
        gathered = {name: tf.reshape(row.stack(), (-1, *own[name].shape[1:])) for name, row in rows.items()}
        return gradients, Step({}, terms, sums, gathered, votes)

    def _update_running_state(self, step: Step) -> None:
        """Every replica writes the same values, unless something in the batch is not finite on one of them."""
        context = tf.distribute.get_replica_context()
        sums, gathered = step.sums, step.gathered
        if context.num_replicas_in_sync > 1:
            sums = context.all_reduce("SUM", sums) if sums else sums
            gathered = {name: context.all_gather(value, axis=0) for name, value in gathered.items()}
        floating = [value for value in (*sums.values(), *gathered.values()) if value.dtype.is_floating]
        finite = tf.reduce_all([tf.reduce_all(tf.math.is_finite(value)) for value in floating])
        for variable, value in self.running_state(sums, gathered):
            variable.assign(tf.where(finite, value, variable))

    def _update_averages(self, moved: Mapping[str, tf.Tensor | None]) -> None:
        """Of the networks of the players that moved, and of those that belong to none.

        Args:
            moved: player -> whether it did; None: yes.
        """
        owners = {name: player for player, names in self.players.items() for name in names}
        for name, network in self.networks.items():
            player = owners.get(name, min(moved))
            if player not in moved:
                continue
            # A copy that kept much of the untrained weights would draw noise for thousands of steps.
            steps = tf.cast(self.optimizers[player].iterations, tf.float32)
            decay = tf.minimum(self.ema_decay, (1.0 + steps) / (10.0 + steps))
            does = moved[player]
            rate = 1.0 - decay if does is None else tf.where(does, 1.0 - decay, 0.0)
            for average, variable in zip(self.averages[name].variables, network.variables, strict=True):
                if variable.trainable:
                    average.assign(average + rate * (variable - average))
                elif not _is_random_state(variable):
                    # Running statistics: they are averages already.
                    average.assign(variable if does is None else tf.where(does, variable, average))

    def report(self, terms: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """End a train step: count it, add `terms` to the epoch's means and return them as this step's log.

        Args:
            terms: exactly the names given to `log_terms(train=...)` and the gradient norms, scalars; what `minimise`
                returned.
        """
        self.step.assign_add(1)
        return self._log("train", terms)

    def test_step(self, batch: Any) -> dict[str, tf.Tensor]:
        """Add `validate(batch)` to the validation means; every example weighs the same."""
        terms = self._meters["test"]
        if tf.distribute.get_strategy().num_replicas_in_sync == 1:
            return self._log("test", self.validate(batch))
        # If the last batch is smaller than the number of replicas, some get no example, and some ops fail on that.
        some = tf.shape(tf.nest.flatten(batch)[0])[0] > 0
        return self._log(
            "test", tf.cond(some, lambda: self.validate(batch), lambda: {name: tf.zeros((0,)) for name in terms})
        )

    def _log(self, phase: str, values: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        meters = self._meters[phase]
        if set(values) != set(meters):
            raise ValueError(f"{self.family} declared the {phase} terms {sorted(meters)}, not {sorted(values)}.")
        for name, value in values.items():
            meters[name].update_state(value)
        return {name: self._loggable(tf.reduce_mean(value)) for name, value in values.items()}

    def _loggable(self, scalar: tf.Tensor) -> tf.Tensor:
        # Keras reduces logs over workers along axis 0, which a scalar lacks; elsewhere (1,) would break TensorBoard.
        return tf.reshape(scalar, (1,)) if several_workers(self.distribute_strategy) else scalar

    # -- several steps in one call ---------------------------------------------------------------------------------

    def fit(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        epochs: int = 1,
        *,
        validation_data: Any = None,
        steps_per_epoch: int | None = None,
        shuffle: bool = True,
        checked: bool = True,
        **settings: Any,
    ) -> keras.callbacks.History:
        """Train, as `keras.Model.fit`.

        Args:
            x: a data set of `keras_gen.data`, whose validation part is used unless `validation_data` is given; an
                array; or batches: a `tf.data.Dataset`, a `keras.utils.PyDataset` or a generator. A batch is what
                `batch_parts` says; labels that the model does not need may be left out.
            y: with an array `x`, the array of the second part.
            batch_size: of arrays and of data sets of `keras_gen.data`; 32 if None.
            epochs: the number of the last epoch.
            validation_data: as `x`, or a tuple of arrays.
            steps_per_epoch: steps of an epoch; needed where `x` does not end, and with several steps in one call.
            shuffle: arrays, and the batches of a `PyDataset`.
            checked: whether batches are compared with what the model takes.
            settings: `verbose`, `callbacks`, `initial_epoch` and others of `keras.Model.fit`.

        Raises:
            UserError: if a batch has another shape, or values that the model does not take.
        """
        self._refuse_rates_of_one_optimizer(settings.get("callbacks"))
        _refuse_weights("fit", settings)
        if settings.pop("validation_split", None):
            raise UserError("fit got validation_split; accepted is validation_data, with examples that are held out.")
        validation_size = settings.pop("validation_batch_size", None) or batch_size or 32
        size = (batch_size or 32) * self.batches_per_step
        if _is_data(x):
            size = min(size, x.train_size)
            steps_per_epoch = steps_per_epoch or max(1, x.train_size // size)
            validation_data = x if validation_data is None else validation_data
            data, x = x, check_shapes(x.train(size), self.batch_parts())
            self.fitted_on = data  # not of a fit that was refused
        elif checked:
            x = dataset_of(given(x, y), self.batch_parts(), size, shuffle=shuffle)
            y = None
        if validation_data is not None and checked:
            validation_data = self._validation(validation_data, validation_size)
        if self.steps_per_call > 1:
            if not steps_per_epoch:
                raise ValueError("steps_per_execution needs steps_per_epoch, to know where an epoch ends.")
            self._steps_per_epoch = self._steps_left = steps_per_epoch
            steps_per_epoch = -(-steps_per_epoch // self.steps_per_call)
        with _in_words():
            return super().fit(
                x,
                y,
                epochs=epochs,
                validation_data=validation_data,
                steps_per_epoch=steps_per_epoch,
                shuffle=shuffle and isinstance(x, keras.utils.PyDataset),
                **settings,
            )

    def _refuse_rates_of_one_optimizer(self, callbacks: Any) -> None:
        """They would set the rate of one player, or of none."""
        if len(self.players) == 1:
            return
        for callback in callbacks if isinstance(callbacks, list | tuple) else [callbacks]:
            if isinstance(callback, keras.callbacks.LearningRateScheduler | keras.callbacks.ReduceLROnPlateau):
                raise UserError(
                    f"callbacks got {type(callback).__name__}, which sets the learning rate of one optimizer, and "
                    f"{self.family} has one for each player; accepted is a schedule: compile(learning_rate=schedule)."
                )

    def _validation(self, data: Any, batch_size: int) -> Any:
        if _is_data(data):
            return check_shapes(data.validation(batch_size), self.batch_parts(training=False))
        return dataset_of(given(data), self.batch_parts(training=False), batch_size)

    def make_train_function(self, force: bool = False) -> None:
        """What `fit` calls for each step, or for several.

        Keras' own form of several steps returns the terms of the last alone, and does not stop at the end of an epoch
        if the data go on.
        """
        if self.steps_per_call == 1 or (self.train_function is not None and not force):
            super().make_train_function(force)
            return
        strategy = self.distribute_strategy
        axis = 0 if several_workers(strategy) else None

        def one_step(batch: Any) -> dict[str, tf.Tensor]:
            terms = strategy.run(self.train_step, args=(batch,))
            return {name: strategy.reduce("MEAN", value, axis=axis) for name, value in terms.items()}

        def many_steps(iterator: Any, count: tf.Tensor) -> dict[str, tf.Tensor]:
            rows = {name: tf.TensorArray(tf.float32, count, element_shape=()) for name in self._meters["train"]}

            def step(number: tf.Tensor, rows: dict[str, tf.TensorArray]) -> tuple[tf.Tensor, dict[str, tf.TensorArray]]:
                terms = compiled(iterator.get_next())
                return number + 1, {name: row.write(number, terms[name]) for name, row in rows.items()}

            done = tf.while_loop(lambda number, _: number < count, step, (0, rows), parallel_iterations=1)
            return {name: row.stack() for name, row in done[1].items()}

        compiled = one_step
        if not self.run_eagerly:
            compiled = tf.function(one_step, reduce_retracing=True, jit_compile=self.jit_compile, autograph=False)
            many_steps = tf.function(many_steps, reduce_retracing=True, autograph=False)

        def function(iterator: Any) -> dict[str, tf.Tensor]:
            count = min(self.steps_per_call, self._steps_left)
            self._steps_left = self._steps_left - count or self._steps_per_epoch
            return many_steps(iterator, tf.constant(count))

        self.train_function = function

    # -- what Keras asks of the meters -----------------------------------------------------------------------------

    @property
    def optimizer(self) -> Any:
        """The only player's optimizer; of several players what Keras' callbacks ask of one; None if not compiled."""
        own = list(self.optimizers.values())
        return own[0] if len(own) == 1 else _OfPlayers(self) if own else None

    @optimizer.setter
    def optimizer(self, value: Any) -> None:
        """Nothing: Keras sets it in `compile`, to None."""

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """The meters of the phase that is running: epoch logs are their means."""
        return list(self._meters[self._phase].values())

    def evaluate(self, x: Any = None, y: Any = None, batch_size: int | None = None, **settings: Any) -> Any:
        """The validation terms, as `keras.Model.evaluate`; arguments as of `fit`.

        The training means are left as they are.
        """
        _refuse_weights("evaluate", settings)
        if "_use_cached_eval_dataset" not in settings:  # else it is `fit` that asks, of what it has looked at
            x, y = self._validation(x if y is None else (x, y), batch_size or 32), None
        self._phase = "test"
        try:
            with _in_words():
                return super().evaluate(x, y, **settings)
        finally:
            self._phase = "train"

    def train_on_batch(self, x: Any, y: Any = None, *, return_dict: bool = False, **settings: Any) -> Any:
        """One step on one batch, as `keras.Model.train_on_batch`.

        Args:
            x: the batch, or its first part; see `batch_parts`. Labels that the model does not need may be left out.
            y: its second part, if `x` is the first.
            return_dict: return the terms by name.
            settings: none.

        Returns:
            The terms of this step, by name or in the order of `metrics_names`.

        Raises:
            UserError: if the batch has another shape, or values that the model does not take.
        """
        _refuse_weights("train_on_batch", settings)
        self._assert_compile_called("train_on_batch")
        if self.steps_per_call > 1:
            raise UserError(
                f"train_on_batch is one step, and compile got steps_per_execution={self.steps_per_call}; accepted is 1."
            )
        self.make_train_function()
        return self._of_one_batch(self.train_function, batch_of(given(x, y), self.batch_parts()), return_dict)

    def test_on_batch(self, x: Any, y: Any = None, *, return_dict: bool = False, **settings: Any) -> Any:
        """The validation terms of one batch, as `keras.Model.test_on_batch`; arguments as of `train_on_batch`."""
        _refuse_weights("test_on_batch", settings)
        self._assert_compile_called("test_on_batch")
        self._phase = "test"
        try:
            self.make_test_function()
            batch = batch_of(given(x, y), self.batch_parts(training=False))
            return self._of_one_batch(self.test_function, batch, return_dict)
        finally:
            self._phase = "train"

    def _of_one_batch(self, function: Callable[[Any], Values], batch: Any, return_dict: bool) -> Any:
        self.reset_metrics()
        values = {name: float(np.mean(value)) for name, value in function(iter([batch])).items()}
        return values if return_dict else self._flatten_metrics_in_order(values)

    def _maybe_symbolic_build(self, iterator: Any = None, data_batch: Any = None) -> None:
        """Nothing is left to build; Keras would feed a first batch through, and fails on those of several workers."""

    def reset_metrics(self) -> None:
        """Start the means of the running phase anew, except in an epoch that a restored checkpoint goes on with."""
        if self._phase == "train" and self._keep_meters_once:
            self._keep_meters_once = False
            return
        super().reset_metrics()

    def keep_metrics_once(self) -> None:
        """Let the next `fit` go on with the training means that were restored, in the middle of an epoch."""
        self._keep_meters_once = True

    # -- what a Keras user asks ------------------------------------------------------------------------------------

    @classmethod
    def from_preset(cls, name: str, **fields: Any) -> Self:
        """A model with the configuration of a preset: `Pix2Pix.from_preset("demo")`.

        Args:
            name: of the preset.
            fields: fields of `Config` to set otherwise.

        Raises:
            UserError: if there is no such preset.
        """
        if name not in cls.presets:
            raise UserError(f"preset got {name!r}; accepted are {', '.join(cls.presets)}.")
        return cls(cls.presets[name].model, **fields)

    def get_config(self) -> dict[str, Any]:
        """The fields of the configuration."""
        return dataclasses.asdict(self.config)

    @classmethod
    def from_config(cls, config: Mapping[str, Any], custom_objects: Any = None) -> Self:
        """A model of what `get_config` gave, with new weights."""
        return cls(**config)

    def get_compile_config(self) -> dict[str, Any]:
        """Nothing: a copy is compiled by its user."""
        return {}

    def compile_from_config(self, config: Mapping[str, Any]) -> None:
        """Nothing, see `get_compile_config`."""

    @classmethod
    def for_data(cls, data: Any, config: BaseConfig | None = None, **fields: Any) -> Self:
        """A model that fits a data set: fields that follow the data, such as the image's size, are taken from it.

        Args:
            data: a data set of `keras_gen.data`.
            config: an instance of the family's `Config`; None: its defaults.
            fields: fields of `Config` to set otherwise.

        Raises:
            UserError: if the data set is of another kind than the family takes.
        """
        follow, attributes = hidden_fields(cls.Config), data.attributes()
        if missing := [name for name in follow if name not in attributes]:
            raise UserError(
                f"{cls.family} follows {', '.join(missing)} of its data, which {type(data).__name__} has not."
            )
        return cls(configured(cls.Config, config, {name: attributes[name] for name in follow} | fields))

    def summary(self, *arguments: Any, **settings: Any) -> None:
        """Print the summary of each network; arguments as of `keras.Model.summary`."""
        for network in self.networks.values():
            network.summary(*arguments, **settings)

    def save(self, filepath: str | Path, overwrite: bool = True, **settings: Any) -> None:
        """Write the model into a folder, which `keras_gen.load` and the apps for finished runs read.

        It holds config.json, with the configuration of the data set of `keras_gen.data` that `fit` was given last, and
        the weights of all networks and of their averaged copies. It holds no code, and not the optimizers, whose state
        runs keep in their checkpoints.

        Args:
            filepath: the folder.
            overwrite: replace a model that was saved there before.
            settings: none.

        Raises:
            UserError: if the folder holds a run, or cannot be written.
        """
        if settings:
            raise UserError(f"save got {', '.join(settings)}; accepted are a folder and overwrite.")
        save(self, Path(filepath), overwrite)

    def export(
        self, filepath: str | Path, *, examples: Any, variants: tuple[str, ...] = ("float32",), **settings: Any
    ) -> dict[str, Any]:
        """Export what the model serves as SavedModel and .tflite, and prove on examples that the files draw the same.

        Args:
            filepath: folder for saved_model/, model.tflite and those of other served networks.
            examples: validation examples as of `evaluate`, of which the first 16 are taken.
            variants: of the .tflite files: float32, float16, dynamic8; int8 is for `apps.export`, which calibrates it.
            settings: none.

        Returns:
            For each network its files, sizes and differences from the network.

        Raises:
            UserError: for a variant that there is not, or an export that draws something else.
        """
        if settings:
            raise UserError(f"export got {', '.join(settings)}; accepted are examples and variants.")
        if wrong := set(variants) - {"float32", "float16", "dynamic8"}:
            raise UserError(f"variants got {', '.join(sorted(wrong))}; accepted are float32, float16, dynamic8.")
        batches = list(self._validation(examples, 1).take(16))
        folder = Path(filepath)
        folder.mkdir(parents=True, exist_ok=True)
        try:
            return export(self.serving(), folder, batches, plan=Plan(tuple(variants)), family=self.family)
        except ExportError as error:
            raise UserError(error.args[0]) from None

    # -- what the run asks -----------------------------------------------------------------------------------------

    def inference(self, name: str) -> keras.Model:
        """The network to draw with: the averaged copy if there is one, or the frozen network of that name."""
        return self.averages.get(name) or self.networks.get(name) or self.frozen[name]

    def for_serving(self, name: str, build: Callable[[], keras.Model]) -> keras.Model:
        """The inference network `name` anew, of Keras' own layers, in float32 whatever the precision of training is.

        Args:
            name: of a network.
            build: makes one of the same weights; it may leave out what inference has not (noise).
        """
        policy = keras.config.dtype_policy()
        keras.config.set_dtype_policy(keras.config.floatx())
        try:
            network = in_keras_layers(build())
        finally:
            keras.config.set_dtype_policy(policy)
        network.set_weights(self.inference(name).get_weights())
        return network

    def state(self) -> dict[str, tf.Variable]:
        """Every variable that training reads or writes, by a name that depends neither on the process nor on others.

        Weights, running statistics and random states of the networks ("network/generator/conv2d_0/kernel") and of the
        model itself ("model/step"), averaged copies ("average/..."), optimizer slots and counters
        ("optimizer/generator/..."), and the means of the epoch ("mean/train/..."). See `engine.state`.

        Raises:
            ValueError: if the model has a network of which was not said what it is.
        """
        networks = {name: variable_paths(network) for name, network in self.networks.items()}
        owners = {f"network/{name}": variables for name, variables in networks.items()}
        owners |= {f"average/{name}": variable_paths(network) for name, network in self.averages.items()}
        for player, optimizer in self.optimizers.items():
            moved = {f"{name}/{path}": v for name in self.players[player] for path, v in networks[name].items()}
            owners[f"optimizer/{player}"] = slot_paths(optimizer, moved)
        owners |= {
            f"mean/{phase}/{term}": {v.name: v for v in meter.variables}
            for phase, meters in self._meters.items()
            for term, meter in meters.items()
        }
        own = {v.name: v for v in (*self._trainable_variables, *self._non_trainable_variables)}
        owners["model"] = own | {generator.name: generator.state for generator in self._seed_generators}
        held = {id(variable) for variables in owners.values() for variable in variables.values()}
        held |= {id(variable) for network in self.frozen.values() for variable in network.variables}
        inner = self._flatten_layers(include_self=False, recursive=False)
        if lost := [layer.name for layer in inner if {id(v) for v in layer.variables} - held]:
            raise ValueError(f"{self.family} has {', '.join(lost)} as an attribute: use add_network or add_frozen.")
        return {
            f"{owner}/{path}": variable.value for owner, found in owners.items() for path, variable in found.items()
        }

    def learning_rates(self) -> dict[str, float]:
        """player -> the learning rate of its next step."""
        return {player: float(np.asarray(o.learning_rate)) for player, o in self.optimizers.items()}

    def running_state(self, sums: Values, gathered: Values) -> Iterable[tuple[keras.Variable, tf.Tensor]]:
        """Variables that no gradient moves, each with its value after the step.

        It must be a pure function, so that every replica writes the same: chance is drawn statelessly, seeded by
        `self.step`. If a value that it gets is not finite, the variables stay as they are.

        Args:
            sums: those of the objective's `Step`, added up over all parts and replicas.
            gathered: those of the objective's `Step`, of all parts and replicas in the order of the batch.
        """
        raise NotImplementedError

    def batch_parts(self, training: bool = True) -> tuple[Part, ...]:
        """What a batch of training or of validation data is made of."""
        raise NotImplementedError

    def validate(self, batch: Any) -> dict[str, tf.Tensor]:
        """The terms given to `log_terms(test=...)` for each example of a validation batch, (batch,) each."""
        raise NotImplementedError

    def preview(self, batch: Any) -> dict[str, View]:
        """What TensorBoard shows of a batch of validation data, by title; samples/ has the pictures too.

        A slash in a title groups: "latents/active_units".
        """
        raise NotImplementedError

    def latent_space(self) -> LatentSpace | None:
        """The way from images to latent vectors and back, None if there is none.

        A family that has one trains on batches of (images, labels); its data have `classes`, the names of the labels.
        """
        return None

    def health(self) -> Health | None:
        """What the health monitor looks at, None if there is no adversary; `health.TERMS` are then logged."""
        return None

    def serving(self) -> dict[str, Served]:
        """What is exported, by name; the first is the default. Its ports say what goes in and comes out."""
        raise NotImplementedError


def _refuse_weights(method: str, settings: dict[str, Any]) -> None:
    """Remove weights that are None from the arguments of a method of Keras; refuse others."""
    given = {name: settings.pop(name) for name in ("class_weight", "sample_weight") if name in settings}
    if got := [name for name, value in given.items() if value is not None]:
        raise UserError(
            f"{method} got {', '.join(got)}; the losses are those of the paper, in which all examples weigh the same."
        )


def _is_data(given: Any) -> bool:
    return hasattr(given, "train") and hasattr(given, "validation")


@contextlib.contextmanager
def _in_words() -> Iterator[None]:
    """A `UserError` of a data pipeline is raised as one, not as what TensorFlow made of it."""
    try:
        yield
    except tf.errors.OpError as error:
        if fault := from_pipeline(error):
            raise fault from None
        raise


class _OfPlayers:
    """What Keras' callbacks ask of the optimizer of a model that has one for each player."""

    built = True

    def __init__(self, model: GenerativeModel) -> None:
        self._model = model

    @property
    def iterations(self) -> keras.Variable:
        """Train steps that are done."""
        return self._model.step

    def __getattr__(self, name: str) -> Any:
        family, players = self._model.family, ", ".join(self._model.optimizers)
        raise AttributeError(
            f"{family} has no one optimizer with {name}; model.optimizers has one for each: {players}."
        )


def chained(first: keras.Model, second: keras.Model, name: str) -> keras.Model:
    """One functional network of two, without nesting, as exports take it; it shares their layers.

    Args:
        first: whose single output is taken by
        second: with one input.
        name: of the whole.
    """
    return keras.Model(first.input, second.call(first.output), name=name)  # calling it would make it one layer


def _vote(value: Any) -> tf.Tensor:
    """A player's wish to move as a number: 1 or -1 for a bool."""
    value = tf.convert_to_tensor(value)
    return tf.where(value, 1.0, -1.0) if value.dtype == tf.bool else value


def _agree(votes: Values) -> Values:
    """Whether players move: the same on all replicas, by the sum of their votes."""
    context = tf.distribute.get_replica_context()
    if votes and context.num_replicas_in_sync > 1:
        votes = context.all_reduce("SUM", votes)
    return {player: vote > 0 for player, vote in votes.items()}


def _apply(
    optimizer: keras.optimizers.Optimizer,
    gradients: list[tf.Tensor],
    variables: list[keras.Variable],
    moves: tf.Tensor | None,
) -> None:
    """Let an optimizer move its variables, if `moves`."""
    if moves is None:
        optimizer.apply(gradients, variables)
        return

    def on_all(strategy: tf.distribute.Strategy, gradients: list[tf.Tensor], moves: tf.Tensor) -> None:
        def apply() -> None:
            strategy.extended.call_for_each_replica(lambda own: optimizer.apply(own, variables), args=(gradients,))

        tf.cond(strategy.experimental_local_results(moves)[0], apply, lambda: None)

    # An optimizer talks to those of other replicas, which no branch of a condition within one replica may.
    tf.distribute.get_replica_context().merge_call(on_all, args=(gradients, moves))


def _is_random_state(variable: keras.Variable) -> bool:
    return "seed_generator_state" in variable.path


def _agree_on_overflow(gradients: list[tf.Tensor], norm: tf.Tensor) -> list[tf.Tensor]:
    """Gradients that are not finite on all replicas if they are so on one, so that all skip the step.

    Keras looks at each replica's own gradients before it adds them up, and on the first replica's alone in one process.
    """
    context = tf.distribute.get_replica_context()
    if context.num_replicas_in_sync == 1:
        return gradients
    poison = 0.0 * context.all_reduce("SUM", norm)  # 0, or NaN
    return [gradients[0] + poison, *gradients[1:]]
