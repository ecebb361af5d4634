"""HTML pages about runs: an overview of one run, or a comparison of several.

Everything is read from the run folders: config.json, report.json, event files and the newest sheet. Runs may be
unfinished. A comparison leaves out runs that cannot be read, and names them.
"""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from keras_gen.console import psnr_text, size_text
from keras_gen.engine.config import CONFIG_FILE, read_config
from keras_gen.engine.event_files import VALIDATION, Logged, last_text, scalars
from keras_gen.engine.run_exports import read_report
from keras_gen.errors import UserError
from keras_gen.files import write
from keras_gen.pages import address_of, links_of_run, page, plural
from keras_gen.pages.charts import Chart, Line, chart

PAGE_FILE = "index.html"
_DEPTH = 3  # maximum depth of run folders below the given folder
_SHEET_SIDE = 900  # maximum height and width of a sheet in a comparison [pixels]
_NORM = "_gradient_norm"


@dataclass(frozen=True)
class RunRecord:
    """The content of a run folder.

    Attributes:
        folder: the run folder.
        name: name to show.
        config: content of config.json.
        report: content of report.json; empty before the end of the run.
        train, validation: term -> its value after each epoch. If there is only one epoch, `train` has the values of all
            steps instead.
        best: name and best value of the validation term that selects checkpoints; None before the first validation.
        health: last verdict of the health monitor; "" if there is none.
        sheet: path of the newest sheet in samples/; None if there is none.
    """

    folder: Path
    name: str
    config: Mapping[str, Any]
    report: Mapping[str, Any]
    train: Mapping[str, Logged]
    validation: Mapping[str, Logged]
    best: tuple[str, float] | None
    health: str
    sheet: Path | None

    @property
    def family(self) -> str:
        """Name of the family, such as "pix2pix"."""
        return self.config["family"]

    @property
    def fields(self) -> dict[str, Any]:
        """The configuration: "model.filters" -> value."""
        sections = {name: self.config[name] for name in ("data", "model", "run")}
        return {f"{section}.{name}": value for section, own in sections.items() for name, value in own.items()}

    @property
    def state(self) -> str:
        """Whether the run is finished, and the number of steps."""
        step = max((points[-1][0] for _, points in (*self.train.values(), *self.validation.values())), default=0)
        done = self.report.get("training", {}).get("steps", 0)
        if done and step <= done:  # a finished run that is resumed for more epochs has logged more steps
            return f"finished, {plural(done, 'step')}"
        return f"unfinished, {plural(step, 'step')} logged"

    @property
    def exports(self) -> list[tuple[str, int, Mapping[str, Any]]]:
        """(name, size [bytes], entry in report.json) of each exported file that exists."""
        networks = self.report.get("export", {}).values()
        files = [(self.folder / name, figures) for own in networks for name, figures in own["files"].items()]
        return [(path.name, _size(path), figures) for path, figures in files if path.exists()]


def find_runs(folder: Path) -> list[Path]:
    """The run folders in a folder, sorted by name; or the folder itself, if it is a run folder.

    Raises:
        UserError: if there are none.
    """
    if (folder / CONFIG_FILE).is_file():
        return [folder]
    found = [path.parent for depth in range(1, _DEPTH + 1) for path in folder.glob("*/" * depth + CONFIG_FILE)]
    if not found:
        what = "holds no run" if folder.is_dir() else "is not a folder"
        raise UserError(f"FOLDER got {folder}, which {what}; accepted are a run folder and a folder of them.")
    return sorted(path for path in found if not any(other in path.parents for other in found))


def read_run(folder: Path, name: str = "") -> RunRecord:
    """Reads a run folder.

    Args:
        folder: the run folder.
        name: name to show; "": the name of the folder.

    Raises:
        UserError: if a file of the run is damaged.
    """
    config, report = read_config(folder), read_report(folder)
    try:
        logged, held_back = scalars(folder, "epoch/"), scalars(folder / VALIDATION, "epoch/")
        if all(len(points) < 2 for _, points in logged.values()):
            logged |= {f"epoch/{tag[5:]}": values for tag, values in scalars(folder, "step/").items()}
        best = {tag[5:]: values.points[-1][1] for tag, values in scalars(folder, "best/").items()}
        health = report.get("health", {}).get("verdict") or last_text(folder, "health")
        sheets = sorted((folder / "samples").glob("step-*.png"))
        record = RunRecord(
            folder,
            name or folder.resolve().name,
            config,
            report,
            {tag[6:]: values for tag, values in logged.items()},
            {tag[6:]: values for tag, values in held_back.items()},
            next(iter(best.items()), None),
            health,
            sheets[-1] if sheets else None,
        )
        _ = record.fields, record.state, record.exports
    except OSError as error:
        raise UserError(f"{folder} cannot be read: {error.strerror or error}.") from None
    except (LookupError, TypeError, AttributeError, ValueError):  # valid JSON with an unexpected structure
        raise UserError(f"{folder} holds a {CONFIG_FILE} or report.json that no run wrote.") from None
    return record


