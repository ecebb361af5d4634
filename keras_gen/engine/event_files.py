"""TensorBoard's event files of a run: where they are, and how a resumed run truncates them to its checkpoint.

TensorBoard names a run after its folder below `--logdir`, and draws equal tags of several runs in one chart. Training
is logged in the run folder itself and validation in `validation/`, as in Keras' log folders. So
`tensorboard --logdir savedmodels` lists "pix2pix/20260101-120000" and "pix2pix/20260101-120000/validation".

A killed process may have logged steps after its last checkpoint, which the resumed run repeats. Because event files
only grow, each checkpoint stores their sizes, and the resumed run cuts off what follows.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from google.protobuf.message import DecodeError
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.util.tensor_util import make_ndarray

from keras_gen.visual.event_writer import PREFIX, EventWriter

VALIDATION = "validation"
"""Subfolder of the run folder for the event files of validation."""
EVENTS = f"{PREFIX}.*"
"""Glob pattern of the names of event files."""
_HEAD, _CHECKSUM = struct.Struct("<QI"), 4  # a record's length and its checksum; the checksum of the content [bytes]
_LONGEST = 2**31  # maximum length of a record [bytes]; in a damaged file it can be any number


class EventWriters:
    """The two event file writers of a run. A context manager, which closes them.

    Attributes:
        train: writer for everything except validation.
        validation: writer for validation terms, which have the same tags as in training.
    """

    def __init__(self, folder: Path) -> None:
        """Args:
        folder: the run folder.
        """
        self.train = EventWriter(folder)
        self.validation = EventWriter(folder / VALIDATION)

    def __enter__(self) -> EventWriters:
        return self

    def __exit__(self, *_: object) -> None:
        self.train.close()
        self.validation.close()

    def flush(self) -> None:
        """Writes all pending events to disk."""
        self.train.flush()
        self.validation.flush()


def sizes(folder: Path) -> dict[str, int]:
    """Path of each event file, relative to the run folder -> its size [bytes]. Flush the writers first."""
    return {_name(folder, path): path.stat().st_size for path in sorted(_files(folder))}


def cut(folder: Path, kept: dict[str, int]) -> None:
    """Truncates the event files of a run to earlier sizes, and deletes files that did not exist then.

    Files that are smaller by now are not changed, and missing ones are ignored.

    Args:
        folder: the run folder.
        kept: the result of `sizes` at the earlier time.
    """
    for path in _files(folder):
        name = _name(folder, path)
        if name not in kept:
            path.unlink()
        elif path.stat().st_size > kept[name]:
            os.truncate(path, kept[name])


class Logged(NamedTuple):
    """The values of a scalar.

    Attributes:
        description: its description; "" if there is none.
        points: (step, value), in the order of logging.
    """

    description: str
    points: list[tuple[int, float]]


def scalars(folder: Path, prefix: str = "") -> dict[str, Logged]:
    """Reads the scalars in the event files of one folder, without subfolders.

    Args:
        folder: folder of the files.
        prefix: read only tags with this prefix, because terms logged at every step have many values.

    Returns:
        Tag -> values. A file is read up to the first damaged record.
    """
    found: dict[str, Logged] = {}
    for step, value in _values(folder, prefix):
        if value.metadata.plugin_data.plugin_name == "scalars":
            logged = found.setdefault(value.tag, Logged(value.metadata.summary_description, []))
            logged.points.append((step, float(make_ndarray(value.tensor))))
    return found


def last_text(folder: Path, tag: str) -> str:
    """The last text with a tag in the event files of one folder; "" if there is none."""
    text = ""
    for _, value in _values(folder, tag):
        if value.tag == tag and value.metadata.plugin_data.plugin_name == "text":
            text = make_ndarray(value.tensor).item().decode(errors="replace")
    return text


def _values(folder: Path, prefix: str) -> Iterator[tuple[int, Any]]:
    """Yields (step, value) for the summaries whose tags begin with `prefix`, file by file."""
    for path in sorted(Path(folder).glob(EVENTS)):
        for event in _events(path, prefix.encode()):
            yield from ((event.step, value) for value in event.summary.value if value.tag.startswith(prefix))


def _events(path: Path, asked: bytes) -> Iterator[Event]:
    """Yields the events of a file that contain the bytes `asked`, up to the first damaged record."""
    with open(path, "rb") as file:
        while len(head := file.read(_HEAD.size)) == _HEAD.size:
            length, _ = _HEAD.unpack(head)
            record = file.read(length) if length < _LONGEST else b""
            if len(record) != length or len(file.read(_CHECKSUM)) != _CHECKSUM:
                return
            if asked in record:  # much faster than parsing every record
                try:
                    yield Event.FromString(record)
                except DecodeError:
                    return


def _files(folder: Path) -> Iterator[Path]:
    yield from list(Path(folder).glob(EVENTS))
    yield from list((Path(folder) / VALIDATION).glob(EVENTS))


def _name(folder: Path, path: Path) -> str:
    return path.relative_to(folder).as_posix()
