"""Files that a user hands to a trained model: pictures and others, each as an array that the model takes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from keras_gen.data.files import codecs as images
from keras_gen.data.files.folders import IMAGE_SUFFIXES, list_images, listed, shown
from keras_gen.errors import UserError
from keras_gen.ops.resampling import enlarge

Side = Literal["whole", "left", "right"]


def find_images(inputs: Sequence[Path]) -> list[Path]:
    """The image files among `inputs` and in their folders: see `find_files`."""
    return find_files(inputs, "image", IMAGE_SUFFIXES)


def find_files(inputs: Sequence[Path], kind: str, suffixes: tuple[str, ...]) -> list[Path]:
    """The files among `inputs` and those of a kind in their folders, in the order given, each once; folders by name.

    Args:
      inputs: files, whatever their endings, and folders.
      kind: what a message calls the files: "image".
      suffixes: endings that count in a folder, lower case.

    Raises:
      UserError: there is no input, one does not exist, or a folder holds no such file.
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
    """A name for each file: its stem, with -2, -3, ... where an earlier file took it; letter case is no difference."""
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
    """Reads image files as sources of a model.

    Attributes:
      channels: that the model takes: 1, 3 or 4 for pictures.
      labels: number of label ids that become channels of -1 and 1; 0 for pictures.
      side: the part of each image to read; left and right are the halves of a pair side by side.
      keep_colours: refuse pictures in colour where the model takes grey ones.
      scale: how many times a picture is enlarged (bicubic) before the model takes it.
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
          UserError: it holds other ids than the labels, colours that the model cannot take, or its width cannot be
            halved.
        """
        if self.labels:
            array = images.decode_ids(images.read_contents(path), shown(path))
            if array.max() >= self.labels:
                raise UserError(
                    f"{shown(path)} holds the label id {array.max()}, and MODEL takes ids from 0 to {self.labels - 1}."
                )
        else:
            contents = images.read_contents(path)
            if self.keep_colours and self.channels == 1 and images.probe(contents, shown(path)).channels > 1:
                raise UserError(f"{shown(path)} is in colour, and MODEL takes grey; accepted are grey pictures.")
            array = images.decode_image(contents, shown(path), self.channels)
        if self.side != "whole":
            middle, odd = divmod(array.shape[1], 2)
            if odd:
                raise UserError(
                    f"{shown(path)} is {array.shape[1]} pixels wide, and --side {self.side} takes a half of images of "
                    "an even width."
                )
            array = array[:, :middle] if self.side == "left" else array[:, middle:]
        if self.labels:
            return np.where(array == np.arange(self.labels), np.float32(1), np.float32(-1))
        picture = images.to_float(array)
        return picture if self.scale == 1 else np.clip(enlarge(picture[np.newaxis], self.scale)[0], -1, 1)


@dataclass(frozen=True)
class OfModel:
    """Reads image files of just the form that a model takes.

    Attributes:
      size: side of the model's images [pixels].
      channels: that it takes: 1, 3 or 4.
      resize: accept other sizes, which the model's owner then resizes.
    """

    size: int
    channels: int
    resize: bool

    def __call__(self, path: Path) -> np.ndarray:
        """uint8 or uint16 (height, width, channels).

        Raises:
          UnreadableImage: the file cannot be decoded.
          UserError: it has other channels or, without `resize`, another size.
        """
        contents = images.read_contents(path)
        info = images.probe(contents, shown(path))
        found = 4 if self.channels == 4 and info.alpha else info.channels
        if found != self.channels:
            raise UserError(f"{shown(path)} has {found} channels, and RUN takes images of {self.channels}.")
        if (info.height, info.width) != (self.size, self.size) and not self.resize:
            raise UserError(
                f"{shown(path)} is {info.width}x{info.height}, and RUN takes {self.size}x{self.size}; --resize accepts "
                "other sizes."
            )
        return images.decode_image(contents, shown(path), self.channels)


def readable(files: Sequence[Path], read: Callable[[Path], np.ndarray], *, skip: bool) -> list[Path]:
    """The files that can be decoded; all of them, unless `skip`, which prints what it leaves out.

    Raises:
      UserError: files cannot be decoded and `skip` is not given, or nothing is left.
    """
    good, bad = [], []
    for file in files:
        try:
            read(file)
            good.append(file)
        except images.UnreadableImage as error:
            bad.append(error)
    if bad and not (skip and good):
        remedy = ", and --skip-bad leaves them out" if good else ""
        raise UserError(f"{len(bad)} of {len(files)} images cannot be read ({listed(bad)}){remedy}.")
    if bad:
        print(f"{len(bad)} of {len(files)} images left out ({listed(bad)}).")
    return good
