"""Input files for a trained model: finds images and other files, and reads them as arrays that the model takes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from keras_gen.console import say
from keras_gen.data.files import codecs as images
from keras_gen.data.files.folders import IMAGE_SUFFIXES, list_images, listed, shown
from keras_gen.errors import UserError
from keras_gen.ops.pixels import to_float
from keras_gen.ops.resampling import enlarge

Side = Literal["whole", "left", "right"]


def find_images(inputs: Sequence[Path]) -> list[Path]:
    """The image files among `inputs` and in folders among them; see `find_files`."""
    return find_files(inputs, "image", IMAGE_SUFFIXES)


def find_files(inputs: Sequence[Path], kind: str, suffixes: tuple[str, ...]) -> list[Path]:
    """The files among `inputs`, and those of one kind in folders among them, in the given order, without duplicates.

    Args:
        inputs: files with any suffix, and folders, whose files are sorted by name.
        kind: what messages call the files, in the singular: "image".
        suffixes: lower-case suffixes of the files to find in folders.

    Raises:
        UserError: there are no inputs, one does not exist, or a folder holds no such file.
    """
    if not inputs:
        raise UserError(f"INPUT is missing; accepted are {kind} files and folders of {kind}s.")
    found: dict[Path, Path] = {}
    for path in inputs:
        if path.is_dir():
            files = list_images(path, suffixes)
            if not files:
                raise UserError(f"{shown(path)} holds no {kind}s ({' '.join(suffixes)}).")
        elif path.exists():
            files = [path]
        else:
            raise UserError(f"{shown(path)} does not exist; accepted are {kind} files and folders of {kind}s.")
        for file in files:
            found.setdefault(file.resolve(), file)
    return list(found.values())


def unique_stems(files: Sequence[Path]) -> list[str]:
    """A name for each file: its stem, with -2, -3, ... if an earlier file has the same one, ignoring letter case."""
    taken: set[str] = set()
    names = []
    for file in files:
        name, number = file.stem, 1
        while name.lower() in taken:
            number += 1
            name = f"{file.stem}-{number}"
        taken.add(name.lower())
        names.append(name)
    return names


@dataclass(frozen=True)
class Reader:
    """Reads image files as inputs of a model that translates images.

    Attributes:
        channels: channels of the model's input: 1, 3 or 4 for pictures.
        labels: number of label ids, which become one-hot channels of -1 and 1; 0 for pictures.
        side: the part of each image to read; left and right are the halves of a side-by-side pair.
        keep_colours: refuse colour images if the model takes grey images, instead of converting them.
        scale: factor by which an image is enlarged (bicubic) before it enters the model.
    """

    channels: int
    labels: int = 0
    side: Side = "whole"
    keep_colours: bool = False
    scale: int = 1

    def __call__(self, path: Path) -> np.ndarray:
        """float32 (height, width, channels) in [-1, 1].

        Raises:
            UnreadableImage: the file cannot be decoded.
            UserError: a label id is too large, the image has colours that the model cannot take, or an odd width.
        """
        if self.labels:
            array = images.decode_ids(images.read_contents(path), shown(path))
            if array.max() >= self.labels:
                raise UserError(
                    f"{shown(path)} holds the label id {array.max()}; MODEL takes ids from 0 to {self.labels - 1}."
                )
        else:
            contents = images.read_contents(path)
            if self.keep_colours and self.channels == 1 and images.probe(contents, shown(path)).channels > 1:
                raise UserError(f"{shown(path)} is in colour; MODEL takes grey images.")
            array = images.decode_image(contents, shown(path), self.channels)
        if self.side != "whole":
            middle, odd = divmod(array.shape[1], 2)
            if odd:
                raise UserError(
                    f"{shown(path)} is {array.shape[1]} pixels wide; accepted with --side {self.side} are even widths."
                )
            array = array[:, :middle] if self.side == "left" else array[:, middle:]
        if self.labels:
            return np.where(array == np.arange(self.labels), np.float32(1), np.float32(-1))
        picture = to_float(array)
        return picture if self.scale == 1 else np.clip(enlarge(picture[np.newaxis], self.scale)[0], -1, 1)


@dataclass(frozen=True)
class ExactReader:
    """Reads image files without conversion, and refuses those that do not have the format of the model's input.

    Attributes:
        size: height and width of the model's images [pixels].
        channels: channels of the model's images: 1, 3 or 4.
        resize: accept other sizes, which the caller resizes.
    """

    size: int
    channels: int
    resize: bool

    def __call__(self, path: Path) -> np.ndarray:
        """uint8 or uint16 (height, width, channels).

        Raises:
            UnreadableImage: the file cannot be decoded.
            UserError: the number of channels or, without `resize`, the size differs.
        """
        contents = images.read_contents(path)
        info = images.probe(contents, shown(path))
        found = 4 if self.channels == 4 and info.alpha else info.channels
        if found != self.channels:
            raise UserError(
                f"{shown(path)} has {found} channel{'s' * (found > 1)}; RUN takes images with {self.channels}."
            )
        if (info.height, info.width) != (self.size, self.size) and not self.resize:
            raise UserError(
                f"{shown(path)} is {info.width}x{info.height}; RUN takes {self.size}x{self.size}, and --resize accepts "
                "other sizes."
            )
        return images.decode_image(contents, shown(path), self.channels)


def readable(files: Sequence[Path], read: Callable[[Path], np.ndarray], *, skip: bool) -> list[Path]:
    """Checks that files can be decoded.

    Args:
        files: the files.
        read: decodes one of them.
        skip: leave out files that cannot be decoded, and print which, instead of refusing.

    Returns:
        The files that can be decoded.

    Raises:
        UserError: a file cannot be decoded and `skip` is off, or no file is left.
    """
    good, bad = [], []
    for file in files:
        try:
            read(file)
            good.append(file)
        except images.UnreadableImage as error:
            bad.append(error)
    if bad and not (skip and good):
        remedy = "; --skip-bad leaves them out" if good else ""
        raise UserError(f"{len(bad)} of {len(files)} images cannot be read ({listed(bad)}){remedy}.")
    if bad:
        say(f"{len(bad)} of {len(files)} images left out ({listed(bad)}).")
    return good
