"""Translate pictures of any size by a trained model: a run folder, a SavedModel or a .tflite file.

The pictures are cut into overlapping tiles of the model's size and the drawings blended, or, with --resize, drawn
whole; every result has the size of its input. DIR/NAME.png is the drawing of NAME.jpg; where an earlier input took
the name it is NAME-2.png. A model of label ids takes images of ids; that an export does so is read from its metadata,
or seen from a number of channels that no picture has.
"""

import itertools
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import keras
import tyro

from keras_gen import models
from keras_gen.data.images import to_uint8
from keras_gen.data.inputs import Reader, Side, find_images, readable, unique_stems
from keras_gen.engine.cli import app, parse
from keras_gen.engine.config import CONFIG_FILE, read_config
from keras_gen.engine.drawings import Drawings
from keras_gen.engine.inference import Network, compiled, draw, draw_resized, labels_of, load_export
from keras_gen.errors import UserError
from keras_gen.flags import positive

EXAMPLE = "python -m apps.translate savedmodels/pix2pix/RUN photo.jpg --out drawn"


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
    """Tiles drawn at a time [tiles]; a .tflite has a number of its own."""
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
    files = readable(files, read, skip=flags.skip_bad)
    written = Drawings(flags.out, unique_stems(files), files, sheets=flags.sheet, overwrite=flags.overwrite)

    sources, kept = itertools.tee(map(read, files))  # what is not drawn yet is kept, and no more
    if flags.resize:
        drawings = draw_resized(network, sources, labels=labels > 0, batch_size=flags.batch_size)
    else:
        drawings = draw(network, sources, batch_size=flags.batch_size, overlap=flags.overlap)
    start = time.perf_counter()
    bar = keras.utils.Progbar(len(files), unit_name="image", verbose=int(sys.stdout.isatty()))
    for source, drawing in zip(kept, drawings, strict=True):
        written.add(source, to_uint8(drawing))
        bar.add(1)
    seconds = (time.perf_counter() - start) / len(files)
    what = "1 picture" if len(files) == 1 else f"{len(files)} pictures"
    print(f"{what} written to {flags.out}, {seconds:.2f} s each")


def _open(flags: Flags) -> tuple[Network, int]:
    """The network of MODEL, and the number of label ids that it takes, 0 for pictures."""
    path = flags.model
    if (path / CONFIG_FILE).is_file():
        if flags.threads:
            raise UserError(f"--threads got {flags.threads}, but {path} is a run folder: it is for a .tflite.")
        noise = {"noise_at_test": True} if flags.noise_at_test else {}
        if not hasattr(models.family(family := read_config(path)["family"]), "translate"):
            raise UserError(f"{path} is a run of {family}, which translates no pictures; accepted are runs of pix2pix.")
        model, _ = models.load(path, flags.checkpoint, **noise)
        size, channels = model.config.image_size, model.config.source_channels
        return compiled(model.translate, (None, size, size, channels)), read_config(path)["data"].get("labels", 0)
    if flags.noise_at_test or flags.checkpoint != "newest":
        given = "--noise-at-test" if flags.noise_at_test else f"--checkpoint {flags.checkpoint}"
        raise UserError(f"{given} needs a run folder as MODEL, and {path} is none.")
    if flags.threads and path.suffix != ".tflite":
        raise UserError(f"--threads got {flags.threads}, but {path} is not a .tflite.")
    network = load_export(path, flags.threads or None)
    return network, labels_of(path, network)


if __name__ == "__main__":
    sys.exit(main())
