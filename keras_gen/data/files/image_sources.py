"""Sources of single images: resolves a SPEC to arrays, encoded files, or images that are generated on demand."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

import numpy as np
import tensorflow as tf

from keras_gen.data.builtin import glyphs, heads
from keras_gen.data.builtin.facades import facades_folder
from keras_gen.data.builtin.points import POINT_SETS, TRAIN, VALIDATION, Mixture, SwissRoll
from keras_gen.data.builtin.shapes import CLASSES, COUNT, Shapes
from keras_gen.data.files import splits
from keras_gen.data.files.arrays import ArrayParts, Arrays, holds_idx, read_idx, read_numpy
from keras_gen.data.files.codecs import read_image
from keras_gen.data.files.digests import of_files
from keras_gen.data.files.folders import SOUGHT, list_images, listing, shown, walk
from keras_gen.data.files.parts import in_order, not_used, part_of, sort_parts
from keras_gen.data.files.records import Records
from keras_gen.data.files.splits import given, hold_out
from keras_gen.errors import UserError

ACCEPTED = (
    "'glyphs', 'digits', 'shapes', 'facades', 'heads', 'ring', 'grid', 'swiss-roll', a folder of images or of one "
    "subfolder of images per class, a folder of idx files or one of them, a .npz or .npy file and 'tfds:NAME[:SPLIT]'"
)
FACADES_SIZE = 128  # pixels
HEADS_SIZE = 64  # pixels
HEADS_COUNT = 5000  # training images
SHAPES_HELD = 4096  # validation images of the shapes; every tenth image would be 74,000
_ARRAY_SUFFIXES = (".npz", ".npy")


class _Labelled:
    """A source whose images are counted and labelled by one array, int32 (n,), -1 for images without a label."""

    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)

    def digest(self) -> str:
        """Identifies the images, without their labels; generated images follow from their labels and indices."""
        return type(self).__name__

    def identity(self) -> tuple[str | np.ndarray, ...]:
        """What identifies the images and labels in a digest."""
        return self.digest(), self.labels.astype(np.int64)


@dataclass(frozen=True, eq=False)
class Encoded(_Labelled):
    """Encoded images that are accessed by index.

    Attributes:
        names: index -> name of the image for messages.
        encoded: a graph function: int64 scalar index -> the encoded bytes, a string scalar.
        labels: int32 (n,), -1 for images without a label.
        broken: names of broken or circular links with the suffix of an image, for messages.
        others: names of other files, for messages.
        files: paths of the images if each is a file.
        records: the records that hold the images if they are not files.
        form: (height, width, channels, bits) of all images if it is known without reading them.
    """

    names: Callable[[int], str]
    encoded: Callable[[tf.Tensor], tf.Tensor]
    labels: np.ndarray
    broken: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    files: tuple[Path, ...] = ()
    records: Records | None = None
    form: tuple[int, int, int, int] | None = None

    def digest(self) -> str:
        """Identifies the files or records."""
        return self.records.digest() if self.records else of_files(self.files)


@dataclass(frozen=True, eq=False)
class Drawn(_Labelled):
    """Labelled images that are drawn from their index."""

    shapes: Shapes
    labels: np.ndarray


@dataclass(frozen=True, eq=False)
class Sampled(_Labelled):
    """Labelled points that are sampled from a density, anew at each access."""

    density: Mixture | SwissRoll
    labels: np.ndarray


@dataclass(frozen=True, eq=False)
class Heads(Arrays):
    """Drawn heads and their factors by name: arrays (n,), and `identity`, (n, 40)."""

    factors: dict[str, np.ndarray]


Source: TypeAlias = Arrays | Encoded | Drawn | Sampled
Split: TypeAlias = splits.Split[Source]


def find_set(
    spec: str,
    *,
    image_size: int,
    val_every: int,
    max_bytes: int,
    image_feature: str = "",
    label_feature: str = "",
    tfds_dir: str = "",
    heads_count: int = HEADS_COUNT,
    correlations: heads.Correlations | None = None,
) -> Split:
    """Resolves a SPEC, which has one of the forms in `ACCEPTED`.

    Args:
        spec: where the images are.
        image_size: size of images that can be drawn at any size [pixels]; 0: their default.
        val_every: without a validation part, hold out every N-th image.
        max_bytes: maximum size of arrays that are read into memory.
        image_feature, label_feature: features of a tfds data set; "" for the main ones; see `tfds.main_feature`.
        tfds_dir: see `tfds.open_tfds`.
        heads_count: number of training images of the built-in heads; a tenth as many are for validation.
        correlations: pairs of factors of the heads and their correlation.

    Raises:
        UserError: the SPEC has an unknown form, there are no images, or the labels do not match them.
    """
    if spec == "glyphs":
        return _array_split(_glyphs(), val_every, spec)
    if spec == "digits":
        return _array_split(_digits(), val_every, spec)
    if spec == "shapes":
        return _grid()
    if spec in POINT_SETS:
        return _points(POINT_SETS[spec])
    if spec == "facades":
        return _array_split(_facades(image_size or FACADES_SIZE), val_every, spec)
    if spec == "heads":
        return _heads(image_size or HEADS_SIZE, heads_count, correlations or {})
    if spec.startswith("tfds:"):
        return _tfds(spec, image_feature, label_feature, tfds_dir, val_every)
    path = Path(spec).expanduser()
    if path.is_dir():
        return (
            _array_split(read_idx(path, max_bytes), val_every, spec)
            if holds_idx(path)
            else read_folder(path, val_every)
        )
    if path.is_file() and path.suffix.lower() in _ARRAY_SUFFIXES:
        return _array_split(read_numpy(path, max_bytes), val_every, spec)
    if path.is_file() and "idx" in path.name:
        return _array_split(read_idx(path, max_bytes), val_every, spec)
    fault = "has an unknown format" if path.is_file() else "does not exist"
    raise UserError(f"--data got {shown(spec)}, which {fault}; accepted are {ACCEPTED}.")


def is_image_folder(spec: str) -> bool:
    """Whether a SPEC is a folder of image files."""
    path = Path(spec).expanduser()
    return path.is_dir() and not holds_idx(path)


def _array_split(parts: ArrayParts, every: int, what: str) -> Split:
    if parts.held is None:
        split = hold_out(parts.train, every, what, "image", parts.classes)
    else:
        split = given(parts.train, parts.held, parts.rule, parts.classes)
    return replace(split, rule=split.rule + parts.unused)


def _digits() -> ArrayParts:
    """1,797 scanned handwritten digits, 8x8 pixels with 17 grey levels (Alpaydin and Kaynak 1998, UCI repository)."""
    from sklearn.datasets import load_digits  # takes a second to import

    digits = load_digits()
    images = np.rint(digits.images * (255 / 16)).astype(np.uint8)[..., np.newaxis]
    return ArrayParts(Arrays(images, digits.target.astype(np.int32)), None, tuple(map(str, digits.target_names)), "")


def _glyphs() -> ArrayParts:
    train, held = (Arrays(*glyphs.glyphs(count, seed)) for count, seed in ((glyphs.TRAIN, 0), (glyphs.VALIDATION, 1)))
    return ArrayParts(train, held, glyphs.CLASSES, "drawn by other chance for validation")


def _grid() -> Split:
    shapes = Drawn(Shapes(), Shapes.factors(np.arange(COUNT))[:, 0].astype(np.int32))
    held, train = np.split(np.random.default_rng(0).permutation(COUNT), [SHAPES_HELD])
    rule = f"a fixed random selection of {SHAPES_HELD:,} is held out for validation"
    return Split(shapes, np.sort(train), shapes, held, rule, CLASSES)


def _points(density: Mixture | SwissRoll) -> Split:
    train, held = (Sampled(density, density.labels(count)) for count in (TRAIN, VALIDATION))
    return given(train, held, "sampled anew in every epoch; the validation points are fixed", density.classes)


def _facades(size: int) -> ArrayParts:
    """The photographs of the built-in pairs, which are their right halves."""
    folder = facades_folder(size)

    def photographs(part: str) -> Arrays:
        pairs = [read_image(file, 3) for file in list_images(folder / part)]
        return Arrays(np.stack(pairs)[:, :, size:], np.full(len(pairs), -1, np.int32))

    return ArrayParts(photographs("train"), photographs("val"), (), "its own validation part")


def _heads(size: int, train: int, correlations: heads.Correlations) -> Split:
    """Drawn heads, with and without glasses."""
    counts = {"train": train, "val": max(1, train // 10), "correlations": correlations}
    folder, factors = heads.heads_folder(size, **counts), heads.folder_factors(**counts)
    train, held = (
        Heads(
            np.stack([read_image(file, 3) for file in list_images(folder / part)]),
            of_part["glasses"].astype(np.int32),
            of_part,
        )
        for part, of_part in zip(("train", "val"), factors, strict=True)
    )
    return given(train, held, "its own validation part", heads.CLASSES)


@dataclass(frozen=True)
class _Layout:
    """The structure of a folder of images.

    Attributes:
        training, held: the folders of the two parts; `held` is None if there is no validation part.
        classes: names of the class folders in `training`, in order.
        unused: names of files and folders that are not read.
    """

    training: Path
    held: Path | None
    classes: tuple[str, ...]
    unused: tuple[str, ...]


def _layout(folder: Path) -> _Layout:
    """Decides whether the subfolders are parts of the data set, or classes, possibly with a validation part.

    Raises:
        UserError: this is ambiguous, or one part has two folders.
    """
    found = listing(folder)
    parts = sort_parts((inside.name for inside in found.folders), folder)
    held = folder / parts.held if parts.held else None
    if not parts.train:
        return _Layout(folder, held, tuple(in_order(parts.others)), parts.unused)
    training = folder / parts.train
    classes = tuple(in_order(inside.name for inside in listing(training).folders))
    if parts.others and not held and not classes:
        raise UserError(
            f"{shown(folder)} holds {shown(parts.train)} and {shown(parts.others[0])}, so {shown(parts.train)} could "
            f"be the training part or a class; accepted are {shown(parts.train)} alone or with val or test, and other "
            "names for classes."
        )
    return _Layout(training, held, classes, (*parts.unused, *parts.others, *(file.name for file in found.images)))


def read_folder(folder: Path, val_every: int) -> Split:
    """Reads a folder of images, with or without subfolders for the parts train and val (or else test).

    Each part holds images, or one subfolder per class, which may be nested.

    Raises:
        UserError: see `_layout` and `_files`.
    """
    layout = _layout(folder)
    names, unused = tuple(map(shown, layout.classes)), not_used(layout.unused)
    train = _files(layout.training, layout.classes, whole=layout.training == folder)
    if layout.held is None:
        split = hold_out(train, val_every, str(layout.training), "image", names)
    else:
        held = _files(layout.held, layout.classes)
        split = given(train, held, f"{shown(layout.training.name)} and {shown(layout.held.name)} folders", names)
    # A run previews the first validation images. Sorted by class, they would all belong to the same one.
    mixed = np.random.default_rng(0).permutation(split.validation_indices) if names else split.validation_indices
    return replace(split, validation_indices=mixed, rule=split.rule + unused)


def _files(folder: Path, classes: tuple[str, ...], *, whole: bool = False) -> Encoded:
    """The images of one part.

    Args:
        folder: holds images, or one subfolder for each of some `classes`.
        classes: names of all classes.
        whole: `folder` also holds the folders of other parts, which are ignored.

    Raises:
        UserError: there are no images, a class is unknown or has no images, or there are images beside class folders.
    """
    found = listing(folder)
    folders = [inside for inside in found.folders if not whole or inside.name in classes]
    files, broken, others, labels = found.images, found.broken, found.others, [-1] * len(found.images)
    if folders and files:
        raise UserError(
            f"{shown(folder)} holds both images, such as {shown(files[0].name)}, and folders, such as "
            f"{shown(folders[0].name)}; accepted are either images or one folder of images per class."
        )
    by_name = {inside.name: inside for inside in folders}
    if unknown := [inside for name, inside in by_name.items() if name not in classes]:
        raise UserError(
            f"{shown(unknown[0])} is a class without training images; accepted are {', '.join(map(shown, classes))}."
        )
    for name in (name for name in classes if name in by_name):
        inside = by_name[name]
        if parts := [below for below in listing(inside).folders if part_of(below.name)]:
            raise UserError(
                f"{shown(parts[0])} is a part of the data set inside a class folder; accepted are class folders inside "
                f"the parts: {shown(parts[0].name)}/{shown(name)}."
            )
        tree = walk(inside)
        if not tree.images:
            raise UserError(f"{shown(inside)} holds no {SOUGHT}; accepted is a folder of images for each class.")
        files, broken, others = files + tree.images, broken + tree.broken, others + tree.others
        labels += [classes.index(name)] * len(tree.images)
    if not files:
        raise UserError(f"{shown(folder)} holds no {SOUGHT} and no folders of them; accepted are {ACCEPTED}.")
    if classes and not folders:
        raise UserError(
            f"{shown(folder)} has no class folders, but the training part has {', '.join(map(shown, classes))}; "
            "accepted are the same in both parts."
        )
    paths = tf.constant([os.fsencode(file) for file in files])  # file names need not be UTF-8
    return Encoded(
        lambda index: shown(files[index]),
        lambda index: tf.io.read_file(paths[index]),
        np.array(labels, np.int32),
        tuple(map(shown, broken)),
        tuple(map(shown, others)),
        tuple(files),
    )


def _tfds(spec: str, image_feature: str, label_feature: str, tfds_dir: str, val_every: int) -> Split:
    # Imported here, because the import takes seconds and only this form needs it.
    import tensorflow_datasets as tfds

    from keras_gen.data.files.tfds import main_feature, open_tfds, read_labels, require_image

    info, train, held, used = open_tfds(spec.removeprefix("tfds:"), tfds_dir)
    image = image_feature or main_feature(info, tfds.features.Image, 0)
    label = label_feature or main_feature(info, tfds.features.ClassLabel, 1)
    feature = require_image(info, image, "--image-feature")
    form = None
    if None not in feature.shape:
        form = (*feature.shape[:2], 1 if feature.shape[2] == 1 else 3, 8 * np.dtype(feature.np_dtype).itemsize)
    parsing = {image: tf.io.FixedLenFeature((), tf.string)}

    def encoded(records: Records) -> Encoded:
        return Encoded(
            lambda index: f"{image!r} of {records.name(index)}",
            lambda index: tf.io.parse_single_example(records.read(index), parsing)[image],
            read_labels(info, records, label) if label else np.full(len(records), -1, np.int32),
            records=records,
            form=form,
        )

    training = encoded(train)
    classes = tuple(info.features[label].names) if label else ()
    if held is None:
        return hold_out(training, val_every, spec, "image", classes)
    return given(training, encoded(held), f"splits {used}", classes)
