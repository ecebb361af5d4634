"""Exports of a run, loaded again and compared with the network on real images before anybody relies on them."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from keras_gen.export.saved_model import load_saved_model, write_saved_model
from keras_gen.export.tflite import TFLiteModel, write_tflite

TOLERANCE = 1e-3
"""Largest difference in units of [-1, 1] that an export may have; 1/255 of the range is 7.8e-3."""


class ExportError(Exception):
    """An export does not draw what the network draws."""


def export(served: Mapping[str, Any], folder: Path, images: np.ndarray) -> dict[str, Any]:
    """Write SavedModel and .tflite of each served network and prove that they draw the same pictures.

    The first is written to saved_model/ and model.tflite, any other to saved_model_NAME/ and NAME.tflite.

    Args:
        served: name -> `engine.model.Served`.
        folder: the run folder.
        images: real validation inputs, (n, h, w, channels) float32 in [-1, 1].

    Returns:
        name -> file name -> size in MB, largest and mean absolute difference from the Keras network, median seconds
        for one image.

    Raises:
        ExportError: if a difference is above `TOLERANCE` or not a number; the report so far is its second argument.
    """
    report: dict[str, Any] = {}
    for number, (name, item) in enumerate(served.items()):
        saved = folder / ("saved_model" if number == 0 else f"saved_model_{name}")
        tflite = folder / ("model.tflite" if number == 0 else f"{name}.tflite")
        write_saved_model(item.network, item.source, item.output, saved)
        write_tflite(item.network, item.source, item.output, tflite)
        expected = np.concatenate([np.asarray(item.network(image[None], training=False)) for image in images])
        report[name] = {
            "about": item.about,
            "validation_images": len(images),
            "files": {
                saved.name: compare(load_saved_model(saved), images, expected) | {"megabytes": _megabytes(saved)},
                tflite.name: compare(TFLiteModel(tflite), images, expected) | {"megabytes": _megabytes(tflite)},
            },
        }
        for file, figures in report[name]["files"].items():
            if not figures["max_abs_difference"] <= TOLERANCE:
                raise ExportError(
                    f"{folder / file} differs from the network by {figures['max_abs_difference']:.2e}, and at most "
                    f"{TOLERANCE:.0e} is accepted: do not use it.",
                    report,
                )
    return report


def compare(run: Callable[[np.ndarray], np.ndarray], images: np.ndarray, expected: np.ndarray) -> dict[str, float]:
    """Differences of `run(image)` from `expected`, in units of [-1, 1], and the median seconds of a call."""
    drawn, seconds = [], []
    for image in images:
        start = time.perf_counter()
        drawn.append(run(image[None]))
        seconds.append(time.perf_counter() - start)
    difference = np.abs(np.concatenate(drawn) - expected)
    return {
        "max_abs_difference": float(difference.max()),
        "mean_abs_difference": float(difference.mean()),
        "seconds_per_image": round(statistics.median(seconds), 5),
    }


def _megabytes(path: Path) -> float:
    files = [path] if path.is_file() else [f for f in path.rglob("*") if f.is_file()]
    return round(sum(f.stat().st_size for f in files) / 1e6, 2)
