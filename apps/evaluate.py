"""Evaluate a run on validation pairs: L1, PSNR, SSIM, and the FCN score where the sources are label maps.

The FCN score needs a segmenter trained on the real pairs. It is trained at the first evaluation and kept beside the
run's folder, so that runs on the same data are judged by the same one; `--segmenter FILE` keeps it elsewhere.
"""

import os
import sys
import textwrap
import zlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import keras
import numpy as np
import tensorflow as tf
import tyro

from apps._reopen import reopen_pairs
from keras_gen import models
from keras_gen.data.facades import CLASSES, PALETTE
from keras_gen.data.pairs import PairsData
from keras_gen.engine.cli import app, parse
from keras_gen.engine.config import non_negative, positive
from keras_gen.errors import UserError
from keras_gen.files import write_json
from keras_gen.metrics import fcn_score as fcn
from keras_gen.ops import reconstruction

EXAMPLE = "python -m apps.evaluate savedmodels/pix2pix/RUN --checkpoint best"
RESULT_FILE = "evaluation.json"
_DISTANCES = {"l1": "L1, range [-1, 1]", "psnr": "PSNR [dB]", "ssim": "SSIM"}
_JUDGED = {"generated": "generated images", "real": "real images", "majority": "most frequent class"}
_BATCH = 8  # images drawn at a time
_MOST_AMBIGUOUS = 0.5  # share of pixels without a class from which a picture is no label map


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


@dataclass(frozen=True)
class LabelMaps:
    """How the sources of the data are read as label maps."""

    read: Callable[[tf.Tensor], tf.Tensor]
    classes: tuple[str, ...]
    rule: str


@app
def main(argv: Sequence[str] | None = None) -> None:
    """Load the run, open its data, compare what it draws with the targets, write and print the figures."""
    flags = parse(Flags, argv, example=EXAMPLE)
    model, step = models.load(flags.run, flags.checkpoint)
    data = reopen_pairs(flags.run, flags.data, seed=flags.seed)
    file = flags.json or flags.run / RESULT_FILE
    _require_writable(file, "--json")
    result = {
        "run": str(flags.run),
        "checkpoint": {"which": flags.checkpoint, "step": step},
        "data": data.describe().splitlines(),
        "validation_pairs": data.val_size,
    }
    labels = _label_maps(data) if flags.fcn_score else "--no-fcn-score was given"
    size = model.config.image_size
    segmenter = _segmenter(flags, data, size, labels) if isinstance(labels, LabelMaps) else None

    distances: dict[str, list[np.ndarray]] = {name: [] for name in _DISTANCES}
    confusions: dict[str, Any] = {"generated": 0, "real": 0}
    for source, target in data.validation(_BATCH):
        drawn = model.translate(source)
        for name, values in distances.items():
            values.append(np.asarray(getattr(reconstruction, name)(drawn, target)))
        if segmenter:
            for kind, images in (("generated", drawn), ("real", target)):
                confusions[kind] += fcn.confusion_matrix(labels.read(source), segmenter(images), segmenter.classes)

    every = {name: np.concatenate(values) for name, values in distances.items()}
    result["reconstruction"] = {n: {"mean": float(v.mean()), "sd": float(v.std())} for n, v in every.items()}
    result["fcn_score"] = _fcn_score(confusions, labels, segmenter) if segmenter else {"left_out": labels}
    write_json(file, result)
    print(*_table(result), f"\nWritten to {file}", sep="\n")


def _label_maps(data: PairsData) -> LabelMaps | str:
    """How to read the sources as label maps, or why they are none."""
    if data.labels:
        names = tuple(map(str, range(data.labels)))
        return LabelMaps(fcn.labels_of_scores, names, "ids of the label maps")
    if data.source_channels != 3:
        return (
            f"sources of {data.source_channels} channels are no label maps (--labels N of the training app reads ids)"
        )
    read = partial(fcn.labels_of_colours, palette=PALETTE)
    ambiguous = np.mean([np.mean(read(source) == fcn.IGNORED) for source, _ in data.validation(1)])
    if ambiguous > _MOST_AMBIGUOUS:
        return (
            f"the sources are no label maps: {ambiguous:.0%} of their pixels are far from every colour of the "
            f"{len(CLASSES)} classes of facades"
        )
    rule = f"nearest of the {len(CLASSES)} colours of the facade classes, {ambiguous:.1%} ambiguous pixels left out"
    return LabelMaps(read, CLASSES, rule)


