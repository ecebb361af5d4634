"""Sequences in files: CSV, one file or a folder of them, and NumPy's .npy and .npz.

Files are untrusted: nothing is unpickled, no more is read than asked for, and what is no number is named by its place.
"""

import csv
import math
import re
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

import numpy as np

from keras_gen.data.files.folders import shown
from keras_gen.errors import UserError

ACCEPTED = "'waves[:SEED]', a .csv file, a folder of them, and a .npy or .npz file"
NORMAL = ""
"""The label of a normal sequence; in files also the words of `_NORMAL`."""

_MISSING = ("", "nan", "na", "n/a", "null", "none")  # cells of a CSV file, whatever their case
_NORMAL = (*_MISSING, "0", "0.0", "false", "no", "normal")  # labels, whatever their case
_ANOMALOUS = ("1", "1.0", "true", "yes")  # labels that name no kind
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?|[+-]?inf(inity)?", re.ASCII | re.IGNORECASE)
_ARRAY_NAMES = ("x", "lengths", "labels")
_DAMAGE = (OSError, EOFError, ValueError, KeyError, NotImplementedError, MemoryError, zlib.error, zipfile.BadZipFile)


@dataclass(frozen=True)
class Layout:
    """What in a file is what, and what becomes of it.

    Attributes:
      columns: names of the features in their order; empty: all columns but the two below. Names are found in any case.
      id_column: whose rows of one value are one sequence; without it a file is one.
      label_column: what a row shows: nothing, 0, "false", "no" or "normal", else a kind of anomaly.
      interpolate: fill missing values between their neighbours instead of refusing them.
      window: cut sequences into pieces of so many steps; 0 leaves them whole.
      most_bytes: refuse files and arrays that are larger.
    """

    columns: tuple[str, ...] = ()
    id_column: str = "id"
    label_column: str = "label"
    interpolate: bool = False
    window: int = 0
    max_bytes: int = 2**30


@dataclass(frozen=True, eq=False)
class Sequences:
    """Sequences of different lengths.

    Attributes:
      values: float32 (n, longest, features), NaN from the end of each one on and nowhere else.
      names: of each, for people.
      labels: of each, NORMAL or the kind of anomaly; empty where nobody said.
      columns: names of the features.
    """

    values: np.ndarray
    names: tuple[str, ...]
    labels: tuple[str, ...]
    columns: tuple[str, ...]

    @property
    def lengths(self) -> np.ndarray:
        """Steps of each, int (n,)."""
        return np.isfinite(self.values[..., 0]).sum(axis=1)

    def __getitem__(self, chosen: np.ndarray) -> "Sequences":
        """Those of these numbers."""
        labels = tuple(self.labels[number] for number in chosen) if self.labels else ()
        return replace(self, values=self.values[chosen], names=tuple(self.names[n] for n in chosen), labels=labels)

    def padded(self, length: int) -> "Sequences":
        """The same with at least `length` steps in `values`."""
        more = max(0, length - self.values.shape[1])
        return replace(self, values=np.pad(self.values, ((0, 0), (0, more), (0, 0)), constant_values=np.nan))


@dataclass(frozen=True, eq=False)
class _One:
    """One sequence as it was read: float64 (steps, features), NaN where a value is missing; a label for each step."""

    name: str
    values: np.ndarray
    labels: Sequence[str] | None