def write_run_page(folder: Path) -> Path:
    """Writes index.html of a run: its state and results, curves, newest sheet, exports and configuration.

    Args:
        folder: the run folder. The run may be unfinished.

    Returns:
        The path of the page.

    Raises:
        UserError: if a file of the run is damaged, or the page cannot be written.
    """
    run = read_run(folder)
    content = page(
        "run.html",
        title=run.name,
        subtitle=f"{run.family}, preset {run.config['preset']}",
        links=links_of_run(folder, PAGE_FILE),
        facts=_facts(run),
        curves=_curves_of_one(run),
        sheet=run.sheet and run.sheet.relative_to(folder).as_posix(),
        exports=[row[1:] for row in _export_rows([run])],
        config=[(name, _shown(value)) for name, value in run.fields.items()],
        versions=list(run.config.get("versions", {}).items()),
        folder=str(folder),
    )
    return _written(folder / PAGE_FILE, content)


def refresh_run_page(folder: Path) -> None:
    """Writes the page of a run again after a change; does nothing if `folder` is not a run, or the page fails."""
    if (folder / CONFIG_FILE).is_file():
        with contextlib.suppress(UserError):
            write_run_page(folder)


def write_comparison(folder: Path, out: Path) -> tuple[list[RunRecord], list[str]]:
    """Writes a self-contained page that compares the runs in a folder.

    Args:
        folder: folder of runs; see `find_runs`.
        out: path of the page.

    Returns:
        The runs on the page, and a sentence for each run that is damaged and left out.

    Raises:
        UserError: if there are no runs, none can be read, or the page cannot be written.
    """
    runs, left_out = [], []
    for path in find_runs(folder):
        try:
            runs.append(read_run(path, path.relative_to(folder).as_posix()))
        except UserError as error:
            left_out.append(str(error))
    if not runs:
        raise UserError(f"FOLDER got {folder}, of which no run can be read: {left_out[0]}")
    families = [
        _family_section(family, [run for run in runs if run.family == family], out)
        for family in dict.fromkeys(run.family for run in runs)
    ]
    content = page(
        "comparison.html",
        title=f"{plural(len(runs), 'run')} in {folder.resolve().name}",
        families=families,
        left_out=left_out,
    )
    _written(out, content)
    return runs, left_out


# -- parts of the pages --------------------------------------------------------------------------------------------


def _facts(run: RunRecord) -> list[tuple[str, str]]:
    training = run.report.get("training", {})
    facts = [("state", run.state)]
    if run.best:
        best = training.get("best", {}).get("step")
        where = f" at step {best:,}" if best is not None else ""
        facts.append(("best validation", f"{run.best[0]} {run.best[1]:.4g}{where}"))
    final = ", ".join(f"{term} {logged.points[-1][1]:.4g}" for term, logged in run.validation.items())
    facts += [("last validation", final)] if final else []
    facts += [("health", run.health)] if run.health else []
    return facts


def _terms(runs: Sequence[RunRecord]) -> list[str]:
    """Terms in the order of the page: those with validation first, then other terms, then gradient norms."""
    terms = dict.fromkeys(term for run in runs for term in (*run.validation, *run.train))
    return sorted(terms, key=lambda term: (term.endswith(_NORM), not any(term in run.validation for run in runs)))


def _curves_of_one(run: RunRecord) -> list[Chart]:
    charts = []
    for term in _terms([run]):
        lines = [
            Line(name, own[term].points, colour)
            for name, own, colour in (("training", run.train, 0), ("validation", run.validation, 1))
            if term in own
        ]
        charts.append(chart(term.replace("_", " "), lines, _about(term, [run])))
    return [one for one in charts if one]


