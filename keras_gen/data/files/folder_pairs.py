"""Two folders of images that are compared file by file, matched by name, ignoring suffixes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import numpy as np

from keras_gen.data.files import codecs as images
from keras_gen.data.files.folders import listed, shown
from keras_gen.data.files.pair_sources import parallel
from keras_gen.errors import UserError
from keras_gen.ops.pixels import to_float

_BATCH = 64  # maximum number of images compared at a time ...
_PIXELS = 2**22  # ... and of their pixels


class Compared(NamedTuple):
    """An image and its reference."""

    name: str  # of both files, without suffix
    image: Path
    reference: Path
    shape: tuple[int, int, int]  # height and width of both, and the channels: 3 if either has colour, else 1


def find_compared(folder: Path, reference: Path, *, skip_bad: bool) -> tuple[list[Compared], list[str]]:
    """Matches the files of two folders and decodes each of them once to check it.

    Args:
        folder: the images, from `--images`.
        reference: the reference images, from `--reference`.
        skip_bad: leave out files that are damaged, have no partner, or differ from it in size, instead of refusing.

    Returns:
        The pairs, sorted by the names in `folder`, and a sentence for every file left out.

    Raises:
        UserError: a folder holds no images or two of the same name, the folders have no name in common, or some files
            cannot be compared and `skip_bad` is off.
    """
    for flag, path in (("--images", folder), ("--reference", reference)):
        if not path.is_dir():
            raise UserError(f"{flag} got {shown(path)}, which is not a folder; accepted is a folder of images.")
    source = parallel(folder, reference)
    bad = [f"{file} has no partner in the other folder." for file in source.alone]
    bad += [f"{file} is a broken link." for file in source.broken]
    good = []
    for index in range(source.size):
        files = source.files(index)
        try:
            shapes = [images.read_image(file).shape for file in files]
        except images.UnreadableImage as error:
            bad.append(str(error))
            continue
        (height, width), (high, wide) = (shape[:2] for shape in shapes)
        if (height, width) == (high, wide):
            channels = max(shape[2] for shape in shapes)
            good.append(Compared(source.stem(index), *files, (height, width, channels)))
        else:
            bad.append(f"{shown(files[0])} is {width}x{height}, and {shown(files[1])} is {wide}x{high}.")
    if bad and not (skip_bad and good):
        remedy = "; --skip-bad leaves them out" if good else ""
        raise UserError(f"{len(bad)} of the files cannot be compared ({listed(bad)}){remedy}.")
    return good, bad


def batches(pairs: Sequence[Compared]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Batches of images and references, in order. A batch ends where the shape changes.

    Yields:
        Two float32 (batch, height, width, channels) in [-1, 1]. Transparent pixels are blended on white, and a grey
        image whose partner is RGB becomes RGB.
    """
    for (height, width, channels), group in groupby(pairs, key=lambda pair: pair.shape):
        alike = list(group)
        count = min(_BATCH, max(1, _PIXELS // (height * width)))
        for start in range(0, len(alike), count):
            sides = zip(*((pair.image, pair.reference) for pair in alike[start : start + count]), strict=True)
            yield tuple(np.stack([to_float(images.read_image(file, channels)) for file in side]) for side in sides)
