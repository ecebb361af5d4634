"""Checkpoints: every variable of a run and how far it is, written atomically, the newest few and the best.

checkpoints/
    step-0004000/   step-0005000/      the newest few
    best-0004400/                      the best by validation

Each is a folder of the variables (`state.index`, `state.data-...`, whose checksums TensorFlow verifies at reading) and
of `progress.json`; it is written beside its name and renamed, so that one that has its name is complete.
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
    """A callback that goes on where a checkpoint was written."""

    def state(self) -> dict[str, Any]:
        """What it has to remember, ready for JSON."""

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from what `state` gave."""


@dataclasses.dataclass
class Progress:
    """How far a run is, beside its variables.

    Attributes:
        step: updates done.
        epochs: epochs that are validated and logged.
        best: the best validation value so far, None before the first.
        best_step: step of the best checkpoint.
        logs: name of each TensorBoard file -> its bytes so far.
        callbacks: name of a callback -> what it remembered when this was written, ready for JSON.
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
        """Give a callback back what was remembered under a name, and ask it whenever this is written."""
        before = self._remembering[name].state() if name in self._remembering else self.callbacks.get(name)
        if before is not None:
            callback.restore(before)
        self._remembering[name] = callback

    def content(self) -> dict[str, Any]:
        """All of it, ready for JSON; the inverse of the constructor."""
        now = {name: callback.state() for name, callback in self._remembering.items()}
        return dataclasses.asdict(self) | {"callbacks": self.callbacks | now}


class Damaged(Exception):
    """A checkpoint that cannot be read: truncated, emptied, or a file of it is missing."""


class Checkpoints:
    """The checkpoints of a run folder."""

    def __init__(self, folder: Path, state: Mapping[str, tf.Variable], keep: int) -> None:
        """Args:
        folder: where they are written.
        state: name -> variable, of `GenerativeModel.state`.
        keep: number of newest checkpoints to keep.
        """
        self._folder, self._keep = Path(folder), keep
        self._state = dict(state)
        self._checkpoint = tf.train.Checkpoint(variables=self._state)
        self._newest: int | None = None
        self._best_of_newest: int | None = None

    def bytes_needed(self) -> int:
        """Size of one checkpoint on disk in bytes, without the few of its index."""
        return sum(v.dtype.size * int(tf.size(v)) for v in self._state.values())

    def require_space(self, folder: Path) -> None:
        """Raise a UserError if the disk of `folder` has less room than one checkpoint takes."""
        free = shutil.disk_usage(nearest_existing(folder)).free
        if free < self.bytes_needed():
            raise UserError(
                f"--out {folder} lies on a disk with {size_text(free)} free, and one checkpoint takes "
                f"{size_text(self.bytes_needed())}: free some space or choose another folder."
            )

    def not_finite(self) -> str | None:
        """Name of a variable that holds NaN or infinity, None if all is finite."""
        for name, variable in self._state.items():
            if variable.dtype.is_floating and not bool(
                tf.reduce_all(tf.math.is_finite(tf.convert_to_tensor(variable)))
            ):
                return name
        return None

    def save(self, progress: Progress) -> bool:
        """Write the newest checkpoint and delete those beyond `keep`.

        Returns:
            False if a variable is not finite: nothing is written, the checkpoint before stays the newest.
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
        """Write the best checkpoint; False if a variable is not finite."""
        if self.not_finite():
            return False
        self._write(_BEST, progress)
        # The newest checkpoint may be gone on with, and then this best one is not yet.
        self._keep_best({progress.best_step, self._best_of_newest})
        return True

    def newest_step(self) -> int | None:
        """Updates done at the newest checkpoint that was written or restored; None without one."""
        return self._newest

    def restore(self, folder: Path) -> tuple[Progress, list[str]]:
        """Read the newest checkpoint of `folder` that can be read into every variable.

        Returns:
            How far the run was, and a sentence for each newer checkpoint that is damaged.

        Raises:
            UserError: if there are checkpoints and none can be read, or one is of another model.
        """
        damaged = []
        for path in reversed(_found(folder, _NEWEST)):
            try:
                progress = read(path, self._checkpoint)
            except Damaged as error:
                damaged.append(f"The checkpoint {path} is left out: {error}.")
                continue
            if progress.best_step is not None and not (folder / _name(_BEST, progress.best_step)).exists():
                progress.best = progress.best_step = None  # deleted when a newer one came, which is lost now
            self._newest, self._best_of_newest = progress.step, progress.best_step
            return progress, damaged
        if damaged:
            raise UserError(
                f"{folder} holds {len(damaged)} checkpoint{'s' * (len(damaged) > 1)}, and none can be read: "
                f"{damaged[0].split(': ', 1)[1].rstrip('.')}; --overwrite instead of --resume starts again."
            )
        return Progress(), []

    def forget_what_follows(self, step: int) -> None:
        """Delete what a killed process left after `step`, from where the run goes on: it will be written again."""
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
        except tf.errors.OpError as error:  # of many kinds, all of them the disk's
            raise UserError(f"the checkpoint {path} cannot be written: {complaint(error)}.") from error

    def _keep_best(self, steps: set[int | None]) -> None:
        for path in _found(self._folder, _BEST):
            if _step(path) not in steps:
                remove(path)


