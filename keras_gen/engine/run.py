"""`Run`: one training run and its folder.

savedmodels/<family>/<run>/
    config.json   checkpoints/   samples/   saved_model/   model.tflite   report.json
    events.out.tfevents.*   validation/   plugins/   projector/      TensorBoard's
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

# Patterns of what a run writes, and of what the apps for finished runs write into it; networks have files of their own.
_OWN = (CONFIG_FILE, PAGE_FILE, INPUTS, "checkpoints", "samples", "saved_model*", "*.tflite", "report.json")
_OF_TENSORBOARD = (EVENTS, f"{VALIDATION}/{EVENTS}", "plugins/profile", "projector", "projector_config.pbtxt")
_OF_LATER = ("report.html", "evaluation.json", "codec-*.npz", "latents")
_EXPORT = "export RUN --variants float32,dynamic8"


class Run:
    """One run: checks its folder, spreads the model over devices, trains, saves, resumes and exports.

    Use, in this order: `Run(setup)`, `scope()`, `compile`, `fit`, `export`.
    """

    def __init__(self, setup: Setup, app: str = "") -> None:
        """Check the folder and prepare TensorFlow; nothing is written yet.

        Args:
            setup: the configuration of the run.
            app: name of the app, for the command that resumes the run; "" for train_FAMILY.

        Raises:
            UserError: if the folder holds a run already, cannot be written, or a flag cannot be met.
        """
        default = Path("savedmodels") / setup.family / datetime.datetime.now().strftime("%Y%m%d-%H%M%S")
        self.folder = Path(setup.run.out or default)
        self._app = app or f"train_{setup.family}"
        self.setup = dataclasses.replace(setup, run=dataclasses.replace(setup.run, out=self.folder))
        self._check_folder()
        self.strategy = prepare(setup.run)
        self.chief = is_chief(self.strategy)
        self._lock = RunLock(self.folder)
        if self.chief:  # it alone writes there
            self._lock.check()
        # Every worker takes part in writing a checkpoint; those who are not the chief write where nobody looks.
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
            raise UserError(f"--overwrite would delete {folder}, which the new run is made of: choose another --out.")
        if (folder / CONFIG_FILE).exists() and not (run.resume or run.overwrite):
            raise UserError(
                f"--out got {folder}, which already holds a run; add --overwrite to delete it, or go on with it by "
                f"--resume {folder}."
            )

    def complete_model(self, data: Data) -> Any:
        """Fill in the hidden fields of the family's `Config` from the attributes of the data; returns the new one.

        Raises:
            UserError: if the data are no longer those of the run that is to be resumed, or do not fit its networks.
        """
        before, folder = self.setup, self.setup.run.resume
        self.setup = self.setup.following(data.attributes())
        self.setup = dataclasses.replace(self.setup, data_identity=data.identity())
        if folder is None:
            return self.setup.model
        changed = what_changed(read_config(folder).get("data_identity") or data.identity(), data.identity())
        if changed and not before.run.allow_changed_data:
            raise UserError(
                f"--resume got {folder}, whose data have changed: {changed}; --allow-changed-data goes on with them."
            )
        for field in hidden_fields(type(self.setup.model), of_training=False):
            given, taken = getattr(self.setup.model, field), getattr(before.model, field)
            if given != taken:
                what = field.replace("_", " ")
                raise UserError(f"--resume got {folder}, which takes {what} {taken}, and the data have {what} {given}.")
        return self.setup.model

    def scope(self) -> contextlib.AbstractContextManager[Any]:
        """The scope of the strategy: models and their optimizers are made in it."""
        return self.strategy.scope()

    def say(self, *lines: str) -> None:
        """Tell the user, once for all workers."""
        if self.chief:
            say(*lines)

    def note(self, text: str) -> None:
        """Tell the user what happens, once for all workers; in a log with the time."""
        if self.chief:
            note(text)

    # -- training --------------------------------------------------------------------------------------------------

    def steps_per_epoch(self, model: GenerativeModel, data: Data) -> int:
        """Steps that count as one epoch: the flag, or as many as the data hold full batches for."""
        run = self.setup.run
        if run.batch_size > data.train_size:
            raise UserError(
                f"--batch-size got {run.batch_size}, but there are {data.train_size} training examples; accepted is at "
                "most that."
            )
        return run.steps_per_epoch or max(1, data.train_size // (run.batch_size * model.batches_per_step))

    def compile(self, model: GenerativeModel, data: Data) -> None:
        """Give the model its optimizers, with the schedule of the run, and the weights of `--start-from`.

        Raises:
            UserError: if a part of a batch has fewer examples than the family's loss needs.
        """
        run = self.setup.run
        parts = self.strategy.num_replicas_in_sync * run.accumulate
        if run.batch_size // parts < model.min_examples_per_part:
            raise UserError(
                f"--batch-size got {run.batch_size}; accepted are {model.min_examples_per_part * parts} and more, as "
                f"{model.family} compares the examples of a batch (of each of {parts} parts) with each other."
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
        """Train to the last epoch, from the newest checkpoint on if the run is resumed.

        Raises:
            Stopped: after Ctrl-C, SIGTERM or the end of --max-hours (exit code 130, 143, 143) or a loss that is not
                finite (exit code 1); the message says what was kept and how to go on.
            UserError: if the folder cannot be written, the disk has no room for a checkpoint, or a file of the data
                cannot be read any more; if that happens between steps, the message says what was kept.
        """
        run, folder = self.setup.run, self._write_to
        steps = self.steps_per_epoch(model, data)
        previews = max(run.previews, model.preview_examples)
        batch = next(iter(data.validation(previews, limit=previews)))
        checkpoints = self._open(model)
        refresh_run_page(folder)  # the pages that training writes have links to it
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
                    if first % steps:  # at the end of an epoch the restored means belong to what is over
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
                        shuffle=False,  # the order is the data layer's
                        checked=False,
                        verbose=0,
                    )
                if monitor:
                    monitor.look()
                preview.draw()
                saving.save()
            except (on.Interrupted, BrokenPipeError) as stopped:
                if isinstance(stopped, BrokenPipeError) and several_workers(self.strategy):
                    raise  # a checkpoint takes all workers, and the others know nothing of it
                saving.save()
                codes = {signal.SIGINT: 130, signal.SIGTERM: 143, None: 143}
                gone = isinstance(stopped, BrokenPipeError)  # nobody reads the output any more (| head)
                raise Stopped(
                    f"Stopped after step {progress.step} of {steps * run.epochs}; the checkpoint is written. Go on with"
                    f"\n  {self._command('--resume')}",
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
        """Lines about what is trained where, how large it is, and what is to do."""
        run = self.setup.run
        counts = {name: network.count_params() for name, network in model.networks.items()}
        return [
            f"Training {model.family} in {self.folder}",
            f"  device   {devices(self.strategy)}, {run.precision}",
            f"  weights  {', '.join(f'{name} {count:,}' for name, count in counts.items())}",
            f"  steps    {run.epochs * steps:,}, {steps:,} an epoch; {done:,} are done",
        ]

    @contextlib.contextmanager
    def _in_order(self, checkpoints: Checkpoints) -> Iterator[None]:
        """What goes wrong between steps becomes one sentence that also says what is kept."""
        try:
            try:
                yield
            finally:
                end_status()
                refresh_run_page(self._write_to)
        except on.NotFinite as error:
            raise Stopped(
                f"error: {error}; {self._kept(checkpoints)}. A lower --learning-rate, or --precision float32 if it was "
                "mixed, is the usual cure.",
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
                f"{sentence}; {self._kept(checkpoints)}, and {self._command('--resume')} goes on."
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
        """Views of the model's latent space, if it has one; those of several workers have the same, and one draws."""
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
        """Validate and log the epoch that was stopped between its last step and its end, as `fit` would have."""
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
        """Write config.json, after everything that can be refused has been."""
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
            # A resumed run keeps its own file; only the number of epochs may have grown.
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
        if self.chief:  # what a killed process wrote after that is written again
            checkpoints.forget_what_follows(progress.step)
            cut(self.folder, progress.logs)
        return progress

    def _spread(self, batches: Callable[[int, tuple[int, int]], tf.data.Dataset]) -> Any:
        """Share what `batches(size over all workers, (worker, workers))` gives among the replicas."""
        replica = self.setup.run.batch_size // self.strategy.num_replicas_in_sync

        def share(context: tf.distribute.InputContext) -> tf.data.Dataset:
            workers = context.num_input_pipelines
            return batches(replica * workers, (context.input_pipeline_id, workers))

        return self.strategy.distribute_datasets_from_function(share)

    def _kept(self, checkpoints: Checkpoints) -> str:
        step = checkpoints.newest_step()
        kept = step is not None
        return f"the checkpoint of step {step} is kept in {self.folder}" if kept else "no checkpoint was written yet"

    def _command(self, flag: str) -> str:
        return command(f"{self._app} {flag} {shlex.quote(str(self.folder))}")

    # -- what remains ----------------------------------------------------------------------------------------------

    def export(self, model: GenerativeModel, data: Data, next_commands: Sequence[str] = ()) -> None:
        """Export what the model serves, prove that it draws the same pictures, and say what to do with it.

        With `--no-export` only the last.

        Args:
            model: trained.
            data: that it was trained on.
            next_commands: more of what the user may do next, in the form of the family's.

        Raises:
            Stopped: with exit code 1 if an export differs from the network.
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
    """Delete what a run and the apps for finished runs wrote into `folder`, and nothing else that lies there."""
    for pattern in (*_OWN, *_OF_TENSORBOARD, *_OF_LATER):
        for path in list(folder.glob(pattern)):
            remove(path)
    for left in (VALIDATION, "plugins"):  # unless something else lies there
        with contextlib.suppress(OSError):
            (folder / left).rmdir()


def _spans(done: int, steps: int, epochs: int) -> Iterator[tuple[int, int, int]]:
    """(first epoch, end, first step) of each `fit`: the rest of an epoch that was begun, then all whole ones."""
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