def _segmenter(flags: Flags, data: PairsData, size: int, labels: LabelMaps) -> fcn.Segmenter:
    """The segmenter of the data: read from its file, or trained on the real training pairs and written there."""
    steps = max(1, data.train_size // fcn.BATCH)
    digest = 0
    for source, target in data.validation(_BATCH):
        digest = zlib.crc32(np.asarray(target).tobytes(), zlib.crc32(np.asarray(labels.read(source)).tobytes(), digest))
    identity = {
        "pairs": data.describe().splitlines()[0],
        "validation_crc32": digest,
        "labels": labels.rule,
        "training": f"{flags.segmenter_epochs} epochs of {steps} steps of {fcn.BATCH} augmented pairs by Adam from "
        f"{fcn.LEARNING_RATE}",
        "seed": flags.seed,
    }
    keras.utils.set_random_seed(flags.seed)
    segmenter = fcn.Segmenter(size, data.target_channels, len(labels.classes), identity)
    file = flags.segmenter or flags.run.resolve().parent / segmenter.name
    if file.exists():
        segmenter.load(file)
    else:
        _require_writable(file, "--segmenter")
        print(f"training a segmenter on the real pairs, kept in {file}", flush=True)
        pairs = data.train(fcn.BATCH).map(lambda source, target: (target, labels.read(source)), tf.data.AUTOTUNE)
        segmenter.train(pairs, steps, flags.segmenter_epochs, verbose=1 if sys.stdout.isatty() else 0)
        segmenter.save(file)
    return segmenter


def _fcn_score(confusions: dict[str, np.ndarray], labels: LabelMaps, segmenter: fcn.Segmenter) -> dict[str, Any]:
    """The figures of generated and real images, and of taking every pixel for the most frequent class."""
    true = confusions["real"].sum(axis=1)
    always = np.zeros_like(confusions["real"])
    always[:, true.argmax()] = true
    occurring = np.flatnonzero(true)
    return {
        **{kind: asdict(fcn.scores(matrix)) for kind, matrix in confusions.items()},
        "majority": asdict(fcn.scores(always)),
        "accuracy_by_class": {
            kind: {labels.classes[i]: float(matrix[i, i] / true[i]) for i in occurring}
            for kind, matrix in confusions.items()
        },
        "protocol": {
            **segmenter.identity,
            "classes_that_occur": [labels.classes[i] for i in occurring],
            "note": "Compares runs judged by one segmenter; not comparable with the paper's FCN-8s on Cityscapes.",
        },
    }


def _table(result: dict[str, Any]) -> list[str]:
    checkpoint, score = result["checkpoint"], result["fcn_score"]
    lines = [
        f"{result['run']}, {checkpoint['which']} checkpoint (step {checkpoint['step']}), {result['validation_pairs']} "
        "validation pairs",
        "",
        f"{'reconstruction':<24}{'mean':>12}{'sd':>12}",
    ]
    for name, title in _DISTANCES.items():
        figures = result["reconstruction"][name]
        lines.append(f"{title:<24}{figures['mean']:12.4f}{figures['sd']:12.4f}")
    if "left_out" in score:
        return [*lines, "", f"FCN score left out: {score['left_out']}."]
    lines += ["", f"{'FCN score':<24}{'per-pixel':>12}{'per-class':>12}{'class IoU':>12}"]
    for kind, title in _JUDGED.items():
        lines.append(f"{title:<24}" + "".join(f"{value:12.4f}" for value in score[kind].values()))
    protocol = score["protocol"]
    text = (
        f"Segmenter: {protocol['network']}, trained from random weights on the real pairs: {protocol['training']} at "
        f"{protocol['image_size']}x{protocol['image_size']}, seed {protocol['seed']}; {protocol['pairs']}. Labels: "
        f"{protocol['labels']}. {len(protocol['classes_that_occur'])} of {protocol['classes']} classes occur. "
        f"{protocol['note']}"
    )
    return [*lines, "", *textwrap.wrap(text, 100)]


def _require_writable(file: Path, flag: str) -> None:
    if not file.parent.is_dir() or not os.access(file.parent, os.W_OK | os.X_OK) or file.is_dir():
        raise UserError(f"{flag} {file} cannot be written; accepted is a file in a folder that exists and is writable.")


if __name__ == "__main__":
    sys.exit(main())
