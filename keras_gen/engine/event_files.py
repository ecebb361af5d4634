"""TensorBoard's files of a run: where they lie, and how a run that is resumed cuts them back to its checkpoint.

TensorBoard names a run by its folder below `--logdir`, and draws one tag of two runs into one chart. Training is logged
in the run folder itself and validation in `validation/`, as Keras does below its log folder, so that
`tensorboard --logdir savedmodels` lists "pix2pix/20260101-120000" and "pix2pix/20260101-120000/validation".

A killed process has logged steps that the next one does again. Event files only grow, so their sizes at the time of
the checkpoint say what belongs to it; what follows would stand twice.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import tensorflow as tf

VALIDATION = "validation"
"""Folder of the event files of validation, in the run folder."""
EVENTS = "events.out.tfevents.*"
"""Names of event files."""


class EventWriters:
    """The two writers of a run. Use it as a context, so that all is on the disk at its end.

    Attributes:
        train: the run's own, for everything but validation.
        validation: that of validation, whose terms have the tags of training's.
    """

    def __init__(self, folder: Path) -> None:
        """Args:
        folder: of the run.
        """
        self.train = tf.summary.create_file_writer(str(folder))
        self.validation = tf.summary.create_file_writer(str(folder / VALIDATION))

    def __enter__(self) -> EventWriters:
        return self

    def __exit__(self, *_: object) -> None:
        self.train.close()
        self.validation.close()

    def flush(self) -> None:
        """Put on the disk what was written so far."""
        self.train.flush()
        self.validation.flush()


def sizes(folder: Path) -> dict[str, int]:
    """Path of each event file, below the run folder -> its bytes so far; flush the writers before."""
    return {_name(folder, path): path.stat().st_size for path in sorted(_files(folder))}


def cut(folder: Path, kept: dict[str, int]) -> None:
    """Give each event file of a run the size that `sizes` found, and delete files that came later.

    A file that has less by now, or is gone, stays as it is: somebody has tidied up.
    """
    for path in _files(folder):
        name = _name(folder, path)
        if name not in kept:
            path.unlink()
        elif path.stat().st_size > kept[name]:
            os.truncate(path, kept[name])


def _files(folder: Path) -> Iterator[Path]:
    yield from list(Path(folder).glob(EVENTS))
    yield from list((Path(folder) / VALIDATION).glob(EVENTS))


def _name(folder: Path, path: Path) -> str:
    return path.relative_to(folder).as_posix()
