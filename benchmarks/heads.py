"""Measure how fast the built-in heads are drawn: heads per second on one core, without writing files.

python -m benchmarks.heads --sizes 64 128 256
"""

import os
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # one core for NumPy's libraries too; set before they are loaded

import numpy as np
from PIL import Image

from keras_gen.cli.parsing import app, parse
from keras_gen.data.builtin.facades import draw_pair
from keras_gen.data.builtin.heads import one_head, render, sample_factors
from keras_gen.flags import BaseConfig, NonNegative, Positive


@dataclass(frozen=True)
class Flags(BaseConfig):
    sizes: tuple[Positive[int], ...] = (64, 128, 256)
    """Image sizes [pixels]."""
    heads: Positive[int] = 60
    """Heads per round [heads]."""
    rounds: Positive[int] = 5
    """Rounds, whose median is printed [rounds]."""
    sheet: Path | None = None
    """Write a sheet of heads of the first size to this file instead of measuring."""
    columns: NonNegative[int] = 10
    """Columns of the sheet."""
    seed: NonNegative[int] = 0
    """Seed of the factors."""


@app
def main(argv: Sequence[str] | None = None) -> None:
    """Draw on one core, and print the median time of each size beside that of a built-in facade of 128x128."""
    flags = parse(Flags, argv, example="python -m benchmarks.heads --sizes 64 128")
    factors = sample_factors(flags.heads, flags.seed)
    drawn = [one_head(factors, index) for index in range(flags.heads)]
    if flags.sheet:
        pictures = np.stack([render(head, flags.sizes[0])["image"] for head in drawn])
        rows = pictures.reshape(-1, flags.columns, *pictures.shape[1:]).swapaxes(1, 2)
        sheet = rows.reshape(-1, flags.columns * flags.sizes[0], 3)
        Image.fromarray(sheet).save(flags.sheet, quality=88)
        return
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    for size in flags.sizes:
        render(drawn[0], size)
        heads, facades = [], []
        for number in range(flags.rounds):
            # Interleaved, because other work on the machine slows both.
            start = time.process_time()
            for head in drawn:
                render(head, size)
            middle = time.process_time()
            for index in range(10):
                draw_pair(128, 0, 10 * number + index)
            heads.append((middle - start) / len(drawn))
            facades.append((time.process_time() - middle) / 10)
        per_head, per_facade = statistics.median(heads), statistics.median(facades)
        print(
            f"{size}x{size}: {1 / per_head:.0f} heads per second of one core, {per_head / per_facade:.2f} times the "
            f"time of a facade of 128x128 ({1 / per_facade:.0f} per second)",
            flush=True,
        )


if __name__ == "__main__":
    sys.exit(main())
