"""`GenerativeModel`, the base class of all model families.

A family implements its paper: networks, losses and what is logged. The base class implements what papers leave out,
once for all families: several optimizers, replicas, loss scaling, averaged weights, logging, and the list of all
variables that a checkpoint must contain.
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
    """The result of an objective for a batch, or for one part of a batch.

    Attributes:
        losses: player -> the loss that it minimises, a scalar, averaged over the examples.
        terms: name -> value to log, a scalar, averaged over the examples.
        sums: name -> sum over the examples, of any shape. The base class adds them up over the whole batch and passes
            them to `running_state`.
        gathered: name -> tensor whose first axis is the examples. The base class concatenates them in the order of the
            batch and passes them to `running_state`.
        apply: player -> whether it is updated in this step, a bool or a number. The mean over all parts of the batch
            decides, where True counts as 1 and False as -1: the player is updated if the mean is positive. Players
            without an entry are updated. A player that is not updated keeps its weights, optimizer slots, iterations
            and averages.
    """

    losses: Values
    terms: Values
    sums: Values = dataclasses.field(default_factory=dict)
    gathered: Values = dataclasses.field(default_factory=dict)
    apply: Values = dataclasses.field(default_factory=dict)


Objective: TypeAlias = Callable[[Any], Step]


class GenerativeModel(keras.Model):
    """Base class of all families: a Keras model of functional networks, trained by one or several players.

    A player is a set of networks with an optimizer of its own: the generator and the discriminator of a GAN, or all of
    an autoencoder.

    A family sets these class attributes:
        family: name of its module ("pix2pix"), which is also the folder name of its runs.
        Config: a `BaseConfig` with everything that defines its networks and losses; defaults are the paper's.
        presets: name -> `Preset`; the first is the default of its app.
        monitor: the validation term that selects the best checkpoint (smaller is better).
        descriptions: term -> a sentence for TensorBoard, for terms that `engine.terms` does not describe.
        starts_from: other family -> names of its networks whose weights this family can start from. They have the same
            names in both.
        tasks: what it can do; see `engine.tasks`. The first one determines how runs are evaluated. If tasks depend on
            the configuration, override `tasks_of`.
        next_commands: suggestions for a finished run besides export: apps and their arguments, with RUN for the folder.
        min_examples_per_part: minimum number of examples for a loss that compares the examples of a batch, such as a
            contrastive loss. The loss is computed within the batch of each replica and within each part of
            `--accumulate`.
        preview_examples: minimum number of examples for `preview`.
        batches_per_step: number of batches that a training step consumes. They arrive as one batch, which `batches_of`
            splits. A property if the number depends on the configuration.

    In `make_networks(config)` it calls:
        self.add_network(name, network): for each functional network;
        self.add_frozen(name, network): for each network that is used but not trained;
        self.add_player(name, *networks): for each optimizer, with the networks that it updates;
        self.log_terms(...): with the names of the terms of `train_step` and `test_step`.

    It implements these methods:
        batch_parts(training): the `Part`s of a batch.
        call(inputs): the result of `model(inputs)`.
        objective(batch): one forward pass. Returns a `Step` with the losses of the players and the terms to log. It
            needs no gradient tape, and does not depend on the number of replicas, the loss scale or `--accumulate`.
        validate(batch): validation terms for each example, (batch,) each.
        preview(batch): images and statistics to show, by title.
        latent_space(): a `LatentSpace` if images have latent vectors, which a run then visualises.
        health(): a `Health` if players train against each other, which a run then monitors.
        serving(): name -> `Served` network to export.

    It may override these methods, if the paper differs from the base class:
        train_step(batch): for example with several calls of `minimise` if players take turns.
        betas(player), rates(learning_rate): the decays of Adam, and the learning rates of the players.
        make_optimizers(learning_rate): player -> optimizer, if it is not Adam.

    Attributes:
        config: the configuration, an instance of `Config`.
        networks: name -> trained network.
        frozen: name -> network that is not trained.
        players: name -> names of its networks.
        optimizers: player -> optimizer; empty before `compile`.
        averages: name -> averaged copy of a network; empty without `ema_decay`.
        step: number of completed training steps, an int64 variable.

    Examples:
        >>> model = keras_gen.VAE(image_size=8, latent_dim=2, hidden_units=(8,), filters=2)
        >>> model.compile(learning_rate=1e-3)
        >>> images = np.random.default_rng(0).uniform(-1, 1, (16, 8, 8, 1))
        >>> history = model.fit(images, batch_size=4, epochs=2, verbose=0)
        >>> int(model.step), model(images[:2]).shape
        (8, TensorShape([2, 8, 8, 1]))
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
        """Adds the fields of the configuration to the docstring and signature of a family."""
        super().__init_subclass__(**settings)
        if "Config" in vars(cls):
            cls.__doc__ = Fields(cls.__doc__ or "")
            cls.__signature__ = signature_of(cls.Config)

    def __init__(self, config: BaseConfig | None = None, **fields: Any) -> None:
        """Builds the networks.

        Args:
            config: an instance of the family's `Config`; None: its defaults.
            fields: fields of `Config` that replace those of `config`.

        Raises:
            UserError: if a field does not exist or its value is not accepted.
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
        self.built = True  # all networks are built

    # -- declarations ----------------------------------------------------------------------------------------------

    @classmethod
    def tasks_of(cls, config: Any) -> tuple[Task, ...]:
        """The tasks of a model with this configuration; by default all `tasks`."""
        return cls.tasks

    def make_networks(self, config: Any) -> None:
        """Declares the networks, players and terms of the model. Called by the constructor."""

    def add_network(self, name: str, network: keras.Model) -> keras.Model:
        """Registers a functional network, whose weights are then part of checkpoints, and returns it."""
        self.networks[name] = network
        return network

    def add_frozen(self, name: str, network: keras.Model) -> Callable[[Any], Any]:
        """Registers a network that is used but not trained, such as a classifier whose features a loss compares.

        It belongs to no player, average or checkpoint. Its weights come from one of the `frozen_files`.

        Returns:
            A function that applies the network to its inputs, always in inference mode.
        """
        network.trainable = False
        self.frozen = MappingProxyType({**self.frozen, name: network})
        return lambda inputs: network(inputs, training=False)

    def frozen_files(self) -> Mapping[str, Path]:
        """Name -> file with the weights of frozen networks. config.json stores the SHA-256 of each file."""
        return {}

    def add_player(self, name: str, *networks: str) -> None:
        """Registers a player: the names of the networks that one optimizer updates. Its gradient norm is logged."""
        self.players[name] = networks
        self.log_terms(train=[f"{name}_gradient_norm"])

    def log_terms(self, train: Iterable[str] = (), test: Iterable[str] = ()) -> None:
        """Declares terms that `train_step` and `validate` return, in addition to those already declared."""
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
        """Sets the optimizers of all players, and creates their slots here, inside the strategy's scope.

        Args:
            optimizers: player -> optimizer; None: those of the paper. Under a float16 policy, each one is wrapped in
                dynamic loss scaling.
            learning_rate: a number or a schedule for the paper's optimizers; None: that of the preset with the same
                configuration as this model, or else of the preset "paper".
            ema_decay: decay of the exponential moving average of each network [0, 1); after t updates of its player,
                min(ema_decay, (1 + t) / (10 + t)). 0: no averages.
            accumulate: number of equal parts into which a batch is split to save memory. Gradients are accumulated, so
                the step stays the same. Not accepted with batch normalisation, whose statistics would change.
            jit_compile: compile the step with XLA.
            run_eagerly: run without a graph, for debugging.
            steps_per_execution: maximum number of steps per graph call. Larger values speed up small models, whose
                steps take less time than the Python code around them. `fit` then needs `steps_per_epoch` (in steps; the
                last call of an epoch may have fewer), and callbacks get an array with one value per step for each term.
            others: none; losses and metrics are those of the paper.

        Raises:
            UserError: for other arguments, if `optimizers` does not have one optimizer per player, or if the model
                cannot accumulate gradients.
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
        """Names of the networks with trainable batch normalisation."""
        return [
            name
            for name, network in self.networks.items()
            if any(
                isinstance(layer, keras.layers.BatchNormalization) and layer.trainable
                for layer in network._flatten_layers()
            )
        ]

    def _paper_rate(self) -> float:
        """The learning rate of the preset with this configuration, or else of "paper", or else of the first preset."""
        own = [preset for preset in self.presets.values() if preset.model == self.config]
        return (own or [self.presets.get("paper") or next(iter(self.presets.values()))])[0].run.learning_rate

    def track_averages(self, decay: float) -> None:
        """Keeps an averaged copy of every network from now on; `decay` is that of `compile`."""
        self.ema_decay = decay
        for name, network in self.networks.items():
            self.averages[name] = keras.models.clone_model(network)
            self.averages[name].set_weights(network.get_weights())

    def player_variables(self, player: str) -> list[keras.Variable]:
        """The trainable variables that the optimizer of `player` updates."""
        owned = (v for name in self.players[player] for v in self.networks[name].trainable_variables)
        return list({id(v): v for v in owned}.values())  # once each, also if networks share layers

    def make_optimizers(self, learning_rate: Any) -> dict[str, keras.optimizers.Optimizer]:
        """One optimizer for each player: Adam with `betas` and `rates`.

        Args:
            learning_rate: a number or a schedule.
        """
        return {
            player: FusedAdam(rate, *self.betas(player), name=f"adam_{player}")
            for player, rate in self.rates(learning_rate).items()
        }

    def betas(self, player: str) -> tuple[float, float]:
        """Decays of Adam's first and second moments for a player; by default 0.9 and 0.999."""
        return 0.9, 0.999

    def rates(self, learning_rate: Any) -> dict[str, Any]:
        """The learning rate of each player; by default all have the learning rate of the run."""
        return dict.fromkeys(self.players, learning_rate)

    # -- one step --------------------------------------------------------------------------------------------------

    def train_step(self, batch: Any) -> dict[str, tf.Tensor]:
        """One training step: updates all players from one forward pass.

        Returns:
            Term -> its value in this step.
        """
        return self.report(self.minimise(self.objective, batch))

    def objective(self, batch: Any) -> Step:
        """The losses of the players and the terms to log, for a batch or one part of it."""
        raise NotImplementedError

    def minimise(self, objective: Objective, batch: Any) -> dict[str, tf.Tensor]:
        """Updates players. All gradients come from one forward pass and are computed before any weight changes.

        Keras sums gradients over replicas, so the gradients here are divided by the number of replicas, and multiplied
        by the loss scale under float16. Both factors enter through the initial gradient of the backward pass, at no
        cost.

        Args:
            objective: batch -> `Step`. Called once, or once for each of the `accumulate` parts of the batch.
            batch: a tensor or a structure of tensors whose first axis is the examples.

        Returns:
            The terms of the `Step`, and PLAYER_gradient_norm: the global norm of this replica's gradient, without loss
            scaling; 0 if loss scaling skips the step.
        """
        replicas = tf.distribute.get_strategy().num_replicas_in_sync
        gradients, step = self._gradients(objective, batch, replicas)
        terms, moves = dict(step.terms), _agree(step.apply)
        for player, own in gradients.items():
            norm = tf.linalg.global_norm(own) * replicas / self._scale(player)
            if isinstance(self.optimizers[player], keras.optimizers.LossScaleOptimizer):
                own = _agree_on_overflow(own, norm)
                # Loss scaling finds its scale by overflows. Their steps are skipped and do not count in the mean.
                norm = tf.where(tf.math.is_finite(norm), norm, 0.0)
            terms[f"{player}_gradient_norm"] = norm
            _apply(self.optimizers[player], own, self.player_variables(player), moves.get(player))
        if step.sums or step.gathered:
            self._update_running_state(step)
        if self.ema_decay:
            self._update_averages({player: moves.get(player) for player in gradients})
        return terms

    def batches_of(self, batch: Any) -> list[Any]:
        """Splits the batch of a step into its `batches_per_step` batches.

        Batch i has the examples i, i + n, i + 2n, ... of n batches. Replicas get contiguous parts of the batch, so this
        gives the same batches on one device and on several.
        """
        count = self.batches_per_step
        return [tf.nest.map_structure(lambda x, i=i: x[i::count], batch) for i in range(count)]

    def _scale(self, player: str) -> tf.Tensor:
        return self.optimizers[player].scale_loss(tf.ones((), keras.config.floatx()))

    def part(self) -> tuple[Any, int]:
        """Within an objective: the number of the current part of the batch, and the number of parts.

        The parts are those of all replicas and of `accumulate`, and have equal size. An objective that selects examples
        from the whole batch needs them.
        """
        context = tf.distribute.get_replica_context()
        return (
            context.replica_id_in_sync_group * self.accumulate + self._part,
            context.num_replicas_in_sync * self.accumulate,
        )

    def _gradients(self, objective: Objective, batch: Any, replicas: int) -> tuple[Gradients, Step]:
        """Gradients and `Step` of a whole batch, computed one after the other for its `accumulate` equal parts.

        `losses` of the step is empty, and `apply` has the means over the parts.
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
                    # The gradient of an embedding is sparse, but gradients are added and measured as dense tensors.
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

        # One part at a time, because saving memory is the purpose.
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
        """Writes the same values on every replica, and nothing if a value is not finite on any of them."""
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
        """Updates the averaged copies of the networks whose players were updated, and of those without a player.

        Args:
            moved: player -> whether it was updated, a scalar bool; None: it was.
        """
        owners = {name: player for player, names in self.players.items() for name in names}
        for name, network in self.networks.items():
            player = owners.get(name, min(moved))
            if player not in moved:
                continue
            # With the full decay from the start, the initial weights would dominate the copy for thousands of steps.
            steps = tf.cast(self.optimizers[player].iterations, tf.float32)
            decay = tf.minimum(self.ema_decay, (1.0 + steps) / (10.0 + steps))
            does = moved[player]
            rate = 1.0 - decay if does is None else tf.where(does, 1.0 - decay, 0.0)
            for average, variable in zip(self.averages[name].variables, network.variables, strict=True):
                if variable.trainable:
                    average.assign(average + rate * (variable - average))
                elif not _is_random_state(variable):
                    # Running statistics are averages already.
                    average.assign(variable if does is None else tf.where(does, variable, average))

    def report(self, terms: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """Ends a training step: counts it and adds the terms to the means of the epoch.

        Args:
            terms: scalars, as returned by `minimise`. The names must be those declared in `log_terms(train=...)` and
                the gradient norms.

        Returns:
            The terms, as the log of this step.
        """
        self.step.assign_add(1)
        return self._log("train", terms)

    def test_step(self, batch: Any) -> dict[str, tf.Tensor]:
        """Adds the terms of `validate(batch)` to the validation means, with equal weight for every example."""
        terms = self._meters["test"]
        if tf.distribute.get_strategy().num_replicas_in_sync == 1:
            return self._log("test", self.validate(batch))
        # If the last batch is smaller than the number of replicas, some get no examples, and some operations fail then.
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
        # Keras reduces logs over workers along axis 0, so they need one. In one process TensorBoard needs scalars.
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
        """Trains the model, like `keras.Model.fit`.

        Args:
            x: a data set of `keras_gen.data`; an array; or batches from a `tf.data.Dataset`, a `keras.utils.PyDataset`
                or a generator. `batch_parts` describes a batch; labels that the model does not need can be left out. If
                `x` is a data set of `keras_gen.data`, its validation part is the default of `validation_data`.
            y: the array of the second part of a batch, if `x` is the array of the first.
            batch_size: batch size for arrays and for data sets of `keras_gen.data`; None: 32.
            epochs: number of the last epoch.
            validation_data: like `x`, or a tuple of arrays.
            steps_per_epoch: number of steps per epoch; required if `x` is endless, and with `steps_per_execution`.
            shuffle: shuffle arrays, and the batches of a `PyDataset`.
            checked: check the shapes and values of batches.
            settings: `verbose`, `callbacks`, `initial_epoch` and other arguments of `keras.Model.fit`.

        Returns:
            The history: for each term, its mean in every epoch; "val_" precedes the names of validation terms.

        Raises:
            UserError: if a batch has the wrong shape, or values that the model does not accept.
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
            self.fitted_on = data  # after the checks, so that refused data do not count
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
        """Raises a UserError if there are several players: these callbacks would not reach all of them."""
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
        """Builds the function that `fit` calls for one or several steps.

        With several steps per call, Keras' own function returns the terms of the last step only, and runs past the end
        of an epoch if the data set is endless.
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

    # -- metrics and single batches --------------------------------------------------------------------------------

    @property
    def optimizer(self) -> Any:
        """For Keras' callbacks: the optimizer of the only player, or a stand-in for those of several players.

        None before `compile`.
        """
        own = list(self.optimizers.values())
        return own[0] if len(own) == 1 else _OfPlayers(self) if own else None

    @optimizer.setter
    def optimizer(self, value: Any) -> None:
        """Does nothing. Keras sets the attribute to None in `compile`."""

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """The means of the current phase, training or validation, which become the logs of an epoch."""
        return list(self._meters[self._phase].values())

    def evaluate(self, x: Any = None, y: Any = None, batch_size: int | None = None, **settings: Any) -> Any:
        """Computes the validation terms, like `keras.Model.evaluate`. The training means are not affected.

        Args:
            x: see `fit`; the validation part of a data set of `keras_gen.data` is used.
            y: see `fit`.
            batch_size: see `fit`.
            settings: `verbose`, `return_dict` and other arguments of `keras.Model.evaluate`.

        Returns:
            The means over all examples, in the order of `metrics_names`, or by name with `return_dict=True`.

        Raises:
            UserError: if a batch has the wrong shape, or values that the model does not accept.
        """
        _refuse_weights("evaluate", settings)
        if "_use_cached_eval_dataset" not in settings:  # `fit` sets this argument; it has checked the data already
            x, y = self._validation(x if y is None else (x, y), batch_size or 32), None
        with self._validating(), _in_words():
            return super().evaluate(x, y, **settings)

    @contextlib.contextmanager
    def _validating(self) -> Iterator[None]:
        """Keras' `metrics` are the validation means within."""
        self._phase = "test"
        try:
            yield
        finally:
            self._phase = "train"

    def train_on_batch(self, x: Any, y: Any = None, *, return_dict: bool = False, **settings: Any) -> Any:
        """One training step on one batch, like `keras.Model.train_on_batch`.

        Args:
            x: the batch, or its first part; see `batch_parts`. Labels that the model does not need can be left out.
            y: the second part of the batch, if `x` is the first.
            return_dict: return the terms by name.
            settings: none.

        Returns:
            The terms of this step, by name or in the order of `metrics_names`.

        Raises:
            UserError: if the batch has the wrong shape, or values that the model does not accept.
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
        """The validation terms of one batch, like `keras.Model.test_on_batch`; for arguments see `train_on_batch`."""
        _refuse_weights("test_on_batch", settings)
        self._assert_compile_called("test_on_batch")
        batch = batch_of(given(x, y), self.batch_parts(training=False))
        with self._validating():
            self.make_test_function()
            return self._of_one_batch(self.test_function, batch, return_dict)

    def _of_one_batch(self, function: Callable[[Any], Values], batch: Any, return_dict: bool) -> Any:
        self.reset_metrics()
        values = {name: float(np.mean(value)) for name, value in function(iter([batch])).items()}
        return values if return_dict else self._flatten_metrics_in_order(values)

    def _maybe_symbolic_build(self, iterator: Any = None, data_batch: Any = None) -> None:
        """Does nothing, because all networks are built. Keras would process a first batch, which fails for workers."""

    def reset_metrics(self) -> None:
        """Resets the means of the current phase, except at the start of an epoch that is resumed in the middle."""
        if self._phase == "train" and self._keep_meters_once:
            self._keep_meters_once = False
            return
        super().reset_metrics()

    def keep_metrics_once(self) -> None:
        """Makes the next `fit` continue with the restored training means, to resume in the middle of an epoch."""
        self._keep_meters_once = True

    # -- creating, saving and exporting ----------------------------------------------------------------------------

    @classmethod
    def from_preset(cls, name: str, **fields: Any) -> Self:
        """A model with the configuration of a preset: `Pix2Pix.from_preset("demo")`.

        Args:
            name: name of the preset, one of `presets`.
            fields: fields of `Config` that replace those of the preset.

        Raises:
            UserError: if there is no such preset.

        Examples:
            >>> keras_gen.VAE.from_preset("paper", latent_dim=2).config.latent_dim
            2
        """
        if name not in cls.presets:
            raise UserError(f"preset got {name!r}; accepted are {', '.join(cls.presets)}.")
        return cls(cls.presets[name].model, **fields)

    def get_config(self) -> dict[str, Any]:
        """The fields of the configuration."""
        return dataclasses.asdict(self.config)

    @classmethod
    def from_config(cls, config: Mapping[str, Any], custom_objects: Any = None) -> Self:
        """A model with the fields that `get_config` returned, and new weights."""
        return cls(**config)

    def get_compile_config(self) -> dict[str, Any]:
        """Empty: a model that was rebuilt from its configuration must be compiled by the caller."""
        return {}

    def compile_from_config(self, config: Mapping[str, Any]) -> None:
        """Does nothing; see `get_compile_config`."""

    @classmethod
    def for_data(cls, data: Any, config: BaseConfig | None = None, **fields: Any) -> Self:
        """A model for a data set, from which it takes the fields that follow the data, such as the image size.

        Args:
            data: a data set of `keras_gen.data`.
            config: an instance of the family's `Config`; None: its defaults.
            fields: fields of `Config` that replace those of `config` and of the data.

        Raises:
            UserError: if the family needs another kind of data.

        Examples:
            >>> data = keras_gen.data.images("digits")
            >>> keras_gen.VAE.for_data(data, latent_dim=2).config.image_size
            8
        """
        follow, attributes = hidden_fields(cls.Config), data.attributes()
        if missing := [name for name in follow if name not in attributes]:
            raise UserError(
                f"{cls.family} takes {', '.join(missing)} from its data, and {type(data).__name__} has none."
            )
        return cls(configured(cls.Config, config, {name: attributes[name] for name in follow} | fields))

    def summary(self, *arguments: Any, **settings: Any) -> None:
        """Prints a summary of each network. For the arguments see `keras.Model.summary`."""
        for network in self.networks.values():
            network.summary(*arguments, **settings)

    def save(self, filepath: str | Path, overwrite: bool = True, **settings: Any) -> None:
        """Saves the model to a folder that `keras_gen.load` and the apps for finished runs can read.

        The folder contains config.json and the weights of all networks and their averaged copies. If the last `fit` was
        on a data set of `keras_gen.data`, config.json includes its configuration. The folder contains no code, and not
        the state of the optimizers, which only the checkpoints of training runs have.

        Args:
            filepath: the folder.
            overwrite: replace a model that was saved there before.
            settings: none.

        Raises:
            UserError: if the folder is a training run, or cannot be written.
        """
        if settings:
            raise UserError(f"save got {', '.join(settings)}; accepted are a folder and overwrite.")
        save(self, Path(filepath), overwrite)

    def export(
        self, filepath: str | Path, *, examples: Any, variants: tuple[str, ...] = ("float32",), **settings: Any
    ) -> dict[str, Any]:
        """Exports the networks of `serving` as SavedModel and .tflite, and verifies the files on examples.

        Args:
            filepath: folder for saved_model/, model.tflite, and the files of other served networks.
            examples: validation examples, as for `evaluate`; the first 16 are used.
            variants: variants of the .tflite files: float32, float16, dynamic8. For int8, which needs calibration, use
                `apps.export`.
            settings: none.

        Returns:
            For each network, its files with their sizes and the differences from the network's outputs.

        Raises:
            UserError: if there is no such variant, or the outputs of an exported file differ too much.
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

    # -- for training runs -----------------------------------------------------------------------------------------

    def inference(self, name: str) -> keras.Model:
        """The network to use for inference: the averaged copy if there is one, else the network or frozen network."""
        return self.averages.get(name) or self.networks.get(name) or self.frozen[name]

    def for_serving(self, name: str, build: Callable[[], keras.Model]) -> keras.Model:
        """A copy of an inference network for export: made of Keras' own layers, in float32 regardless of the policy.

        Args:
            name: name of the network.
            build: builds a network with the same weights. It can leave out layers that only act in training.

        Returns:
            A network with the weights of `inference(name)`.
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
        """Every variable that training reads or writes, by a name that is the same in every process.

        These are the weights, running statistics and random states of the networks
        ("network/generator/conv2d_0/kernel") and of the model ("model/step"), averaged copies ("average/..."),
        optimizer slots and counters ("optimizer/generator/..."), and the means of the epoch ("mean/train/..."). For the
        names see `engine.state`.

        Raises:
            ValueError: if the model has a network that was not registered by `add_network` or `add_frozen`.
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
        """Player -> the learning rate of its next step."""
        return {player: float(np.asarray(o.learning_rate)) for player, o in self.optimizers.items()}

    def running_state(self, sums: Values, gathered: Values) -> Iterable[tuple[keras.Variable, tf.Tensor]]:
        """New values of variables that are updated from the examples instead of by gradients.

        This must be a pure function, so that every replica computes the same values: random numbers must be stateless,
        with a seed from `self.step`. If an argument contains a value that is not finite, the variables keep their
        values.

        Args:
            sums: `Step.sums`, added up over all parts and replicas.
            gathered: `Step.gathered`, concatenated over all parts and replicas in the order of the batch.

        Returns:
            Pairs of a variable and its new value.
        """
        raise NotImplementedError

    def batch_parts(self, training: bool = True) -> tuple[Part, ...]:
        """The parts of a batch of training or of validation data."""
        raise NotImplementedError

    def validate(self, batch: Any) -> dict[str, tf.Tensor]:
        """The terms declared in `log_terms(test=...)`, for each example of a validation batch: (batch,) each."""
        raise NotImplementedError

    def preview(self, batch: Any) -> dict[str, View]:
        """Images and statistics for a batch of validation data, by title.

        TensorBoard shows all of them, and the folder samples/ contains the images. A slash in a title groups them:
        "latents/active_units".
        """
        raise NotImplementedError

    def latent_space(self) -> LatentSpace | None:
        """How to encode images as latent vectors and decode them; None if the family has no latent vectors.

        A family that returns one trains on batches of (images, labels), from data with `classes`.
        """
        return None

    def health(self) -> Health | None:
        """What the health monitor measures; None if the family has no discriminator.

        A family that returns one also logs the terms in `gan_health.TERMS`.
        """
        return None

    def serving(self) -> dict[str, Served]:
        """Name -> network to export, with its input and output ports; the first one is the default."""
        raise NotImplementedError


