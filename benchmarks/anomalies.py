"""Compare the recurrent autoencoder with a moving average at detecting anomalies in `waves`.

For each seed, apps.train_recurrent_autoencoder trains with its defaults on normal waves. Both methods then score the
same 500 normal waves and 500 with anomalies, 100 of each kind, none of which were used for training. The moving average
predicts each step as the mean of the existing steps around it. Its score is the mean squared difference over the steps
of a sequence, as for the autoencoder, or the largest one, which suits spikes. Completed runs are not repeated.
"""

import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import tensorflow as tf

from apps._data import read_as
from keras_gen import models
from keras_gen.cli.parsing import app, parse
from keras_gen.data.files.sequence_files import Sequences
from keras_gen.engine.run_exports import REPORT_FILE
from keras_gen.errors import UserError
from keras_gen.flags import BaseConfig, NonNegative, Positive
from keras_gen.metrics.detection import aurocs

EXAMPLE = "python -m benchmarks.anomalies --seeds 0 1 2"


@dataclass(frozen=True)
class Flags(BaseConfig):
    seeds: tuple[NonNegative[int], ...] = (0, 1, 2)
    """Seeds of the waves and of the training [integers]."""
    cells: tuple[Literal["lstm", "gru"], ...] = ("lstm", "gru")
    """Cells of the autoencoders."""
    widths: tuple[Positive[int], ...] = (3, 5, 9)
    """Window lengths of the moving averages, odd [steps]."""
    out: Path = Path("savedmodels/anomalies")
    """Folder of the runs."""

    def check_together(self) -> None:
        super().check_together()
        if not (self.seeds and self.cells and self.widths):
            raise self.fault("<seeds>, <cells> and <widths> take one or more values each.")
        if not all(width % 2 for width in self.widths):
            raise self.fault("<widths got>; accepted are odd numbers.")


@app
def main(argv: Sequence[str] | None = None) -> None:
    """Train missing runs, score, and print means and standard deviations over the seeds."""
    flags = parse(Flags, argv, example=EXAMPLE)
    flags.out.mkdir(parents=True, exist_ok=True)
    found: dict[str, list[dict[str, float]]] = {}
    for seed in flags.seeds:
        for cell in flags.cells:
            run = flags.out / f"{cell}-seed{seed}"
            if not (run / REPORT_FILE).exists():  # the last file that training writes
                _train(run, cell, seed)
            waves = read_as(run, f"waves:{seed}")
            model, _ = models.load(run)
            batches = tf.data.Dataset.from_tensor_slices(waves.values).batch(100)
            scores = np.concatenate([model.validate((batch,))["mse"] for batch in batches])
            _add(found, f"recurrent autoencoder, {cell.upper()}", waves, scores)
        for width in flags.widths:
            squares = squared_distance(waves.values[..., 0], width)
            _add(found, f"moving average of {width}, mean", waves, squares.sum(axis=1) / waves.lengths)
            _add(found, f"moving average of {width}, largest", waves, squares.max(axis=1))
    print("\n" + "\n".join(_table(found)))


def squared_distance(values: np.ndarray, width: int) -> np.ndarray:
    """Squared differences from a centred moving average over existing steps.

    Args:
        values: (n, length), NaN after the end of a sequence.
        width: of the window, odd [steps].

    Returns:
        (n, length), 0 after the end.
    """
    there = np.isfinite(values)
    filled = np.where(there, values, 0.0)
    sums, counts = (
        np.lib.stride_tricks.sliding_window_view(np.pad(x, ((0, 0), (width // 2, width // 2))), width, axis=1).sum(-1)
        for x in (filled, there)
    )
    return np.where(there, (filled - sums / np.maximum(counts, 1)) ** 2, 0.0)


def _train(run: Path, cell: str, seed: int) -> None:
    """Train a run in a separate process, with its output in a file beside the run."""
    words = ["--cell", cell, "--data", f"waves:{seed}", "--seed", str(seed), "--out", str(run), "--overwrite"]
    log, start = run.with_suffix(".log"), time.perf_counter()
    with open(log, "w", encoding="utf-8") as file:
        command = [sys.executable, "-m", "apps.train_recurrent_autoencoder", *words]
        done = subprocess.run(command, stdout=file, stderr=file)
    if done.returncode:
        raise UserError(f"training ended with code {done.returncode}; {log} has its output.")
    print(f"{run.name}: trained in {time.perf_counter() - start:.0f} s", flush=True)


def _add(found: dict[str, list[dict[str, float]]], name: str, waves: Sequences, scores: np.ndarray) -> None:
    found.setdefault(name, []).append(aurocs(waves.labels, scores))


def _table(found: Mapping[str, Sequence[Mapping[str, float]]]) -> list[str]:
    """The results as a markdown table."""
    kinds = next(iter(found.values()))[0]
    lines = [f"| AUROC | {' | '.join(kinds)} |", "|---|" + "---:|" * len(kinds)]
    for name, results in found.items():
        values = ([result[kind] for result in results] for kind in kinds)
        cells = [f"{np.mean(v):.3f}" + (f" ± {np.std(v, ddof=1):.3f}" if len(v) > 1 else "") for v in values]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines


if __name__ == "__main__":
    sys.exit(main())
