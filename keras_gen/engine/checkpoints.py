"""Checkpoints: all variables of a run and its progress, written atomically. The newest few and the best are kept.

checkpoints/
    step-0004000/   step-0005000/      the newest few
    best-0004400/                      the best by validation

Each checkpoint is a folder with the variables (`state.index`, `state.data-...`) and `progress.json`. It is written
under a temporary name and then renamed, so a folder with the final name is complete. TensorFlow verifies the checksums
of the variables when it reads them.
"""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import tensorflow as tf

from keras_gen.console import size_text
from keras_gen.errors import UserError, complaint
from keras_gen.files import remove, replacing, write_json

_STATE, _PROGRESS = "state", "progress.json"
_NEWEST, _BEST = "step", "best"


class Remembers(Protocol):
    """A callback whose state is part of checkpoints."""

    def state(self) -> dict[str, Any]:
        """The state, JSON-ready."""

    def restore(self, state: dict[str, Any]) -> None:
        """Sets the state to one that `state` returned."""


@dataclasses.dataclass
class Progress:
    """The progress of a run, which a checkpoint stores with its variables.

    Attributes:
        step: number of completed training steps.
        epochs: number of epochs that are validated and logged.
        best: best value of the monitored validation term so far; None before the first validation.
        best_step: step of the best checkpoint.
        logs: name of each TensorBoard event file -> its size [bytes].
        callbacks: name of a callback -> its state when the checkpoint was written, JSON-ready.
    """

    step: int = 0
    epochs: int = 0
    best: float | None = None
    best_step: int | None = None
    logs: dict[str, int] = dataclasses.field(default_factory=dict)
    callbacks: dict[str, dict[str, Any]] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        self._remembering: dict[str, Remembers] = {}

    def remember(self, name: str, callback: Remembers) -> None:
        """Registers a callback: restores its state, if one is stored under `name`, and stores it from now on."""
        before = self._remembering[name].state() if name in self._remembering else self.callbacks.get(name)
        if before is not None:
            callback.restore(before)
        self._remembering[name] = callback

    def content(self) -> dict[str, Any]:
        """The arguments of the constructor with the current states of the callbacks, JSON-ready."""
        now = {name: callback.state() for name, callback in self._remembering.items()}
        return dataclasses.asdict(self) | {"callbacks": self.callbacks | now}


class Damaged(Exception):
    """A checkpoint that cannot be read because a file is missing, truncated or altered."""


class Checkpoints:
    """The checkpoints of a run folder."""

    def __init__(self, folder: Path, state: Mapping[str, tf.Variable], keep: int) -> None:
        """Args:
        folder: folder of the checkpoints.
        state: name -> variable, from `GenerativeModel.state`.
        keep: number of most recent checkpoints to keep.
        """
        self._folder, self._keep = Path(folder), keep
        self._state = dict(state)
        self._checkpoint = tf.train.Checkpoint(variables=self._state)
        self._newest: int | None = None
        self._best_of_newest: int | None = None

    def bytes_needed(self) -> int:
        """Size of one checkpoint on disk [bytes], without its small index."""
        return sum(v.dtype.size * int(tf.size(v)) for v in self._state.values())

    def require_space(self, folder: Path) -> None:
        """Raises a UserError if the disk of `folder` has less free space than one checkpoint needs."""
        free = shutil.disk_usage(nearest_existing(folder)).free
        if free < self.bytes_needed():
            raise UserError(
                f"--out {folder} lies on a disk with {size_text(free)} free, and one checkpoint takes "
                f"{size_text(self.bytes_needed())}: free some space or choose another folder."
            )

    def not_finite(self) -> str | None:
        """Name of a variable that contains NaN or infinity; None if all values are finite."""
        for name, variable in self._state.items():
            if variable.dtype.is_floating and not bool(
                tf.reduce_all(tf.math.is_finite(tf.convert_to_tensor(variable)))
            ):
                return name
        return None

    def save(self, progress: Progress) -> bool:
        """Writes a checkpoint and deletes old ones beyond the number to keep.

        Returns:
            Whether it was written. False if a variable is not finite; the previous checkpoint then stays the newest.
        """
        if self.not_finite():
            return False
        self._write(_NEWEST, progress)
        self._newest, self._best_of_newest = progress.step, progress.best_step
        for path in _found(self._folder, _NEWEST)[: -self._keep]:
            remove(path)
        self._keep_best({progress.best_step})
        return True

    def save_best(self, progress: Progress) -> bool:
        """Writes the best checkpoint, and returns whether it did; False if a variable is not finite."""
        if self.not_finite():
            return False
        self._write(_BEST, progress)
        # A run that resumes from the newest checkpoint needs the best one of that time.
        self._keep_best({progress.best_step, self._best_of_newest})
        return True

    def newest_step(self) -> int | None:
        """Step of the newest checkpoint that was written or restored; None if there is none."""
        return self._newest

    def restore(self, folder: Path) -> tuple[Progress, list[str]]:
        """Restores all variables from the newest checkpoint in `folder` that can be read.

        Returns:
            The progress of the run, and a sentence for each newer checkpoint that is damaged. Without any checkpoint,
            the progress is that of a new run.

        Raises:
            UserError: if no checkpoint can be read, or one belongs to another model.
        """
        damaged = []
        for path in reversed(_found(folder, _NEWEST)):
            try:
                progress = read(path, self._checkpoint)
            except Damaged as error:
                damaged.append(f"The checkpoint {path} cannot be read and is skipped: {error}.")
                continue
            if progress.best_step is not None and not (folder / _name(_BEST, progress.best_step)).exists():
                progress.best = progress.best_step = None  # it was replaced by a better one after this checkpoint
            self._newest, self._best_of_newest = progress.step, progress.best_step
            return progress, damaged
        if damaged:
            raise UserError(
                f"{folder} holds {len(damaged)} checkpoint{'s' * (len(damaged) > 1)}, and none can be read: "
                f"{damaged[0].split(': ', 1)[1].rstrip('.')}; --overwrite instead of --resume starts again."
            )
        return Progress(), []

    def forget_what_follows(self, step: int) -> None:
        """Deletes checkpoints that a killed process wrote after `step`, where the run resumes, and partial ones."""
        for kind in (_NEWEST, _BEST):
            for path in _found(self._folder, kind):
                if _step(path) > step:
                    remove(path)
        for leftover in self._folder.glob("*.part"):
            remove(leftover)

    def _write(self, kind: str, progress: Progress) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / _name(kind, progress.step)
        try:
            with replacing(path) as folder:
                folder.mkdir()
                self._checkpoint.write(str(folder / _STATE))
                write_json(folder / _PROGRESS, progress.content())
        except tf.errors.OpError as error:  # problems of the disk raise many kinds
            raise UserError(f"the checkpoint {path} cannot be written: {complaint(error)}.") from error

    def _keep_best(self, steps: set[int | None]) -> None:
        for path in _found(self._folder, _BEST):
            if _step(path) not in steps:
                remove(path)


