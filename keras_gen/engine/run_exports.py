"""The exports of a run, written and proved at its end and again whenever somebody asks for them."""

from __future__ import annotations

import json
from collections.abc import Sequence
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
from keras_gen.export.signature import Served, with_labels
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
    classes: Sequence[str] = (),
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
        origin: author and licence for the metadata.
        classes: names of the classes that the source shows, as channels or as colours; those of the data if not given.

    Returns:
        A line for each file about its size, speed and difference from the network, and what else there is to say.

    Raises:
        Stopped: with exit code 1 if an export differs from the network.
    """
    batches = list(data.validation(1, limit=min(images, data.val_size)))
    examples = list(data.train(1).take(calibration)) if "int8" in plan.variants else None
    pictures: dict[str, dict[str, np.ndarray]] = {}
    try:
        report["export"] = export(
            _named(model.serving(), classes, data),
            folder,
            batches,
            plan=plan,
            calibration=examples,
            family=model.family,
            origin=origin,
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
        publish(report, pictures, folder)
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


def _named(served: dict[str, Served], classes: Sequence[str], data: Data) -> dict[str, Served]:
    """The networks with the names of the classes at their ports.

    Raises:
        UserError: if the source has a channel for each of another number of classes.
    """
    if not classes:
        return with_labels(served, getattr(data, "classes", ()))  # data of other shapes have none
    (name, first), *others = served.items()
    source, *more = first.inputs
    if source.num_classes not in (0, len(classes)):
        raise UserError(f"--classes got {len(classes)} names; accepted are {source.num_classes}, one for each class.")
    named = replace(first, inputs=(replace(source, labels=tuple(classes)), *more))
    return {name: named, **with_labels(dict(others), classes)}
