"""Count the modes of a ring of eight and a grid of twenty-five that GANs find, and show the monitor's verdicts.

    python -m benchmarks.modes --seeds 0 1 2 3 4

The setting of Srivastava et al. 2017 (VEEGAN, arXiv 1705.07761, section 4.1): of 2,500 samples, those within three
standard deviations of a mode are of high quality, and a mode with at least one such sample is found. The plain GAN has
the networks and learning rates of Metz et al. 2017 (arXiv 1611.02163, appendix A) without unrolling: two hidden layers
of 128 units, 256 latent units, and a discriminator that learns ten times as slowly as the generator. The other model is
`train_wgan_gp` with the penalty of Mescheder et al. 2018, who show that it converges where a plain GAN oscillates. Each
row is `python -m apps.train_...` with the given flags, once for each seed. The verdicts are the last ones of the health
monitor.
"""

from __future__ import annotations

import dataclasses
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.health import modes_of, train, verdicts
from keras_gen import models
from keras_gen.cli.parsing import app, parse
from keras_gen.data.builtin.points import POINT_SETS
from keras_gen.flags import BaseConfig, NonNegative, Positive

EXAMPLE = "python -m benchmarks.modes --seeds 0 1 2 3 4"
_COMMON = "--preset points --epochs 1 --preview-every 500 --checkpoint-every 100000"
RUNS = {
    "gan": "gan --hidden-units 128 128 --latent-dim 256 --discriminator-rate 0.1",
    "wgan_gp": "wgan_gp",
}


@dataclasses.dataclass(frozen=True)
class Flags(BaseConfig):
    seeds: tuple[NonNegative[int], ...] = (0, 1, 2, 3, 4)
    """Random seeds; one run of each row per seed [integers]."""
    sets: tuple[str, ...] = ("ring", "grid")
    """Built-in mixtures."""
    runs: tuple[str, ...] = tuple(RUNS)
    """Names of rows."""
    steps: Positive[int] = 12000
    """Steps of the generator in each run [steps]."""


@app
def main(argv: Sequence[str] | None = None) -> None:
    """Train one run after the other, and print the table row by row."""
    flags = parse(Flags, argv, example=EXAMPLE)
    print("| run | set | modes found | high quality | KL from uniform, nats | s per run | last verdicts |")
    print("|---|---|---:|---:|---:|---:|---|", flush=True)
    for name in flags.runs:
        for points in flags.sets:
            found, seconds, told = [], [], []
            for seed in flags.seeds:
                with tempfile.TemporaryDirectory() as scratch:
                    folder, start = Path(scratch) / "run", time.perf_counter()
                    common = f"{_COMMON} --steps-per-epoch {flags.steps} --data {points} --seed {seed}"
                    train(RUNS[name], common, folder)
                    seconds.append(time.perf_counter() - start)
                    found.append(modes_of(models.load(folder)[0], POINT_SETS[points]))
                    told.append(verdicts(folder)[-1][1].partition(" since")[0].partition(":")[0])
                print(f"{name}, {points}, seed {seed}: {found[-1]}, {told[-1]}", file=sys.stderr, flush=True)
            modes = [result["found"] for result in found]
            quality = [100 * result["high_quality"] for result in found]
            divergence = [result["kl_from_uniform"] for result in found if result["kl_from_uniform"] is not None]
            cells = (
                f"{np.mean(modes):.1f} of {found[0]['of']} ({', '.join(map(str, modes))})",
                f"{np.mean(quality):.1f} ± {np.std(quality):.1f} %",
                f"{np.mean(divergence):.3f}" if divergence else "",
                f"{np.mean(seconds):.0f}",
                "; ".join(f"{told.count(verdict)}x {verdict}" for verdict in dict.fromkeys(told)),
            )
            print(f"| `{RUNS[name]} --preset points` | {points} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    sys.exit(main())
