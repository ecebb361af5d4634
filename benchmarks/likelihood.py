"""Measure the likelihood of MNIST for the VAE and IWAE of Burda et al. 2016, section 5, with one stochastic layer.

    python -m benchmarks.likelihood --data PATH_OF_MNIST --out RUNS

Networks are 784-200-200-50 and back. Pixels are binarised at random, anew at each access in training. The likelihood of
the 10,000 test images, binarised once, is estimated by importance sampling with 5000 samples. The commands of the apps
are printed. A run that was stopped continues when the same command is repeated; `--only` selects runs.

Differences from the paper: Adam with a higher learning rate, larger batches and a linear decay at the end; far fewer
epochs; ReLU. The weight of the VAE's KL divergence grows over the first 50 epochs, which leaves more units active.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from apps import evaluate, train_vae
from keras_gen.cli.parsing import app, parse
from keras_gen.engine.config import read_config
from keras_gen.errors import UserError
from keras_gen.flags import BaseConfig, NonNegative, Positive

COMMON = ["--preset", "paper", "--binarise", "sample", "--preview-every", "46800", "--checkpoint-every", "4680"]
VAE = [*COMMON, "--batch-size", "128", "--steps-per-epoch", "4680", "--steps-per-execution", "52"]
VAE += ["--learning-rate", "2e-3", "--warm-up", "23400"]
SHORT = [*COMMON, "--batch-size", "64", "--steps-per-epoch", "4685", "--steps-per-execution", "20"]
SHORT += ["--learning-rate", "1e-3", "--epochs", "10"]
# Starts from the weights of "vae-hour", as in the paper's experiment that continues with the other objective.
AFTER = [*COMMON, "--batch-size", "64", "--steps-per-epoch", "4685", "--steps-per-execution", "20"]
AFTER += ["--learning-rate", "5e-4", "--epochs", "8"]
RUNS = {
    "vae": [*VAE, "--epochs", "44"],
    "vae-hour": [*VAE, "--epochs", "130"],
    "vae-short": SHORT,
    "iwae-50": [*SHORT, "--importance-samples", "50"],
    "vae-hour-on": AFTER,
    "iwae-50-on": [*AFTER, "--importance-samples", "50"],
}


@dataclass(frozen=True)
class Flags(BaseConfig):
    data: str
    """Folder with MNIST's idx files."""
    out: Path
    """Folder for the runs."""
    only: str = ",".join(RUNS)
    """Names of runs, comma-separated."""
    samples: Positive[int] = 5000
    """Samples of q(z|x) per image [samples]."""
    seed: NonNegative[int] = 0
    """Random seed of the runs [integer]."""

    def check_together(self) -> None:
        super().check_together()
        for name in self.only.split(","):
            if name not in RUNS:
                raise UserError(f"--only got {name}; accepted are {', '.join(RUNS)}, comma-separated.")


@app
def main(argv: Sequence[str] | None = None) -> None:
    """Train what is missing, evaluate, and print the table."""
    flags = parse(Flags, argv, example="python -m benchmarks.likelihood --data mnist --out RUNS")
    rows = []
    for name in flags.only.split(","):
        run = flags.out / f"{name}-{flags.seed}"
        command = [*RUNS[name], "--data", flags.data, "--seed", str(flags.seed), "--out", str(run)]
        if name.endswith("-on"):
            command += ["--start-from", str(flags.out / f"vae-hour-{flags.seed}")]
        print(f"\npython -m apps.train_vae {' '.join(command)}", flush=True)
        if not (run / "report.json").exists() and train_vae.main([*command, "--resume", str(run)]):
            raise SystemExit(1)
        evaluation = ["--importance-samples", str(flags.samples)]
        print(f"python -m apps.evaluate {run} {' '.join(evaluation)}", flush=True)
        if evaluate.main([str(run), *evaluation]):
            raise SystemExit(1)
        result = json.loads((run / "evaluation.json").read_text())
        training = json.loads((run / "report.json").read_text())["training"]
        likelihood, units = result["log_likelihood"], result["active_units"]
        passes = training["steps"] * read_config(run)["run"]["batch_size"] / 60_000
        whole = training["steps_in_this_process"] == training["steps"]
        minutes = f"{training['seconds_in_this_process'] / 60:.1f}" if whole else "resumed"
        nats = f"{likelihood['nats']:.2f} ± {likelihood['standard_error']:.2f}"
        rows.append(f"| {name} | {passes:.0f} | {minutes} | {nats} | {units['active']} of {units['of']} |")
    print("\n| run | passes | minutes | -log p(x), nats | active units |", "|---|---|---|---|---|", *rows, sep="\n")


if __name__ == "__main__":
    sys.exit(main())
