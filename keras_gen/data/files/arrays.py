"""Images in arrays: idx files (the format of MNIST) and NumPy's .npy and .npz files.

Files are untrusted: headers are compared with the data that follow, nothing is unpickled, and size is limited.
"""

from __future__ import annotations

import gzip
import math
import re
import struct
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from keras_gen.data.files.digests import digest
from keras_gen.data.files.folders import shown
from keras_gen.data.files.numpy_files import described, read_arrays, require_size
from keras_gen.data.files.parts import not_used, part_in, part_of, sort_parts
from keras_gen.errors import UserError

MAX_CLASSES = 65536

NAMES = "images and labels, or x and y, also combined with train, val or test, such as x_train or test_labels"
_KINDS = {
    **dict.fromkeys(("x", "images", "image", "data"), "images"),
    **dict.fromkeys(("y", "labels", "label"), "labels"),
    "classes": "classes",
}

_UNSIGNED_BYTE = 8  # the code of idx files for the only type that is accepted
_IDX = re.compile(r"(?P<part>.*?)images(?P<kind>[-._]idx)[34](?P<rest>-ubyte(?:\.gz)?)", re.IGNORECASE)


@dataclass(frozen=True, eq=False)
class Arrays:
    """Images of one size and their labels.

    Attributes:
        images: uint8 or uint16 (n, height, width, channels) with 1, 3 or 4 channels.
        labels: int32 (n,), -1 for images without a label.
    """

    images: np.ndarray
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.images)

    def identity(self) -> tuple[str | np.ndarray, ...]:
        """What identifies the images and labels in a digest."""
        return digest(self.images), self.labels.astype(np.int64)


@dataclass(frozen=True)
class ArrayParts:
    """The parts of one data set.

    Attributes:
        train, held: training and validation images; `held` is None if there is no validation part.
        classes: names of the labels 0, 1, ...; empty if there are none.
        rule: where the validation part comes from, in words.
        unused: a clause that lists the arrays or parts that are not read; see `parts.not_used`.
    """

    train: Arrays
    held: Arrays | None
    classes: tuple[str, ...]
    rule: str
    unused: str = ""


def holds_idx(folder: Path) -> bool:
    """Whether a folder contains idx files of images."""
    return any(_IDX.fullmatch(file.name) for file in folder.iterdir())


def read_idx(path: Path, max_bytes: int) -> ArrayParts:
    """Reads one idx file of images, or a folder with files for training and for validation (t10k, test or val).

    Labels are found by name: those of train-images-idx3-ubyte.gz are in train-labels-idx1-ubyte, with or without .gz.

    Args:
        path: a file or folder.
        max_bytes: maximum size of the images, as a guard against false headers and decompression bombs.

    Raises:
        UserError: a file is damaged or of another format, or the labels do not match the images.
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
                f"{shown(folder)} holds both {shown(files[0].name)} and {shown(files[1].name)}; accepted is one image "
                "file for each part, or the path of a single file."
            )
    found = {part: _idx_pair(files[0], max_bytes) for part, files in parts.items() if files}
    return _parts(found, None, path)


def read_numpy(path: Path, max_bytes: int) -> ArrayParts:
    """Reads a .npy file of images, or a .npz file with arrays named as in `NAMES`, in any letter case.

    An array `classes` of a .npz file contains the names of the classes.

    Raises:
        UserError: the file is damaged, or its arrays are not images and labels.
    """
    single = path.suffix.lower() == ".npy"
    there = read_arrays(path, max_bytes, name="images", wanted=_meaning)
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
    """(part, "images", "labels" or "classes") of an array, from the words of its name; part is "" if none is named."""
    if name == "arr_0":  # the only array of `np.savez(file, images)`
        return ("", "images")
    words = [word for word in re.split(r"[\W_]+", name.lower()) if word]
    parts, kinds = [[known for word in words if (known := of(word))] for of in (part_of, _KINDS.get)]
    if len(parts) + len(kinds) != len(words) or len(kinds) != 1 or len(parts) > 1:
        return None
    return (parts[0] if parts else "", kinds[0])


def _meanings(there: Iterable[str], path: Path) -> tuple[dict[str, dict[str, str]], str, list[str]]:
    """Sorts the names of arrays: images and labels of each part, the array of class names, and unused arrays.

    Raises:
        UserError: two arrays have the same meaning.
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
    """The parts, with labels renumbered from 0 without gaps.

    With class names, a label is an index into them. Without, each label that occurs in training becomes a class, which
    is named after its number in the file.
    """
    if "train" not in found:
        raise UserError(f"{shown(path)} holds no training images, only {' and '.join(found)}.")
    parts = sort_parts(found, path)
    if names is not None and (names.ndim != 1 or names.dtype.kind != "U"):
        raise UserError(f"classes of {shown(path)} is {described(names)}; accepted is a vector of strings.")
    present = np.unique(found["train"].labels)
    known = present[present >= 0] if names is None else np.arange(len(names))
    if len(known) > MAX_CLASSES:
        raise UserError(f"{shown(path)} has {len(known)} classes; accepted are at most {MAX_CLASSES}.")
    for part in filter(None, ("train", parts.held)):
        labels = found[part].labels
        if (strange := labels[(labels >= 0) & ~np.isin(labels, known)]).size:
            accepted = _accepted(known) if len(known) else "none, because the training images have none"
            raise UserError(
                f"{shown(path)} holds the label {strange.max()} in its {part} part; accepted are labels {accepted}."
            )
        numbers = np.where(labels < 0, -1, np.searchsorted(known, labels)).astype(np.int32)
        found[part] = replace(found[part], labels=numbers)
    classes = tuple(map(str, known if names is None else names))
    rule = f"its own {parts.held} part" if parts.held else ""
    return ArrayParts(found["train"], found.get(parts.held), classes, rule, not_used([*unused, *parts.unused]))