def _curves(runs: Sequence[RunRecord]) -> list[Chart]:
    """A chart for each term, with a colour for each run: validation in full colour, training paler."""
    charts = []
    for term in _terms(runs):
        validated = any(term in run.validation for run in runs)
        lines = []
        for colour, run in enumerate(runs):
            if term in run.train:
                lines.append(Line("" if validated else run.name, run.train[term].points, colour, faint=validated))
            if term in run.validation:
                lines.append(Line(run.name, run.validation[term].points, colour))
        about = _about(term, runs) + (" Training is paler." if validated and any(line.faint for line in lines) else "")
        charts.append(chart(term.replace("_", " "), lines, about))
    return [one for one in charts if one]


def _about(term: str, runs: Sequence[RunRecord]) -> str:
    """The first sentence of a term's logged description."""
    texts = (own[term].description for run in runs for own in (run.train, run.validation) if term in own)
    return next((text.split(". ")[0].rstrip(".") + "." for text in texts if text), "")


def _family_section(family: str, runs: Sequence[RunRecord], out: Path) -> dict[str, Any]:
    fields = dict.fromkeys(name for run in runs for name in run.fields if name != "run.out")
    values = {name: [_shown(run.fields.get(name)) for run in runs] for name in fields}
    return {
        "name": family,
        "runs": [
            {
                "name": run.name,
                "address": _address(run, out),
                "colour": f"c{number % 8}",
                "preset": run.config["preset"],
                "state": run.state,
                "best": f"{run.best[0]} {run.best[1]:.4g}" if run.best else "",
                "health": run.health,
                "sheet": _embedded(run.sheet) if run.sheet else None,
            }
            for number, run in enumerate(runs)
        ],
        "final": _final(runs),
        "differences": [[name, *own] for name, own in values.items() if len(set(own)) > 1],
        "curves": _curves(runs),
        "exports": _export_rows(runs),
    }


def _final(runs: Sequence[RunRecord]) -> tuple[list[str], list[list[str]]]:
    """A table, header and rows, of the last value of each term: in validation, or else in training."""
    terms = [term for term in _terms(runs) if not term.endswith(_NORM)]
    rows = []
    for run in runs:
        last = {term: own[term].points[-1][1] for own in (run.train, run.validation) for term in own}
        rows.append([run.name, *(f"{last[term]:.4g}" if term in last else "" for term in terms)])
    validated = {term for run in runs for term in run.validation}
    titles = [term.replace("_", " ") + (" (training)" if term not in validated else "") for term in terms]
    return ["run", *titles], rows


def _export_rows(runs: Sequence[RunRecord]) -> list[list[str]]:
    """Rows of run, file, size, time and PSNR for all exported files."""
    rows = []
    for run in runs:
        for name, size, figures in run.exports:
            threads = min(figures.get("latency", {}), key=int, default=None)
            if threads:
                time = f"{figures['latency'][threads]['median_ms']:.1f} ms, {plural(int(threads), 'thread')}"
            else:
                seconds = figures.get("seconds_per_example")
                time = "" if seconds is None else f"{1e3 * seconds:.1f} ms"
            psnr = figures.get("psnr")
            rows.append([run.name, name, size_text(size), time, "" if psnr is None else psnr_text(psnr)])
    return rows


def _address(run: RunRecord, out: Path) -> str:
    """Address of a page of the run, relative to the comparison; "" if it has none."""
    for file in (PAGE_FILE, "samples/index.html"):
        if (run.folder / file).is_file() and (run.folder / file).resolve() != out.resolve():
            return address_of(run.folder / file, out.parent)
    return ""


def _embedded(sheet: Path) -> bytes | None:
    """A sheet, reduced in size, as a PNG; None if it is damaged."""
    try:
        with Image.open(sheet) as picture:
            shown = picture.convert("RGB")
    except OSError:
        return None
    shown.thumbnail((_SHEET_SIDE, _SHEET_SIDE), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    shown.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _size(path: Path) -> int:
    return sum(file.stat().st_size for file in path.rglob("*")) if path.is_dir() else path.stat().st_size


def _written(path: Path, content: str) -> Path:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(path, content)
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror or error}.") from None
    return path
