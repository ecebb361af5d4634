"""Writes and verifies the exports of a run, at its end or later by `apps.export`."""

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
    """Exports the networks of a model, compares the files with the networks, and writes report.json.

    If the plan includes timing, report.html and TensorBoard show the results too.

    Args:
        model: the model with the weights to export.
        data: data whose first validation examples are used for the comparison, and whose training examples calibrate
            int8.
        folder: an existing folder for saved_model/, the .tflite files and report.json.
        report: the content of report.json. This function sets `export` and `versions`; an earlier `export` tells which
            files exist already.
        plan: which .tflite files to write.
        images: maximum number of validation examples for the comparison.
        calibration: number of training examples for the calibration of int8.
        origin: author and licence for the metadata.
        classes: names of the classes in the source, for label maps and their colours; () for those of the data.

    Returns:
        Lines to print: for each file its size, its speed and its difference from the network, and remarks.

    Raises:
        UserError: if the number of names in `classes` is wrong.
        Stopped: with exit code 1 if the outputs of a file differ from those of the network.
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
    """The content of report.json; {} if it does not exist yet.

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
    """The networks with the names of the classes in their ports.

    Raises:
        UserError: if the source has one channel per class, and the number of names is different.
    """
    if not classes:
        return with_labels(served, getattr(data, "classes", ()))  # some data sets have no classes
    (name, first), *others = served.items()
    source, *more = first.inputs
    if source.num_classes not in (0, len(classes)):
        raise UserError(f"--classes got {len(classes)} names; accepted are {source.num_classes}, one for each class.")
    named = replace(first, inputs=(replace(source, labels=tuple(classes)), *more))
    return {name: named, **with_labels(dict(others), classes)}
