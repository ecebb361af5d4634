"""The result of a check, told: a table, check.json, and an HTML sheet with thumbnails of the worst."""

from __future__ import annotations

import base64
import html
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

JSON_FILE, SHEET_FILE = "check.json", "index.html"

_THUMBNAIL = 128  # pixels, the longer side
_SHOWN = 12  # cases of a finding with thumbnails
_BARS = 12  # sizes of the histogram
_VERDICTS = ("clean", "warnings", "errors")


def table(result: Result, width: int = 100) -> str:
    """The figures and the findings as lines of text."""
    summary = result.summary
    parts = ", ".join(f"{count} {part}" for part, count in summary["parts"].items())
    looked = "" if summary["looked_at"] == summary["examples"] else f", {summary['looked_at']} looked at"
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
    """Writes check.json and index.html into `out`; returns the path of the sheet.

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
    """What check.json holds; names are escaped as in messages."""
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
    """One HTML page that needs no other file."""
    name = _VERDICTS[result.exit_code]
    findings = "".join(_section(result, finding) for finding in result.findings)
    facts = "".join(f"<tr><th>{_text(key)}<td>{_text(value)}" for key, value in _facts(result))
    return (
        _PAGE.replace("TITLE", f"Check of {_text(shown(spec))}")
        .replace("VERDICT_NAME", name)
        .replace("VERDICT", _text(verdict(result)))
        .replace("FACTS", facts)
        .replace("BARS", _bars(result.summary["sizes"]))
        .replace("FINDINGS", findings)
    )


def _facts(result: Result) -> list[tuple[str, str]]:
    summary = result.summary
    parts = ", ".join(f"{count} {part}" for part, count in summary["parts"].items())
    rows = [
        ("examples", f"{summary['examples']}: {parts}"),
        ("split", summary["split"]),
        ("looked at", f"{summary['looked_at']} in {summary['seconds']} s"),
    ]
    if "classes" in summary:
        rows.append(("classes", ", ".join(f"{name} {count}" for name, count in summary["classes"].items())))
    rows += [(side, _statistics(figures)) for side, figures in summary["sides"].items()]
    if "alignment" in summary:
        rows.append(("alignment", f"median {summary['alignment']['median']:+} deviations above random partners"))
    return rows


def _bars(sizes: dict[str, int]) -> str:
    most = max(sizes.values(), default=1)
    rows = [
        f'<div class="bar"><span>{size}</span><i style="width:{60 * count / most:.1f}%"></i><b>{count}</b></div>'
        for size, count in list(sizes.items())[:_BARS]
    ]
    if len(sizes) > _BARS:
        rows.append(f"<p>and {len(sizes) - _BARS} more sizes")
    return "".join(rows)


def _section(result: Result, finding: Finding) -> str:
    cases = "".join(_case(result, case) for case in finding.cases[:_SHOWN])
    more = f"<p>{finding.count - _SHOWN} more; check.json lists up to 1000." if cases and finding.count > _SHOWN else ""
    return (
        f'<section><h2><span class="{finding.level}">{finding.level}</span> {_text(finding.check)}</h2>'
        f'<p>{_text(finding.sentence)}</p><div class="cases">{cases}</div>{more}</section>'
    )


def _case(result: Result, case: Case) -> str:
    """The examples of a case beside each other, each over the names of its files, and under them the reason."""
    shown_examples = "".join(
        f'<div><div class="pictures">{_pictures(result, number)}</div><small>'
        + "<br>".join(_text(_short(name)) for name in result.examples.names(number))
        + "</small></div>"
        for number in case.numbers
    )
    why = case.why
    for name in (name for number in case.numbers for name in result.examples.names(number)):
        why = why.removeprefix(f"{name} ")  # it stands there already
    return f'<figure><div class="examples">{shown_examples}</div><figcaption>{_text(why)}</figcaption></figure>'


def _pictures(result: Result, number: int) -> str:
    try:
        arrays = result.examples.arrays(number, result.examples.read(number))
    except UserError:
        return '<div class="none">no picture</div>'
    labels = result.examples.labels
    return "".join(
        f'<img alt="" src="data:image/png;base64,{_thumbnail(array, labels if side == 0 else 0)}">'
        for side, array in enumerate(arrays)
    )


def _thumbnail(array: np.ndarray, labels: int) -> str:
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
    return base64.b64encode(file.getvalue()).decode()


def _short(name: str) -> str:
    """The last two parts of a path: all lie in the same folder."""
    return "/".join(name.split("/")[-2:])


def _text(value: object) -> str:
    return html.escape(str(value))


_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>TITLE</title>
<style>
 body { font: 15px/1.5 system-ui, sans-serif; margin: 1.5rem auto; max-width: 1080px; padding: 0 1rem; color: #222 }
 h1 { font-size: 1.2rem; margin: 0 0 .2rem; overflow-wrap: anywhere } h2 { font-size: 1rem; margin: 0 }
 p { margin: .2rem 0 .6rem; overflow-wrap: anywhere } section { border-top: 1px solid #ddd; padding: .8rem 0 }
 .verdict { font-weight: 600 } .clean { color: #2a7a3b } .warnings { color: #9a6700 } .errors { color: #b3261e }
 h2 span { font-size: .75rem; font-weight: 600; padding: .1rem .5rem; border-radius: .6rem; margin-right: .3rem }
 .error { background: #fbe1df; color: #8c1d18 } .warning { background: #fdf0cf; color: #6b4a00 }
 .note { background: #e6eef8; color: #234a7c }
 table { border-collapse: collapse; margin: .8rem 0 } td { overflow-wrap: anywhere }
 th { text-align: left; font-weight: 400; color: #666; padding: 0 1.2rem 0 0; vertical-align: top; white-space: nowrap }
 .bar { display: flex; align-items: center; gap: .6rem; font-size: .85rem } .bar span { width: 7rem; color: #666 }
 .bar i { background: #7d9cc4; height: .7rem; border-radius: 2px } .bar b { font-weight: 400 }
 .cases { display: flex; flex-wrap: wrap; gap: .9rem }
 figure { margin: 0 } .pictures { display: flex; gap: 3px; align-items: flex-start }
 img { display: block; border: 1px solid #ddd; image-rendering: pixelated }
 .none { width: 128px; height: 96px; border: 1px dashed #bbb; color: #999; font-size: .8rem; display: grid;
   place-items: center }
 .examples { display: flex; gap: 12px } .examples > div { width: min-content }
 small, figcaption { font-size: .75rem; line-height: 1.35; color: #555; overflow-wrap: anywhere }
 figcaption { color: #222; width: min-content; min-width: 100% }
</style>
<h1>TITLE</h1>
<div class="verdict VERDICT_NAME">VERDICT</div>
<table>FACTS</table>
<div>BARS</div>
<p></p>
FINDINGS
</html>
"""
