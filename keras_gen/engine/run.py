"""`Run`: one training run and its folder.

savedmodels/<family>/<run>/
    config.json   checkpoints/   samples/   saved_model/   model.tflite   report.json
    events.out.tfevents.*   validation/   plugins/   projector/      for TensorBoard
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import math
import os
import shlex
import signal
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import tensorflow as tf

from keras_gen.console import command, end_status, note, say
from keras_gen.engine import callbacks as on
from keras_gen.engine.checkpoints import Checkpoints, Progress, has_checkpoint, nearest_existing
from keras_gen.engine.config import CONFIG_FILE, INPUTS, Setup, read_config, versions
from keras_gen.engine.data import Data, what_changed
from keras_gen.engine.event_files import EVENTS, VALIDATION, EventWriters, cut
from keras_gen.engine.gan_monitor import HealthMonitor
from keras_gen.engine.model import GenerativeModel
from keras_gen.engine.progress_line import ProgressLine
from keras_gen.engine.run_exports import REPORT_FILE, write_exports
from keras_gen.engine.run_inputs import copy_inputs, fingerprints, require_same_files
from keras_gen.engine.run_lock import RunLock
from keras_gen.engine.run_report import PAGE_FILE, refresh_run_page
from keras_gen.engine.schedules import Schedule
from keras_gen.engine.start import freeze, start_from
from keras_gen.engine.strategy import LOST, devices, is_chief, prepare, several_workers
from keras_gen.errors import Stopped, UserError, from_system
from keras_gen.files import remove, require_utf8, write, write_json
from keras_gen.flags import hidden_fields, input_runs
from keras_gen.visual.embedding import maps, write_projector
from keras_gen.visual.event_writer import EventWriter
from keras_gen.visual.latent_space import BATCH
from keras_gen.visual.latent_views import encode_dataset, how_many, views

# Patterns of the files that runs, TensorBoard, and the apps for finished runs write into a run folder.
_OWN = (CONFIG_FILE, PAGE_FILE, INPUTS, "checkpoints", "samples", "saved_model*", "*.tflite", "report.json")
_OF_TENSORBOARD = (EVENTS, f"{VALIDATION}/{EVENTS}", "plugins/profile", "projector", "projector_config.pbtxt")
_OF_LATER = ("report.html", "evaluation.json", "codec-*.npz", "latents")
_EXPORT = "export RUN --variants float32,dynamic8"


class Run:
    """A training run: checks its folder, distributes the model over devices, trains, saves, resumes and exports.

    A context manager. Call in this order: `Run(setup)`, `complete_model`, `scope`, `compile`, `fit`, `export`.

    Attributes:
        folder: the run folder.
        setup: the configuration of the run.
        strategy: the `tf.distribute` strategy.
        chief: whether this process writes into the run folder.
        report: the content of report.json so far.
    """

    def __init__(self, setup: Setup, app: str = "") -> None:
        """Checks the folder and prepares TensorFlow. Writes nothing yet.

        Args:
            setup: the configuration of the run.
            app: name of the app, for the command that resumes the run; "": train_FAMILY.

        Raises:
            UserError: if the folder already contains a run or cannot be written, or a flag is not possible here.
        """
        default = Path("savedmodels") / setup.family / datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
        self.folder = Path(setup.run.out or default)
        self._app = app or f"train_{setup.family}"
        self.setup = dataclasses.replace(setup, run=dataclasses.replace(setup.run, out=self.folder))
        self._check_folder()
        self.strategy = prepare(setup.run)
        self.chief = is_chief(self.strategy)
        self._lock = RunLock(self.folder)
        if self.chief:  # the only process that writes there
            self._lock.check()
        # All workers must take part in writing a checkpoint. All but the chief write theirs to a temporary folder.
        self._scratch = None if self.chief else tempfile.TemporaryDirectory()
        self._write_to = self.folder if self._scratch is None else Path(self._scratch.name)
        self._end = time.monotonic() + 3600 * setup.run.max_hours if setup.run.max_hours else math.inf
        self.report: dict[str, Any] = {}

    def __enter__(self) -> Run:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._lock.release()
        if self._scratch is not None:
            self._scratch.cleanup()

    def _check_folder(self) -> None:
        run, folder = self.setup.run, self.folder
        require_utf8(folder)
        there = nearest_existing(folder)
        if not there.is_dir():
            raise UserError(f"--out got {folder}, but {there} is a file; accepted is a folder to write to.")
        if not os.access(there, os.W_OK | os.X_OK):
            raise UserError(f"--out got {folder}, but there is no permission to write in {there}.")
        inputs = input_runs(self.setup.model).values()
        if run.overwrite and any(source.resolve() == folder.resolve() for source in inputs):
            raise UserError(f"--overwrite would delete {folder}, which the new run needs: choose another --out.")
        if (folder / CONFIG_FILE).exists() and not (run.resume or run.overwrite):
            raise UserError(
                f"--out got {folder}, which already holds a run; --overwrite deletes it, and --resume {folder} "
                "continues it."
            )

    def complete_model(self, data: Data) -> Any:
        """Sets the hidden fields of the family's `Config` from the data.

        Args:
            data: the data of the run.

        Returns:
            The completed configuration of the model.

        Raises:
            UserError: if the data have changed since the resumed run began, or do not fit its networks.
        """
        before, folder = self.setup, self.setup.run.resume
        self.setup = self.setup.following(data.attributes())
        self.setup = dataclasses.replace(self.setup, data_identity=data.identity())
        if folder is None:
            return self.setup.model
        changed = what_changed(read_config(folder).get("data_identity") or data.identity(), data.identity())
        if changed and not before.run.allow_changed_data:
            raise UserError(
                f"--resume got {folder}, whose data have changed: {changed}; --allow-changed-data continues anyway."
            )
        for field in hidden_fields(type(self.setup.model), of_training=False):
            given, taken = getattr(self.setup.model, field), getattr(before.model, field)
            if given != taken:
                what = field.replace("_", " ")
                raise UserError(f"--resume got {folder}, which takes {what} {taken}, and the data have {what} {given}.")
        return self.setup.model

    def scope(self) -> contextlib.AbstractContextManager[Any]:
        """The scope of the strategy, in which models and optimizers must be created."""
        return self.strategy.scope()

    def say(self, *lines: str) -> None:
        """Prints lines, on the chief only."""
        if self.chief:
            say(*lines)

    def note(self, text: str) -> None:
        """Prints a line about the progress, on the chief only; in a log with the time."""
        if self.chief:
            note(text)

    # -- training --------------------------------------------------------------------------------------------------

    def steps_per_epoch(self, model: GenerativeModel, data: Data) -> int:
        """Number of steps per epoch: the flag, or else the number of full batches in the training data.

        Raises:
            UserError: if there are fewer training examples than the batch size.
        """
        run = self.setup.run
        if run.batch_size > data.train_size:
            raise UserError(
                f"--batch-size got {run.batch_size}, but there are {data.train_size} training examples; accepted is at "
                "most that."
            )
        return run.steps_per_epoch or max(1, data.train_size // (run.batch_size * model.batches_per_step))

    def compile(self, model: GenerativeModel, data: Data) -> None:
        """Compiles the model with the learning-rate schedule of the run, and loads the weights of `--start-from`.

        Raises:
            UserError: if the batch size is too small for the family's loss, or `--freeze` or `--start-from` do not fit.
        """
        run = self.setup.run
        parts = self.strategy.num_replicas_in_sync * run.accumulate
        if run.batch_size // parts < model.min_examples_per_part:
            raise UserError(
                f"--batch-size got {run.batch_size}; accepted are at least {model.min_examples_per_part * parts}, "
                f"because the loss of {model.family} compares the examples of a batch"
                f"{f', within each of {parts} parts' * (parts > 1)}."
            )
        freeze(model, run.freeze)
        total = run.epochs * self.steps_per_epoch(model, data)
        rate = Schedule(
            run.learning_rate,
            total,
            run.schedule,
            warm_up=run.warm_up_steps,
            step_at=run.step_at,
            step_factor=run.step_factor,
        )
        model.compile(
            model.make_optimizers(rate),
            ema_decay=run.ema,
            accumulate=run.accumulate,
            jit_compile=run.jit,
            steps_per_execution=run.steps_per_execution,
        )
        if run.start_from is not None and not (run.resume and has_checkpoint(self.folder)):
            self.note(start_from(model, run.start_from, run.take, run.take_fitting))

    def fit(self, model: GenerativeModel, data: Data) -> None:
        """Trains to the last epoch; a resumed run starts from its newest checkpoint.

        Args:
            model: the compiled model.
            data: the data of the run.

        Raises:
            Stopped: after Ctrl-C (exit code 130), SIGTERM or the end of --max-hours (143), or a loss that is not finite
                (1). The message says which checkpoint exists and how to continue.
            UserError: if the folder cannot be written, the disk is full, or a file of the data can no longer be read.
                If training had begun, the message says which checkpoint exists.
        """
        run, folder = self.setup.run, self._write_to
        steps = self.steps_per_epoch(model, data)
        previews = max(run.previews, model.preview_examples)
        batch = next(iter(data.validation(previews, limit=previews)))
        checkpoints = self._open(model)
        refresh_run_page(folder)  # now, because pages that are written during training link to it
        progress = self._restore(checkpoints, model)
        done, start = progress.step, time.perf_counter()
        writers = EventWriters(folder)
        log = on.TensorBoardLog(progress, writers, self.setup)
        monitor = self._monitor(model, data, batch, progress, writers.train)
        preview = on.Preview(
            progress,
            batch,
            folder / "samples",
            writers.train,
            every=run.preview_every,
            end=steps * run.epochs,
            views=self._views(model, data, batch, folder),
            verdicts=lambda: monitor.record.verdicts if monitor else [],
        )
        saving = on.Checkpointing(progress, checkpoints, run.checkpoint_every, model.monitor, writers, folder)
        stop, profile = on.StopOnRequest(progress, self._end), on.Profile(progress, folder, run.profile)
        line = ProgressLine(progress, steps, run.epochs)
        self.say(*self._plan(model, done, steps))
        with (
            self._in_order(checkpoints),
            writers,
            profile,
            stop,
            monitor or contextlib.nullcontext(),
        ):
            try:
                self._close_epoch(model, data, progress, steps, [log, saving], stop)
                for epoch, until, first in _spans(done, steps, run.epochs):
                    begin = first * run.batch_size * model.batches_per_step
                    if first % steps:  # at the start of an epoch, the restored means belong to the previous one
                        model.keep_metrics_once()
                    model.fit(
                        self._spread(
                            lambda size, shard, begin=begin: data.train(
                                size * model.batches_per_step, start=begin, shard=shard
                            )
                        ),
                        validation_data=self._spread(lambda size, shard: data.validation(size, shard=shard)),
                        initial_epoch=epoch,
                        epochs=until,
                        steps_per_epoch=steps - first % steps,
                        callbacks=[
                            on.Counter(progress),
                            profile,
                            log,
                            *([monitor] if monitor else []),
                            preview,
                            saving,
                            *([line] if self.chief else []),
                            stop,
                        ],
                        shuffle=False,  # the data are shuffled already
                        checked=False,
                        verbose=0,
                    )
                if monitor:
                    monitor.look()
                preview.draw()
                saving.save()
            except (on.Interrupted, BrokenPipeError) as stopped:
                if isinstance(stopped, BrokenPipeError) and several_workers(self.strategy):
                    raise  # writing a checkpoint needs all workers, and the others continue
                saving.save()
                codes = {signal.SIGINT: 130, signal.SIGTERM: 143, None: 143}
                gone = isinstance(stopped, BrokenPipeError)  # the reader of the output has exited (| head)
                raise Stopped(
                    f"Stopped after step {progress.step} of {steps * run.epochs}; a checkpoint was written. "
                    f"Continue with\n  {self._command('--resume')}",
                    141 if gone else codes[stopped.signal],
                ) from None
        self.report["training"] = {
            "steps": steps * run.epochs,
            "steps_in_this_process": steps * run.epochs - done,
            "seconds_in_this_process": round(time.perf_counter() - start, 1),
            "best": {"value": progress.best, "term": model.monitor, "step": progress.best_step},
        }
        if monitor:
            self.report["health"] = monitor.report()

    def _plan(self, model: GenerativeModel, done: int, steps: int) -> list[str]:
        """Lines about the folder, the device, the size of the networks, and the number of steps."""
        run = self.setup.run
        counts = {name: network.count_params() for name, network in model.networks.items()}
        return [
            f"Training {model.family} in {self.folder}",
            f"  device   {devices(self.strategy)}, {run.precision}",
            f"  weights  {', '.join(f'{name} {count:,}' for name, count in counts.items())}",
            f"  steps    {run.epochs * steps:,}, {steps:,} per epoch; {done:,} done",
        ]

    @contextlib.contextmanager
    def _in_order(self, checkpoints: Checkpoints) -> Iterator[None]:
        """Turns errors during training into one sentence that also says which checkpoint exists."""
        try:
            try:
                yield
            finally:
                end_status()
                refresh_run_page(self._write_to)
        except on.NotFinite as error:
            raise Stopped(
                f"error: {error}; {self._kept(checkpoints)}. Try a lower --learning-rate, or --precision float32 if it "
                "was mixed.",
                1,
            ) from None
        except BrokenPipeError:
            raise
        except (UserError, OSError, tf.errors.OpError) as error:
            if several_workers(self.strategy) and isinstance(error, LOST):
                raise Stopped(
                    f"error: another worker was lost; {self._kept(checkpoints)}. Start all workers again with\n"
                    f"  {self._command('--resume')}",
                    1,
                ) from None
            fault = error if isinstance(error, UserError) else from_system(error)
            if fault is None:
                raise
            sentence = str(fault).rstrip(".")
            raise UserError(
                f"{sentence}; {self._kept(checkpoints)}, and {self._command('--resume')} continues."
            ) from error

    def _monitor(
        self, model: GenerativeModel, data: Data, batch: Any, progress: Progress, writer: EventWriter
    ) -> HealthMonitor | None:
        health, run = model.health(), self.setup.run
        if health is None:
            return None
        end = run.epochs * self.steps_per_epoch(model, data)
        return HealthMonitor(progress, health, data, batch, writer, self.note, every=run.preview_every, end=end)

    def _views(
        self, model: GenerativeModel, data: Data, batch: Any, folder: Path
    ) -> Callable[[bool], Mapping[str, Any]] | None:
        """A function for `Preview` that draws the latent space; None without one, and on workers except the chief."""
        space = model.latent_space()
        if space is None or not self.chief:
            return None
        images, labels = space.examples(batch)
        limit = how_many(*images.shape[2:])

        def shown(last: bool) -> Mapping[str, Any]:
            codes = encode_dataset(space, data.validation(BATCH, limit=limit))
            drawn = views(space, codes, images, labels)
            if not last:
                return drawn
            write_projector(folder, codes, data.classes)
            return {**drawn, **maps(codes, data.classes)}

        return shown

    def _close_epoch(
        self,
        model: GenerativeModel,
        data: Data,
        progress: Progress,
        steps: int,
        closing: list[on.StepCallback],
        stop: on.StopOnRequest,
    ) -> None:
        """Validates and logs an epoch that was stopped between its last step and its validation, as `fit` does."""
        epoch = progress.step // steps - 1
        if progress.step % steps or epoch < progress.epochs:
            return
        terms = model.get_metrics_result()
        validation = self._spread(lambda size, shard: data.validation(size, shard=shard))
        values = model.evaluate(validation, return_dict=True, verbose=0, callbacks=[stop])
        for callback in closing:
            callback.set_model(model)
            callback.on_epoch_end(epoch, {**terms, **{f"val_{name}": value for name, value in values.items()}})

    def _open(self, model: GenerativeModel) -> Checkpoints:
        """Takes the lock and writes config.json, after all checks."""
        run, folder = self.setup.run, self._write_to
        checkpoints = Checkpoints(folder / "checkpoints", model.state(), run.keep_checkpoints)
        checkpoints.require_space(self.folder)
        files = model.frozen_files()
        if run.resume:
            require_same_files(read_config(self.folder).get("frozen", {}), files, self.folder)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if self.chief:
                self._lock.take()
            if run.overwrite:
                remove_run(folder)
            # For a resumed run this writes the same configuration again, except for a larger number of epochs.
            kept = dataclasses.replace(
                self.setup,
                model=copy_inputs(self.setup.model, folder),
                run=dataclasses.replace(run, resume=None, overwrite=False, allow_changed_data=False),
            )
            write(folder / CONFIG_FILE, kept.to_json(fingerprints(files)) + "\n")
        except OSError as error:
            raise UserError(f"--out {self.folder} cannot be written: {error.strerror or error}.") from None
        return checkpoints

    def _restore(self, checkpoints: Checkpoints, model: GenerativeModel) -> Progress:
        run = self.setup.run
        if not run.resume:
            return Progress()
        progress, damaged = checkpoints.restore(self.folder / "checkpoints")
        self.say(*damaged, f"Resuming {self.folder} after step {progress.step}.")
        if self.chief:  # a killed process may have written more, which this one will write again
            checkpoints.forget_what_follows(progress.step)
            cut(self.folder, progress.logs)
        return progress

    def _spread(self, batches: Callable[[int, tuple[int, int]], tf.data.Dataset]) -> Any:
        """Distributes batches over the replicas.

        Args:
            batches: (batch size over all workers, (worker, workers)) -> the batches of one worker.
        """
        replica = self.setup.run.batch_size // self.strategy.num_replicas_in_sync

        def share(context: tf.distribute.InputContext) -> tf.data.Dataset:
            workers = context.num_input_pipelines
            return batches(replica * workers, (context.input_pipeline_id, workers))

        return self.strategy.distribute_datasets_from_function(share)

    def _kept(self, checkpoints: Checkpoints) -> str:
        step = checkpoints.newest_step()
        return "no checkpoint was written yet" if step is None else f"{self.folder} has the checkpoint of step {step}"

    def _command(self, flag: str) -> str:
        return command(f"{self._app} {flag} {shlex.quote(str(self.folder))}")

    # -- exports ---------------------------------------------------------------------------------------------------

    def export(self, model: GenerativeModel, data: Data, next_commands: Sequence[str] = ()) -> None:
        """Exports the networks, verifies the files, and prints a summary with suggestions for the next commands.

        With `--no-export`, only writes report.json and prints the summary.

        Args:
            model: the trained model.
            data: the data of the run.
            next_commands: further suggestions, in the form of `GenerativeModel.next_commands`.

        Raises:
            Stopped: with exit code 1 if the outputs of an exported file differ from those of the network.
        """
        if not self.chief:
            return
        if self.setup.run.export:
            exported = write_exports(model, data, self.folder, self.report)
        else:
            exported = ["  no exports (--no-export)"]
            write_json(self.folder / REPORT_FILE, {**self.report, "versions": versions()})
        refresh_run_page(self.folder)
        more = f"{self._command('--resume')} --epochs {2 * self.setup.run.epochs}"
        self.say(*_summary(self.folder, exported, (*model.next_commands, *next_commands)), f"  {more}")


def remove_run(folder: Path) -> None:
    """Deletes all files in `folder` that a run or the apps for finished runs wrote, and no others."""
    for pattern in (*_OWN, *_OF_TENSORBOARD, *_OF_LATER):
        for path in list(folder.glob(pattern)):
            remove(path)
    for left in (VALIDATION, "plugins"):  # fails if they contain other files, which stay
        with contextlib.suppress(OSError):
            (folder / left).rmdir()


def _spans(done: int, steps: int, epochs: int) -> Iterator[tuple[int, int, int]]:
    """Yields (first epoch, end, first step) for each call of `fit`: the rest of a partial epoch, then all others."""
    epoch, within = divmod(done, steps)
    if within:
        yield epoch, epoch + 1, done
        epoch += 1
    if epoch < epochs:
        yield epoch, epochs, epoch * steps


def _summary(folder: Path, exported: list[str], commands: Sequence[str]) -> list[str]:
    return [
        "",
        f"Written to {folder}:",
        *exported,
        "  index.html, samples/index.html, checkpoints/, config.json, report.json",
        "Next:",
        f"  tensorboard --logdir {shlex.quote(str(folder.parent))}",
        *(f"  {command(words.replace('RUN', shlex.quote(str(folder)), 1))}" for words in (*commands, _EXPORT)),
    ]