def read_files(spec: str, layout: Layout) -> Sequences:
    """Reads every sequence of a file or a folder.

    Args:
      spec: FILE.csv, FILE.npy, FILE.npz or a folder of .csv files.
      layout: see `Layout`.

    Raises:
      UserError: the file is of another kind or damaged, lacks a column, holds something else than finite numbers where
        numbers are wanted, or a sequence without a step.
    """
    path = Path(spec).expanduser()
    suffix = path.suffix.lower()
    if path.is_dir():
        columns, found = _read_folder(path, layout)
    elif path.is_file() and suffix == ".csv":
        columns, found = _read_csv(path, path.stem, layout)
    elif path.is_file() and suffix in (".npy", ".npz"):
        columns, found = _read_arrays(path, layout)
    else:
        fault = "is no file of a known kind" if path.exists() else "does not exist"
        raise UserError(f"{shown(spec)} {fault}; accepted are {ACCEPTED}.")
    if not found:
        raise UserError(f"{shown(spec)} holds no sequence.")
    whole = [_filled(one, columns, layout, spec) for one in found]
    pieces = [piece for one in whole for piece in _cut(one, layout.window)]
    longest = max(len(piece.values) for piece in pieces)
    size = 4 * len(pieces) * longest * len(columns)
    if size > layout.max_bytes:
        raise UserError(
            f"{shown(spec)} takes {size / 2**30:.2f} GiB as {len(pieces)} sequences of up to {longest} steps, and "
            f"--cache-gib {layout.max_bytes / 2**30:g} accepts no more than that in memory; --window STEPS cuts long "
            "ones."
        )
    values = np.full((len(pieces), longest, len(columns)), np.nan, np.float32)
    for row, piece in zip(values, pieces, strict=True):
        row[: len(piece.values)] = piece.values
    labels = [next(filter(None, piece.labels or ()), NORMAL) for piece in pieces]
    known = any(piece.labels is not None for piece in pieces)
    return Sequences(values, tuple(piece.name for piece in pieces), tuple(labels) if known else (), columns)


def _filled(one: _One, columns: tuple[str, ...], layout: Layout, spec: str) -> _One:
    """The sequence without missing values.

    Raises:
      UserError: it has no steps, a value is missing and nobody asked to fill it in, or none is there to do so from, or
        one is beyond what float32 holds.
    """
    steps = np.arange(len(one.values))
    if not len(steps):
        raise UserError(f"{shown(spec)}: sequence '{shown(one.name)}' has no steps; accepted are 1 and more.")
    missing = np.isnan(one.values)
    if missing.any():
        step, column = np.argwhere(missing)[0]
        if not layout.interpolate or missing.all(axis=0).any():
            column = int(missing.all(axis=0).argmax()) if layout.interpolate else column
            what = "no value" if layout.interpolate else f"no value at step {step}"
            cure = "at least one" if layout.interpolate else "numbers, or --missing interpolate"
            raise UserError(
                f"{shown(spec)}: sequence '{shown(one.name)}' has {what} in column '{shown(columns[column])}'; "
                f"accepted are {cure}."
            )
        filled = [
            np.interp(steps, steps[~gone], values[~gone]) for gone, values in zip(missing.T, one.values.T, strict=True)
        ]
        one = replace(one, values=np.stack(filled, axis=1))
    if (large := np.argwhere(~(np.abs(one.values) <= np.finfo(np.float32).max))).size:
        step, column = large[0]
        raise UserError(
            f"{shown(spec)}: sequence '{shown(one.name)}' has {one.values[step, column]:g} at step {step} of column "
            f"'{shown(columns[column])}'; accepted are finite numbers of up to 3.4e38."
        )
    return one


def _cut(one: _One, window: int) -> Iterator[_One]:
    """Pieces of `window` steps one after the other; the last begins earlier, so that it is a whole one too."""
    steps = len(one.values)
    if not 0 < window < steps:
        yield one
        return
    for start in dict.fromkeys([*range(0, steps - window, window), steps - window]):
        piece = slice(start, start + window)
        labels = None if one.labels is None else one.labels[piece]
        yield _One(f"{one.name}[{start}:{start + window}]", one.values[piece], labels)


def _kind(label: object) -> str:
    """NORMAL, "1" for an anomaly of no kind, or the kind as it is written."""
    text = str(label).strip()
    return NORMAL if text.lower() in _NORMAL else "1" if text.lower() in _ANOMALOUS else text


def _place(header: Sequence[str], name: str) -> int | None:
    """The number of a column: the name as it is, or else the only one that differs in its case alone."""
    if name in header:
        return header.index(name)
    alike = [number for number, cell in enumerate(header) if cell.lower() == name.lower()]
    return alike[0] if len(alike) == 1 else None


