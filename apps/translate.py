"""Translate pictures of any size by a trained model: a run folder, a SavedModel or a .tflite file.

The pictures are cut into overlapping tiles of the model's size and the drawings blended, or, with --resize, drawn
whole; every result has the size of its input. DIR/NAME.png is the drawing of NAME.jpg; where an earlier input took
the name it is NAME-2.png. A model of label ids takes images of ids; that an export does so is read from the
config.json beside it, or seen from a number of channels that no picture has.
"""

import itertools
import math
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import keras
import numpy as np
import tyro
from PIL import Image

from keras_gen import models
from keras_gen.data.images import UnreadableImage, read_image, to_float, to_uint8
from keras_gen.data.inputs import Reader, Side, find_images, unique_stems
from keras_gen.engine.cli import app, parse
from keras_gen.engine.config import CONFIG_FILE, positive, read_config
from keras_gen.engine.inference import Network, compiled, draw, draw_resized, load_export
from keras_gen.engine.samples import png_bytes, sheet, to_rgb
from keras_gen.errors import UserError
from keras_gen.files import write

EXAMPLE = "python -m apps.translate savedmodels/pix2pix/RUN photo.jpg --out drawn"
_ROWS, _CELL = 8, 512  # pairs on a sheet, and the largest side of a cell [pixels]


@dataclass(frozen=True)
class Flags:
    model: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="MODEL")]
    """A run folder, a saved_model folder or a .tflite file."""
    inputs: Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="INPUT...")]
    """Image files, and folders of which every image is taken."""
    out: Path
    """Folder for the drawings, PNG."""
    overwrite: bool = False
    """Replace files of the same names; nothing else in --out is touched."""
    side: Side = "whole"
    """Part of each image to translate: of pairs side by side, the left or the right half."""
    resize: bool = False
    """Draw each image whole, resized to the model's size and back, instead of in tiles."""
    overlap: float = 0.25
    """Smallest overlap of neighbouring tiles, as a share of a tile [0 to 0.9]."""
    sheet: bool = False
    """Write sheets of source and generated side by side too, to sheets/ in --out."""
    checkpoint: Literal["newest", "best"] = "newest"
    """Of a run folder: which of its checkpoints draws."""
    noise_at_test: bool = False
    """Of a run folder: keep dropout on, as the pix2pix paper does."""
    batch_size: int = 1
    """Tiles drawn at a time [tiles]; a .tflite draws one by one."""
    threads: int = 0
    """Of a .tflite: CPU threads; 0: all cores."""
    skip_bad: bool = False
    """Leave out files that cannot be decoded, and say which, instead of refusing all."""

    def __post_init__(self) -> None:
        positive(self, "batch_size")
        if self.threads < 0:
            raise UserError(f"--threads got {self.threads}; accepted are 0 (all cores) and greater numbers.")
        if not 0 <= self.overlap <= 0.9:
            raise UserError(f"--overlap got {self.overlap}; accepted are shares from 0 to 0.9.")


@app
def main(argv: Sequence[str] | None = None) -> None:
    """Read everything, then draw and write one picture after the other."""
    flags = parse(Flags, argv, example=EXAMPLE)
    files = find_images(flags.inputs)
    network, labels = _open(flags)
    read = Reader(network.input_shape[-1], labels, flags.side)
    files = _readable(files, read, flags.skip_bad)
    places, sheets = _places(files, flags)

    sources = map(read, files)
    if flags.resize:
        drawings = draw_resized(network, sources, labels=labels > 0, batch_size=flags.batch_size)
    else:
        drawings = draw(network, sources, batch_size=flags.batch_size, overlap=flags.overlap)
    start = time.perf_counter()
    bar = keras.utils.Progbar(len(files), unit_name="image", verbose=int(sys.stdout.isatty()))
    for place, drawing in zip(places, drawings, strict=True):
        _write(place, _picture(drawing))
        bar.add(1)
    seconds = (time.perf_counter() - start) / len(files)
    for place, picture in zip(sheets, _sheets(files, places, read), strict=False):  # without --sheet there is no place
        _write(place, picture)
    what = "1 picture" if len(files) == 1 else f"{len(files)} pictures"
    print(f"{what} written to {flags.out}, {seconds:.2f} s each")