def _refuse_weights(method: str, settings: dict[str, Any]) -> None:
    """Removes `class_weight` and `sample_weight` from the arguments of a Keras method if they are None.

    Raises:
        UserError: if they are not None.
    """
    given = {name: settings.pop(name) for name in ("class_weight", "sample_weight") if name in settings}
    if got := [name for name, value in given.items() if value is not None]:
        raise UserError(
            f"{method} got {', '.join(got)}; the losses are those of the paper, in which all examples weigh the same."
        )


def _is_data(given: Any) -> bool:
    return hasattr(given, "train") and hasattr(given, "validation")


@contextlib.contextmanager
def _in_words() -> Iterator[None]:
    """Raises a `UserError` from a data pipeline as such, instead of the error into which TensorFlow converts it."""
    try:
        yield
    except tf.errors.OpError as error:
        if fault := from_pipeline(error):
            raise fault from None
        raise


class _OfPlayers:
    """A stand-in for the optimizer of a model with several players, with what Keras' callbacks need."""

    built = True

    def __init__(self, model: GenerativeModel) -> None:
        self._model = model

    @property
    def iterations(self) -> keras.Variable:
        """Number of completed training steps."""
        return self._model.step

    def __getattr__(self, name: str) -> Any:
        family, players = self._model.family, ", ".join(self._model.optimizers)
        raise AttributeError(
            f"{family} has no single optimizer with {name!r}; model.optimizers has one for each player: {players}."
        )


