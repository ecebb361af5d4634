"""Sequences in files: a CSV file, a folder of them, or NumPy's .npy and .npz files.

Files are untrusted: nothing is unpickled, size is limited, and errors name the line and column of a bad value.
"""

import csv
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

import numpy as np

from keras_gen.data.files.folders import shown
from keras_gen.data.files.numpy_files import described, read_arrays, require_size
from keras_gen.errors import UserError

ACCEPTED = "'waves[:SEED]', a .csv file, a folder of them, and a .npy or .npz file"
NORMAL = ""
"""The label of a normal sequence; in files, the words in `_NORMAL` mean the same."""

_MISSING = ("", "nan", "na", "n/a", "null", "none")  # cells of a CSV file without a value, in any letter case
_NORMAL = (*_MISSING, "0", "0.0", "false", "no", "normal")  # labels of normal sequences, in any letter case
_ANOMALOUS = ("1", "1.0", "true", "yes")  # labels of anomalies of an unnamed kind
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?|[+-]?inf(inity)?", re.ASCII | re.IGNORECASE)
_ARRAY_NAMES = ("x", "lengths", "labels")


@dataclass(frozen=True)
class Layout:
    """How to read a file of sequences.

    Attributes:
        columns: names of the feature columns, in any letter case; empty: all columns except the two below.
        id_column: column that identifies the sequence of each row; a file without it is a single sequence.
        label_column: column of labels: empty, 0, "false", "no" or "normal" for normal steps, else a kind of anomaly.
        interpolate: fill in missing values by linear interpolation instead of refusing them.
        window: cut sequences into pieces of this length [steps]; 0 leaves them whole.
        max_bytes: maximum size of files and arrays.
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
        values: float32 (n, longest, features), NaN after the end of each sequence and nowhere else.
        names: the names of the sequences, for messages.
        labels: NORMAL or the kind of anomaly of each; empty if the data have no labels.
        columns: names of the features.
    """

    values: np.ndarray
    names: tuple[str, ...]
    labels: tuple[str, ...]
    columns: tuple[str, ...]

    @property
    def lengths(self) -> np.ndarray:
        """Number of steps of each sequence, int (n,)."""
        return np.isfinite(self.values[..., 0]).sum(axis=1)

    def __getitem__(self, chosen: np.ndarray) -> "Sequences":
        """The sequences at these indices."""
        labels = tuple(self.labels[number] for number in chosen) if self.labels else ()
        return replace(self, values=self.values[chosen], names=tuple(self.names[n] for n in chosen), labels=labels)

    def padded(self, length: int) -> "Sequences":
        """The same sequences, with `values` padded to at least `length` steps."""
        more = max(0, length - self.values.shape[1])
        return replace(self, values=np.pad(self.values, ((0, 0), (0, more), (0, 0)), constant_values=np.nan))


@dataclass(frozen=True, eq=False)
class _One:
    """A sequence as read: float64 (steps, features), NaN for missing values, and a label for each step."""

    name: str
    values: np.ndarray
    labels: Sequence[str] | None


