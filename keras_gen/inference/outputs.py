"""Write generated pictures to a folder, with sheets that show them beside their sources."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from keras_gen.errors import UserError
from keras_gen.files import write
from keras_gen.visual.sheets import ClassScores, png_bytes, sheet, to_rgb

_ROWS = 8  # pairs on a sheet
_CELL = 512  # longer side of a picture on a sheet, at most [pixels]


class Drawings:
    """Writes pictures as DIR/STEM.png, and sheets as DIR/sheets/001.png, 002.png, and so on."""

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
        """Check that every file may be written. Nothing is written yet.

        Args:
            folder: from `--out`.
            stems: names of the pictures in order, without extension.
            inputs: input files, which are never replaced.
            sheets: column titles of source and picture on the sheets; None: no sheets.
            overwrite: replace existing files.
            labels: number of label ids if the sources are label maps; 0 for images.

        Raises:
            UserError: if `folder` is a file, or a file to write is an input or exists without `overwrite`.
        """
        self._labels = labels
        pages = range(1, 1 + math.ceil(len(stems) / _ROWS)) if sheets else ()
        names = [*(f"{stem}.png" for stem in stems), *(f"sheets/{page:03d}.png" for page in pages)]
        free = free_paths(folder, names, inputs, overwrite=overwrite)
        paths, sheet_paths = free[: len(stems)], free[len(stems) :]
        self._titles = sheets
        self._folder, self._paths, self._sheet_paths = folder, iter(paths), iter(sheet_paths)
        self._pairs: list[tuple[np.ndarray, np.ndarray]] = []
        self._remaining = len(paths) if sheets else 0

    def add(self, source: np.ndarray, picture: np.ndarray) -> None:
        """Write the next picture. A sheet is written when it is full, or with the last picture.

        Args:
            source: what the picture was made from, float32 (height, width, channels) in [-1, 1].
            picture: uint8 (height, width, channels) with 1 channel (grey), 3 (RGB) or 4 (RGBA).

        Raises:
            UserError: if the picture has another number of channels, or a file cannot be written.
        """
        if picture.shape[-1] not in (1, 3, 4):
            raise UserError(
                f"MODEL makes images of {picture.shape[-1]} channels; accepted are 1 (grey), 3 (RGB) and 4 (RGBA)."
            )
        self._write(next(self._paths), picture[..., 0] if picture.shape[-1] == 1 else picture)
        if not self._remaining:
            return
        self._remaining -= 1
        shown = to_rgb(ClassScores(source[None]) if self._labels else source[None])[0]
        self._pairs.append((_cell(shown), _cell(to_rgb(picture[None] / np.float32(127.5) - 1)[0])))
        if len(self._pairs) == _ROWS or not self._remaining:
            side = max(max(cell.size) for pair in self._pairs for cell in pair)
            columns = zip(self._titles, zip(*self._pairs, strict=True), strict=True)
            self._write(next(self._sheet_paths), sheet({title: _squares(cells, side) for title, cells in columns}))
            self._pairs = []

    def _write(self, path: Path, picture: np.ndarray) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write(path, png_bytes(picture))
        except OSError as error:
            raise UserError(f"--out {self._folder} cannot be written: {error.strerror or error}.") from None


def free_paths(folder: Path, names: Sequence[str], inputs: Sequence[Path], *, overwrite: bool) -> list[Path]:
    """The paths of files to write, after a check that each may be written. Nothing is written yet.

    Args:
        folder: from `--out`.
        names: of the files.
        inputs: input files, which are never replaced.
        overwrite: replace existing files.

    Returns:
        A path for each name.

    Raises:
        UserError: if `folder` is a file, or a file to write is an input or exists without `overwrite`.
    """
    if folder.exists() and not folder.is_dir():
        raise UserError(f"--out got {folder}, which is a file; accepted is a folder.")
    paths, protected = [folder / name for name in names], {file.resolve() for file in inputs}
    for path in paths:
        if path.resolve() in protected:
            raise UserError(f"--out got {folder}, but {path} is an input; accepted is another folder.")
    existing = [path for path in paths if path.exists()]
    if existing and not overwrite:
        more = f" and {len(existing) - 1} more" if len(existing) > 1 else ""
        raise UserError(
            f"--out got {folder}, but {existing[0].name}{more} would be replaced there; --overwrite allows it."
        )
    return paths


def _cell(pixels: np.ndarray) -> Image.Image:
    """Shrink a picture, uint8 (height, width, 3), to at most `_CELL` pixels."""
    picture = Image.fromarray(pixels)
    picture.thumbnail((_CELL, _CELL), Image.Resampling.LANCZOS)
    return picture


def _squares(cells: Sequence[Image.Image], side: int) -> np.ndarray:
    """Centre each picture on a white square: float32 (n, side, side, 3) in [-1, 1]."""
    squares = []
    for cell in cells:
        square = Image.new("RGB", (side, side), "white")
        square.paste(cell, ((side - cell.width) // 2, (side - cell.height) // 2))
        squares.append(np.asarray(square, np.float32) / 127.5 - 1)
    return np.stack(squares)
