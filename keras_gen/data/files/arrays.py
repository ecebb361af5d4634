"""Images that lie in one array: idx files (the layout of MNIST) and NumPy's .npy and .npz.

Files are untrusted: headers are compared with what follows, nothing is unpickled, and no more is read than asked for.
"""

from __future__ import annotations

import gzip
import math
import re
import struct
import zipfile
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from keras_gen.data.files.folders import shown
from keras_gen.data.files.parts import not_used, part_in, part_of, sort_parts
from keras_gen.errors import UserError

MOST_CLASSES = 65536

NAMES = "images and labels, x and y, or both with train, val or test, as x_train, test_labels or images_val"
_KINDS = {
    **dict.fromkeys(("x", "images", "image", "data"), "images"),
    **dict.fromkeys(("y", "labels", "label"), "labels"),
    "classes": "classes",
}

_UNSIGNED_BYTE = 8  # idx's code of the only type that images and labels have
_IDX = re.compile(r"(?P<part>.*?)images(?P<kind>[-._]idx)[34](?P<rest>-ubyte(?:\.gz)?)", re.IGNORECASE)
_DAMAGE = (OSError, EOFError, ValueError, KeyError, NotImplementedError, MemoryError, zlib.error, zipfile.BadZipFile)


@dataclass(frozen=True, eq=False)
class Arrays:
    """Images of one size and their labels, -1 where there are none.

    Attributes:
      images: uint8 or uint16 (n, height, width, 1, 3 or 4).
      labels: int32 (n,).
    """

    images: np.ndarray
    labels: np.ndarray


@dataclass(frozen=True)
class ArrayParts:
    """The parts of one data set; `held` is None if nothing is set apart, `unused` says what nothing is read from."""

    train: Arrays
    held: Arrays | None
    classes: tuple[str, ...]
    rule: str
    unused: str = ""


def holds_idx(folder: Path) -> bool:
    """Whether a folder has idx files of images."""
    return any(_IDX.fullmatch(file.name) for file in folder.iterdir())


def read_idx(path: Path, max_bytes: int) -> ArrayParts:
    """Reads a file of images, or a folder of those of training and of t10k, test or val; labels are found by name.

    Args:
      path: such as train-images-idx3-ubyte.gz; its labels are train-labels-idx1-ubyte, with or without .gz.
      max_bytes: refuse more pixels than that, a guard against headers that lie and files that inflate.

    Raises:
      UserError: a file is damaged, or of another kind, or labels do not fit.
    """
    folder, names = (
        (path, sorted(file.name for file in path.iterdir())) if path.is_dir() else (path.parent, [path.name])
    )
    parts: dict[str, list[Path]] = {}
    for match in filter(None, map(_IDX.fullmatch, names)):
        parts.setdefault(part_in(match["part"]) or "train", []).append(folder / match.string)
    if path.is_file():
        parts = {"train": [path]}
    for files in parts.values():
        if len(files) > 1:
            raise UserError(
                f"{shown(folder)} holds both {shown(files[0].name)} and {shown(files[1].name)}; accepted is one file "
                "of images for each part, or the name of one file."
            )
    found = {part: _idx_pair(files[0], max_bytes) for part, files in parts.items() if files}
    return _parts(found, None, path)


def read_numpy(path: Path, max_bytes: int) -> ArrayParts:
    """Reads a .npy of images, or a .npz of arrays with the names of NAMES, whatever their case; `classes` there may
    name the labels.

    Raises:
      UserError: the file is damaged, or its arrays are not images and labels.
    """
    single = path.suffix.lower() == ".npy"
    try:
        if single:
            _refuse_large(path.stat().st_size, max_bytes, path)
            there = {"images": np.load(path, allow_pickle=False)}
        else:
            with zipfile.ZipFile(path) as archive:
                _refuse_large(sum(member.file_size for member in archive.infolist()), max_bytes, path)
            with np.load(path, allow_pickle=False) as archive:
                there = {name: archive[name] if _meaning(name) else None for name in archive.files}
    except _DAMAGE as error:
        raise UserError(f"{shown(path)} is damaged, no NumPy file, or holds objects instead of numbers.") from error
    found, classes, unused = _meanings(there, path)
    if "train" not in found:
        raise UserError(
            f"{shown(path)} holds {', '.join(map(shown, list(there)[:8])) or 'nothing'}; accepted are {NAMES}."
        )
    checked = {}
    for part, arrays in found.items():
        labels = arrays.get("labels")
        named = shown(path) if single else f"{arrays['images']} of {shown(path)}"
        checked[part] = _checked(there[arrays["images"]], there[labels] if labels else None, named)
    return _parts(checked, there[classes] if classes else None, path, unused)


