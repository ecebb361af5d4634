"""Pictures that a user wants translated: files and folders, each as an array that the model takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from keras_gen.data import images
from keras_gen.data.folders import IMAGE_SUFFIXES, list_images, listed, shown
from keras_gen.errors import UserError

Side = Literal["whole", "left", "right"]


def find_images(inputs: Sequence[Path]) -> list[Path]:
    """The files among `inputs` and the images in their folders, in the order given, each once; folders by name.

    Raises:
      UserError: there is no input, one does not exist, or a folder holds no image.
    """
    if not inputs:
        raise UserError("INPUT is missing; accepted are image files and folders of images.")
    found: dict[Path, Path] = {}
    for path in inputs:
        if path.is_dir():
            files = list_images(path)
            if not files:
                raise UserError(f"{shown(path)} holds no images ({' '.join(IMAGE_SUFFIXES)}).")
        elif path.exists():
            files = [path]
        else:
            raise UserError(f"{shown(path)} does not exist; accepted are image files and folders of images.")
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
    """

    channels: int
    labels: int = 0
    side: Side = "whole"

    def __call__(self, path: Path) -> np.ndarray:
        """float32 (height, width, channels) in [-1, 1].

        Raises:
          UnreadableImage: the file cannot be decoded.
          UserError: it holds other ids than the labels, or its width cannot be halved.
        """
        if self.labels:
            array = images.decode_ids(images.read_contents(path), shown(path))
            if array.max() >= self.labels:
                raise UserError(
                    f"{shown(path)} holds the label id {array.max()}, and MODEL takes ids from 0 to {self.labels - 1}."
                )
        else:
            array = images.read_image(path, self.channels)
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
        return images.to_float(array)


def readable(files: Sequence[Path], read: Reader, *, skip: bool) -> list[Path]:
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
