"""The exports of a run, written and proved at its end and again whenever somebody asks for them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_gen.engine.cli import Stopped
from keras_gen.engine.config import versions
from keras_gen.engine.model import GenerativeModel
from keras_gen.export.exporter import ExportError, export
from keras_gen.files import write_json

if TYPE_CHECKING:
    from keras_gen.engine.run import Data

REPORT_FILE = "report.json"
_PARITY_IMAGES = 16


def write_exports(model: GenerativeModel, data: Data, folder: Path, report: dict[str, Any]) -> list[str]:
    """Export what the model serves, prove that it draws the same pictures, and write report.json.

    Args:
        model: with the weights to export.
        data: whose first validation examples the exports are compared on.
        folder: where saved_model/, model.tflite and report.json go; it exists.
        report: what report.json holds beside `export` and `versions`, which are set here.

    Returns:
        For each file a line about its size, speed and difference from the network.

    Raises:
        Stopped: with exit code 1 if an export differs from the network.
    """
    limit = min(_PARITY_IMAGES, data.val_size)
    images = np.concatenate([np.asarray(source) for source, *_ in data.validation(1, limit=limit)])
    try:
        report["export"] = export(model.serving(), folder, images)
    except ExportError as error:
        message, report["export"] = error.args
        raise Stopped(f"error: {message}", 1) from None
    finally:
        report["versions"] = versions()
        write_json(folder / REPORT_FILE, report)
    return [
        f"  {name:<16} {file['megabytes']:7.1f} MB  {1e3 * file['seconds_per_image']:6.1f} ms an image, "
        f"differs from the network by at most {file['max_abs_difference']:.1e}"
        for exported in report["export"].values()
        for name, file in exported["files"].items()
    ]
