"""Measure the cost of checkpoints, and how soon a run ends after SIGTERM: pix2pix as in the paper, on this machine.

    python -m benchmarks.checkpoints

The fraction of training time assumes one checkpoint every five minutes. The stopped run is a real process that gets
SIGTERM at a random moment within a step. The time is that from the signal to the end of the process, which includes the
rest of the step and a checkpoint.
"""

from __future__ import annotations

import random
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import keras

from keras_gen.cli.parsing import app, parse
from keras_gen.engine.checkpoints import Checkpoints, Progress
from keras_gen.flags import BaseConfig, NonNegative, Positive
from keras_gen.models.pix2pix import Pix2Pix

EXAMPLE = "python -m benchmarks.checkpoints --writes 5 --stops 3"
_INTERVAL = 300.0  # seconds between two checkpoints


@dataclass(frozen=True)
class Flags(BaseConfig):
    writes: Positive[int] = 5
    """Number of checkpoints to write and read [checkpoints]."""
    stops: Positive[int] = 3
    """Number of processes to stop [processes]."""
    seed: NonNegative[int] = 0
    """Random seed of the moments [integer]."""


@app
def main(argv: Sequence[str] | None = None) -> None:
    """Measure and print the times."""
    flags = parse(Flags, argv, example=EXAMPLE)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        measure_checkpoint(folder / "checkpoints", flags.writes)
        chance = random.Random(flags.seed)
        seconds = [stop(folder / str(number), chance.random()) for number in range(flags.stops)]
    print(f"from SIGTERM to the end at most {max(seconds):.1f} s: {', '.join(f'{s:.1f}' for s in seconds)}")


def measure_checkpoint(folder: Path, writes: int) -> None:
    """Seconds to write and to read all variables of the paper's networks and their optimizers."""
    keras.utils.set_random_seed(0)
    model = Pix2Pix(Pix2Pix.presets["paper"].model)
    model.compile(model.make_optimizers(2e-4))
    checkpoints = Checkpoints(folder, model.state(), keep=1)
    written, read = [], []
    for step in range(writes):
        start = time.perf_counter()
        checkpoints.save(Progress(step))
        written.append(time.perf_counter() - start)
        start = time.perf_counter()
        checkpoints.restore(folder)
        read.append(time.perf_counter() - start)
    second = statistics.median(written)
    print(
        f"checkpoint of {checkpoints.bytes_needed() / 1e6:.0f} MB: {second:.2f} s to write, "
        f"{statistics.median(read):.2f} s to read; one in {_INTERVAL / 60:.0f} minutes is {second / _INTERVAL:.2%} of "
        "the time",
        flush=True,
    )


def stop(folder: Path, moment: float) -> float:
    """Seconds from SIGTERM to the end of a process; `moment` is the time of the signal after the first progress [s]."""
    command = [sys.executable, "-u", "-m", "apps.train_pix2pix", "--preset", "paper", "--out", str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    said = b""
    while not re.search(rb"step \d+ of", said):
        if not (more := process.stdout.read1()):
            raise RuntimeError(f"the process ended:\n{said.decode()}")
        said += more
    time.sleep(moment)
    start = time.perf_counter()
    process.send_signal(signal.SIGTERM)
    process.stdout.read()
    code = process.wait()
    if code != 143:
        raise RuntimeError(f"the process ended with {code}")
    return time.perf_counter() - start


if __name__ == "__main__":
    sys.exit(main())
