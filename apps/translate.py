"""Translate pictures of any size with a trained model: a run folder, a SavedModel or a .tflite file.

Pictures are processed in overlapping tiles of the model's size and the results are blended; with --resize, each picture
is processed whole. Every result has the size of its input, or a multiple of it if the model enlarges. A
super-resolution run enlarges its input first (bicubic); its exports take enlarged pictures. The result for NAME.jpg is
DIR/NAME.png, or NAME-2.png if an earlier input has that name. Models that translate label
maps need images of label ids.
"""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from keras_gen import models
from keras_gen.cli.parsing import app, parse
from keras_gen.data.files.inputs import Reader, Side
from keras_gen.engine.config import read_config
from keras_gen.errors import UserError
from keras_gen.flags import BaseConfig
from keras_gen.inference.tiling import Network, compiled, draw, draw_resized, image_ports

from ._draw import Pictures, open_network, write_drawings

EXAMPLE = "translate savedmodels/pix2pix/RUN photo.jpg --out drawn"


@dataclass(frozen=True)
class Flags(BaseConfig):
    pictures: Pictures
    side: Side = "whole"
    """Part of each image to translate: of side-by-side pairs, the left or the right half."""
    resize: bool = False
    """Process each image whole, resized to the model's size and back, instead of in tiles."""
    noise_at_test: bool = False
    """For a run folder: keep dropout on, as in the pix2pix paper."""


@app
def main(argv: Sequence[str] | None = None) -> None:
    """Open the model, then translate and write one picture after the other."""
    flags = parse(Flags, argv, example=EXAMPLE)
    network, enlarged = _open(flags)
    labels = network.source.num_classes
    size, overlap = flags.pictures.batch_size, flags.pictures.overlap

    def drawn(sources: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
        if flags.resize:
            return draw_resized(network, sources, batch_size=size)
        return draw(network, sources, batch_size=size, overlap=overlap)

    read = Reader(network.source.shape[-1], labels, flags.side, scale=enlarged)
    write_drawings(flags.pictures, read, drawn, ("source", "generated"), labels)


def _open(flags: Flags) -> tuple[Network, int]:
    """The network of MODEL, and the factor by which its sources are enlarged first."""
    pictures, path = flags.pictures, flags.pictures.model

    def open_run(path: Path) -> Network:
        family = models.require_task(path, "translate")
        if flags.noise_at_test and "noise_at_test" not in {field.name for field in fields(family.Config)}:
            raise UserError(f"--noise-at-test is for runs of pix2pix, and {path} is one of {family.family}.")
        noise = {"noise_at_test": True} if flags.noise_at_test else {}
        model, _ = models.load(path, pictures.checkpoint, **noise)
        (served, *_) = model.serving().values()
        return compiled(model.translate, *image_ports(served, path))

    if flags.noise_at_test and not pictures.is_run:
        raise UserError(f"--noise-at-test needs a run folder as MODEL, and {path} is not one.")
    network = open_network(pictures, open_run)
    if not pictures.is_run:
        return network, 1
    # A run of super-resolution enlarges pictures by `scale`: its network, or bicubic interpolation before the network.
    return network, read_config(path)["model"].get("scale", 1) // network.scale


if __name__ == "__main__":
    sys.exit(main())
