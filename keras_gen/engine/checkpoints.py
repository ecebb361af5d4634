"""Checkpoints: every variable of a run by name, written atomically, the newest few and the best."""

from __future__ import annotations

import math
import shutil
from collections.abc import Mapping
from pathlib import Path

import tensorflow as tf

from keras_gen.errors import UserError

BEST = "best"


class Checkpoints:
    """The checkpoints of a run folder.

    A checkpoint holds the model's `state()`, and the run's step (updates done) and best validation value. TensorFlow
    writes it beside its final name and renames it, and only then names it in the index file, so an interrupted write is
    never read.
    """

    def __init__(self, folder: Path, state: Mapping[str, tf.Variable], keep: int) -> None:
        """Args:
        folder: where they lie; `best/` in it holds the best one.
        state: name -> variable, of `GenerativeModel.state`.
        keep: number of newest checkpoints to keep.
        """
        self.step = tf.Variable(0, dtype=tf.int64, trainable=False)
        self.best = tf.Variable(float("inf"), dtype=tf.float64, trainable=False)
        self._state = dict(state)
        self._checkpoint = tf.train.Checkpoint(variables=self._state, step=self.step, best=self.best)
        self._newest = tf.train.CheckpointManager(self._checkpoint, str(folder), max_to_keep=keep)
        self._best = tf.train.CheckpointManager(self._checkpoint, str(Path(folder) / BEST), max_to_keep=1)
        self._saved_at = -1

    def bytes_needed(self) -> int:
        """Size of one checkpoint on disk in bytes, without the few of its index."""
        return sum(v.dtype.size * int(tf.size(v)) for v in self._state.values())

    def require_space(self, folder: Path) -> None:
        """Raise a UserError if the disk of `folder` has less room than one checkpoint takes."""
        free = shutil.disk_usage(nearest_existing(folder)).free
        if free < self.bytes_needed():
            raise UserError(
                f"--out {folder} lies on a disk with {free / 1e6:.0f} MB free, and one checkpoint takes "
                f"{self.bytes_needed() / 1e6:.0f} MB: free some space or choose another folder."
            )

    def not_finite(self) -> str | None:
        """Name of a variable that holds NaN or infinity, None if all is finite."""
        for name, variable in self._state.items():
            if variable.dtype.is_floating and not bool(
                tf.reduce_all(tf.math.is_finite(tf.convert_to_tensor(variable)))
            ):
                return name
        return None

    def save(self, step: int) -> str | None:
        """Write the newest checkpoint, unless this step has one or a weight is not finite.

        Returns:
            The path of the checkpoint; None if a weight is not finite (the checkpoint before stays the newest).
        """
        if step == self._saved_at:
            return self._newest.latest_checkpoint
        if self.not_finite():
            return None
        self.step.assign(step)
        path = self._newest.save(checkpoint_number=step)
        self._saved_at = step
        return path

    def save_best(self, step: int, value: float) -> bool:
        """Write the best checkpoint if `value` (smaller is better) beats all before."""
        if not value < float(self.best) or self.not_finite():
            return False
        self.step.assign(step)
        self.best.assign(value)
        self._best.save(checkpoint_number=step)
        return True

    def newest_step(self) -> int:
        """Updates done at the newest checkpoint that was written or restored; 0 without one."""
        return max(self._saved_at, 0)

    def best_value(self) -> float | None:
        """The best validation value so far, None before the first."""
        value = float(self.best)
        return value if math.isfinite(value) else None

    def restore(self, folder: Path) -> int:
        """Read the newest checkpoint of `folder` into every variable.

        Returns:
            Updates done when it was written; 0 without a checkpoint.
        """
        path = tf.train.latest_checkpoint(str(folder))
        if path is None:
            return 0
        read(path, self._checkpoint)
        self._saved_at = int(self.step)
        return self._saved_at


def nearest_existing(folder: Path) -> Path:
    """The folder itself, or the nearest place above it that exists already."""
    return next(place for place in (folder, *folder.absolute().parents) if place.exists())


def latest(folder: Path, which: str = "newest") -> str:
    """Path of a run folder's newest or best checkpoint.

    Raises:
        UserError: if there is none.
    """
    place = Path(folder) / "checkpoints"
    path = tf.train.latest_checkpoint(str(place / BEST if which == BEST else place))
    if path is None:
        raise UserError(f"{folder} holds no {which} checkpoint: it was stopped before the first was written.")
    return path


def restore_networks(path: str, state: Mapping[str, tf.Variable]) -> int:
    """Read those variables of a checkpoint that `state` names; returns the updates done when it was written."""
    step = tf.Variable(0, dtype=tf.int64, trainable=False)
    read(path, tf.train.Checkpoint(variables=dict(state), step=step))
    return int(step)


def read(path: str, checkpoint: tf.train.Checkpoint) -> None:
    """Restore `checkpoint` from `path`; every one of its variables must be found there."""
    try:
        status = checkpoint.read(path)
        status.assert_existing_objects_matched()
        status.expect_partial()
    except (tf.errors.OpError, AssertionError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise UserError(f"checkpoint {path} does not fit the model of config.json: {reason}") from None