def _chosen(header: Sequence[str], wanted: tuple[str, ...], named: bool, what: str) -> list[int]:
    """Numbers of the wanted columns; where they have no names, all of them, if they are as many.

    Raises:
      UserError: one is not there.
    """
    if None not in (places := [_place(header, name) for name in wanted]):
        return places
    if not named and len(header) == len(wanted):
        return list(range(len(header)))
    here = f"columns {', '.join(map(shown, header))}" if named else f"{len(header)} columns without names"
    raise UserError(f"{what} has the {here}, and asked for are {', '.join(map(shown, wanted))}.")


# -- CSV ---------------------------------------------------------------------------------------------------------------


def _read_folder(folder: Path, layout: Layout) -> tuple[tuple[str, ...], list[_One]]:
    """Every .csv file directly in a folder, in order of name."""
    files = sorted(
        file
        for file in folder.iterdir()
        if file.suffix.lower() == ".csv" and not file.name.startswith(".") and file.is_file()
    )
    if not files:
        raise UserError(f"{shown(folder)} holds no .csv files; accepted are {ACCEPTED}.")
    columns, found = _read_csv(files[0], files[0].stem, layout)
    for file in files[1:]:
        # As the first has them, whatever their order is here.
        found += _read_csv(file, file.stem, replace(layout, columns=columns))[1]
    return columns, found


def _read_csv(path: Path, name: str, layout: Layout) -> tuple[tuple[str, ...], list[_One]]:
    """Names of the features, and one sequence for the file or for each value of the column of ids."""
    _refuse_large(path.stat().st_size, layout.max_bytes, path)
    rows = _rows(path)
    _, first = begin = next(rows, (1, []))
    if not first:
        raise UserError(f"{shown(path)} is empty; accepted is a CSV file with a row for each step.")
    named = not all(_is_number(cell) or _is_missing(cell) for cell in first)
    header = [cell.strip() for cell in first] if named else [str(1 + n) for n in range(len(first))]
    if len(set(header)) < len(header):
        twice = next(cell for cell in header if header.count(cell) > 1)
        raise UserError(f"{shown(path)} names the column '{shown(twice)}' twice; accepted are names that differ.")
    others = [_place(header, column) for column in (layout.id_column, layout.label_column)] if named else []
    wanted = layout.columns or tuple(cell for number, cell in enumerate(header) if number not in others)
    if not wanted:
        raise UserError(f"{shown(path)} has only the columns {', '.join(map(shown, header))}, and no numbers.")
    places = _chosen(header, wanted, named, shown(path))
    ids, labels = (None if number in places else number for number in others or (None, None))
    hint = "" if layout.columns else ", and --columns names the columns that hold them"
    values: dict[str, list[list[float]]] = {} if ids is not None else {name: []}
    kinds: dict[str, list[str]] = {}
    for line, row in rows if named else chain([begin], rows):
        if not row and len(header) > 1:  # no row of empty cells, which has its commas
            continue
        row = row or [""]
        if len(row) != len(header):
            raise UserError(f"{shown(path)} has {len(row)} cells in line {line}; accepted are {len(header)}.")
        key = name if ids is None else row[ids].strip()
        values.setdefault(key, []).append([_number(row[n], header[n], line, path, hint) for n in places])
        if labels is not None:
            kinds.setdefault(key, []).append(_kind(row[labels]))
    found = [
        _One(key, np.array(steps, np.float64).reshape(-1, len(places)), kinds.get(key)) for key, steps in values.items()
    ]
    return wanted, found


