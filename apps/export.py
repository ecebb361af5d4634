"""Export a run again: SavedModel and TFLite variants from a checkpoint, compared with the network and timed.

report.json says what was written, how far each file is from the network on real validation images, how fast it is and
what it is made of; report.html and TensorBoard show the same. Files are replaced; others of the same weights stay.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from keras_gen import models
from keras_gen.cli.parsing import app, parse
from keras_gen.engine.config import CONFIG_FILE
from keras_gen.engine.run_exports import read_report, write_exports
from keras_gen.engine.run_report import refresh_run_page
from keras_gen.errors import UserError
from keras_gen.export.exporter import Plan
from keras_gen.export.metadata import Provenance
from keras_gen.export.signature import Io
from keras_gen.export.tflite import VARIANTS
from keras_gen.files import require_utf8
from keras_gen.flags import positive

from ._data import classes_of, reopen

EXAMPLE = "export savedmodels/pix2pix/RUN --variants float32,float16,dynamic8,int8"


@dataclass(frozen=True)
class Flags:
    run: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]
    """Folder of the run."""
    variants: str = "float32"
    """TFLite files to write: float32, float16, dynamic8 (weights int8), int8 (activations too); comma-separated."""
    io: Io = "float"
    """Values of the .tflite's images: float32 in [-1, 1], or uint8 in [0, 255]."""
    sizes: str = ""
    """Sides of the images, one file for each [pixels, comma-separated]; default: that of the run."""
    batch: int = 1
    """Images per call of a .tflite [images]."""
    checkpoint: Literal["newest", "best"] = "newest"
    """Which of the run's checkpoints: the newest, or the best by validation."""
    out: Path | None = None
    """Folder to write saved_model/, the .tflite files and the reports to; default: RUN itself."""
    data: str = ""
    """Where the pairs of the run are now, if not where config.json says; any SPEC of the training app."""
    images: int = 32
    """Validation images to compare on, where there are as many [images]."""
    calibration: int = 64
    """Training images that show int8 the ranges of its activations [images]."""
    runs: int = 30
    """Calls that are timed with one thread and with two [calls]."""
    author: str = ""
    """Author, for the files' metadata."""
    licence: str = ""
    """Licence of the model, for the files' metadata."""
    classes: str = ""
    """Names of the classes that the source shows, in order of their ids, comma-separated; known for facades."""

    def __post_init__(self) -> None:
        positive(self, "batch", "images", "calibration", "runs")
        for variant in _listed(self.variants) or ("nothing",):
            if variant not in VARIANTS:
                raise UserError(f"--variants got {variant}; accepted are {', '.join(VARIANTS)}, comma-separated.")
        for size in _listed(self.sizes):
            if not size.isdecimal() or not int(size):
                raise UserError(f"--sizes got {size}; accepted are numbers of pixels, comma-separated.")


def _listed(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


@app
def main(argv: Sequence[str] | None = None) -> None:
    """Load the run, open its data, export, compare and time."""
    flags = parse(Flags, argv, example=EXAMPLE)
    folder = flags.out or flags.run
    require_utf8(folder)
    if folder.exists() and not folder.is_dir():
        raise UserError(f"--out got {folder}, which is a file; accepted is a folder.")
    if (folder / CONFIG_FILE).exists() and folder.resolve() != flags.run.resolve():
        raise UserError(f"--out got {folder}, which holds a run of its own; accepted is any other folder.")
    model, step = models.load(flags.run, flags.checkpoint)
    data = reopen(flags.run, flags.data)
    checkpoint = {"which": flags.checkpoint, "step": step}
    report = read_report(flags.run) | {"export": read_report(folder).get("export"), "exported_checkpoint": checkpoint}
    sizes = tuple(map(int, _listed(flags.sizes)))
    plan = Plan(_listed(flags.variants), flags.io, sizes, flags.batch, flags.runs)
    origin = Provenance(flags.author, flags.licence)
    classes = _listed(flags.classes) or classes_of(flags.run, flags.data)
    counts = {"images": flags.images, "calibration": flags.calibration}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lines = write_exports(model, data, folder, report, plan=plan, origin=origin, classes=classes, **counts)
        refresh_run_page(folder)
    except OSError as error:
        reason = error.strerror or error
        raise UserError(f"{folder} cannot be written ({reason}); --out DIR exports to another folder.") from None
    print(f"Step {step}, the {flags.checkpoint} checkpoint, written to {folder}:", *lines, sep="\n")


if __name__ == "__main__":
    sys.exit(main())
