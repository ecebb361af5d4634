"""Sheets and tables of images, and the page that shows the sheets of a run over its steps."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from keras_gen.files import write
from keras_gen.pages import address_of, links_of_run, page

_GAP, _HEAD = 4, 18  # of a sheet: gap between cells, height of the titles [pixels]
_THIN, _LINE = 2, 14  # of a table: gap between cells, height of a line of text [pixels]
_MAIN = "samples"  # title of the sheets that are in the folder itself instead of a subfolder
_FILM, _PAGE_FILE = "film.gif", "index.html"
_FRAMES, _FILM_SIDE = 60, 640  # of a film: maximum number of frames, maximum side [pixels]
_FRAME_MS, _END_MS = 150, 2000  # of a film: duration of a frame and of the last frame [ms]


@dataclass(frozen=True)
class ClassScores:
    """Class scores of each pixel, drawn in the colour of the class with the highest score.

    Attributes:
        scores: (n, h, w, classes), of any range; a one-hot label map is a special case.

    Examples:
        >>> import numpy as np
        >>> ClassScores(np.eye(4).reshape(1, 2, 2, 4)).colours().shape
        (1, 2, 2, 3)
    """

    scores: Any

    def colours(self) -> np.ndarray:
        """(n, h, w, 3) uint8."""
        scores = np.asarray(self.scores)
        return _class_colours(scores.shape[-1])[scores.argmax(-1)]


def to_rgb(images: np.ndarray | ClassScores) -> np.ndarray:
    """Convert images for display: uint8 RGB (n, h, w, 3).

    Args:
        images: (n, h, w, channels) in [-1, 1] with 1 channel (grey), 3 (RGB) or 4 (RGB and alpha, drawn on white); or
            class scores. Values outside the range are clipped.

    Raises:
        ValueError: for another number of channels.
    """
    if isinstance(images, ClassScores):
        return images.colours()
    images = np.asarray(images, np.float32)
    channels = images.shape[-1]
    if channels not in (1, 3, 4):
        raise ValueError(f"images have {channels} channels; accepted are 1, 3 and 4, and `ClassScores` for label maps.")
    unit = np.clip(images * 0.5 + 0.5, 0.0, 1.0)
    if channels == 4:
        unit = unit[..., :3] * unit[..., 3:] + 1.0 - unit[..., 3:]
    return np.round(np.broadcast_to(unit, (*unit.shape[:-1], 3)) * 255.0).astype(np.uint8)


def _class_colours(count: int) -> np.ndarray:
    """Colours of `count` classes, uint8 (count, 3): hues a golden ratio apart, so that successive classes differ."""
    hues = (np.arange(count) * 0.618034) % 1.0
    hsv = np.stack([hues * 255, np.full(count, 200), np.where(np.arange(count) % 2, 160, 230)], -1)
    return np.asarray(Image.fromarray(hsv.astype(np.uint8)[None], "HSV").convert("RGB"))[0]


def sheet(columns: Mapping[str, np.ndarray | ClassScores], smallest: int = 128) -> np.ndarray:
    """Draw images side by side: one row for each example, one titled column for each kind of image.

    From five examples on, the rows are split into blocks side by side, so that the sheet is about square.

    Args:
        columns: title -> images (n, h, w, channels) in [-1, 1], or class scores; all with the same n.
        smallest: smaller images are enlarged to about this side [pixels], by an integer factor without smoothing.

    Returns:
        The sheet, uint8 (height, width, 3).
    """
    drawn = {title: to_rgb(images) for title, images in columns.items()}
    count = min(len(images) for images in drawn.values())
    side = max(max(images.shape[1:3]) for images in drawn.values())
    cell = side * max(1, round(smallest / side))
    blocks = max(2, round((1.5 * count / len(drawn)) ** 0.5)) if count >= 5 else 1
    if blocks > 3:  # a slightly different width is better than empty cells
        blocks = min(range(blocks - 2, blocks + 3), key=lambda wide: (-count % wide, abs(wide - blocks)))
    rows = -(-count // blocks)
    blocks = -(-count // rows)
    step = cell + _GAP
    block_width = len(drawn) * step + 3 * _GAP
    picture = Image.new("RGB", (blocks * block_width - 2 * _GAP, _HEAD + rows * step), "white")
    pen, font = ImageDraw.Draw(picture), ImageFont.load_default(12)
    for number in range(blocks):
        for c, (title, images) in enumerate(drawn.items()):
            left = _GAP + number * block_width + c * step
            if len(drawn) > 1 or number == 0:
                pen.text((left, 2), title, fill=(60, 60, 60), font=font)
            for r, image in enumerate(images[number * rows : min((number + 1) * rows, count)]):
                resized = Image.fromarray(image).resize((cell, cell), Image.Resampling.NEAREST)
                picture.paste(resized, (left, _HEAD + r * step))
    return np.asarray(picture)


def grid(
    images: np.ndarray,
    rows: Sequence[str],
    columns: Sequence[str],
    *,
    smallest: int = 64,
    corner: str = "",
    together: int = 0,
) -> np.ndarray:
    """Draw a table of images with titles. A title that would overlap the previous one is left out.

    Args:
        images: (rows, columns, h, w, channels) in [-1, 1].
        rows: titles on the left, one for each row.
        columns: titles above, one for each column.
        smallest: smaller images are enlarged to about this side [pixels], by an integer factor without smoothing.
        corner: text in the upper left corner, such as the meaning of the two axes.
        together: number of rows in a group; groups are separated by a gap. 0: a single group.

    Returns:
        The table, uint8 (height, width, 3).
    """
    font, ink = ImageFont.load_default(12), (60, 60, 60)
    down, across, height, width = images.shape[:4]
    factor = max(1, round(smallest / max(height, width)))
    step_x, step_y = width * factor + _THIN, height * factor + _THIN
    left = 2 * _GAP + max(round(font.getlength(title)) for title in rows)
    top = _HEAD * (2 if corner else 1)
    tops = [top + row * step_y + (row // together * _LINE if together else 0) for row in range(down)]
    picture = Image.new("RGB", (left + across * step_x + _GAP, tops[-1] + step_y + _GAP), "white")
    pen = ImageDraw.Draw(picture)
    pen.text((_GAP, 2), corner, fill=ink, font=font)
    free = 0.0
    for column, title in enumerate(columns):
        middle, half = left + column * step_x + step_x / 2, font.getlength(title) / 2
        if middle - half >= free:
            pen.text((middle - half, top - _HEAD + 2), title, fill=ink, font=font)
            free = middle + half + 2 * _GAP
    free = 0.0
    for row, title in enumerate(rows):
        middle = tops[row] + step_y / 2
        if middle - _LINE / 2 >= free:
            pen.text((left - _GAP, middle), title, fill=ink, font=font, anchor="rm")
            free = middle + _LINE / 2
        for column, image in enumerate(to_rgb(images[row])):
            cell = Image.fromarray(image).resize((width * factor, height * factor), Image.Resampling.NEAREST)
            picture.paste(cell, (left + column * step_x, tops[row]))
    return np.asarray(picture)


def png_bytes(picture: np.ndarray) -> bytes:
    """Encode a uint8 picture (height, width, 3) as PNG."""
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG", compress_level=6)
    return buffer.getvalue()


def gif_bytes(frames: Sequence[Image.Image], milliseconds: Sequence[int]) -> bytes:
    """Encode frames of one size, with a duration for each [ms], as an animated GIF that loops."""
    buffer = io.BytesIO()
    frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:], duration=list(milliseconds), loop=0)
    return buffer.getvalue()


def write_sheet(
    folder: Path, title: str, step: int, picture: np.ndarray, verdicts: Sequence[Sequence[Any]] = ()
) -> None:
    """Write the sheet of a step, and update index.html, which shows all sheets of the folder.

    Args:
        folder: samples/ of a run.
        title: of the view; sheets of "samples" go into `folder` itself, all others into a subfolder of their title.
        step: number of training steps.
        picture: uint8 (height, width, 3).
        verdicts: health verdicts of the run, [step, sentence]; each holds until the next.
    """
    place = folder if title == _MAIN else folder / title
    place.mkdir(parents=True, exist_ok=True)
    write(place / f"step-{step:07d}.png", png_bytes(picture))
    write(folder / _PAGE_FILE, _page(folder, verdicts))


def write_film(folder: Path, verdicts: Sequence[Sequence[Any]] = ()) -> tuple[bytes, tuple[int, int]] | None:
    """Write film.gif, an animation of the sheets of "samples" over the steps, and link to it on index.html.

    From more than 60 sheets, 60 evenly spaced ones are used, including the first and the last.

    Args:
        folder: samples/ of a run.
        verdicts: see `write_sheet`.

    Returns:
        The bytes of the GIF and its (width, height); None if there are fewer than two sheets.
    """
    sheets = sorted(folder.glob("step-*.png"))
    if len(sheets) < 2:
        return None
    chosen = np.unique(np.linspace(0, len(sheets) - 1, _FRAMES).round().astype(int))
    frames, size = [], None
    for path in (sheets[number] for number in chosen):
        with Image.open(path) as picture:
            shown = picture.convert("RGB")
        shown.thumbnail((_FILM_SIDE, _FILM_SIDE), Image.Resampling.LANCZOS)
        size = size or shown.size
        frame = Image.new("RGB", (size[0], size[1] + _HEAD), "white")
        frame.paste(shown, (0, _HEAD))
        caption = f"step {int(path.stem.removeprefix('step-')):,}"
        ImageDraw.Draw(frame).text((_GAP, 2), caption, fill=(60, 60, 60), font=ImageFont.load_default(12))
        frames.append(frame)
    film = gif_bytes(frames, [_FRAME_MS] * (len(frames) - 1) + [_END_MS])
    write(folder / _FILM, film)
    write(folder / _PAGE_FILE, _page(folder, verdicts))
    return film, frames[0].size


def _page(folder: Path, verdicts: Sequence[Sequence[Any]]) -> str:
    kinds: dict[str, list[str]] = {_MAIN: []}
    for path in sorted(folder.rglob("step-*.png")):
        kind = path.parent.relative_to(folder).as_posix()
        kinds.setdefault(_MAIN if kind == "." else kind, []).append(address_of(path, folder))
    run = folder.resolve().parent
    return page(
        "samples.html",
        title=f"Samples of {run.name}",
        subtitle="The previews of the run, step by step.",
        links=links_of_run(run, f"{folder.name}/{_PAGE_FILE}"),
        kinds={kind: names for kind, names in kinds.items() if names},
        verdicts=list(verdicts),
        film=_FILM if (folder / _FILM).exists() else "",
    )
