"""Where aligned pairs come from: a SPEC is resolved into encoded bytes that can be reached by number."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf

from keras_gen.data.images import IMAGE_SUFFIXES, list_images
from keras_gen.errors import UserError

ACCEPTED = (
    "'facades', a folder of side-by-side images, a folder with A/ and B/ (or trainA/ and trainB/), two folders "
    "'PATH_A,PATH_B', 'tfds:NAME[:SPLIT]', 'tfrecord:GLOB[,GLOB...]' or a folder written by apps.pack_data"
)


@dataclass(frozen=True)
class Source:
    """N pairs of encoded images.

    Attributes:
      names: what to call each pair in messages, a file's path wherever there is one.
      encoded: a graph function, int64 scalar index -> two string scalars (A, B); B is "" when A holds both side by
        side, left half and right half.
    """

    names: Sequence[str]
    encoded: Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]


@dataclass(frozen=True)
class Split:
    """The training and the validation pairs and, in words, how they were told apart."""

    train: Source
    train_indices: np.ndarray
    validation: Source
    validation_indices: np.ndarray
    rule: str


def side_by_side(files: Sequence[Path]) -> Source:
    """One image per pair, A in its left half and B in its right half."""
    names = [str(file) for file in files]
    paths = tf.constant(names)
    return Source(names, lambda index: (tf.io.read_file(paths[index]), tf.constant("")))


def parallel(files: Sequence[tuple[Path, Path]]) -> Source:
    """Two images per pair."""
    paths = tf.constant([[str(a), str(b)] for a, b in files])

    def encoded(index: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return tf.io.read_file(paths[index, 0]), tf.io.read_file(paths[index, 1])

    return Source([f"{a} and {b}" for a, b in files], encoded)


def held_back(source: Source, every: int, what: str) -> Split:
    """Splits one source: of every `every` pairs in order of name, the last goes to validation (at least one does)."""
    size = len(source.names)
    if size < 2:
        raise UserError(f"{what} holds {size} pair, and at least 2 are needed, one of them for validation.")
    indices = np.arange(size)
    chosen = indices % every == every - 1
    chosen[-1] |= not chosen.any()
    rule = f"every {every}th of {size} by name is held back for validation"
    return Split(source, indices[~chosen], source, indices[chosen], rule)


def folder_split(folder: Path, val_every: int) -> Split:
    """The pairs of a folder in any of the layouts of `ACCEPTED`.

    `train/` (or trainA/, A/train/) is for training, `val/` or else `test/` for validation. Without them `held_back`
    splits what there is.

    Raises:
      UserError: no such folder, no images in it, or A and B that do not match.
    """
    if not folder.is_dir():
        raise UserError(f"--data {folder}: there is no such folder, and accepted are {ACCEPTED}.")
    for a, b in (("A", "B"), ("trainA", "trainB")):
        if (folder / a).is_dir() and (folder / b).is_dir():
            break
    else:
        return _split_by_subfolder(
            folder, [folder], lambda folders: side_by_side(_images(folders[0])), val_every
        )
    if a == "A":
        return parallel_split(folder / "A", folder / "B", val_every)
    train = parallel(_matched(folder / a, folder / b))
    for name in ("val", "test"):
        if (folder / f"{name}A").is_dir() and (folder / f"{name}B").is_dir():
            held = parallel(_matched(folder / f"{name}A", folder / f"{name}B"))
            return _given(train, held, f"{a}/, {b}/ and {name}A/, {name}B/")
    return held_back(train, val_every, str(folder))


def parallel_split(folder_a: Path, folder_b: Path, val_every: int) -> Split:
    """The pairs of two folders whose images have the same stems, each flat or with train/ and val/ or test/."""
    for folder in (folder_a, folder_b):
        if not folder.is_dir():
            raise UserError(f"--data: {folder} is not a folder, and accepted are {ACCEPTED}.")
    folders = [folder_a, folder_b]
    return _split_by_subfolder(folder_a, folders, lambda pair: parallel(_matched(*pair)), val_every)


def _split_by_subfolder(
    what: Path, folders: list[Path], source: Callable[[list[Path]], Source], val_every: int
) -> Split:
    def subfolders(name: str) -> list[Path]:
        return [folder / name for folder in folders if (folder / name).is_dir()]

    train = subfolders("train")
    if len(train) < len(folders):
        return held_back(source(folders), val_every, str(what))
    for name in ("val", "test"):
        held = subfolders(name)
        if len(held) == len(folders):
            return _given(source(train), source(held), f"train/ and {name}/")
    return held_back(source(train), val_every, str(what / "train"))


def _given(train: Source, validation: Source, rule: str) -> Split:
    return Split(train, np.arange(len(train.names)), validation, np.arange(len(validation.names)), rule)


def _images(folder: Path) -> list[Path]:
    files = list_images(folder)
    if not files:
        inside = sorted(child.name for child in folder.iterdir())[:5]
        found = f"only {', '.join(inside)}" if inside else "nothing"
        raise UserError(
            f"{folder} holds {found}, and images ({' '.join(IMAGE_SUFFIXES)}) are looked for there."
        )
    return files


def _matched(folder_a: Path, folder_b: Path) -> list[tuple[Path, Path]]:
    by_stem_a, by_stem_b = (_by_stem(folder) for folder in (folder_a, folder_b))
    common = [stem for stem in by_stem_a if stem in by_stem_b]
    if not common:
        raise UserError(
            f"{folder_a} ({len(by_stem_a)} images: {_three(by_stem_a)}) and {folder_b} ({len(by_stem_b)} images: "
            f"{_three(by_stem_b)}) have no file name in common, suffixes aside, and pairs are matched by it."
        )
    return [(by_stem_a[stem], by_stem_b[stem]) for stem in common]


def _by_stem(folder: Path) -> dict[str, Path]:
    stems: dict[str, Path] = {}
    for file in _images(folder):
        if file.stem in stems:
            raise UserError(
                f"{folder} holds both {stems[file.stem].name} and {file.name}, and a pair is matched by one file "
                "of each name, suffixes aside."
            )
        stems[file.stem] = file
    return stems


def _three(stems: dict[str, Path]) -> str:
    return ", ".join([file.name for file in stems.values()][:3]) + (", ..." if len(stems) > 3 else "")