def _open(flags: Flags) -> tuple[Network, int]:
    """The network of MODEL, and the number of label ids that it takes, 0 for pictures."""
    path = flags.model
    if (path / CONFIG_FILE).is_file():
        if flags.threads:
            raise UserError(f"--threads got {flags.threads}, but {path} is a run folder: it is for a .tflite.")
        noise = {"noise_at_test": True} if flags.noise_at_test else {}
        model, _ = models.load(path, flags.checkpoint, **noise)
        size, channels = model.config.image_size, model.config.source_channels
        network, run = compiled(model.translate, (None, size, size, channels)), path
    else:
        if flags.noise_at_test or flags.checkpoint != "newest":
            given = "--noise-at-test" if flags.noise_at_test else f"--checkpoint {flags.checkpoint}"
            raise UserError(f"{given} needs a run folder as MODEL, and {path} is none.")
        if flags.threads and path.suffix != ".tflite":
            raise UserError(f"--threads got {flags.threads}, but {path} is not a .tflite.")
        network, run = load_export(path, flags.threads or None), path.absolute().parent
    channels = network.input_shape[-1]
    if (run / CONFIG_FILE).is_file() and read_config(run)["data"].get("labels") == channels:
        return network, channels
    return network, 0 if channels in (1, 3, 4) else channels


def _readable(files: list[Path], read: Reader, skip: bool) -> list[Path]:
    """The files that can be decoded; all of them, unless `skip`."""
    good, bad = [], []
    for file in files:
        try:
            read(file)
            good.append(file)
        except UnreadableImage as error:
            bad.append(str(error))
    if bad and not (skip and good):
        raise UserError(
            f"{len(bad)} of {len(files)} images cannot be read{', and --skip-bad leaves them out' if good else ''}: "
            + " ".join(bad[:3])
        )
    if bad:
        print(f"{len(bad)} of {len(files)} images left out: {' '.join(bad)}")
    return good


def _places(files: list[Path], flags: Flags) -> tuple[list[Path], list[Path]]:
    """Where drawings and sheets go: never over an input, and over another file only with --overwrite."""
    if flags.out.exists() and not flags.out.is_dir():
        raise UserError(f"--out got {flags.out}, which is a file; accepted is a folder.")
    drawings = [flags.out / f"{stem}.png" for stem in unique_stems(files)]
    pages = range(1, 1 + math.ceil(len(files) / _ROWS)) if flags.sheet else ()
    sheets = [flags.out / "sheets" / f"{page:03d}.png" for page in pages]
    inputs = {file.resolve() for file in files}
    for place in (*drawings, *sheets):
        if place.resolve() in inputs:
            raise UserError(f"--out got {flags.out}, but {place} is an input; accepted is another folder.")
    there = [place for place in (*drawings, *sheets) if place.exists()]
    if there and not flags.overwrite:
        more = f" and {len(there) - 1} more" if len(there) > 1 else ""
        raise UserError(
            f"--out got {flags.out}, but {there[0].name}{more} would be replaced there; --overwrite allows it."
        )
    return drawings, sheets


def _picture(drawing: np.ndarray) -> np.ndarray:
    """uint8 grey (height, width), RGB or RGBA (height, width, 3 or 4)."""
    if drawing.shape[-1] not in (1, 3, 4):
        raise UserError(f"MODEL draws {drawing.shape[-1]} channels; accepted are 1 (grey), 3 (RGB) and 4 (RGBA).")
    picture = to_uint8(drawing)
    return picture[..., 0] if picture.shape[-1] == 1 else picture


def _write(path: Path, picture: np.ndarray) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(path, png_bytes(picture))
    except OSError as error:
        raise UserError(f"--out {path} cannot be written: {error.strerror or error}.") from None


def _sheets(files: list[Path], places: list[Path], read: Reader) -> Iterator[np.ndarray]:
    """Pictures of `_ROWS` pairs each, source | generated."""
    pairs = zip(files, places, strict=True)
    while page := list(itertools.islice(pairs, _ROWS)):
        columns = {
            "source": [to_rgb(read(file)[np.newaxis])[0] for file, _ in page],
            "generated": [read_image(place, channels=3) for _, place in page],
        }
        side = min(_CELL, max(max(image.shape) for images in columns.values() for image in images))
        yield sheet({title: np.stack([_cell(i, side) for i in images]) for title, images in columns.items()})


def _cell(image: np.ndarray, side: int) -> np.ndarray:
    """An image of any size in the middle of a white square, reduced to fit: float32 (side, side, 3) in [-1, 1]."""
    picture = Image.fromarray(image)
    picture.thumbnail((side, side), Image.Resampling.LANCZOS)
    square = Image.new("RGB", (side, side), "white")
    square.paste(picture, ((side - picture.width) // 2, (side - picture.height) // 2))
    return to_float(np.asarray(square))


if __name__ == "__main__":
    sys.exit(main())
