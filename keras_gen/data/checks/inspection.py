"""Reads the images of a data set once, in parallel, and keeps a few kilobytes of facts about each.

An example is an aligned pair, or an image of a folder, with or without a class. `rules` decides which facts are faults.
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
from keras_gen.data.files.folders import SOUGHT, every_last, ordinal, shown, walk
from keras_gen.data.files.image_sources import read_folder
from keras_gen.data.files.parts import not_used, part_of, sort_parts
from keras_gen.data.kinds.pairs import PairReader, PairsConfig
from keras_gen.errors import UserError

HASH_SIDE = 16  # side of the difference hash, which has 256 bits
EDGE_SIDE = 64  # side of the edge map [pixels]
_PORTION = 16  # number of examples that a thread gets at a time


class Measurements(NamedTuple):
    """Facts about the pixels of one image. Values are in [0, 1] for pictures, and label ids for label maps."""

    mean: np.ndarray  # of each channel, (1,) or (3,)
    square: np.ndarray  # mean of the squares, of the same shape
    counts: np.ndarray | None  # number of pixels with value 0, 1, ..., for label ids and 8-bit grey
    hash: np.ndarray  # bool (256,), the difference hash
    edges: np.ndarray  # uint8 (4096,), square root of the edge strength on a grid of 64x64
    peak: int = 0  # the largest value of a 16-bit picture; 0 for others

    @property
    def deviation(self) -> np.ndarray:
        """Standard deviation of each channel within the image."""
        return np.sqrt(np.maximum(self.square - self.mean**2, 0))


class Facts(NamedTuple):
    """What is known about one example. Its sides are the source and target of a pair, or a single image."""

    problem: str = ""  # why it cannot be used, as a sentence
    kind: str = ""  # kind of the problem: truncated, unreadable, or unusable (readable, but wrong)
    infos: tuple[ImageInfo, ...] = ()  # header of each side; the same one twice for a side-by-side pair
    digest: bytes = b""  # digest of the bytes of all its files
    looks: tuple[Measurements, ...] = ()  # measurements of each side


class Pairs:
    """The pairs of a SPEC, found in the same way as for training; training pairs come before validation pairs."""

    sides: tuple[str, ...] = ("source", "target")
    labelled = False

    def __init__(self, config: PairsConfig) -> None:
        split = config.split()
        self.labels, self.rule = config.num_classes, split.rule
        self.channels = (config.source_channels, config.target_channels)
        self.parts = ["train"] * len(split.train_indices) + ["val"] * len(split.validation_indices)
        self.classes = [""] * len(self.parts)
        self.alone, self.broken, self.others = map(split.files, ("alone", "broken", "others"))
        self._places = [(source, index) for source, indices in split.parts for index in indices]
        self._readers = {source: PairReader(source, config) for source in split.sources}
        limit = config.max_pixels
        self._stored = (
            Side(0, np.dtype(np.uint16), self.labels, limit) if self.labels else Side(0, np.dtype(np.uint8), 0, limit),
            Side(0, np.dtype(np.uint8), 0, limit),
        )

    def __len__(self) -> int:
        return len(self._places)

    def names(self, number: int) -> tuple[str, ...]:
        """Names of the files of an example; only one for a side-by-side pair."""
        source, index = self._places[number]
        return tuple(dict.fromkeys(source.names(index)))

    def read(self, number: int) -> tuple[bytes, ...]:
        """The encoded files of an example."""
        source, index = self._places[number]
        return source.read(index)

    def infos(self, number: int, contents: tuple[bytes, ...]) -> tuple[ImageInfo, ...]:
        """The headers of both sides; see `PairReader.infos`."""
        source, index = self._places[number]
        return self._readers[source].infos(index, *contents)

    def arrays(self, number: int, contents: tuple[bytes, ...]) -> tuple[np.ndarray, ...]:
        """The pixels of both sides, without conversion of channels."""
        source, index = self._places[number]
        return self._readers[source].arrays(index, contents[0], b"".join(contents[1:]), self._stored)


class Images:
    """The images of a folder: those that training reads, or all images in it and its subfolders."""

    sides = ("image",)
    labels = 0
    channels = (0,)

    def __init__(self, folder: Path, max_pixels: int, *, val_every: int, anywhere: bool = False) -> None:
        """Args:
          folder: a folder of images.
          max_pixels: refuse images whose headers claim more.
          val_every: without a validation part, hold out every N-th image.
          anywhere: take all images in the folder and its subfolders instead of those that training reads.

        Raises:
            UserError: `folder` is not a folder, holds no images, or cannot be used for training.
        """
        folder = folder.expanduser()
        if not folder.is_dir():
            raise UserError(
                f"SPEC got {shown(folder)}, which is not a folder; --kind images and labelled read folders."
            )
        if anywhere:
            tree = walk(folder)
            if not tree.images:
                raise UserError(f"{shown(folder)} and its subfolders hold no {SOUGHT}.")
            files, self.broken, self.others = (
                tree.images,
                tuple(map(shown, tree.broken)),
                tuple(map(shown, tree.others)),
            )
            self.classes = [""] * len(files)
            self.parts, self.rule = _parts_of(files, folder, val_every)
        else:
            split = read_folder(folder, val_every)
            files = [source.files[index] for source, indices in split.parts for index in indices]
            self.parts = ["train"] * len(split.train_indices) + ["val"] * len(split.validation_indices)
            labels = [source.labels[index] for source, indices in split.parts for index in indices]
            self.classes = [split.classes[label] if split.classes else "" for label in labels]
            self.rule = split.rule
            self.broken, self.others = map(split.files, ("broken", "others"))
        self.labelled = any(self.classes)
        self.alone: tuple[str, ...] = ()
        self._files, self._limit = files, max_pixels

    def __len__(self) -> int:
        return len(self._files)

    def names(self, number: int) -> tuple[str, ...]:
        """Name of the file of an example."""
        return (shown(self._files[number]),)

    def read(self, number: int) -> tuple[bytes, ...]:
        """The encoded file of an example."""
        return (images.read_contents(self._files[number]),)

    def infos(self, number: int, contents: tuple[bytes, ...]) -> tuple[ImageInfo, ...]:
        """The header of the image."""
        return (images.probe(contents[0], self.names(number)[0], self._limit),)

    def arrays(self, number: int, contents: tuple[bytes, ...]) -> tuple[np.ndarray, ...]:
        """The pixels of the image."""
        return (images.decode_image(contents[0], self.names(number)[0], max_pixels=self._limit),)


def _parts_of(files: Sequence[Path], folder: Path, val_every: int) -> tuple[list[str], str]:
    """The part of each file, from its top-level folder or else by the rule of training, and the rule in words."""
    tops = [file.relative_to(folder).parts[0] for file in files]
    named = sort_parts({top for top, file in zip(tops, files, strict=True) if file.parent != folder}, folder)
    if not named.held:
        held = set(every_last(len(files), val_every, str(folder), "image")[1]) if len(files) > 1 else ()
        return [
            "val" if n in held else "train" for n in range(len(files))
        ], f"no val or test folder; every {ordinal(val_every)} image is held out"
    parts = [(part_of(top) if top in (named.held, *named.unused) else None) or "train" for top in tops]
    return parts, f"{named.train or 'the rest'} and {named.held} folders{not_used(named.unused)}"


Examples = Pairs | Images


def headers(examples: Examples, numbers: Sequence[int], bar: Callable[[int], None] = lambda done: None) -> list[Facts]:
    """Reads the files and their headers, without decoding them."""
    return _in_parallel(lambda number: _facts(examples, number, decode=False), numbers, bar)


def inspect(examples: Examples, numbers: Sequence[int], bar: Callable[[int], None] = lambda done: None) -> list[Facts]:
    """Reads and decodes the files.

    Args:
        examples: all examples.
        numbers: indices of those to read.
        bar: called with the number of examples read since the last call.
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
        # Only the message, because the exception would keep the contents of the file in memory.
        return Facts(str(error), _kind(error), infos)
    digest = hashlib.blake2b(b"".join(contents), digest_size=16).digest()
    ids = (examples.labels > 0, False)
    return Facts("", "", infos, digest, tuple(map(_look, arrays, ids)))


def _kind(error: UserError) -> str:
    if not isinstance(error, UnreadableImage):
        return "unusable"
    return "truncated" if error.truncated else "unreadable"


def _look(array: np.ndarray, is_ids: bool) -> Measurements:
    """Measures an image, uint8 or uint16 (height, width, 1 or 3)."""
    peak = 0
    if is_ids:
        counts = np.bincount(array.ravel())
        values, scale = np.arange(len(counts), dtype=np.float64), 1.0
        mean, square = (np.array([np.dot(counts, values**power) / array.size]) for power in (1, 2))
        # Label ids have no order: every change of the id is an edge of the same strength.
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
    """Sum of the absolute differences to the right and downwards, each the maximum over channels: 0 to 510."""
    edges = np.zeros(small.shape[:2], np.float32)
    for axis, there in ((1, np.s_[:, :-1]), (0, np.s_[:-1])):
        steps = np.abs(np.diff(small, axis=axis))
        # Channel by channel, because a maximum over an axis of length three is much slower.
        edges[there] += functools.reduce(np.maximum, (steps[..., channel] for channel in range(steps.shape[-1])))
    return edges
