"""Shared by all apps that map pictures to pictures: flags, opening MODEL, writing one file per picture."""

import itertools
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import keras
import numpy as np
import tyro

from keras_gen.data.files.inputs import Reader, find_images, readable, unique_stems
from keras_gen.engine.config import CONFIG_FILE
from keras_gen.errors import UserError
from keras_gen.flags import BaseConfig, NonNegative, Positive, Range
from keras_gen.inference.outputs import Drawings
from keras_gen.inference.tiling import Network, load_network, require_model
from keras_gen.ops.pixels import to_uint8


@dataclass(frozen=True)
class Pictures(BaseConfig):
    """Input pictures, and where to write the results."""

    model: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="MODEL")]
    """A run folder, a saved_model folder or a .tflite file."""
    inputs: Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="INPUT...")]
    """Image files, or folders, whose images are all used."""
    out: Path
    """Folder for the results, PNG files."""
    overwrite: bool = False
    """Replace files of the same names; leave everything else in --out alone."""
    overlap: Annotated[float, Range(0, 0.9)] = 0.25
    """Minimum overlap of neighbouring tiles, as a fraction of a tile [0 to 0.9]."""
    sheet: bool = False
    """Also write sheets with input and output side by side, to sheets/ in --out."""
    checkpoint: Literal["newest", "best"] = "newest"
    """For a run folder: which checkpoint to use, the newest or the best by validation."""
    batch_size: Positive[int] = 1
    """Tiles per batch [tiles]; fixed in a .tflite file."""
    threads: NonNegative[int] = 0
    """For a .tflite: CPU threads; 0: all cores."""
    skip_bad: bool = False
    """Skip files that cannot be decoded, and list them, instead of refusing to start."""

    def check_together(self) -> None:
        super().check_together()
        require_model(self.model)

    @property
    def is_run(self) -> bool:
        """Whether MODEL is a run folder rather than an export."""
        return (self.model / CONFIG_FILE).is_file()


def open_network(pictures: Pictures, open_run: Callable[[Path], Network]) -> Network:
    """The network of MODEL.

    Args:
        pictures: the flags.
        open_run: function that opens a run folder.

    Raises:
        UserError: if MODEL cannot be opened, or a flag does not apply to this kind of MODEL.
    """
    path = pictures.model
    if pictures.is_run:
        if pictures.threads:
            raise UserError(f"--threads got {pictures.threads}, but {path} is a run folder: it is for a .tflite.")
        return open_run(path)
    if pictures.checkpoint != "newest":
        raise UserError(f"--checkpoint {pictures.checkpoint} needs a run folder as MODEL, and {path} is not one.")
    if pictures.threads and path.suffix != ".tflite":
        raise UserError(f"--threads got {pictures.threads}, but {path} is not a .tflite.")
    return load_network(path, pictures.threads or None)


def write_drawings(
    pictures: Pictures,
    read: Reader,
    draw: Callable[[Iterator[np.ndarray]], Iterator[np.ndarray]],
    titles: tuple[str, str],
    labels: int = 0,
) -> None:
    """Reads every picture once to check it, then computes and writes the results one by one.

    Args:
        pictures: the flags.
        read: file -> float32 (height, width, channels) in [-1, 1].
        draw: pictures, as read -> one result each, float32 in [-1, 1].
        titles: column titles of the sheets, for inputs and outputs.
        labels: number of label ids of the sources; 0 for pictures.
    """
    files = readable(find_images(pictures.inputs), read, skip=pictures.skip_bad)
    stems, sheets = unique_stems(files), titles if pictures.sheet else None
    written = Drawings(pictures.out, stems, files, sheets=sheets, overwrite=pictures.overwrite, labels=labels)
    sources, kept = itertools.tee(map(read, files))  # keeps only the pictures that are not processed yet
    start = time.perf_counter()
    bar = keras.utils.Progbar(len(files), unit_name="image", verbose=int(sys.stdout.isatty()))
    for source, drawing in zip(kept, draw(sources), strict=True):
        written.add(source, to_uint8(drawing))
        bar.add(1)
    seconds = (time.perf_counter() - start) / len(files)
    what = "1 picture" if len(files) == 1 else f"{len(files)} pictures"
    print(f"{what} written to {pictures.out}, {seconds:.2f} s each")