def _accepted(known: np.ndarray) -> str:
    if known[-1] - known[0] == len(known) - 1:
        return f"from {known[0]} to {known[-1]}"
    return f"of the training images: {', '.join(map(str, known[:8]))}{', ...' * (len(known) > 8)}"


def _checked(images: np.ndarray, labels: np.ndarray | None, name: str) -> Arrays:
    """Images with a channel axis, in native byte order, and their labels.

    Raises:
        UserError: the type or shape is not accepted, or the numbers of images and labels differ.
    """
    shaped = images[..., np.newaxis] if images.ndim == 3 else images
    shaped = shaped.astype(shaped.dtype.newbyteorder("="), copy=False)
    if shaped.dtype not in (np.uint8, np.uint16) or shaped.ndim != 4 or shaped.shape[3] not in (1, 3, 4):
        raise UserError(
            f"{name} is {described(images)}; accepted are images of type uint8 or uint16 and shape (number, height, "
            "width) or (number, height, width, channels) with 1, 3 or 4 channels."
        )
    if not shaped.size:
        raise UserError(f"{name} is {described(images)}, which holds no images.")
    if labels is None:
        ids = np.full(len(images), -1, np.int32)
    else:
        flat = labels[:, 0] if labels.ndim == 2 and labels.shape[1] == 1 else labels
        if flat.dtype.kind not in "iub" or flat.ndim != 1:
            raise UserError(f"the labels of {name} are {described(labels)}; accepted are integers, one per image.")
        if len(flat) != len(images):
            raise UserError(f"{name} has {len(images)} images and {len(flat)} labels; accepted is one label per image.")
        if flat.min() < -1 or flat.max() >= 2**31:
            raise UserError(
                f"the labels of {name} range from {flat.min()} to {flat.max()}; accepted are integers of at least 0, "
                "and -1 for images without a label."
            )
        ids = flat.astype(np.int32)
    return Arrays(shaped, ids)


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
                    f"{shown(file)} begins with the bytes {magic.hex() or '(none)'}; accepted is an idx file of "
                    f"unsigned bytes with {' or '.join(map(str, ranks))} dimension{'s' * (ranks != (1,))}."
                )
            shape = struct.unpack(f">{magic[3]}I", stream.read(4 * magic[3]))
            size = math.prod(shape)
            require_size(size, max_bytes, file)
            content = stream.read(size + 1)
    except struct.error as error:
        raise UserError(f"{shown(file)} is truncated within its header.") from error
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise UserError(f"{shown(file)} is truncated or damaged.") from error
    except OSError as error:
        raise UserError(f"{shown(file)} cannot be read: {error.strerror or error}.") from error
    if len(content) != size:
        holds = f"only {len(content):,}" if len(content) < size else "more"
        raise UserError(f"the header of {shown(file)} announces {size:,} bytes, but the file holds {holds}.")
    return np.frombuffer(content, np.uint8).reshape(shape)
