"""Measure how well a run denoises pictures of any size that it was not trained on: PSNR before and after.

    python -m benchmarks.denoise_pictures savedmodels/restoration/RUN photo.png ...

For each kind of noise, the noisy picture is clipped and rounded to 8 bits, as in a file, and denoised in blended tiles
as in `apps.denoise`.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tensorflow as tf
import tyro

from keras_gen import models
from keras_gen.cli.parsing import app, parse
from keras_gen.data.files.inputs import Reader
from keras_gen.flags import BaseConfig, Share
from keras_gen.inference.tiling import compiled, draw
from keras_gen.ops.noise import NOISES
from keras_gen.ops.pixels import to_float, to_uint8
from keras_gen.ops.reconstruction import psnr

EXAMPLE = "python -m benchmarks.denoise_pictures savedmodels/restoration/RUN photo.png"
KINDS = tuple(kind for kind in NOISES if kind != "mixed")


@dataclass(frozen=True)
class Flags(BaseConfig):
    run: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]
    """Run folder of train_denoising_autoencoder."""
    pictures: Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="PICTURE...")]
    """Clean pictures."""
    strength: Share = 0.2
    """Strength of the noise [0 to 1]."""


@app
def main(argv: Sequence[str] | None = None) -> None:
    """Print a row for each picture, with two figures for each kind of noise."""
    flags = parse(Flags, argv, example=EXAMPLE)
    model, _ = models.load(flags.run)
    (served,) = model.serving().values()
    network = compiled(model.denoise, *served.inputs, *served.outputs)
    read = Reader(model.config.channels, keep_colours=True)
    print(f"| strength {flags.strength:g} | size | {' | '.join(KINDS)} |\n|---|---|{'---:|' * len(KINDS)}")
    for place, path in enumerate(flags.pictures):
        clean, cells = tf.constant(read(path)), []
        for number, kind in enumerate(KINDS):
            key = tf.constant([place, number], tf.int64)
            noisy = to_float(to_uint8(NOISES[kind](clean, tf.constant(flags.strength), key)))
            (cleaned,) = draw(network, [noisy], batch_size=8)
            figures = [float(psnr(image[tf.newaxis], clean[tf.newaxis])[0]) for image in (noisy, cleaned)]
            cells.append(f"{figures[0]:.1f} -> {figures[1]:.1f}")
        print(f"| {path.stem} | {clean.shape[1]}x{clean.shape[0]} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    sys.exit(main())
