"""Looks at the pictures of a data set once, in parallel, and keeps a few kilobytes of facts about each.

What is looked at are examples: aligned pairs, images of a folder, or images in one subfolder per class. Which of the
facts are faults is decided in `checks`.
"""

from __future__ import annotations

import functools
import hashlib
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from keras_gen.data.files import codecs as images
from keras_gen.data.files.codecs import ImageInfo, UnreadableImage
from keras_gen.data.files.decoding import Side
from keras_gen.data.files.folders import SOUGHT, every_last, shown, walk
from keras_gen.data.files.image_sources import read_folder
from keras_gen.data.files.parts import not_used, part_of, sort_parts
from keras_gen.data.kinds.pairs import PairReader, PairsConfig, split_of
from keras_gen.errors import UserError

HASH_SIDE = 16  # of the grid of differences: 256 bits
EDGE_SIDE = 64  # of the map of edges
_PORTION = 16  # examples handed to a thread at a time


class Measurements(NamedTuple):
    """Facts about the pixels of one picture; values in [0, 1] for pictures, ids for label maps."""

    mean: np.ndarray  # (1 or 3,)
    square: np.ndarray  # mean of the squares, likewise
    counts: np.ndarray | None  # how often each value 0, 1, ... occurs, of label ids and 8-bit grey
    hash: np.ndarray  # bool (256,), the difference hash
    edges: np.ndarray  # uint8 (4096,), square root of the strength of the edges on a grid of 64x64
    peak: int = 0  # the largest value of a 16-bit picture; 0 for others

    @property
    def deviation(self) -> np.ndarray:
        """Standard deviation within the picture, of each channel."""
        return np.sqrt(np.maximum(self.square - self.mean**2, 0))


class Facts(NamedTuple):
    """What is known of one example; a side is source or target of a pair, or the image."""

    problem: str = ""  # why it cannot be used, a sentence
    kind: str = ""  # of the problem: truncated, unreadable, or unusable (readable and wrong)
    infos: tuple[ImageInfo, ...] = ()  # of each side; side by side, both are of the one file
    digest: bytes = b""  # of the bytes of all its files
    looks: tuple[Measurements, ...] = ()  # of each side


class Pairs:
    """The pairs of a SPEC as training finds them, training before validation."""

    sides: tuple[str, ...] = ("source", "target")
    labelled = False

    def __init__(self, config: PairsConfig) -> None:
        split = split_of(config)
        self.labels, self.rule = config.num_classes, split.rule
        self.channels = (config.source_channels, config.target_channels)
        self.parts = ["train"] * len(split.train_indices) + ["val"] * len(split.validation_indices)
        self.classes = [""] * len(self.parts)
        sources = dict.fromkeys((split.train, split.validation))
        self.alone, self.broken, self.others = (
            tuple(name for source in sources for name in getattr(source, left_out))
            for left_out in ("alone", "broken", "others")
        )
        self._places = [(split.train, index) for index in split.train_indices]
        self._places += [(split.validation, index) for index in split.validation_indices]
        self._readers = {source: PairReader(source, config) for source in sources}
        limit = config.max_pixels
        self._stored = (
            Side(0, np.dtype(np.uint16), self.labels, limit) if self.labels else Side(0, np.dtype(np.uint8), 0, limit),
            Side(0, np.dtype(np.uint8), 0, limit),
        )

    def __len__(self) -> int:
        return len(self._places)

    def names(self, number: int) -> tuple[str, ...]:
        """What to call the files of an example; one if it is side by side."""
        source, index = self._places[number]
        return tuple(dict.fromkeys(source.names(index)))

    def read(self, number: int) -> tuple[bytes, ...]:
        """The encoded files."""
        source, index = self._places[number]
        return source.read(index)

    def infos(self, number: int, contents: tuple[bytes, ...]) -> tuple[ImageInfo, ...]:
        """The headers of both sides; see `PairReader.infos`."""
        source, index = self._places[number]
        return self._readers[source].infos(index, *contents)

    def arrays(self, number: int, contents: tuple[bytes, ...]) -> tuple[np.ndarray, ...]:
        """The pixels of both sides, as stored."""
        source, index = self._places[number]
        return self._readers[source].arrays(index, contents[0], b"".join(contents[1:]), self._stored)


