"""Drawings on their way to files: where each goes, what is never overwritten, and sheets of before and after."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from keras_gen.errors import UserError
from keras_gen.files import write
from keras_gen.visual.sheets import ClassScores, png_bytes, sheet, to_rgb

_ROWS, _CELL = 8, 512  # pairs on a sheet, and the largest side of a cell [pixels]


class Drawings:
    """The files that the drawings of some inputs become, DIR/STEM.png, and their sheets, DIR/sheets/001.png ..."""

    def __init__(
        self,
        folder: Path,
        stems: Sequence[str],
        inputs: Sequence[Path],
        *,
        sheets: tuple[str, str] | None,
        overwrite: bool,
        labels: int = 0,
    ) -> None:
        """Check every place; nothing is written yet.

        Args:
            folder: from `--out`.
            stems: names of the drawings in their order, without an ending.
            inputs: files that must stay as they are.
            sheets: titles of source and drawing, to show them side by side too, eight pairs on a sheet; None: no.
            overwrite: replace what has the same names.
            labels: label ids of which a source has a map each; 0 for pictures.

        Raises:
            UserError: if `folder` is a file, a place is an input, or holds a file that may not be replaced.
        """
        self._labels = labels
        pages = range(1, 1 + math.ceil(len(stems) / _ROWS)) if sheets else ()
        names = [*(f"{stem}.png" for stem in stems), *(f"sheets/{page:03d}.png" for page in pages)]
        free = free_places(folder, names, inputs, overwrite=overwrite)
        places, shown = free[: len(stems)], free[len(stems) :]
        self._titles = sheets
        self._folder, self._places, self._sheets = folder, iter(places), iter(shown)
        self._page: list[tuple[np.ndarray, np.ndarray]] = []
        self._left = len(places) if sheets else 0

    def add(self, source: np.ndarray, picture: np.ndarray) -> None:
        """Write the next drawing, and a sheet when it is full or the drawing is the last.

        Args:
            source: what it was drawn from, float32 (height, width, channels) in [-1, 1].
            picture: uint8 (height, width, 1, 3 or 4): grey, RGB or RGBA.

        Raises:
            UserError: if no picture has so many channels, or the file cannot be written.
        """
        if picture.shape[-1] not in (1, 3, 4):
            raise UserError(f"MODEL draws {picture.shape[-1]} channels; accepted are 1 (grey), 3 (RGB) and 4 (RGBA).")
        self._write(next(self._places), picture[..., 0] if picture.shape[-1] == 1 else picture)
        if not self._left:
            return
        self._left -= 1
        shown = to_rgb(ClassScores(source[None]) if self._labels else source[None])[0]
        self._page.append((_cell(shown), _cell(to_rgb(picture[None] / np.float32(127.5) - 1)[0])))
        if len(self._page) == _ROWS or not self._left:
            side = max(max(cell.size) for pair in self._page for cell in pair)
            columns = zip(self._titles, zip(*self._page, strict=True), strict=True)
            self._write(next(self._sheets), sheet({title: _squares(cells, side) for title, cells in columns}))
            self._page = []

    def _write(self, path: Path, picture: np.ndarray) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write(path, png_bytes(picture))
        except OSError as error:
            raise UserError(f"--out {self._folder} cannot be written: {error.strerror or error}.") from None


def free_places(folder: Path, names: Sequence[str], inputs: Sequence[Path], *, overwrite: bool) -> list[Path]:
    """Where in `folder` files of these names go; nothing is written yet.

    Args:
        folder: from `--out`.
        names: of the files, in their order.
        inputs: files that must stay as they are.
        overwrite: replace what has the same names.

    Raises:
        UserError: if `folder` is a file, a place is an input, or holds a file that may not be replaced.
    """
    if folder.exists() and not folder.is_dir():
        raise UserError(f"--out got {folder}, which is a file; accepted is a folder.")
    places, kept = [folder / name for name in names], {file.resolve() for file in inputs}
    for place in places:
        if place.resolve() in kept:
            raise UserError(f"--out got {folder}, but {place} is an input; accepted is another folder.")
    there = [place for place in places if place.exists()]
    if there and not overwrite:
        more = f" and {len(there) - 1} more" if len(there) > 1 else ""
        raise UserError(
            f"--out got {folder}, but {there[0].name}{more} would be replaced there; --overwrite allows it."
        )
    return places


def _cell(pixels: np.ndarray) -> Image.Image:
    """A picture, uint8 (height, width, 3), reduced to `_CELL` pixels at most."""
    picture = Image.fromarray(pixels)
    picture.thumbnail((_CELL, _CELL), Image.Resampling.LANCZOS)
    return picture


def _squares(cells: Sequence[Image.Image], side: int) -> np.ndarray:
    """Each in the middle of a white square: float32 (n, side, side, 3) in [-1, 1]."""
    squares = []
    for cell in cells:
        square = Image.new("RGB", (side, side), "white")
        square.paste(cell, ((side - cell.width) // 2, (side - cell.height) // 2))
        squares.append(np.asarray(square, np.float32) / 127.5 - 1)
    return np.stack(squares)
