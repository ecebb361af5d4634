"""TensorBoard's files of a run: where they lie, and how a run that is resumed cuts them back to its checkpoint.

TensorBoard names a run by its folder below `--logdir`, and draws one tag of two runs into one chart. Training is logged
in the run folder itself and validation in `validation/`, as Keras does below its log folder, so that
`tensorboard --logdir savedmodels` lists "pix2pix/20260101-120000" and "pix2pix/20260101-120000/validation".

A killed process has logged steps that the next one does again. Event files only grow, so their sizes at the time of
the checkpoint say what belongs to it; what follows would stand twice.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.util.tensor_util import make_ndarray

VALIDATION = "validation"
"""Folder of the event files of validation, in the run folder."""
EVENTS = "events.out.tfevents.*"
"""Names of event files."""
_HEAD, _CHECKSUM = struct.Struct("<QI"), 4  # of a record: its length and that number's checksum; the content's [bytes]
_LONGEST = 2**31  # bytes of a record; a number that is not one is larger


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


class Logged(NamedTuple):
    """What is logged under a scalar's tag.

    Attributes:
        description: the sentence about it, or nothing.
        points: (step, value) in the order of logging.
    """

    description: str
    points: list[tuple[int, float]]


def scalars(folder: Path, prefix: str = "") -> dict[str, Logged]:
    """The scalars in the event files of one folder, without those of folders in it.

    Args:
        folder: that holds the files.
        prefix: of the tags to read; those of each step are many.

    Returns:
        tag -> what is logged. What follows a damaged place in a file is left out.
    """
    found: dict[str, Logged] = {}
    for step, value in _values(folder, prefix):
        if value.metadata.plugin_data.plugin_name == "scalars":
            logged = found.setdefault(value.tag, Logged(value.metadata.summary_description, []))
            logged.points.append((step, float(make_ndarray(value.tensor))))
    return found


def last_text(folder: Path, tag: str) -> str:
    """The text that was logged last under a tag, in the event files of one folder; nothing if there is none."""
    text = ""
    for _, value in _values(folder, tag):
        if value.tag == tag and value.metadata.plugin_data.plugin_name == "text":
            text = make_ndarray(value.tensor).item().decode(errors="replace")
    return text


def _values(folder: Path, prefix: str) -> Iterator[tuple[int, Any]]:
    """(step, value) of the summaries whose tags begin with `prefix`, file by file."""
    for path in sorted(Path(folder).glob(EVENTS)):
        for event in _events(path, prefix.encode()):
            yield from ((event.step, value) for value in event.summary.value if value.tag.startswith(prefix))


def _events(path: Path, asked: bytes) -> Iterator[Event]:
    """The events of a file in which some bytes occur, up to its end or to a damaged place."""
    with open(path, "rb") as file:
        while len(head := file.read(_HEAD.size)) == _HEAD.size:
            length, _ = _HEAD.unpack(head)
            record = file.read(length) if length < _LONGEST else b""
            if len(record) != length or len(file.read(_CHECKSUM)) != _CHECKSUM:
                return
            if asked in record:  # most are not asked for, and this is quicker than to parse them
                try:
                    yield Event.FromString(record)
                except DecodeError:
                    return


def _files(folder: Path) -> Iterator[Path]:
    yield from list(Path(folder).glob(EVENTS))
    yield from list((Path(folder) / VALIDATION).glob(EVENTS))


def _name(folder: Path, path: Path) -> str:
    return path.relative_to(folder).as_posix()