class Images:
    """The images of a folder: as training reads it, or whatever lies in it and below."""

    sides = ("image",)
    labels = 0
    channels = (0,)

    def __init__(self, folder: Path, max_pixels: int, *, val_every: int, anywhere: bool = False) -> None:
        """Args:
          folder: of images.
          max_pixels: refuse images that say they have more.
          val_every: where there is no validation part, of every so many images the last is held back.
          anywhere: all images in the folder and below it, whatever the folders in it, instead of what training reads.

        Raises:
          UserError: `folder` is no folder, holds no image, or nothing that can be trained on.
        """
        folder = folder.expanduser()
        if not folder.is_dir():
            raise UserError(f"SPEC got {shown(folder)}, which is no folder; --kind images and labelled read folders.")
        if anywhere:
            tree = walk(folder)
            if not tree.images:
                raise UserError(f"{shown(folder)} holds no {SOUGHT}, nor do folders in it.")
            files, self.broken, self.others = (
                tree.images,
                tuple(map(shown, tree.broken)),
                tuple(map(shown, tree.others)),
            )
            self.classes = [""] * len(files)
            self.parts, self.rule = _parts_of(files, folder, val_every)
        else:
            split = read_folder(folder, val_every)
            sides = ((split.train, split.train_indices, "train"), (split.validation, split.validation_indices, "val"))
            files = [source.files[index] for source, indices, _ in sides for index in indices]
            self.parts = [part for _, indices, part in sides for _ in indices]
            labels = [source.labels[index] for source, indices, _ in sides for index in indices]
            self.classes = [split.classes[label] if split.classes else "" for label in labels]
            self.rule = split.rule
            sources = dict.fromkeys((split.train, split.validation))
            self.broken, self.others = (
                tuple(name for source in sources for name in getattr(source, left_out))
                for left_out in ("broken", "others")
            )
        self.labelled = any(self.classes)
        self.alone: tuple[str, ...] = ()
        self._files, self._limit = files, max_pixels

    def __len__(self) -> int:
        return len(self._files)

    def names(self, number: int) -> tuple[str, ...]:
        """What to call the file of an example."""
        return (shown(self._files[number]),)

    def read(self, number: int) -> tuple[bytes, ...]:
        """The encoded file."""
        return (images.read_contents(self._files[number]),)

    def infos(self, number: int, contents: tuple[bytes, ...]) -> tuple[ImageInfo, ...]:
        """Its header."""
        return (images.probe(contents[0], self.names(number)[0], self._limit),)

    def arrays(self, number: int, contents: tuple[bytes, ...]) -> tuple[np.ndarray, ...]:
        """Its pixels."""
        return (images.decode_image(contents[0], self.names(number)[0], max_pixels=self._limit),)


def _parts_of(files: Sequence[Path], folder: Path, val_every: int) -> tuple[list[str], str]:
    """The part of each file, by the folder at the top that it lies in, else by the rule of training; and the rule."""
    tops = [file.relative_to(folder).parts[0] for file in files]
    named = sort_parts({top for top, file in zip(tops, files, strict=True) if file.parent != folder}, folder)
    if not named.held:
        held = set(every_last(len(files), val_every, str(folder), "image")[1]) if len(files) > 1 else ()
        return [
            "val" if n in held else "train" for n in range(len(files))
        ], f"no val or test folder; of every {val_every} images the last is held back"
    parts = [(part_of(top) if top in (named.held, *named.unused) else None) or "train" for top in tops]
    return parts, f"{named.train or 'the rest'} and {named.held} folders{not_used(named.unused)}"


Examples = Pairs | Images


def headers(examples: Examples, numbers: Sequence[int], bar: Callable[[int], None] = lambda done: None) -> list[Facts]:
    """Reads the files and their headers, and decodes nothing."""
    return _in_parallel(lambda number: _facts(examples, number, decode=False), numbers, bar)


def inspect(examples: Examples, numbers: Sequence[int], bar: Callable[[int], None] = lambda done: None) -> list[Facts]:
    """Reads and decodes the files.

    Args:
      examples: what there is.
      numbers: which of them to look at.
      bar: called with how many were looked at since the last call.
    """
    return _in_parallel(lambda number: _facts(examples, number, decode=True), numbers, bar)