def read_files(spec: str, layout: Layout) -> Sequences:
    """Reads every sequence of a file or a folder.

    Args:
        spec: FILE.csv, FILE.npy, FILE.npz or a folder of .csv files.
        layout: see `Layout`.

    Raises:
        UserError: the file has another format, is damaged or lacks a column, a value is not a finite number, or a
            sequence has no steps.
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
        fault = "has an unknown format" if path.exists() else "does not exist"
        raise UserError(f"{shown(spec)} {fault}; accepted are {ACCEPTED}.")
    if not found:
        raise UserError(f"{shown(spec)} holds no sequence.")
    whole = [_filled(one, columns, layout, spec) for one in found]
    pieces = [piece for one in whole for piece in _cut(one, layout.window)]
    longest = max(len(piece.values) for piece in pieces)
    size = 4 * len(pieces) * longest * len(columns)
    if size > layout.max_bytes:
        raise UserError(
            f"{shown(spec)} needs {size / 2**30:.2f} GiB of memory as {len(pieces)} sequences of up to {longest} "
            f"steps; --cache-gib {layout.max_bytes / 2**30:g} is the limit, and --window STEPS cuts long sequences."
        )
    values = np.full((len(pieces), longest, len(columns)), np.nan, np.float32)
    for row, piece in zip(values, pieces, strict=True):
        row[: len(piece.values)] = piece.values
    labels = [next(filter(None, piece.labels or ()), NORMAL) for piece in pieces]
    known = any(piece.labels is not None for piece in pieces)
    return Sequences(values, tuple(piece.name for piece in pieces), tuple(labels) if known else (), columns)


def _filled(one: _One, columns: tuple[str, ...], layout: Layout, spec: str) -> _One:
    """The sequence with missing values filled in.

    Raises:
        UserError: the sequence has no steps, a value is missing and `interpolate` is off, a feature has no values at
            all, or a value exceeds the range of float32.
    """
    steps = np.arange(len(one.values))
    if not len(steps):
        raise UserError(f"{shown(spec)}: sequence '{shown(one.name)}' has no steps; accepted are 1 or more.")
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
    """Consecutive pieces of `window` steps; the last one overlaps its predecessor so that it has full length too."""
    steps = len(one.values)
    if not 0 < window < steps:
        yield one
        return
    for start in dict.fromkeys([*range(0, steps - window, window), steps - window]):
        piece = slice(start, start + window)
        labels = None if one.labels is None else one.labels[piece]
        yield _One(f"{one.name}[{start}:{start + window}]", one.values[piece], labels)


def _kind(label: object) -> str:
    """NORMAL, "1" for an anomaly of an unnamed kind, or the kind as written in the file."""
    text = str(label).strip()
    return NORMAL if text.lower() in _NORMAL else "1" if text.lower() in _ANOMALOUS else text


def _place(header: Sequence[str], name: str) -> int | None:
    """Index of a column: an exact match, or else the only match that ignores letter case."""
    if name in header:
        return header.index(name)
    alike = [number for number, cell in enumerate(header) if cell.lower() == name.lower()]
    return alike[0] if len(alike) == 1 else None


def _chosen(header: Sequence[str], wanted: tuple[str, ...], named: bool, what: str) -> list[int]:
    """Indices of the wanted columns. In a file without column names, all columns, if their number is right.

    Raises:
        UserError: a column is missing.
    """
    if None not in (places := [_place(header, name) for name in wanted]):
        return places
    if not named and len(header) == len(wanted):
        return list(range(len(header)))
    here = f"the columns {', '.join(map(shown, header))}" if named else f"{len(header)} columns without names"
    raise UserError(f"{what} has {here}; the columns {', '.join(map(shown, wanted))} are needed.")


# -- CSV ---------------------------------------------------------------------------------------------------------------


def _read_folder(folder: Path, layout: Layout) -> tuple[tuple[str, ...], list[_One]]:
    """All .csv files directly in a folder, sorted by name."""
    files = sorted(
        file
        for file in folder.iterdir()
        if file.suffix.lower() == ".csv" and not file.name.startswith(".") and file.is_file()
    )
    if not files:
        raise UserError(f"{shown(folder)} holds no .csv files; accepted are {ACCEPTED}.")
    columns, found = _read_csv(files[0], files[0].stem, layout)
    for file in files[1:]:
        # In the order of the first file, whatever the order in this one.
        found += _read_csv(file, file.stem, replace(layout, columns=columns))[1]
    return columns, found


def _read_csv(path: Path, name: str, layout: Layout) -> tuple[tuple[str, ...], list[_One]]:
    """Names of the features, and one sequence for each value in the ID column, or one for the whole file."""
    require_size(path.stat().st_size, layout.max_bytes, path)
    rows = _rows(path)
    _, first = begin = next(rows, (1, []))
    if not first:
        raise UserError(f"{shown(path)} is empty; accepted is a CSV file with a row for each step.")
    named = not all(_is_number(cell) or _is_missing(cell) for cell in first)
    header = [cell.strip() for cell in first] if named else [str(1 + n) for n in range(len(first))]
    if len(set(header)) < len(header):
        twice = next(cell for cell in header if header.count(cell) > 1)
        raise UserError(f"{shown(path)} has two columns named '{shown(twice)}'; accepted are different names.")
    others = [_place(header, column) for column in (layout.id_column, layout.label_column)] if named else []
    wanted = layout.columns or tuple(cell for number, cell in enumerate(header) if number not in others)
    if not wanted:
        raise UserError(f"{shown(path)} has no feature columns, only {', '.join(map(shown, header))}.")
    places = _chosen(header, wanted, named, shown(path))
    ids, labels = (None if number in places else number for number in others or (None, None))
    hint = "" if layout.columns else ", and --columns selects the columns to read"
    values: dict[str, list[list[float]]] = {} if ids is not None else {name: []}
    kinds: dict[str, list[str]] = {}
    for line, row in rows if named else chain([begin], rows):
        if not row and len(header) > 1:  # an empty line; a row of empty cells would have commas
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
    """Line number and cells of every row; [] for an empty line between others, which is a missing value if there is
    only one column."""
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
        raise UserError(f"{shown(path)} is not a CSV file ({error}).") from None
    except OSError as error:
        raise UserError(f"{shown(path)} cannot be read: {error.strerror or error}.") from None


def _is_number(cell: str) -> bool:
    """Whether a cell is a decimal number. `float` would also accept "1_0" and the digits of other scripts."""
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
    """A .npy file of values, or a .npz file of `x` and optionally `lengths` and `labels`."""
    there = read_arrays(path, layout.max_bytes, name="x", wanted=_ARRAY_NAMES.__contains__)
    if "x" not in there:
        raise UserError(
            f"{shown(path)} holds {', '.join(map(shown, list(there)[:8])) or 'nothing'}; accepted are x and "
            "optionally lengths and labels."
        )
    values = there["x"]
    shaped = values[..., np.newaxis] if values.ndim == 2 else values
    if values.dtype.kind not in "fiu" or shaped.ndim != 3 or not shaped.shape[2]:
        raise UserError(
            f"{shown(path)} holds {described(values)}; accepted are numbers of shape (number, steps) or (number, "
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
                f"lengths of {shown(path)} range from {lengths.min()} to {lengths.max()}; accepted are 0 to "
                f"{shaped.shape[1]}, the number of steps of x."
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
            f"{name} of {shown(path)} is {described(array)}; accepted is one value for each of the {count} sequences."
        )
