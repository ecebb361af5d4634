"""Reports of a check: a table, check.json, and an HTML page with thumbnails of the worst cases."""

from __future__ import annotations

import io
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from keras_gen.data.checks.rules import Case, Finding, Result
from keras_gen.data.files import codecs as images
from keras_gen.data.files.folders import shown
from keras_gen.errors import UserError
from keras_gen.files import write, write_json
from keras_gen.pages import page

JSON_FILE, SHEET_FILE = "check.json", "index.html"

_THUMBNAIL = 128  # longer side of a thumbnail [pixels]
_SHOWN = 12  # number of cases with thumbnails per finding
_BARS = 12  # number of bars in the histogram of sizes
_VERDICTS = ("clean", "warnings", "errors")


def table(result: Result, width: int = 100) -> str:
    """The figures and the findings as lines of text."""
    summary = result.summary
    parts = ", ".join(f"{count} {part}" for part, count in summary["parts"].items())
    looked = "" if summary["looked_at"] == summary["examples"] else f", {summary['looked_at']} checked"
    rows = [("examples", f"{summary['examples']} ({parts}; {summary['split']}){looked}")]
    sizes = [f"{size} ({count})" for size, count in summary["sizes"].items()]
    if sizes:
        rows.append(("sizes", ", ".join(sizes[:4] + [f"and {len(sizes) - 4} more"] * (len(sizes) > 4))))
    if "classes" in summary:
        rows.append(("classes", ", ".join(f"{name} {count}" for name, count in summary["classes"].items())))
    rows += [(side, _statistics(figures)) for side, figures in summary["sides"].items()]
    lines = [_row("", name, text, width) for name, text in rows]
    lines += [""] * bool(result.findings)
    lines += [_row(finding.level, finding.check, finding.sentence, width) for finding in result.findings]
    return "\n".join(lines)


def _row(level: str, name: str, text: str, width: int) -> str:
    head = f"{level:9}{name:18}"
    hanging = " " * len(head)
    return textwrap.fill(head + text, width, subsequent_indent=hanging, break_on_hyphens=False, break_long_words=False)


def _statistics(figures: dict[str, Any]) -> str:
    texts = [", ".join(f"{count} {kind}" for kind, count in figures["kinds"].items())]
    if "label_pixels" in figures:
        counts = figures["label_pixels"]
        total = max(sum(counts.values()), 1)
        shares = [f"{value}: {count / total:.1%}" for value, count in counts.items()]
        texts.append("ids " + ", ".join(shares[:16] + ["..."] * (len(shares) > 16)))
    for name in ("mean", "deviation"):
        if name in figures:
            texts.append(f"{name} " + " ".join(f"{value:.3f}" for value in figures[name]))
    return "; ".join(texts)


def verdict(result: Result) -> str:
    """One line: "2 errors, 1 warning, 3 notes"."""
    counts = {level: len(result.of_level(level)) for level in ("error", "warning", "note")}
    found = [f"{count} {level}{'s' * (count != 1)}" for level, count in counts.items() if count]
    return ", ".join(found) or "nothing found"


def write_report(result: Result, spec: str, out: Path) -> Path:
    """Writes check.json and index.html into `out`; returns the path of the page.

    Raises:
        UserError: `out` cannot be written.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        write_json(out / JSON_FILE, as_json(result, spec))
        write(out / SHEET_FILE, sheet(result, spec))
    except OSError as error:
        raise UserError(f"--out got {shown(out)}, which cannot be written: {error.strerror or error}.") from None
    return out / SHEET_FILE


def as_json(result: Result, spec: str) -> dict[str, Any]:
    """The content of check.json; names are escaped as in messages."""
    findings = [
        {
            "check": finding.check,
            "level": finding.level,
            "sentence": finding.sentence,
            "count": finding.count,
            "cases": [
                {"files": [name for n in case.numbers for name in result.examples.names(n)], "why": case.why}
                for case in finding.cases
            ],
        }
        for finding in result.findings
    ]
    return {"spec": shown(spec), **result.summary, "exit_code": result.exit_code, "findings": findings}


def sheet(result: Result, spec: str) -> str:
    """The report as a self-contained HTML page."""
    sizes = result.summary["sizes"]
    return page(
        "check.html",
        title=f"Check of {shown(spec)}",
        level=_VERDICTS[result.exit_code],
        verdict=verdict(result),
        figures=_facts(result),
        sizes=[(size, count, f"{count:,}") for size, count in list(sizes.items())[:_BARS]],
        more_sizes=max(0, len(sizes) - _BARS),
        findings=[_section(result, finding) for finding in result.findings],
    )


def _facts(result: Result) -> list[tuple[str, str]]:
    summary = result.summary
    parts = ", ".join(f"{count} {part}" for part, count in summary["parts"].items())
    rows = [
        ("examples", f"{summary['examples']}: {parts}"),
        ("split", summary["split"]),
        ("checked", f"{summary['looked_at']} in {summary['seconds']} s"),
    ]
    if "classes" in summary:
        rows.append(("classes", ", ".join(f"{name} {count}" for name, count in summary["classes"].items())))
    rows += [(side, _statistics(figures)) for side, figures in summary["sides"].items()]
    if "alignment" in summary:
        median = f"median {summary['alignment']['median']:+} standard deviations from random partners"
        rows.append(("alignment", median))
    return rows


def _section(result: Result, finding: Finding) -> dict[str, Any]:
    """Data of a finding for the page: its first cases, with the names and thumbnails of their examples."""
    return {
        "level": finding.level,
        "check": finding.check,
        "sentence": finding.sentence,
        "cases": [_case(result, case) for case in finding.cases[:_SHOWN]],
        "more": finding.count - _SHOWN if finding.cases else 0,
    }


def _case(result: Result, case: Case) -> dict[str, Any]:
    names = {number: result.examples.names(number) for number in case.numbers}
    why = case.why
    for name in (name for own in names.values() for name in own):
        why = why.removeprefix(f"{name} ")  # the page shows the name already
    examples = [
        {"pictures": _pictures(result, number), "names": [_short(name) for name in own]}
        for number, own in names.items()
    ]
    return {"examples": examples, "why": why}


def _pictures(result: Result, number: int) -> list[bytes]:
    """A PNG thumbnail of each side of an example; empty if it cannot be read."""
    try:
        arrays = result.examples.arrays(number, result.examples.read(number))
    except UserError:
        return []
    labels = result.examples.labels
    return [_thumbnail(array, labels if side == 0 else 0) for side, array in enumerate(arrays)]


def _thumbnail(array: np.ndarray, labels: int) -> bytes:
    if labels:
        array = (array * (255.0 / max(labels - 1, int(array.max()), 1))).astype(np.uint8)
    elif array.dtype == np.uint16:
        array = (array >> 8).astype(np.uint8)
    picture = Image.fromarray(images.convert_channels(array, 3))
    scale = _THUMBNAIL / max(picture.size)
    size = tuple(max(1, round(length * scale)) for length in picture.size)
    smooth = scale < 1 and not labels
    file = io.BytesIO()
    picture.resize(size, Image.Resampling.BOX if smooth else Image.Resampling.NEAREST).save(file, "PNG")
    return file.getvalue()


def _short(name: str) -> str:
    """The last two parts of a path; the rest is the same for all files."""
    return "/".join(name.split("/")[-2:])
