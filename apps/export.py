"""Export a checkpoint of a run again, as a SavedModel and TFLite variants, compared with the network and timed.

report.json lists the files written, their deviation from the network on real validation images, their speed and their
operators. report.html and TensorBoard show the same. Existing files are replaced; others of the same weights are kept.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from keras_gen import models
from keras_gen.cli.parsing import app, parse
from keras_gen.engine.config import CONFIG_FILE, read_config
from keras_gen.engine.run_exports import read_report, write_exports
from keras_gen.engine.run_lock import RunLock
from keras_gen.engine.run_report import refresh_run_page
from keras_gen.errors import UserError
from keras_gen.export.exporter import Plan
from keras_gen.export.metadata import Provenance
from keras_gen.export.signature import Io
from keras_gen.export.tflite import VARIANTS
from keras_gen.files import require_utf8
from keras_gen.flags import BaseConfig, Positive

from ._data import classes_of, reopen

EXAMPLE = "export savedmodels/pix2pix/RUN --variants float32,float16,dynamic8,int8"


@dataclass(frozen=True)
class Flags(BaseConfig):
    run: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]
    """Run folder."""
    variants: str = "float32"
    """TFLite files to write: float32, float16, dynamic8 (int8 weights), int8 (int8 activations too);
    comma-separated."""
    io: Io = "float"
    """Values of the .tflite files' images: float32 in [-1, 1], or uint8 in [0, 255]."""
    sizes: str = ""
    """Image sizes, one file for each [pixels, comma-separated]; default: that of the run."""
    batch: Positive[int] = 1
    """Images per call of a .tflite file [images]."""
    checkpoint: Literal["newest", "best"] = "newest"
    """Which checkpoint of the run to use: the newest, or the best by validation."""
    out: Path | None = None
    """Folder for saved_model/, the .tflite files and the reports; default: RUN itself."""
    data: str = ""
    """New location of the run's data, if they have moved; any SPEC of the training app."""
    images: Positive[int] = 32
    """Validation images to compare on, at most [images]."""
    calibration: Positive[int] = 64
    """Training images from which int8 quantisation learns the ranges of its activations [images]."""
    runs: Positive[int] = 30
    """Timed calls, each with one thread and with two [calls]."""
    author: str = ""
    """Author, for the metadata of the files."""
    licence: str = ""
    """Licence of the model, for the metadata of the files."""
    classes: str = ""
    """Names of the classes in the source, in order of their ids, comma-separated; known for facades."""

    def check_together(self) -> None:
        super().check_together()
        for variant in _listed(self.variants) or ("nothing",):
            if variant not in VARIANTS:
                raise UserError(f"--variants got {variant}; accepted are {', '.join(VARIANTS)}, comma-separated.")
        for size in _listed(self.sizes):
            if not size.isdecimal() or not int(size):
                raise UserError(f"--sizes got {size}; accepted are numbers of pixels, comma-separated.")
        read_config(self.run)


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
        raise UserError(f"--out got {folder}, which contains another run; accepted is any other folder.")
    lock = RunLock(folder)
    lock.check()
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
        with lock:
            lines = write_exports(model, data, folder, report, plan=plan, origin=origin, classes=classes, **counts)
            refresh_run_page(folder)
    except OSError as error:
        reason = error.strerror or error
        raise UserError(f"{folder} cannot be written ({reason}); --out DIR exports to another folder.") from None
    print(f"Step {step}, the {flags.checkpoint} checkpoint, written to {folder}:", *lines, sep="\n")


if __name__ == "__main__":
    sys.exit(main())