def nearest_existing(folder: Path) -> Path:
    """The folder itself if it exists, or else its nearest parent that does."""
    return next(place for place in (folder, *folder.absolute().parents) if place.exists())


def restore_networks(run: Path, state: Mapping[str, tf.Variable], which: str = "newest") -> int:
    """Restores some variables from the newest or best checkpoint of a run.

    Args:
        run: the run folder.
        state: name -> variable to restore.
        which: "newest" or "best".

    Returns:
        The step of the checkpoint.

    Raises:
        UserError: if there is no such checkpoint, it is damaged, or it lacks a variable.
    """
    path = newest(run, which)
    try:
        return read(path, tf.train.Checkpoint(variables=dict(state))).step
    except Damaged as error:
        raise UserError(f"the {which} checkpoint {path} cannot be read: {error}.") from None


def newest(run: Path, which: str = "newest") -> Path:
    """The folder of the newest or best checkpoint of a run.

    Args:
        run: the run folder.
        which: "newest" or "best".

    Raises:
        UserError: if there is no such checkpoint.
    """
    found = _found(Path(run) / "checkpoints", _BEST if which == "best" else _NEWEST)
    if not found:
        raise UserError(f"{run} holds no {which} checkpoint; the run was stopped before it wrote one.")
    return found[-1]


def has_checkpoint(run: Path) -> bool:
    """Whether a run folder has a checkpoint from which the run can be resumed."""
    return bool(_found(Path(run) / "checkpoints", _NEWEST))


def saved_shapes(run: Path) -> dict[str, tuple[int, ...]]:
    """Name -> shape, for all variables in the newest checkpoint of a run.

    Raises:
        UserError: if there is no checkpoint, or its index cannot be read.
    """
    path = newest(run)
    try:
        shapes = tf.train.load_checkpoint(str(path / _STATE)).get_variable_to_shape_map()
    except (OSError, ValueError, tf.errors.OpError) as error:
        raise UserError(f"the newest checkpoint {path} cannot be read: {_first_line(error)}.") from None
    # TensorFlow escapes keys of dictionaries: "." as ".." and "/" as ".S".
    keys = (
        (key.removeprefix("variables/").removesuffix("/.ATTRIBUTES/VARIABLE_VALUE"), shape)
        for key, shape in shapes.items()
        if key.startswith("variables/")
    )
    return {re.sub(r"\.[.S]", lambda m: "." if m[0] == ".." else "/", key): tuple(shape) for key, shape in keys}


def read(path: Path, checkpoint: tf.train.Checkpoint) -> Progress:
    """Restores all variables of `checkpoint` from the folder `path`, and returns the progress of the run.

    Raises:
        Damaged: if a file is missing, truncated or altered. Some variables may have been overwritten.
        UserError: if the files are intact, but belong to another model.
    """
    try:
        progress = Progress(**json.loads((path / _PROGRESS).read_text(encoding="utf-8")))
        tf.train.load_checkpoint(str(path / _STATE))  # reads only the index; later errors come from the data
    except (OSError, ValueError, TypeError, LookupError, RuntimeError, tf.errors.OpError) as error:
        raise Damaged(_first_line(error)) from None
    try:
        status = checkpoint.read(str(path / _STATE))
        status.assert_existing_objects_matched()
        status.expect_partial()
    except (OSError, LookupError, RuntimeError, tf.errors.OpError) as error:
        raise Damaged(_first_line(error)) from None
    except (ValueError, AssertionError) as error:
        raise UserError(f"the checkpoint {path} does not fit the model of config.json: {_first_line(error)}.") from None
    return progress


def _first_line(error: Exception) -> str:
    text = complaint(error) if isinstance(error, tf.errors.OpError) else str(error)
    return text.strip().split("\n", 1)[0].rstrip(".")


def _name(kind: str, step: int) -> str:
    return f"{kind}-{step:07d}"


def _step(path: Path) -> int:
    return int(path.name.rsplit("-", 1)[1])


def _found(folder: Path, kind: str) -> list[Path]:
    """The complete checkpoints of one kind, newest last."""
    found = (path for path in Path(folder).glob(f"{kind}-*") if path.name.rsplit("-", 1)[1].isdecimal())
    return sorted(found, key=_step)