def _in_parallel(function: Callable[[int], Facts], numbers: Sequence[int], bar: Callable[[int], None]) -> list[Facts]:
    found: list[Facts] = []
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        portions = [numbers[start : start + _PORTION] for start in range(0, len(numbers), _PORTION)]
        for facts in threads.map(lambda portion: list(map(function, portion)), portions):
            found += facts
            bar(len(facts))
    return found


def _facts(examples: Examples, number: int, *, decode: bool) -> Facts:
    infos: tuple[ImageInfo, ...] = ()
    try:
        contents = examples.read(number)
        infos = examples.infos(number, contents)
        if not decode:
            return Facts(infos=infos)
        arrays = examples.arrays(number, contents)
    except UserError as error:
        # The words alone: the exception would keep all it saw, file contents included, in memory.
        return Facts(str(error), _kind(error), infos)
    digest = hashlib.blake2b(b"".join(contents), digest_size=16).digest()
    ids = (examples.labels > 0, False)
    return Facts("", "", infos, digest, tuple(map(_look, arrays, ids)))


def _kind(error: UserError) -> str:
    if not isinstance(error, UnreadableImage):
        return "unusable"
    return "truncated" if error.truncated else "unreadable"


def _look(array: np.ndarray, is_ids: bool) -> Measurements:
    """Facts about (height, width, 1 or 3) uint8 or uint16."""
    peak = 0
    if is_ids:
        counts = np.bincount(array.ravel())
        values, scale = np.arange(len(counts), dtype=np.float64), 1.0
        mean, square = (np.array([np.dot(counts, values**power) / array.size]) for power in (1, 2))
        # Ids have no order: an edge is where they differ, whatever they are.
        small = Image.fromarray((_differs(array[..., 0]) * 255).astype(np.uint8))
        edges = np.asarray(small.resize((EDGE_SIDE, EDGE_SIDE), Image.Resampling.BOX), np.float32)
        grey = Image.fromarray((array[..., 0] * np.uint32(40503) >> 4).astype(np.uint8))  # scattered, for the hash
    else:
        if array.dtype == np.uint16:
            peak = int(array.max())
            array = (array >> 8).astype(np.uint8)
        picture = Image.fromarray(array.squeeze(-1) if array.shape[-1] == 1 else array)
        histogram = np.array(picture.histogram(), np.float64).reshape(array.shape[-1], 256)
        values, scale = np.arange(256.0), 255.0
        pixels = array.shape[0] * array.shape[1]
        mean, square = (histogram @ (values / scale) ** power / pixels for power in (1, 2))
        counts = histogram[0].astype(np.int64) if len(histogram) == 1 else None
        small = picture.resize((EDGE_SIDE, EDGE_SIDE), Image.Resampling.BOX)
        edges = _strength(np.asarray(small, np.float32).reshape(EDGE_SIDE, EDGE_SIDE, -1))
        grey = picture.convert("L")
    tiny = np.asarray(grey.resize((HASH_SIDE + 1, HASH_SIDE), Image.Resampling.BOX), np.int16)
    return Measurements(
        mean,
        square,
        counts,
        (tiny[:, 1:] > tiny[:, :-1]).ravel(),
        np.rint(np.sqrt(edges / 510) * 255).astype(np.uint8).ravel(),
        peak,
    )


def _differs(ids: np.ndarray) -> np.ndarray:
    edges = np.zeros(ids.shape, bool)
    edges[:, :-1] |= ids[:, 1:] != ids[:, :-1]
    edges[:-1] |= ids[1:] != ids[:-1]
    return edges


def _strength(small: np.ndarray) -> np.ndarray:
    """Sum of the differences to the right and downwards, the largest over the channels: 0 to 510."""
    edges = np.zeros(small.shape[:2], np.float32)
    for axis, there in ((1, np.s_[:, :-1]), (0, np.s_[:-1])):
        steps = np.abs(np.diff(small, axis=axis))
        # Channel by channel: a maximum over an axis of three would take longer than all the rest.
        edges[there] += functools.reduce(np.maximum, (steps[..., channel] for channel in range(steps.shape[-1])))
    return edges
