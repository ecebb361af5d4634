"""Open a web page for drawing label maps of facades, which the model translates in the browser while you draw.

A run is exported first, as the .tflite that is fastest in browsers (docs/edge.md). LiteRT runs it in the page. The page
and everything it loads come from this computer, and nothing is sent anywhere.
"""

import contextlib
import itertools
import json
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import tyro

from keras_gen import models
from keras_gen.cli.parsing import app, parse
from keras_gen.console import command
from keras_gen.data.builtin.facades import CLASSES, PALETTE, draw_pair
from keras_gen.engine.config import CONFIG_FILE
from keras_gen.engine.run_exports import write_exports
from keras_gen.errors import UserError
from keras_gen.export.exporter import Plan
from keras_gen.export.metadata import Metadata, read_metadata
from keras_gen.flags import BaseConfig, Range
from keras_gen.inference.local_server import Content, LocalServer
from keras_gen.inference.tiling import load_network
from keras_gen.pages import page

from .._data import classes_of, reopen_pairs
from .vendor import HERE, vendor

EXAMPLE = "web savedmodels/pix2pix/RUN"
SUBTITLE = "Paint walls, windows and doors. The model generates the picture, in this browser."
PAGE = ("page.css", "page.js", "drawing.js", "translator.js")


@dataclass(frozen=True)
class Flags(BaseConfig):
    model: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN_OR_TFLITE")]
    """A run folder, or a .tflite file with a batch of 1, that translates label maps of facades."""
    port: Annotated[int, Range(0, 65535)] = 8000
    """Port on 127.0.0.1 for the page; 0 picks a free one."""
    checkpoint: Literal["newest", "best"] = "newest"
    """For a run folder: which checkpoint to use, the newest or the best by validation."""

    def check_together(self) -> None:
        super().check_together()
        if not self.model.exists():
            raise UserError(f"{self.model} does not exist; accepted are a run folder and a .tflite of facades.")


@app
def main(argv: Sequence[str] | None = None) -> None:
    """Download the libraries if they are missing, export the run, and serve the page until Ctrl-C."""
    flags = parse(Flags, argv, example=EXAMPLE)
    packages = vendor()
    with tempfile.TemporaryDirectory() as folder:
        file = flags.model
        if (flags.model / CONFIG_FILE).is_file():
            file = exported(flags.model, flags.checkpoint, Path(folder))
        with LocalServer(contents(file, packages), flags.port) as server, contextlib.suppress(KeyboardInterrupt):
            print(f"Open {server.url} in a browser on this computer; Ctrl-C stops.", flush=True)
            server.serve_forever()


def exported(run: Path, checkpoint: str, folder: Path) -> Path:
    """Writes the .tflite for the page to `folder`, and compares it with the network on a few validation images."""
    classes = classes_of(run)
    _require_facades(run, classes)
    model, _ = models.load(run, checkpoint)
    plan = Plan(("dynamic8",), io="uint8")
    print(
        *write_exports(model, reopen_pairs(run), folder, {}, plan=plan, images=4, classes=classes),
        sep="\n",
    )
    return folder / "model-dynamic8-uint8.tflite"


def contents(file: Path, packages: Path) -> dict[str, Content]:
    """Path of a URL -> content, for everything that the page loads.

    Args:
        file: the .tflite file.
        packages: folder of the npm packages, from `vendor`.

    Raises:
        UserError: if `file` is not a .tflite, or does not translate label maps of facades.
    """
    if file.suffix != ".tflite":
        raise UserError(f"{file} is neither a run folder nor a .tflite; accepted are those for label maps of facades.")
    network = load_network(file)
    _require_facades(file, network.source.labels)
    height, width, channels = network.source.shape
    if network.batch != 1 or network.scale != 1 or height != width or channels != (network.source.num_classes or 3):
        raise UserError(
            f"{file} takes batches of {network.batch} images of {width}x{height} pixels with {channels} channels; "
            "accepted are batches of 1 square image, in RGB or with one channel per class."
        )
    libraries = [*packages.glob("@litertjs/*/dist/index.js"), *packages.glob("@litertjs/core/wasm/*.*")]
    seed, number = int(np.random.default_rng().integers(2**31)), itertools.count()
    return {
        "/": page("index.html", templates=HERE, title="Draw a facade", subtitle=SUBTITLE).encode(),
        **{f"/{name}": HERE / name for name in PAGE},
        **{f"/vendor/{library.relative_to(packages).as_posix()}": library for library in libraries},
        "/model.tflite": file,
        "/model.json": json.dumps(description(read_metadata(file))).encode(),
        "/facade": lambda: draw_pair(height, seed, next(number))[0].tobytes(),
    }


def description(metadata: Metadata) -> dict:
    """What the page needs to know about a model, JSON-ready: also the colour and the uint8 channels of each class."""
    (source,), (output,) = metadata.inputs, metadata.outputs
    channels = 255 * np.eye(len(CLASSES), dtype=int) if source.is_label_map else PALETTE
    return {
        "name": metadata.name,
        "size": source.shape[0],
        "io": metadata.io,
        "outputChannels": output.shape[-1],
        "blank": CLASSES.index("facade"),
        "classes": [
            {"name": name, "colour": colour.tolist(), "source": source.tolist()}
            for name, colour, source in zip(CLASSES, PALETTE, channels, strict=True)
        ],
    }


def _require_facades(path: Path, classes: Sequence[str]) -> None:
    if tuple(classes) != CLASSES:
        raise UserError(
            f"{path} is not known to translate label maps of facades; accepted are a run on --data facades with "
            f"--direction AtoB, and a .tflite that {command('export')} wrote of such a run."
        )


if __name__ == "__main__":
    sys.exit(main())
