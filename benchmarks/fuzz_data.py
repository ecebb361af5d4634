"""Fuzz the readers with mutated images and TFRecord shards: none may crash, hang, or silently give a wrong image.

    python -m benchmarks.fuzz_data --mutations 100000

`tests/fuzzing.py` defines the mutations and the expected results; CI runs 2,000 of the same. Prints the outcomes, the
slowest mutation and the memory.
"""

import resource
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import apps  # noqa: F401  (silences TensorFlow before it is imported)
from keras_gen.cli.parsing import app, parse
from keras_gen.flags import BaseConfig, NonNegative, Positive
from tests.fuzzing import FORMATS, fuzz


@dataclass(frozen=True)
class Flags(BaseConfig):
    mutations: Positive[int] = 100_000
    """Number of mutated files [files]."""
    seed: NonNegative[int] = 0
    """Random seed of the mutations; the same seed gives the same files [integer]."""


@app
def main(argv: Sequence[str] | None = None) -> None:
    """Fuzz and print a table."""
    flags = parse(Flags, argv, example="python -m benchmarks.fuzz_data --mutations 100000")
    start = last = time.perf_counter()
    slowest = (0.0, 0)

    def progress(done: int) -> None:
        nonlocal last, slowest
        now = time.perf_counter()
        slowest, last = max(slowest, (now - last, done - 1)), now
        if done % 10_000 == 0:
            print(f"{done} read, {done / (now - start):.0f} per second", flush=True)

    with tempfile.TemporaryDirectory() as folder:
        outcomes = fuzz(flags.mutations, flags.seed, Path(folder), progress)
    print(f"{'':10}{'refused':>10}{'same':>10}{'other':>10}")
    for form in FORMATS:
        print(f"{form:10}" + "".join(f"{outcomes[form, outcome]:10}" for outcome in ("refused", "same", "other")))
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    rate = flags.mutations / seconds
    print(f"{flags.mutations} mutations in {seconds:.0f} s, {rate:.0f} per second; peak memory {peak:.0f} MiB")
    print(f"the slowest, number {slowest[1]}, took {slowest[0] * 1000:.0f} ms")


if __name__ == "__main__":
    sys.exit(main())