def _meaning(name: str) -> tuple[str, str] | None:
    """What an array of a .npz file is, by the words of its name: (part, images, labels or classes); "" is no part."""
    words = [word for word in re.split(r"[\W_]+", name.lower()) if word]
    parts, kinds = [[known for word in words if (known := of(word))] for of in (part_of, _KINDS.get)]
    if len(parts) + len(kinds) != len(words) or len(kinds) != 1 or len(parts) > 1:
        return None
    return (parts[0] if parts else "", kinds[0])


def _meanings(there: Iterable[str], path: Path) -> tuple[dict[str, dict[str, str]], str, list[str]]:
    """Names of a part's images and labels by part, that of the classes' names, and those nothing is read from.

    Raises:
      UserError: two arrays have one meaning.
    """
    found: dict[str, dict[str, str]] = {}
    classes, unused = "", []
    for name in there:
        part, kind = _meaning(name) or ("", "")
        if kind == "classes" and not part:
            classes = name
        elif kind in ("images", "labels"):
            other = found.setdefault(part or "train", {}).setdefault(kind, name)
            if other != name:
                raise UserError(
                    f"{shown(path)} holds both {shown(other)} and {shown(name)}; accepted is one array of {kind} for "
                    "each part."
                )
        else:
            unused.append(name)
    unused += [name for part in found.values() if "images" not in part for name in part.values()]
    return {part: names for part, names in found.items() if "images" in names}, classes, unused


def _parts(found: dict[str, Arrays], names: np.ndarray | None, path: Path, unused: Sequence[str] = ()) -> ArrayParts:
    """The parts with labels from 0 on: whatever whole numbers they are in the file, each that training has is a class.

    With names of classes the labels are their numbers; otherwise they are named by their own, and none is made up for
    numbers that do not occur.
    """
    if "train" not in found:
        raise UserError(f"{shown(path)} holds no images for training, only {' and '.join(found)}.")
    parts = sort_parts(found, path)
    if names is not None and (names.ndim != 1 or names.dtype.kind != "U"):
        raise UserError(f"classes of {shown(path)} is {_described(names)}; accepted is a vector of strings.")
    present = np.unique(found["train"].labels)
    known = present[present >= 0] if names is None else np.arange(len(names))
    if len(known) > MOST_CLASSES:
        raise UserError(f"{shown(path)} has {len(known)} classes; accepted are at most {MOST_CLASSES}.")
    for part in filter(None, ("train", parts.held)):
        labels = found[part].labels
        if (strange := labels[(labels >= 0) & ~np.isin(labels, known)]).size:
            accepted = _accepted(known) if len(known) else "none, as training has none"
            raise UserError(
                f"{shown(path)} holds the label {strange.max()} for {part}; accepted are labels {accepted}."
            )
        numbers = np.where(labels < 0, -1, np.searchsorted(known, labels)).astype(np.int32)
        found[part] = replace(found[part], labels=numbers)
    classes = tuple(map(str, known if names is None else names))
    rule = f"its own {parts.held} part" if parts.held else ""
    return ArrayParts(found["train"], found.get(parts.held), classes, rule, not_used([*unused, *parts.unused]))


def _accepted(known: np.ndarray) -> str:
    if known[-1] - known[0] == len(known) - 1:
        return f"from {known[0]} to {known[-1]}"
    return f"that training has, {', '.join(map(str, known[:8]))}{', ...' * (len(known) > 8)}"


