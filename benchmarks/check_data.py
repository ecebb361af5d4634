"""Measure the speed of `apps.check_data`: 256x256 JPEG images per second, for headers only and for full checks.

    python -m benchmarks.check_data --images 4000

The images are views of the built-in facades in a temporary folder. They are read once before, so the disk does not
matter. "pairs" are the same images side by side, 512x256.
"""

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

import apps  # noqa: F401  (silences TensorFlow before it is imported)
from keras_gen.cli.parsing import app, parse
from keras_gen.data.builtin.facades import PALETTE, draw_pair
from keras_gen.data.checks.inspection import Images, Pairs, headers
from keras_gen.data.checks.rules import check, quick_check
from keras_gen.data.files.codecs import MAX_PIXELS
from keras_gen.data.kinds.pairs import PairsConfig
from keras_gen.flags import BaseConfig, Positive

SIZE = 256


@dataclass(frozen=True)
class Flags(BaseConfig):
    images: Positive[int] = 4000
    """Number of images, and a quarter as many pairs [images]."""
    rounds: Positive[int] = 5
    """Rounds, whose median is printed [rounds]."""


def draw(folder: Path, count: int) -> None:
    """Write `count` images, shifted views of forty facades, and a quarter as many pairs."""
    drawn = [draw_pair(SIZE, 0, number) for number in range(40)]
    for part in ("images", "pairs"):
        (folder / part).mkdir()
    for number in range(count):
        labels, photo = drawn[number % 40]
        photo = np.roll(photo, number // 40, axis=1)
        Image.fromarray(photo).save(folder / "images" / f"{number:05d}.jpg", quality=90)
        if number % 4 == 0:
            both = np.concatenate([np.roll(PALETTE[labels], number // 40, axis=1), photo], axis=1)
            Image.fromarray(both).save(folder / "pairs" / f"{number:05d}.jpg", quality=90)


@app
def main(argv: Sequence[str] | None = None) -> None:
    """Draw, check and print the rates."""
    flags = parse(Flags, argv, example="python -m benchmarks.check_data --images 4000")
    with tempfile.TemporaryDirectory() as scratch:
        draw(Path(scratch), flags.images)
        images = Images(Path(scratch, "images"), MAX_PIXELS, val_every=10, anywhere=True)
        config = PairsConfig(data=str(Path(scratch, "pairs")))
        pairs = Pairs(config)
        jobs: dict[str, tuple[Callable[[], object], int]] = {
            "headers of images": (lambda: headers(images, range(len(images))), len(images)),
            "all of images": (lambda: check(images), len(images)),
            "headers of pairs": (lambda: headers(pairs, range(len(pairs))), len(pairs)),
            "all of pairs": (lambda: check(pairs), len(pairs)),
            "quick check of pairs": (lambda: quick_check(config), len(pairs)),
        }
        print(f"{os.cpu_count()} cores, {SIZE}x{SIZE} JPEG, median of {flags.rounds} rounds")
        for name, (job, count) in jobs.items():
            seconds, processor = [], time.process_time()
            for _ in range(flags.rounds):
                start = time.perf_counter()
                job()
                seconds.append(time.perf_counter() - start)
            median, each = statistics.median(seconds), (time.process_time() - processor) / flags.rounds / count
            rate = f"{count / median:8.0f} per second, {each * 1000:.2f} ms of one core each"
            print(f"{name:22}{count:6} in {median:6.2f} s {rate}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
