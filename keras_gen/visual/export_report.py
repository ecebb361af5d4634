"""The proof of the exports for people: a table on the screen, a page, text and images in TensorBoard."""

from __future__ import annotations

import base64
import html
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from keras_gen.console import psnr_text, size_text
from keras_gen.export.tflite import VARIANTS
from keras_gen.files import write
from keras_gen.visual.plots import curves
from keras_gen.visual.sheets import ClassScores, png_bytes, sheet

PAGE_FILE = "report.html"
_GAIN = 8  # by which differences are enlarged to be seen


def lines(export: Mapping[str, Any]) -> list[str]:
    """The report of `export.exporter` for the screen: a table, then every sentence about a file."""
    rows = _rows(export)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    table = [
        "  "
        + "  ".join(
            cell.ljust(w) if n == 0 else cell.rjust(w) for n, (cell, w) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]
    return [line.rstrip() for line in table] + [f"  {sentence}" for sentence in _sentences(export)]


def publish(report: Mapping[str, Any], pictures: Mapping[str, Mapping[str, np.ndarray]], folder: Path) -> None:
    """Write report.html, and text and images for TensorBoard.

    Args:
        report: the content of report.json, with `export`.
        pictures: key -> title -> images or sequences; "network" is what the others should be.
        folder: where they go.
    """
    export, checkpoint = report["export"], report.get("exported_checkpoint", {})
    maps = [
        port["name"]
        for served in export.values()
        for port in (*served["inputs"], *served["outputs"])
        if port["kind"] == "map"
    ]
    sheets = {key: (_shown(drawn, maps), _shown(_differences(drawn))) for key, drawn in pictures.items()}
    write(folder / PAGE_FILE, _page(folder.resolve().name, export, checkpoint, sheets))
    header, *rows = _rows(export)
    table = [header, ["---"] + ["---:"] * (len(header) - 1), *rows]
    text = "\n".join(f"| {' | '.join(row)} |" for row in table)
    text += "".join(f"\n\n{sentence}" for sentence in _sentences(export))
    step = checkpoint.get("step", 0)
    with tf.summary.create_file_writer(str(folder)).as_default():
        about = "Size, speed and difference from the network of each exported file."
        tf.summary.text("exports", text, step, description=about)
        for key, both in sheets.items():
            for title, picture in zip(("drawn", f"differences x{_GAIN}"), both, strict=True):
                about = "What the exported files draw beside the network, and how they differ."
                tf.summary.image(f"exports/{key}, {title}", picture[None], step, description=about)


def _shown(columns: Mapping[str, np.ndarray], maps: Sequence[str] = ()) -> np.ndarray:
    if next(iter(columns.values())).ndim == 3:
        return curves(columns)
    return sheet({title: ClassScores(x) if title in maps else x for title, x in columns.items()})


def _differences(drawn: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """For each variant, its distance from the network enlarged: black is none, in units of a sheet's images."""
    network = drawn["network"]
    distances = {title: _GAIN * np.abs(values - network) for title, values in drawn.items() if title in VARIANTS}
    if network.ndim == 3:  # sequences: curves have no limits
        return distances
    return {title: np.clip(images[..., :3] - 1, -1, 1) for title, images in distances.items()}  # alpha is no colour


def _files(export: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    return [(name, figures) for served in export.values() for name, figures in served["files"].items()]


def _rows(export: Mapping[str, Any]) -> list[list[str]]:
    """Titles and a row of texts for each file; columns that no file fills are left out."""
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
        cells = [f"{latency[n]['median_ms']:.1f} ({latency[n]['p95_ms']:.1f})" if n in latency else "" for n in threads]
        cells.append(
            _text(figures, "peak_megabytes", ".0f") if threads else _text(figures, "seconds_per_example", ".1f", 1e3)
        )
        cells += [_text(figures, f"{kind}_abs_difference", ".1e") for kind in ("max", "mean")]
        cells += [
            psnr_text(figures["psnr"]) if "psnr" in figures else "",
            _text(figures, "delegated_to_xnnpack", ".0%"),
        ]
        built_in = ("no, Flex" if figures["flex"] else "yes") if "flex" in figures else ""
        row = [name, size_text(figures["bytes"]), *cells, built_in]
        rows.append(row)
    return rows


def _text(figures: Mapping[str, Any], name: str, form: str, scale: float = 1) -> str:
    """A figure, or nothing where it was not measured."""
    value = figures.get(name)
    return "" if value is None else format(scale * value, form)


def _sentences(export: Mapping[str, Any]) -> list[str]:
    found = []
    for name, figures in _files(export):
        if "verdict" in figures:
            found.append(f"{name} is {figures['verdict']}.")
        for operator, reason in figures.get("flex", {}).items():
            found.append(f"{name} needs {operator}: {reason}." if reason else f"{name} needs {operator}.")
    return found


def _page(
    run: str, export: Mapping[str, Any], checkpoint: Mapping[str, Any], sheets: Mapping[str, Sequence[np.ndarray]]
) -> str:
    title = f"Exports of {html.escape(run)}"
    parts = [f"<h1>{title}</h1>"]
    if checkpoint:
        parts.append(f"<p>The {checkpoint['which']} checkpoint, step {checkpoint['step']:,}.</p>")
    for name, served in export.items():
        files = served["files"]
        parts.append(f"<h2>{html.escape(name)}</h2><p>{html.escape(served['about'])}</p>")
        parts.append("".join(f"<p><code>{html.escape(port)}</code></p>" for port in served["description"].split("; ")))
        parts.append(_table({name: served}))
        parts.append(
            f"<p class=note>Compared with the Keras network on {served['validation_examples']} real validation "
            "examples; differences in units of half the range, where a level of 8 bits is 7.8e-3; above 100 dB two "
            "are called equal. Latencies and memory in a process of its own on "
            f"{html.escape(served['machine'])}; XNNPACK is the share of operators that it runs.</p>"
        )
        parts += [f"<p class=bad>{html.escape(sentence)}</p>" for sentence in _sentences({name: served})]
        parts.append(_bars("Size", {file: f["bytes"] for file, f in files.items()}, size_text))
        timed = {file: f["latency"] for file, f in files.items() if "latency" in f}
        for number in sorted({number for latency in timed.values() for number in latency}, key=int):
            medians = {file: latency[number]["median_ms"] for file, latency in timed.items()}
            parts.append(_bars(f"Latency, {number} thread{'s' * (number != '1')}", medians, "{:.1f} ms".format))
    for key, (drawn, differences) in sheets.items():
        parts.append(f"<h2>{html.escape(key)}</h2>{_image(drawn)}")
        parts.append(f"<h3>Distance from the network, enlarged {_GAIN} times</h3>{_image(differences)}")
    parts.append("<h2>Operators</h2>")
    for file, figures in _files(export):
        if "operators" in figures:
            parts.append(f"<details><summary>{html.escape(file)}</summary>{_counts(figures['operators'])}")
            left = figures.get("not_delegated")
            parts.append(f"<p>Not run by XNNPACK:</p>{_counts(left)}</details>" if left else "</details>")
    return _SKELETON.format(title=title, body="\n".join(parts))


def _table(export: Mapping[str, Any]) -> str:
    header, *rows = _rows(export)
    head = "".join(f"<th>{html.escape(cell)}</th>" for cell in header)
    bad = {name for name, figures in _files(export) if "verdict" in figures}
    body = "".join(
        f"<tr{' class=bad' * (row[0] in bad)}>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>"
        for row in rows
    )
    return f"<div class=wide><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"


def _bars(title: str, values: Mapping[str, float], text: Callable[[float], str]) -> str:
    longest = max(values.values())
    rows = "".join(
        f"<div>{html.escape(name)}</div>"
        f"<div class=track><div class=bar style='width:{100 * value / (longest or 1):.1f}%'></div></div>"
        f"<div class=value>{text(value)}</div>"
        for name, value in values.items()
    )
    return f"<h3>{title}</h3><div class=bars>{rows}</div>"


def _counts(operators: Mapping[str, int]) -> str:
    return "<ul>" + "".join(f"<li>{html.escape(name)} <b>{n}</b></li>" for name, n in operators.items()) + "</ul>"


def _image(picture: np.ndarray) -> str:
    content = base64.b64encode(png_bytes(picture)).decode()
    return f"<div class=wide><img alt='' src='data:image/png;base64,{content}'></div>"


_SKELETON = """<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
 body {{ font: 15px/1.5 system-ui, sans-serif; color: #222; background: #fff; max-width: 72rem; margin: 2rem auto;
        padding: 0 1.5rem; }}
 h1 {{ font-size: 1.5rem; margin-bottom: .2rem; }} h2 {{ font-size: 1.2rem; margin-top: 2.2rem; }}
 h3 {{ font-size: 1rem; margin: 1.4rem 0 .4rem; }}
 .wide {{ overflow-x: auto; }} table {{ border-collapse: collapse; font-variant-numeric: tabular-nums; width: 100%; }}
 th, td {{ text-align: right; padding: .35rem .7rem; white-space: nowrap; border-bottom: 1px solid #e4e4e4; }}
 th {{ color: #666; font-weight: 500; font-size: .85rem; }} th:first-child, td:first-child {{ text-align: left; }}
 tr.bad td, p.bad {{ color: #b00020; }} .note {{ color: #666; font-size: .85rem; max-width: 50rem; }}
 .bars {{ display: grid; grid-template-columns: max-content 1fr max-content; gap: .3rem .8rem; align-items: center; }}
 .track, .bar {{ background: #f2f2f2; border-radius: 3px; }} .bar {{ background: #3b6ea5; height: .8rem; }}
 .value {{ font-variant-numeric: tabular-nums; text-align: right; }} img {{ max-width: none; }}
 details {{ margin: .3rem 0; }} summary {{ cursor: pointer; }}
 ul {{ columns: 12rem; list-style: none; padding-left: 1rem; }}
</style>
<body>
{body}
</body></html>
"""