def nearest_existing(folder: Path) -> Path:
    """The folder itself, or the nearest place above it that exists already."""
    return next(place for place in (folder, *folder.absolute().parents) if place.exists())


def restore_networks(run: Path, state: Mapping[str, tf.Variable], which: str = "newest") -> int:
    """Read those variables of a run's newest or best checkpoint that `state` names.

    Returns:
        Updates done when it was written.

    Raises:
        UserError: if there is none, or it is damaged, or does not hold them.
    """
    path = newest(run, which)
    try:
        return read(path, tf.train.Checkpoint(variables=dict(state))).step
    except Damaged as error:
        raise UserError(f"the {which} checkpoint {path} cannot be read: {error}.") from None


def newest(run: Path, which: str = "newest") -> Path:
    """The folder of a run's newest or best checkpoint.

    Raises:
        UserError: if there is none.
    """
    found = _found(Path(run) / "checkpoints", _BEST if which == "best" else _NEWEST)
    if not found:
        raise UserError(f"{run} holds no {which} checkpoint: it was stopped before the first was written.")
    return found[-1]


def has_checkpoint(run: Path) -> bool:
    """Whether a run folder holds a checkpoint to go on from."""
    return bool(_found(Path(run) / "checkpoints", _NEWEST))


def saved_shapes(run: Path) -> dict[str, tuple[int, ...]]:
    """Name -> shape, of all variables in a run's newest checkpoint.

    Raises:
        UserError: if there is none, or its index cannot be read.
    """
    path = newest(run)
    try:
        shapes = tf.train.load_checkpoint(str(path / _STATE)).get_variable_to_shape_map()
    except (OSError, ValueError, tf.errors.OpError) as error:
        raise UserError(f"the newest checkpoint {path} cannot be read: {_first_line(error)}.") from None
    # TensorFlow writes "." as ".." and "/" as ".S" in what a dictionary has as keys.
    keys = (
        (key.removeprefix("variables/").removesuffix("/.ATTRIBUTES/VARIABLE_VALUE"), shape)
        for key, shape in shapes.items()
        if key.startswith("variables/")
    )
    return {re.sub(r"\.[.S]", lambda m: "." if m[0] == ".." else "/", key): tuple(shape) for key, shape in keys}


def read(path: Path, checkpoint: tf.train.Checkpoint) -> Progress:
    """Restore `checkpoint` from the folder `path`; every one of its variables must be found there.

    Raises:
        Damaged: if a file of it is missing, cut or altered; variables may have been overwritten.
        UserError: if it is complete but of another model.
    """
    try:
        progress = Progress(**json.loads((path / _PROGRESS).read_text(encoding="utf-8")))
        tf.train.load_checkpoint(str(path / _STATE))  # the index alone: what is wrong from here on is in the data
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
    """The complete checkpoints of a kind, the newest last."""
    found = (path for path in Path(folder).glob(f"{kind}-*") if path.name.rsplit("-", 1)[1].isdecimal())
    return sorted(found, key=_step)
