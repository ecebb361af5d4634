"""The exports of a run, written and proved at its end and again whenever somebody asks for them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from keras_gen.engine.config import versions
from keras_gen.engine.data import Data
from keras_gen.engine.model import GenerativeModel
from keras_gen.errors import Stopped, UserError
from keras_gen.export.exporter import PLAN_OF_A_RUN, ExportError, Plan, export
from keras_gen.export.metadata import UNKNOWN, Provenance
from keras_gen.files import write_json
from keras_gen.visual.export_report import lines, publish

REPORT_FILE = "report.json"


def write_exports(
    model: GenerativeModel,
    data: Data,
    folder: Path,
    report: dict[str, Any],
    *,
    plan: Plan = PLAN_OF_A_RUN,
    images: int = 16,
    calibration: int = 64,
    origin: Provenance = UNKNOWN,
) -> list[str]:
    """Export what the model serves, prove that it draws the same pictures, and write report.json.

    Where the plan times the files, report.html and TensorBoard tell the same to people.

    Args:
        model: with the weights to export.
        data: whose first validation examples the exports are compared on, and whose training examples calibrate int8.
        folder: where saved_model/, the .tflite files and report.json go; it exists.
        report: what report.json holds beside `export` and `versions`, which are set here; an `export` of before tells
            which files are there already.
        plan: which .tflite files.
        images: validation examples to compare on, where there are as many.
        calibration: training examples for int8.
        origin: author, licence and classes for the metadata; the number of labels is that of the data.

    Returns:
        A line for each file about its size, speed and difference from the network, and what else there is to say.

    Raises:
        Stopped: with exit code 1 if an export differs from the network.
    """
    sources = _sources(model, data.validation(1, limit=min(images, data.val_size)))
    examples = _sources(model, data.train(1).take(calibration)) if "int8" in plan.variants else None
    pictures: dict[str, dict[str, np.ndarray]] = {}
    try:
        report["export"] = export(
            model.serving(),
            folder,
            sources,
            plan=plan,
            calibration=examples,
            family=model.family,
            origin=replace(origin, labels=getattr(data, "labels", 0)),  # data of other shapes have none
            previous_report=report.get("export"),
            pictures=pictures,
        )
    except ExportError as error:
        message, report["export"] = error.args
        raise Stopped(f"error: {message}", 1) from None
    finally:
        report["versions"] = versions()
        write_json(folder / REPORT_FILE, report)
    if plan.runs:
        publish(report, pictures, folder, labels=getattr(data, "labels", 0))
    return lines(report["export"])


def read_report(folder: Path) -> dict[str, Any]:
    """What report.json says by now; nothing if it was not written yet.

    Raises:
        UserError: if it is damaged.
    """
    try:
        return json.loads((folder / REPORT_FILE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise UserError(f"{folder / REPORT_FILE} cannot be read as JSON ({error}).") from None


def _sources(model: GenerativeModel, batches: Any) -> np.ndarray:
    return np.concatenate([np.asarray(model.served_source(batch)) for batch in batches])
