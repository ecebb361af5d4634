"""Compress pictures with a trained autoencoder, VAE or VQ-VAE to .kgz files, which `decompress` turns into PNG files.

The latent vector of each picture is quantised and entropy-coded; the codes of a VQ-VAE are entropy-coded as they are.
docs/compression.md describes the format. The first call computes statistics of the run's training images and writes
them to RUN/codec-....npz. Decompressing needs the run folder with that file. --curve also compares the run with JPEG
and WebP on these pictures: rate_distortion.html, .png and .json in --out.
"""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import tyro

from keras_gen import models
from keras_gen.cli.parsing import app, parse
from keras_gen.compression.container import SUFFIX
from keras_gen.compression.latents import LARGEST_STEP, RESOLUTION
from keras_gen.compression.rate_distortion import STEM, curves, ranges, table, verdicts, write_report
from keras_gen.compression.run import open_codec
from keras_gen.data.files.inputs import ExactReader, find_images, readable, unique_stems
from keras_gen.engine.config import read_config
from keras_gen.errors import UserError
from keras_gen.files import write
from keras_gen.flags import BaseConfig
from keras_gen.inference.outputs import free_paths
from keras_gen.ops.pixels import to_float

from ._data import reopen

EXAMPLE = "compress savedmodels/vae/RUN my_pictures --out small"


@dataclass(frozen=True)
class Flags(BaseConfig):
    run: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]
    """Run folder of an autoencoder, a VAE or a VQ-VAE."""
    inputs: Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="INPUT...")]
    """Image files, or folders, whose images are all used."""
    out: Path
    """Folder for the compressed files, NAME.kgz for NAME.png."""
    step: float = 0.0
    """Quantisation step; smaller steps give better pictures and larger files [root-mean-square change of the picture
    per step, in levels of 255; multiples of 0.25]; 0: the largest step that adds at most a tenth to the run's own
    squared error. The codes of a VQ-VAE are not quantised further."""
    resize: bool = False
    """Resize pictures whose size differs from the run's; decompress restores their own size."""
    curve: bool = False
    """Also write rate-distortion curves of the run, JPEG and WebP on these pictures."""
    checkpoint: Literal["newest", "best"] = "newest"
    """Which checkpoint of the run to use: the newest, or the best by validation; decompress must use the same one."""
    data: str = ""
    """Location of the run's training images, if they have moved; needed only the first time."""
    overwrite: bool = False
    """Replace files of the same names; leave everything else in --out alone."""
    skip_bad: bool = False
    """Skip files that cannot be decoded, and list them, instead of refusing to start."""

    def check_together(self) -> None:
        super().check_together()
        step = self.step * RESOLUTION
        if not (0 <= step <= LARGEST_STEP * RESOLUTION and step == int(step)):
            raise self.fault(
                f"<step got>; accepted are 0 (automatic) and multiples of {1 / RESOLUTION} up to {LARGEST_STEP}."
            )
        read_config(self.run)


@app
def main(argv: Sequence[str] | None = None) -> None:
    """Load the run, check every picture, then compress one after the other."""
    flags = parse(Flags, argv, example=EXAMPLE)
    model, _ = models.load(flags.run, flags.checkpoint)
    codec = open_codec(flags.run, model, lambda count: _training(flags, count))
    if flags.step and len(codec.steps) == 1:
        raise UserError(f"--step got {flags.step:g}, but the codes of {flags.run} are not quantised: leave it out.")
    if flags.curve and codec.channels == 4:
        raise UserError("--curve compares with JPEG, which has no transparency; accepted are runs of 1 or 3 channels.")
    files = find_images(flags.inputs)
    read = ExactReader(codec.size, codec.channels, flags.resize)
    files = readable(files, read, skip=flags.skip_bad)
    names = [f"{stem}{SUFFIX}" for stem in unique_stems(files)]
    report = [f"{STEM}.{ending}" for ending in ("json", "png", "html")] if flags.curve else []
    places = free_paths(flags.out, [*names, *report], files, overwrite=flags.overwrite)
    flags.out.mkdir(parents=True, exist_ok=True)

    step = int(flags.step * RESOLUTION) or codec.default_step
    total = pixels = 0
    for file, place in zip(files, places, strict=False):
        picture = read(file)
        contents = codec.compress(to_float(picture), step)
        write(place, contents)
        total, pixels = total + len(contents), pixels + picture.shape[0] * picture.shape[1]
    print(
        f"{len(files)} picture{'s' * (len(files) > 1)} written to {flags.out} with {codec.describe(step)}: "
        f"{total} bytes, {total / len(files):.1f} each, {8 * total / pixels:.3f} bits per pixel."
    )
    if flags.curve:
        pictures: list[np.ndarray] = [read(file) for file in files]
        found = curves(codec, pictures)
        write_report(found, codec, pictures, flags.out)
        for name, points in found.items():
            print("", name, *table(points), sep="\n")
        print("", *ranges(found), *verdicts(found), f"\nWritten to {flags.out / STEM}.html", sep="\n")


def _training(flags: Flags, count: int) -> Iterator[np.ndarray]:
    """Batches of the run's training images, at most `count` in all."""
    data = reopen(flags.run, flags.data)
    print(
        f"Computing statistics of {min(count, data.train_size)} training images of {flags.run}, only this time.",
        flush=True,
    )
    batches = data.train(256, stop=min(count, data.train_size))
    return (batch[0].numpy() for batch in batches)


if __name__ == "__main__":
    sys.exit(main())
