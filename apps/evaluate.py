"""Evaluate a run on its validation data, or compare two folders of images file by file.

A run of pairs is judged by the distances of what it draws from the targets, and by the FCN score where its sources are
label maps. That needs a segmenter trained on the real pairs: it is trained at the first evaluation and kept beside the
run's folder, so that runs on the same data are judged by the same one; `--segmenter FILE` keeps it elsewhere.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from apps._data import reopen_pairs
from keras_gen import models
from keras_gen.data.compared import batches, find_compared
from keras_gen.data.facades import CLASSES, PALETTE
from keras_gen.data.folders import listed, shown
from keras_gen.engine.cli import app, parse
from keras_gen.errors import UserError
from keras_gen.files import require_writable, write_json
from keras_gen.flags import non_negative, positive
from keras_gen.metrics.fcn_score import FCNScore
from keras_gen.metrics.labels import LabelMaps, label_maps
from keras_gen.metrics.reconstruction import Reconstruction, measures
from keras_gen.metrics.segmenter import open_segmenter

EXAMPLE = "python -m apps.evaluate savedmodels/pix2pix/RUN --checkpoint best"
RESULT_FILE = "evaluation.json"
_BATCH = 8  # images drawn at a time


@dataclass(frozen=True)
class Folders:
    images: Path | None = None
    """Instead of RUN: folder of images to compare with those of the same name, endings aside, in --reference."""
    reference: Path | None = None
    """Folder of the images that those of --images should be."""
    skip_bad: bool = False
    """Leave out files without partner, of another size or damaged, and say which, instead of refusing."""


@dataclass(frozen=True)
class Pairs:
    fcn_score: bool = True
    """The FCN score, where the sources are label maps; --no-fcn-score: the distances alone."""
    segmenter: Path | None = None
    """File of the segmenter, trained and written where absent; default: one beside RUN, named by its data."""
    segmenter_epochs: int = 12
    """Passes over the real training pairs that train the segmenter [epochs]."""

    def __post_init__(self) -> None:
        positive(self, "segmenter_epochs")


@dataclass(frozen=True)
class Flags:
    run: Annotated[Path | None, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")] = None
    """Folder of the run."""
    data: str = ""
    """Other data to evaluate RUN on, or where its own are now; any SPEC of the training app."""
    checkpoint: Literal["newest", "best"] = "newest"
    """Which of RUN's checkpoints: the newest, or the best by validation."""
    seed: int = 0
    """Seed of the segmenter: its weights, order and augmentation [integer]."""
    metrics: str = "l1,psnr,ssim"
    """Distances: l1, psnr, ssim, ms_ssim (from 161 pixels on) and lpips, comma-separated."""
    weights: Path | None = None
    """For lpips: .npz file of its weights, of AlexNet or SqueezeNet."""
    json: Path | None = None
    """File for the figures; default: evaluation.json in RUN; none for folders."""
    folder: Folders = field(default_factory=Folders)
    pair: Pairs = field(default_factory=Pairs)

    def __post_init__(self) -> None:
        non_negative(self, "seed")
        if self.run:
            _leave_out(self.folder, "a RUN", "images", "reference", "skip_bad")
            return
        if not (self.folder.images and self.folder.reference):
            raise UserError("RUN is missing; accepted are the folder of a run, or --images FOLDER --reference FOLDER.")
        _leave_out(self, "--images", "data", "checkpoint", "seed")
        _leave_out(self.pair, "--images", "fcn_score", "segmenter", "segmenter_epochs")


def _leave_out(flags: Any, beside: str, *names: str) -> None:
    for one in fields(flags):
        if one.name in names and getattr(flags, one.name) != one.default:
            raise UserError(f"--{one.name.replace('_', '-')} does not go with {beside}: leave one of them out.")


@app
def main(argv: Sequence[str] | None = None) -> None:
    """Compare, write and print the figures."""
    flags = parse(Flags, argv, example=EXAMPLE)
    chosen = measures([name.strip() for name in flags.metrics.split(",") if name.strip()], flags.weights)
    reconstruction = Reconstruction(chosen)
    file = flags.json or (flags.run / RESULT_FILE if flags.run else None)
    result, lines = (_run if flags.run else _folders)(flags, file, reconstruction)
    print(*lines, sep="\n")
    if file:
        write_json(file, result)
        print(f"\nWritten to {file}")


def _folders(flags: Flags, file: Path | None, reconstruction: Reconstruction) -> tuple[dict[str, Any], list[str]]:
    """Figures and lines of two folders."""
    images, reference = flags.folder.images, flags.folder.reference
    if file:
        require_writable(file, "--json")
    pairs, left_out = find_compared(images, reference, skip_bad=flags.folder.skip_bad)
    for pair in pairs:
        reconstruction.require(*pair.shape, shown(pair.image))
    for batch in batches(pairs):
        reconstruction.update(*batch)

    names = [shown(pair.name) for pair in pairs]
    figures, values = reconstruction.result(names), reconstruction.values()
    result = {
        "images": str(images),
        "reference": str(reference),
        "compared": len(pairs),
        "left_out": left_out,
        "reconstruction": figures,
        "files": {
            name: dict(zip(values, row, strict=True)) for name, *row in zip(names, *values.values(), strict=True)
        },
    }
    title = f"{len(pairs)} images of {shown(images)} compared with those of {shown(reference)}"
    said = [f"{len(left_out)} files left out ({listed(left_out)})."] if left_out else []
    return result, [title, *said, "", *reconstruction.lines(figures)]


def _run(flags: Flags, file: Path, reconstruction: Reconstruction) -> tuple[dict[str, Any], list[str]]:
    """Figures and lines of a run of pairs."""
    data = reopen_pairs(flags.run, flags.data, seed=flags.seed)
    model, step = models.load(flags.run, flags.checkpoint)
    require_writable(file, "--json")
    size = model.config.image_size
    reconstruction.require(size, size, data.target_channels, f"a target of {flags.run}")
    labels = label_maps(data, PALETTE, CLASSES) if flags.pair.fcn_score else "--no-fcn-score was given"
    score = None
    if isinstance(labels, LabelMaps):
        place, epochs = flags.pair.segmenter or flags.run.resolve().parent, flags.pair.segmenter_epochs
        segmenter = open_segmenter(data, labels, size, place, epochs=epochs, seed=flags.seed)
        score = FCNScore(labels, segmenter)

    for source, target in data.validation(_BATCH):
        drawn = model.translate(source)
        reconstruction.update(drawn, target)
        if score:
            score.update(source, drawn, target)

    figures = {"reconstruction": reconstruction.result()}
    figures["fcn_score"] = score.result() if score else {"left_out": labels}
    result = {
        "run": str(flags.run),
        "checkpoint": {"which": flags.checkpoint, "step": step},
        "data": data.describe().splitlines(),
        "validation_pairs": data.val_size,
        **figures,
    }
    title = f"{flags.run}, {flags.checkpoint} checkpoint (step {step}), {data.val_size} validation pairs"
    judged = score.lines(figures["fcn_score"]) if score else [f"FCN score left out: {labels}."]
    return result, [title, "", *reconstruction.lines(figures["reconstruction"]), "", *judged]


if __name__ == "__main__":
    sys.exit(main())
