"""Likelihood of MNIST: the VAE and the IWAE of Burda et al. 2016, section 5, with one stochastic layer.

    python -m benchmarks.likelihood --data PATH_OF_MNIST --out RUNS

784-200-200-50 and back; pixels binarised by chance, anew at each access in training; the 10,000 test images, binarised
once, by importance sampling with 5000 samples. The commands are printed, and are what a user types. A run that is
stopped goes on when the same line is typed again; `--only` names some of them.

Departures from the paper: Adam at a larger step in larger batches with a linear end, many passes fewer; ReLU; the
weight of the VAE's divergence grows over the first 50 passes, which leaves it more active units.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from apps import evaluate, train_vae
from keras_gen.engine.config import read_config

COMMON = ["--preset", "paper", "--binarise", "sample", "--preview-every", "46800", "--checkpoint-every", "4680"]
VAE = [*COMMON, "--batch-size", "128", "--steps-per-epoch", "4680", "--steps-per-execution", "52"]
VAE += ["--learning-rate", "2e-3", "--warm-up", "23400"]
SHORT = [*COMMON, "--batch-size", "64", "--steps-per-epoch", "4685", "--steps-per-execution", "20"]
SHORT += ["--learning-rate", "1e-3", "--epochs", "10"]
# From the weights of "vae-hour", as the experiment of the paper's section 5 that goes on with the other objective.
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="folder with MNIST's idx files")
    parser.add_argument("--out", type=Path, required=True, help="folder for the runs")
    parser.add_argument("--only", default=",".join(RUNS), help="names of runs")
    parser.add_argument("--samples", type=int, default=5000, help="of q(z|x) for each image")
    parser.add_argument("--seed", type=int, default=0)
    flags = parser.parse_args()

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
    main()
