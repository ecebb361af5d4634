"""Export a run again: SavedModel and TFLite from a checkpoint, compared with the network on its validation images.

What is already there is replaced, and report.json says what was written and how far each file is from the network.
"""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from apps._reopen import reopen_pairs
from keras_gen import models
from keras_gen.engine.cli import app, parse
from keras_gen.engine.config import CONFIG_FILE
from keras_gen.engine.exports import REPORT_FILE, write_exports
from keras_gen.errors import UserError

EXAMPLE = "python -m apps.export savedmodels/pix2pix/RUN --checkpoint best"


@dataclass(frozen=True)
class Flags:
    run: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]
    """Folder of the run."""
    checkpoint: Literal["newest", "best"] = "newest"
    """Which of its checkpoints: the newest, or the best by validation."""
    out: Path | None = None
    """Folder to write saved_model/, model.tflite and report.json to; default: RUN itself."""
    data: str = ""
    """Where the pairs of the run are now, if not where config.json says; any SPEC of the training app."""


@app
def main(argv: Sequence[str] | None = None) -> None:
    """Load the run, open its data, export and compare."""
    flags = parse(Flags, argv, example=EXAMPLE)
    folder = flags.out or flags.run
    if (folder / CONFIG_FILE).exists() and folder.resolve() != flags.run.resolve():
        raise UserError(f"--out got {folder}, which holds a run of its own; accepted is any other folder.")
    model, step = models.load(flags.run, flags.checkpoint)
    data = reopen_pairs(flags.run, flags.data)
    report = _report(flags.run) | {"exported_checkpoint": {"which": flags.checkpoint, "step": step}}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lines = write_exports(model, data, folder, report)
    except OSError as error:
        raise UserError(f"--out {folder} cannot be written: {error.strerror or error}.") from None
    print(f"Step {step}, the {flags.checkpoint} checkpoint, written to {folder}:", *lines, sep="\n")


def _report(folder: Path) -> dict[str, Any]:
    """What report.json says by now; nothing if the run was stopped before it was written."""
    try:
        return json.loads((folder / REPORT_FILE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise UserError(f"{folder / REPORT_FILE} cannot be read as JSON ({error}).") from None


if __name__ == "__main__":
    sys.exit(main())
