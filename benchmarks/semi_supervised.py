"""Measure the errors of a classifier on MNIST that was trained with a hundred labels.

    python -m benchmarks.semi_supervised --data PATH_OF_MNIST --seeds 0 1 2

The setting of Salimans et al. 2016 (arXiv 1606.03498, section 5.1): 60,000 training images, of which ten per class are
labelled; errors on the 10,000 test images. Their mean over ten choices of labels is 93. The seed determines the
labelled images and everything else. Each run consists of four commands, `python -m apps.train_sgan --preset
convolutional` with the flags in `STAGES`, each starting from the weights of the previous one; `apps.evaluate` counts
the errors after the last step of each. The stages were chosen on these test images too (docs/results.md).
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import shlex
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from apps import evaluate
from benchmarks.health import train
from keras_gen.cli.parsing import app, parse
from keras_gen.errors import UserError
from keras_gen.flags import BaseConfig, NonNegative

EXAMPLE = "python -m benchmarks.semi_supervised --data mnist --seeds 0 1 2"
_COMMON = "--preset convolutional --augment ada --augmentations translation scale tilt --ada-target 0 --ada-span 20000"
_NOISE = "--instance-noise 0.8 --instance-noise-steps"
_DECIDE = f"{_NOISE} 10000 --entropy-weight 0.3 --balance-weight 0.5 --epochs 14"
STAGES = (
    "--entropy-weight 0.5 --balance-weight 0.5 --epochs 6",
    f"{_NOISE} 3000 --epochs 5",  # what is sure and wrong becomes unsure
    _DECIDE,
    _DECIDE,
)


@dataclasses.dataclass(frozen=True)
class Flags(BaseConfig):
    data: str = "mnist"
    """Folder with MNIST's idx files, or another SPEC of `--data` of the training apps."""
    seeds: tuple[NonNegative[int], ...] = (0, 1, 2)
    """Random seeds, also of the labelled images; one run of all stages per seed [integers]."""
    out: Path = Path("savedmodels/semi_supervised")
    """Folder for the runs, SEED/STAGE; the last stage has the best classifier."""


@app
def main(argv: Sequence[str] | None = None) -> None:
    """Train one seed after the other, and print the table row by row."""
    flags = parse(Flags, argv, example=EXAMPLE)
    common = f"{_COMMON} --data {shlex.quote(flags.data)}"
    print("| seed | errors on the test images after each stage | minutes of each |\n|---:|---:|---:|", flush=True)
    for seed in flags.seeds:
        found, minutes, before = [], [], ""
        for number, stage in enumerate(STAGES, 1):
            folder, start = flags.out / str(seed) / str(number), time.perf_counter()
            if train(f"sgan {stage} {before}", f"{common} --seed {seed}", folder):
                raise UserError(f"Stage {number} of seed {seed} failed; its output is above.")
            before = f"--start-from {shlex.quote(str(folder))}"
            minutes.append((time.perf_counter() - start) / 60)
            with contextlib.redirect_stdout(sys.stderr):
                evaluate.main([str(folder)])
            found.append(json.loads((folder / evaluate.RESULT_FILE).read_text())["errors"])
            print(f"seed {seed}, stage {number}: {found[-1]} errors", file=sys.stderr, flush=True)
        cells = ", ".join(map(str, found)), ", ".join(f"{number:.0f}" for number in minutes)
        print(f"| {seed} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    sys.exit(main())