def _rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Number of the line and cells of every row; [] for an empty line between others, in one column a missing value."""
    empty: list[tuple[int, list[str]]] = []
    begun = False
    try:
        with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
            reader = csv.reader(file)
            for row in reader:
                if not any(map(str.strip, row)) and len(row) < 2:
                    empty.append((reader.line_num, []))
                    continue
                yield from empty if begun else ()
                empty, begun = [], True
                yield reader.line_num, row
    except csv.Error as error:
        raise UserError(f"{shown(path)} is no CSV file ({error}).") from None
    except OSError as error:
        raise UserError(f"{shown(path)} cannot be read: {error.strerror or error}.") from None


def _is_number(cell: str) -> bool:
    """Whether a cell is a number as files write it: not "1_0", nor digits of other scripts, which `float` takes too."""
    return _NUMBER.fullmatch(cell.strip()) is not None


def _is_missing(cell: str) -> bool:
    return cell.strip().lower() in _MISSING


def _number(cell: str, column: str, line: int, path: Path, hint: str) -> float:
    text = cell.strip()
    if _is_missing(text):
        return math.nan
    if not _is_number(text):
        raise UserError(
            f"{shown(path)} has '{shown(text[:40])}' in line {line} of column '{shown(column)}'; accepted are "
            f"numbers{hint}."
        )
    return float(text)


# -- NumPy -------------------------------------------------------------------------------------------------------------


def _read_arrays(path: Path, layout: Layout) -> tuple[tuple[str, ...], list[_One]]:
    """A .npy of values, or a .npz of `x` and, if there are any, `lengths` and `labels`."""
    single = path.suffix.lower() == ".npy"
    try:
        if single:
            _refuse_large(path.stat().st_size, layout.max_bytes, path)
            there = {"x": np.load(path, allow_pickle=False)}
        else:
            with zipfile.ZipFile(path) as archive:
                _refuse_large(sum(member.file_size for member in archive.infolist()), layout.max_bytes, path)
            with np.load(path, allow_pickle=False) as archive:
                there = {name: archive[name] if name in _ARRAY_NAMES else None for name in archive.files}
    except _DAMAGE as error:
        raise UserError(f"{shown(path)} is damaged, no NumPy file, or holds objects instead of numbers.") from error
    if "x" not in there:
        raise UserError(
            f"{shown(path)} holds {', '.join(map(shown, list(there)[:8])) or 'nothing'}; accepted are x and, beside "
            "it, lengths and labels."
        )
    values = there["x"]
    shaped = values[..., np.newaxis] if values.ndim == 2 else values
    if values.dtype.kind not in "fiu" or shaped.ndim != 3 or not shaped.shape[2]:
        raise UserError(
            f"{shown(path)} holds {_described(values)}; accepted are numbers of shape (number, steps) or (number, "
            "steps, features)."
        )
    header = [str(1 + n) for n in range(shaped.shape[2])]
    places = _chosen(header, layout.columns, False, shown(path)) if layout.columns else list(range(len(header)))
    shaped = shaped[..., places].astype(np.float64)
    there_at = ~np.isnan(shaped).all(axis=2)
    ends = np.where(there_at, 1 + np.arange(shaped.shape[1]), 0).max(axis=1, initial=0)
    if (lengths := there.get("lengths")) is not None:
        _require_vector(lengths, "lengths", "iu", len(shaped), path)
        if len(lengths) and not 0 <= lengths.min() <= lengths.max() <= shaped.shape[1]:
            raise UserError(
                f"lengths of {shown(path)} run from {lengths.min()} to {lengths.max()}; accepted are up to "
                f"{shaped.shape[1]}, the steps of x."
            )
        ends = lengths
    if (labels := there.get("labels")) is not None:
        _require_vector(labels, "labels", "iuUbf", len(shaped), path)
        labels = [_kind(label) for label in labels]
    found = [
        _One(str(number), one[:end], None if labels is None else [labels[number]] * int(end))
        for number, (one, end) in enumerate(zip(shaped, ends, strict=True))
    ]
    return layout.columns or tuple(header), found


def _require_vector(array: np.ndarray, name: str, kinds: str, count: int, path: Path) -> None:
    if array.dtype.kind not in kinds or array.shape != (count,):
        raise UserError(
            f"{name} of {shown(path)} is {_described(array)}; accepted is one for each of {count} sequences."
        )


def _described(array: np.ndarray) -> str:
    return f"an array of type {array.dtype} and shape {array.shape}"


def _refuse_large(size: int, max_bytes: int, file: Path) -> None:
    if size > max_bytes:
        raise UserError(
            f"{shown(file)} holds {size / 2**30:.2f} GiB, and --cache-gib {max_bytes / 2**30:g} accepts no more than "
            "that in memory."
        )
