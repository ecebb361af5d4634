"""Comparison of two folders of images, file by file, without a run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from keras_gen.data.files.folder_pairs import batches, find_compared
from keras_gen.data.files.folders import listed, shown
from keras_gen.evaluation.subject import Result
from keras_gen.flags import BaseConfig
from keras_gen.metrics.reconstruction import Reconstruction

FLAGS = frozenset({"images", "reference", "skip_bad", "metrics", "weights", "json"})
"""Names of the flags that this comparison uses."""


@dataclass(frozen=True)
class Options(BaseConfig):
    """Flags of this comparison only."""

    images: Path | None = None
    """Instead of RUN: folder of images to compare with those in --reference that have the same name, apart from the
    extension."""
    reference: Path | None = None
    """Folder of reference images for --images."""
    skip_bad: bool = False
    """Leave out files that have no partner, differ in size or are damaged, and list them, instead of refusing to
    start."""


def measure(options: Options, reconstruction: Reconstruction) -> Result:
    """Compares files with the same name in both folders.

    Raises:
        UserError: if files cannot be compared, without `--skip-bad`.
    """
    images, reference = options.images, options.reference
    pairs, left_out = find_compared(images, reference, skip_bad=options.skip_bad)
    for pair in pairs:
        reconstruction.require_suitable(*pair.shape, shown(pair.image))
    for batch in batches(pairs):
        reconstruction.update(*batch)

    names = [shown(pair.name) for pair in pairs]
    figures, values = reconstruction.result(names), reconstruction.values()
    rows = zip(names, *values.values(), strict=True)
    result = {
        "images": str(images),
        "reference": str(reference),
        "compared": len(pairs),
        "left_out": left_out,
        "reconstruction": figures,
        "files": {name: dict(zip(values, row, strict=True)) for name, *row in rows},
    }
    title = f"{len(pairs)} images of {shown(images)} compared with those of {shown(reference)}"
    said = [f"{len(left_out)} files left out ({listed(left_out)})."] if left_out else []
    return Result(result, [title, *said, "", *reconstruction.lines(figures)])
