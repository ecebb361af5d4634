"""Evaluate a run on validation pairs: L1, PSNR, SSIM, and the FCN score where the sources are label maps.

The FCN score needs a segmenter trained on the real pairs. It is trained at the first evaluation and kept beside the
run's folder, so that runs on the same data are judged by the same one; `--segmenter FILE` keeps it elsewhere.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from apps._data import reopen_pairs
from keras_gen import models
from keras_gen.data.facades import CLASSES, PALETTE
from keras_gen.engine.cli import app, parse
from keras_gen.files import require_writable, write_json
from keras_gen.flags import non_negative, positive
from keras_gen.metrics.fcn_score import FCNScore
from keras_gen.metrics.labels import LabelMaps, label_maps
from keras_gen.metrics.reconstruction import Reconstruction
from keras_gen.metrics.segmenter import open_segmenter

EXAMPLE = "python -m apps.evaluate savedmodels/pix2pix/RUN --checkpoint best"
RESULT_FILE = "evaluation.json"
_BATCH = 8  # images drawn at a time


@dataclass(frozen=True)
class Flags:
    run: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]
    """Folder of the run."""
    data: str = ""
    """Other pairs to evaluate on, or where the run's own are now; any SPEC of the training app."""
    checkpoint: Literal["newest", "best"] = "newest"
    """Which of the run's checkpoints: the newest, or the best by validation."""
    json: Path | None = None
    """File for the figures; default: evaluation.json in RUN."""
    fcn_score: bool = True
    """The FCN score, where the sources are label maps; --no-fcn-score: reconstruction alone."""
    segmenter: Path | None = None
    """File of the segmenter, trained and written where absent; default: one beside RUN, named by its data."""
    segmenter_epochs: int = 12
    """Passes over the real training pairs that train the segmenter [epochs]."""
    seed: int = 0
    """Seed of the segmenter: its weights, order and augmentation [integer]."""

    def __post_init__(self) -> None:
        positive(self, "segmenter_epochs")
        non_negative(self, "seed")


@app
def main(argv: Sequence[str] | None = None) -> None:
    """Load the run, open its data, compare what it draws with the targets, write and print the figures."""
    flags = parse(Flags, argv, example=EXAMPLE)
    data = reopen_pairs(flags.run, flags.data, seed=flags.seed)
    model, step = models.load(flags.run, flags.checkpoint)
    file = flags.json or flags.run / RESULT_FILE
    require_writable(file, "--json")
    metrics: dict[str, Any] = {"reconstruction": Reconstruction()}
    labels = label_maps(data, PALETTE, CLASSES) if flags.fcn_score else "--no-fcn-score was given"
    if isinstance(labels, LabelMaps):
        place, size = flags.segmenter or flags.run.resolve().parent, model.config.image_size
        segmenter = open_segmenter(data, labels, size, place, epochs=flags.segmenter_epochs, seed=flags.seed)
        metrics["fcn_score"] = FCNScore(labels, segmenter)

    for source, target in data.validation(_BATCH):
        drawn = model.translate(source)
        for metric in metrics.values():
            metric.update(source, drawn, target)

    figures = {name: metric.result() for name, metric in metrics.items()}
    result = {
        "run": str(flags.run),
        "checkpoint": {"which": flags.checkpoint, "step": step},
        "data": data.describe().splitlines(),
        "validation_pairs": data.val_size,
    }
    write_json(file, {**result, "fcn_score": {"left_out": labels}, **figures})
    print(f"{flags.run}, {flags.checkpoint} checkpoint (step {step}), {data.val_size} validation pairs")
    for name, metric in metrics.items():
        print("", *metric.lines(figures[name]), sep="\n")
    if not isinstance(labels, LabelMaps):
        print(f"\nFCN score left out: {labels}.")
    print(f"\nWritten to {file}")


if __name__ == "__main__":
    sys.exit(main())
