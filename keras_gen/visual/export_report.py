"""The export report: a table on the screen, report.html, and text and images in TensorBoard."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from keras_gen.console import psnr_text, size_text
from keras_gen.export.tflite import VARIANTS
from keras_gen.files import write
from keras_gen.pages import links_of_run, page, plural
from keras_gen.visual.event_writer import EventWriter
from keras_gen.visual.plots import curves
from keras_gen.visual.sheets import ClassScores, png_bytes, sheet

PAGE_FILE = "report.html"
_GAIN = 8  # factor that makes differences visible


def lines(export: Mapping[str, Any]) -> list[str]:
    """Format the report of `export.exporter.export` for the screen: a table, then one line for each warning."""
    rows = _rows(export)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    table = [
        "  "
        + "  ".join(
            cell.ljust(w) if n == 0 else cell.rjust(w) for n, (cell, w) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]
    return [line.rstrip() for line in table] + [f"  {sentence}" for sentence in _warnings(export)]


def publish(report: Mapping[str, Any], pictures: Mapping[str, Mapping[str, np.ndarray]], folder: Path) -> None:
    """Write report.html, and the same table and images for TensorBoard.

    Args:
        report: the content of report.json, including "export".
        pictures: key -> column title -> images or sequences, as `export.exporter.export` collects them; the column
            "network" holds the reference.
        folder: the run folder.
    """
    export, checkpoint = report["export"], report.get("exported_checkpoint", {})
    sheets = {}
    for key, drawn in pictures.items():
        kinds = _kinds(key, export)
        sheets[key] = _draw(drawn, kinds), _draw(_differences(drawn, kinds), kinds)
    write(folder / PAGE_FILE, _page(folder, export, checkpoint, sheets))
    header, *rows = _rows(export)
    table = [header, ["---"] + ["---:"] * (len(header) - 1), *rows]
    text = "\n".join(f"| {' | '.join(row)} |" for row in table)
    text += "".join(f"\n\n{sentence}" for sentence in _warnings(export))
    step = checkpoint.get("step", 0)
    with EventWriter(folder).as_default():
        about = "Size, speed and accuracy of each exported file."
        tf.summary.text("exports", text, step, description=about)
        for key, both in sheets.items():
            for title, picture in zip(("drawn", f"differences x{_GAIN}"), both, strict=True):
                about = "Outputs of the exported files beside those of the Keras network, and their differences."
                tf.summary.image(f"exports/{key}, {title}", picture[None], step, description=about)


def _kinds(key: str, export: Mapping[str, Any]) -> dict[str, str]:
    """Column title -> kind of its port; all outputs have the kind of "network"."""
    name, *more = key.split()
    served = export[name]
    outputs = {port["name"]: port["kind"] for port in served["outputs"]}
    shown = [outputs[word] for word in more if word in outputs] or list(outputs.values())
    return {port["name"]: port["kind"] for port in served["inputs"]} | {"network": shown[0]}


def _draw(columns: Mapping[str, np.ndarray], kinds: Mapping[str, str]) -> np.ndarray:
    if kinds["network"] == "sequence":
        return curves(columns)
    return sheet({title: ClassScores(x) if kinds.get(title) == "map" else x for title, x in columns.items()})


def _differences(drawn: Mapping[str, np.ndarray], kinds: Mapping[str, str]) -> dict[str, np.ndarray]:
    """Absolute difference of each variant from the network, times `_GAIN`; for images -1 (black) means none."""
    network = drawn["network"]
    distances = {title: _GAIN * np.abs(values - network) for title, values in drawn.items() if title in VARIANTS}
    if kinds["network"] == "sequence":  # curves have no limits
        return distances
    return {title: np.clip(images[..., :3] - 1, -1, 1) for title, images in distances.items()}  # without alpha


def _files(export: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    return [(name, figures) for served in export.values() for name, figures in served["files"].items()]


def _rows(export: Mapping[str, Any]) -> list[list[str]]:
    """The header and one row of cells for each file; a figure that was not measured is an empty cell."""
    files = _files(export)
    threads = sorted({number for _, figures in files for number in figures.get("latency", {})}, key=int)
    rows = [
        [
            "file",
            "size",
            *(f"ms, {number} thread{'s' * (number != '1')} (p95)" for number in threads),
            "peak MB" if threads else "ms an example",
            "max diff",
            "mean diff",
            "PSNR dB",
            "XNNPACK",
            "built-in ops",
        ]
    ]
    for name, figures in files:
        latency = figures.get("latency", {})
        timed = {n: [_ms(own[figure] / 1e3) for figure in ("median_ms", "p95_ms")] for n, own in latency.items()}
        cells = ["{} ({})".format(*timed[n]) if n in timed else "" for n in threads]
        cells += [
            _cell(figures, *(("peak_megabytes", "{:.0f}".format) if threads else ("seconds_per_example", _ms))),
            _cell(figures, "max_abs_difference", "{:.1e}".format),
            _cell(figures, "mean_abs_difference", "{:.1e}".format),
            _cell(figures, "psnr", psnr_text),
            _cell(figures, "delegated_to_xnnpack", "{:.0%}".format),
        ]
        built_in = ("no, Flex" if figures["flex"] else "yes") if "flex" in figures else ""
        row = [name, size_text(figures["bytes"]), *cells, built_in]
        rows.append(row)
    return rows


def _ms(seconds: float) -> str:
    """Seconds as text in milliseconds; below 1 ms with two significant digits."""
    return f"{1e3 * seconds:.1f}" if seconds >= 1e-3 else f"{1e3 * seconds:.2g}"


def _cell(figures: Mapping[str, Any], name: str, text: Callable[[float], str]) -> str:
    """A figure as text; "" if it was not measured."""
    value = figures.get(name)
    return "" if value is None else text(value)


def _warnings(export: Mapping[str, Any]) -> list[str]:
    found = []
    for name, figures in _files(export):
        if "verdict" in figures:
            found.append(f"{name} is {figures['verdict']}.")
        for operator, reason in figures.get("flex", {}).items():
            found.append(f"{name} needs {operator}: {reason}." if reason else f"{name} needs {operator}.")
    return found


def _page(
    folder: Path,
    export: Mapping[str, Any],
    checkpoint: Mapping[str, Any],
    sheets: Mapping[str, tuple[np.ndarray, np.ndarray]],
) -> str:
    return page(
        "exports.html",
        title=f"Exports of {folder.resolve().name}",
        subtitle=f"The {checkpoint['which']} checkpoint, step {checkpoint['step']:,}." if checkpoint else "",
        links=links_of_run(folder, PAGE_FILE),
        networks=[_network(name, served) for name, served in export.items()],
        pictures=[(key, *map(png_bytes, both)) for key, both in sheets.items()],
        gain=_GAIN,
        operators={name: figures for name, figures in _files(export) if "operators" in figures},
    )


def _network(name: str, served: Mapping[str, Any]) -> dict[str, Any]:
    """The variables of the template for one network and its files."""
    header, *rows = _rows({name: served})
    files = served["files"]
    charts = [_chart("Size", {file: figures["bytes"] for file, figures in files.items()}, size_text)]
    timed = {file: figures["latency"] for file, figures in files.items() if "latency" in figures}
    for number in sorted({number for latency in timed.values() for number in latency}, key=int):
        seconds = {file: own[number]["median_ms"] / 1e3 for file, own in timed.items() if number in own}
        charts.append(_chart(f"Latency, {plural(int(number), 'thread')}", seconds, lambda value: f"{_ms(value)} ms"))
    return {
        "name": name,
        "about": served["about"],
        "ports": served["description"].split("; "),
        "header": header,
        "rows": rows,
        "marked": [file for file, figures in files.items() if "verdict" in figures],
        "sentences": _warnings({name: served}),
        "examples": served["validation_examples"],
        "machine": served["machine"],
        "charts": charts,
    }


def _chart(title: str, values: Mapping[str, float], text: Callable[[float], str]) -> dict[str, Any]:
    """Variables of the template for a bar chart: name, value and label of each bar."""
    return {"title": title, "bars": [(name, value, text(value)) for name, value in values.items()]}
