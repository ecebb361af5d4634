"""Measure how fast the built-in facades are drawn: pairs per second on one core, without writing files.

python -m benchmarks.facades --sizes 128 256
"""

import os
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

os.environ.setdefault("OMP_NUM_THREADS", "1")  # one core for NumPy's libraries too; set before they are loaded

from keras_gen.cli.parsing import app, parse
from keras_gen.data.builtin.facades import draw_pair
from keras_gen.flags import BaseConfig, Positive


@dataclass(frozen=True)
class Flags(BaseConfig):
    sizes: tuple[Positive[int], ...] = (128, 256)
    """Image sizes [pixels]."""
    pairs: Positive[int] = 100
    """Pairs per round [pairs]."""
    rounds: Positive[int] = 5
    """Rounds, whose median is printed [rounds]."""


@app
def main(argv: Sequence[str] | None = None) -> None:
    """Draw on one core and print the median rate of each size."""
    flags = parse(Flags, argv, example="python -m benchmarks.facades --sizes 128 256")
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    for size in flags.sizes:
        rates = []
        for number in range(flags.rounds):
            start = time.perf_counter()
            for index in range(flags.pairs):
                draw_pair(size, 0, number * flags.pairs + index)
            rates.append(flags.pairs / (time.perf_counter() - start))
        print(f"{size}x{size}: {statistics.median(rates):.0f} pairs/s on one core", flush=True)


if __name__ == "__main__":
    sys.exit(main())