def chained(first: keras.Model, second: keras.Model, name: str) -> keras.Model:
    """Two networks in sequence as one functional network, which shares their layers, without nesting, for export.

    Args:
        first: a network with one output.
        second: a network with one input, of the same shape.
        name: name of the result.
    """
    return keras.Model(first.input, second.call(first.output), name=name)  # `second(...)` would add it as one layer


def _vote(value: Any) -> tf.Tensor:
    """An entry of `Step.apply` as a number: 1 or -1 for a bool."""
    value = tf.convert_to_tensor(value)
    return tf.where(value, 1.0, -1.0) if value.dtype == tf.bool else value


def _agree(votes: Values) -> Values:
    """Whether players are updated, from the sum of the votes of all replicas, so that all agree."""
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
    """Applies gradients if `moves` is true or None."""
    if moves is None:
        optimizer.apply(gradients, variables)
        return

    def on_all(strategy: tf.distribute.Strategy, gradients: list[tf.Tensor], moves: tf.Tensor) -> None:
        def apply() -> None:
            strategy.extended.call_for_each_replica(lambda own: optimizer.apply(own, variables), args=(gradients,))

        tf.cond(strategy.experimental_local_results(moves)[0], apply, lambda: None)

    # An optimizer communicates with other replicas, which is not possible in a conditional branch within one replica.
    tf.distribute.get_replica_context().merge_call(on_all, args=(gradients, moves))


def _is_random_state(variable: keras.Variable) -> bool:
    return "seed_generator_state" in variable.path


def _agree_on_overflow(gradients: list[tf.Tensor], norm: tf.Tensor) -> list[tf.Tensor]:
    """Makes gradients not finite on all replicas if they are not finite on one, so that all skip the step.

    Keras checks gradients before it adds them up over replicas: each worker its own, or in one process only those of
    the first replica.
    """
    context = tf.distribute.get_replica_context()
    if context.num_replicas_in_sync == 1:
        return gradients
    poison = 0.0 * context.all_reduce("SUM", norm)  # 0, or NaN
    return [gradients[0] + poison, *gradients[1:]]