def _checked(images: np.ndarray, labels: np.ndarray | None, name: str) -> Arrays:
    """`images` with a channel axis, in the order of this machine's bytes, and their labels.

    Raises:
      UserError: of another type or shape, or not as many of one as of the other.
    """
    shaped = images[..., np.newaxis] if images.ndim == 3 else images
    shaped = shaped.astype(shaped.dtype.newbyteorder("="), copy=False)
    if shaped.dtype not in (np.uint8, np.uint16) or shaped.ndim != 4 or shaped.shape[3] not in (1, 3, 4):
        raise UserError(
            f"{name} is {_described(images)}; accepted are images of type uint8 or uint16 and shape (number, height, "
            "width) or (number, height, width, 1, 3 or 4)."
        )
    if not shaped.size:
        raise UserError(f"{name} is {_described(images)}, which holds no images.")
    if labels is None:
        ids = np.full(len(images), -1, np.int32)
    else:
        flat = labels[:, 0] if labels.ndim == 2 and labels.shape[1] == 1 else labels
        if flat.dtype.kind not in "iub" or flat.ndim != 1:
            raise UserError(
                f"the labels of {name} are {_described(labels)}; accepted are whole numbers, one per image."
            )
        if len(flat) != len(images):
            raise UserError(f"{name} has {len(images)} images and {len(flat)} labels; accepted is one label per image.")
        if flat.min() < -1 or flat.max() >= 2**31:
            raise UserError(
                f"the labels of {name} run from {flat.min()} to {flat.max()}; accepted are numbers from 0 on, and -1 "
                "where there is none."
            )
        ids = flat.astype(np.int32)
    return Arrays(shaped, ids)


def _described(array: np.ndarray) -> str:
    return f"an array of type {array.dtype} and shape {array.shape}"


def _idx_pair(file: Path, max_bytes: int) -> Arrays:
    match = _IDX.fullmatch(file.name)
    labels = None
    if match:
        stem = f"{match['part']}labels{match['kind']}1-ubyte"
        labels = next((file.with_name(stem + end) for end in ("", ".gz") if file.with_name(stem + end).exists()), None)
    images = _read_idx(file, (3, 4), max_bytes)
    return _checked(images, None if labels is None else _read_idx(labels, (1,), max_bytes), shown(file))


def _read_idx(file: Path, ranks: tuple[int, ...], max_bytes: int) -> np.ndarray:
    try:
        with gzip.open(file) if file.suffix == ".gz" else file.open("rb") as stream:
            magic = stream.read(4)
            if len(magic) < 4 or magic[:3] != bytes([0, 0, _UNSIGNED_BYTE]) or magic[3] not in ranks:
                raise UserError(
                    f"{shown(file)} begins with {magic.hex() or 'nothing'}; accepted is an idx file of unsigned bytes "
                    f"in {' or '.join(map(str, ranks))} dimension{'s' * (ranks != (1,))}."
                )
            shape = struct.unpack(f">{magic[3]}I", stream.read(4 * magic[3]))
            size = math.prod(shape)
            _refuse_large(size, max_bytes, file)
            content = stream.read(size + 1)
    except struct.error as error:
        raise UserError(f"{shown(file)} ends within its header.") from error
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise UserError(f"{shown(file)} is damaged or ends early.") from error
    except OSError as error:
        raise UserError(f"{shown(file)} cannot be read: {error.strerror or error}.") from error
    if len(content) != size:
        holds = f"only {len(content):,}" if len(content) < size else "more"
        raise UserError(f"{shown(file)} announces {size:,} bytes in its header and holds {holds}.")
    return np.frombuffer(content, np.uint8).reshape(shape)


def _refuse_large(size: int, max_bytes: int, file: Path) -> None:
    if size > max_bytes:
        raise UserError(
            f"{shown(file)} holds {size / 2**30:.2f} GiB, and --cache-gib {max_bytes / 2**30:g} accepts no more than "
            "that in memory."
        )
