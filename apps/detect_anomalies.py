"""Find anomalies in sequences with a recurrent autoencoder that was trained on normal ones.

A sequence's score is the mean squared error of its reconstruction over its steps, in units of the features' variances.
A sequence is an anomaly if its score is above the threshold. The threshold is a quantile of the scores of the run's
validation sequences, which are normal, or --threshold. If the sequences are labelled, the area under the ROC curve is
printed too.
"""

import csv
import io
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import tensorflow as tf
import tyro

from keras_gen import models
from keras_gen.cli.parsing import app, parse
from keras_gen.data.files.folders import shown
from keras_gen.data.files.sequence_files import Sequences
from keras_gen.engine.config import read_config
from keras_gen.errors import UserError
from keras_gen.files import require_writable, write, write_json
from keras_gen.flags import BaseConfig, NonNegative, Positive, Range
from keras_gen.metrics.detection import aurocs
from keras_gen.ops.sequences import mean_over_steps
from keras_gen.visual.plots import curves
from keras_gen.visual.sheets import png_bytes

from ._data import read_as, reopen

EXAMPLE = "detect_anomalies savedmodels/recurrent_autoencoder/RUN new.csv --out found.csv"
_BATCH = 64  # sequences scored at a time


@dataclass(frozen=True)
class Flags(BaseConfig):
    run: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]
    """Run folder."""
    data: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="DATA")]
    """Sequences to check: a .csv file, a folder of them, a .npy or .npz file, or the built-in waves with anomalies."""
    out: Path = Path("anomalies.csv")
    """File for the results, one line per sequence, .csv or .json. A plot of the highest scores is written beside it as
    .png."""
    quantile: Annotated[float, Range(0, 1, open_low=True, open_high=True)] = 0.99
    """Quantile of the scores of the run's validation sequences that is the threshold (0, 1)."""
    threshold: NonNegative[float] | None = None
    """Score above which a sequence is an anomaly, instead of --quantile; the run's own data are not needed then."""
    checkpoint: Literal["newest", "best"] = "newest"
    """Which checkpoint of the run to use: the newest, or the best by validation."""
    worst: Positive[int] = 8
    """Number of highest-scoring sequences to plot [sequences]."""
    missing: Literal["as-trained", "refuse", "interpolate"] = "as-trained"
    """Missing values: as-trained treats them as in training, refuse stops, interpolate fills them linearly in time."""
    window: NonNegative[int] | None = None
    """Cut sequences into windows of this length [steps]; 0: leave them whole; default: as in training."""
    cache_gib: Annotated[float, Range(0, infinite=True)] | None = None
    """Refuse files and arrays that need more memory [GiB]; default: as in training."""

    def check_together(self) -> None:
        super().check_together()
        if self.out.suffix not in (".csv", ".json"):
            raise self.fault("<out got>; accepted is a file that ends in .csv or .json.")
        read_config(self.run)


@app
def main(argv: Sequence[str] | None = None) -> None:
    """Load the run, score the sequences, choose the threshold, and report the sequences above it."""
    flags = parse(Flags, argv, example=EXAMPLE)
    picture = flags.out.with_suffix(".png")
    for file in (flags.out, picture):
        require_writable(file, "--out")
        if file.resolve() == Path(flags.data).resolve():
            raise UserError(f"--out got {flags.out}, which is DATA itself; accepted is another file.")
    changes = {"missing": flags.missing, "window": flags.window, "cache_gib": flags.cache_gib}
    found = read_as(flags.run, flags.data, **{k: v for k, v in changes.items() if v not in (None, "as-trained")})
    model, step = models.load(flags.run, flags.checkpoint)
    signature = [tf.TensorSpec((None, *found.values.shape[1:]), tf.float32)]
    errors_of = tf.function(model.errors, input_signature=signature)
    slices = (found.values[start : start + _BATCH] for start in range(0, len(found.values), _BATCH))
    errors, scores = _scored(errors_of, slices)

    threshold, rule = flags.threshold, "as given"
    if threshold is None:
        normal = reopen(flags.run)
        _, expected = _scored(errors_of, (sequences for (sequences,) in normal.validation(_BATCH)))
        threshold = float(np.quantile(expected, flags.quantile))
        rule = f"the {flags.quantile:g} quantile of {normal.val_size} normal validation sequences"

    rows = _rows(found, errors, scores, threshold)
    order = np.argsort(-scores, kind="stable")[: flags.worst]
    areas = aurocs(found.labels, scores) if found.labels else {}
    if flags.out.suffix == ".csv":
        write(flags.out, _table(rows))
    else:
        head = {"run": str(flags.run), "checkpoint": {"which": flags.checkpoint, "step": step}, "data": flags.data}
        write_json(flags.out, {**head, "threshold": threshold, "rule": rule, "auroc": areas, "sequences": rows})
    chosen = found[order]
    write(
        picture,
        png_bytes(
            curves(
                {"original": chosen.values, "reconstruction": np.asarray(model.reconstruct(chosen.values))},
                titles=[_title(rows[number]) for number in order],
                spans=[(rows[number]["worst_step"] - 1, rows[number]["worst_step"] + 2) for number in order],
                features=found.columns,
            )
        ),
    )

    print(f"{flags.run}, {flags.checkpoint} checkpoint (step {step}), {len(rows)} sequences of {shown(flags.data)}")
    print(f"{sum(row['anomaly'] for row in rows)} score above {threshold:.4g}, {rule}; the highest:")
    for number in order:
        print(f"  {_title(rows[number])}")
    if areas:
        print("AUROC by the labels: " + ", ".join(f"{shown(kind)} {area:.3f}" for kind, area in areas.items()))
    print(f"\nWritten to {flags.out} and {picture}")


def _scored(errors_of: Callable, batches: Iterable[Any]) -> tuple[np.ndarray, np.ndarray]:
    """The error of every step, (n, length), and the score of every sequence, (n,).

    Values too extreme for floating-point arithmetic get the largest finite error.
    """
    both = [(errors := errors_of(sequences), mean_over_steps(errors, sequences)) for sequences in batches]
    largest = np.finfo(np.float32).max
    return tuple(np.nan_to_num(np.concatenate(parts), nan=largest, posinf=largest) for parts in zip(*both, strict=True))


def _rows(found: Sequences, errors: np.ndarray, scores: np.ndarray, threshold: float) -> list[dict[str, Any]]:
    """The output row of each sequence."""
    rows = [
        {
            "name": shown(name),
            "steps": int(steps),
            "score": float(f"{score:.6g}"),
            "anomaly": int(score > threshold),
            "worst_step": int(worst),
        }
        for name, steps, score, worst in zip(found.names, found.lengths, scores, errors.argmax(axis=1), strict=True)
    ]
    return (
        [row | {"label": shown(label)} for row, label in zip(rows, found.labels, strict=True)] if found.labels else rows
    )


def _title(row: dict[str, Any]) -> str:
    label = f", {row['label']}" if row.get("label") else ""
    return f"{row['name']}: score {row['score']:.4g}, worst at step {row['worst_step']}{label}"


def _table(rows: Sequence[dict[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, rows[0], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


if __name__ == "__main__":
    sys.exit(main())
