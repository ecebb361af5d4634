"""Where single images come from: a SPEC is resolved into arrays, encoded files, or what is drawn on demand."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import tensorflow as tf

from keras_gen.data.builtin import glyphs
from keras_gen.data.builtin.facades import facades_folder
from keras_gen.data.builtin.points import POINT_SETS, TRAIN, VALIDATION, Mixture, SwissRoll
from keras_gen.data.builtin.shapes import CLASSES, COUNT, Shapes
from keras_gen.data.files.arrays import ArrayParts, Arrays, holds_idx, read_idx, read_numpy
from keras_gen.data.files.codecs import read_image
from keras_gen.data.files.digests import digest, of_files
from keras_gen.data.files.folders import SOUGHT, every_last, list_images, listing, shown, walk
from keras_gen.data.files.parts import in_order, not_used, part_of, sort_parts
from keras_gen.data.files.records import Records
from keras_gen.errors import UserError

ACCEPTED = (
    "'glyphs', 'digits', 'shapes', 'facades', 'ring', 'grid', 'swiss-roll', a folder of images or of one subfolder of "
    "images per class, a folder of idx files or one of them, a .npz or .npy file and 'tfds:NAME[:SPLIT]'"
)
FACADES_SIZE = 128  # pixels
SHAPES_HELD = 4096  # of the grid of shapes; a tenth would be 74,000
_ARRAY_SUFFIXES = (".npz", ".npy")


@dataclass(frozen=True, eq=False)
class Encoded:
    """Encoded images that can be reached by number.

    Attributes:
      names: index -> what to call an image in messages.
      encoded: a graph function, int64 scalar index -> its bytes, a string scalar.
      labels: int32 (n,), -1 where there are none.
      broken: links named like images that lead nowhere or in a circle, for messages.
      others: files of another kind, for messages.
      files: of the images, where each has one.
      records: that hold the images, where these have no files of their own.
      form: (height, width, channels, bits) of all images, where it is known without looking.
    """

    names: Callable[[int], str]
    encoded: Callable[[tf.Tensor], tf.Tensor]
    labels: np.ndarray
    broken: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    files: tuple[Path, ...] = ()
    records: Records | None = None
    form: tuple[int, int, int, int] | None = None


@dataclass(frozen=True, eq=False)
class Drawn:
    """Images that are drawn from their number, and their labels."""

    shapes: Shapes
    labels: np.ndarray


@dataclass(frozen=True, eq=False)
class Sampled:
    """Points that are drawn from a density, anew at each access, and their labels."""

    density: Mixture | SwissRoll
    labels: np.ndarray


Source = Arrays | Encoded | Drawn | Sampled


@dataclass(frozen=True)
class Split:
    """Training and validation images, as numbers of their sources; `rule` says how they were told apart."""

    train: Source
    train_indices: np.ndarray
    validation: Source
    validation_indices: np.ndarray
    classes: tuple[str, ...]
    rule: str

    def digest(self) -> str:
        """Of the images and labels of both parts: see `digests`."""
        return digest(
            *(
                part
                for source, indices in ((self.train, self.train_indices), (self.validation, self.validation_indices))
                for part in (_digest(source), source.labels.astype(np.int64), indices.astype(np.int64))
            )
        )


def _digest(source: Source) -> str:
    if isinstance(source, Arrays):
        return digest(source.images)
    if isinstance(source, Encoded):
        return source.records.digest() if source.records else of_files(source.files)
    return type(source).__name__  # what is drawn is a function of its labels and numbers


def find_set(
    spec: str,
    *,
    image_size: int,
    val_every: int,
    max_bytes: int,
    image_feature: str = "",
    label_feature: str = "",
    tfds_dir: str = "",
) -> Split:
    """Resolves a SPEC, one of the forms of `ACCEPTED`.

    Args:
      spec: where the images are.
      image_size: of what is drawn at any [pixels]; 0: its own.
      val_every: of what has no validation part, of every so many images in order the last is held back.
      max_bytes: of arrays that are read into memory.
      image_feature, label_feature: of tfds; "" for the only one, or those that the data set names as supervised.
      tfds_dir: see `tfds_source.open_tfds`.

    Raises:
      UserError: the SPEC is of no known form, there are no images, or labels do not fit them.
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
    fault = "is no file of a known kind" if path.is_file() else "does not exist"
    raise UserError(f"--data got {shown(spec)}, which {fault}; accepted are {ACCEPTED}.")


def is_image_folder(spec: str) -> bool:
    """Whether a SPEC is a folder of image files."""
    path = Path(spec).expanduser()
    return path.is_dir() and not holds_idx(path)


def _whole(train: Source, held: Source, classes: tuple[str, ...], rule: str) -> Split:
    return Split(train, np.arange(len(train.labels)), held, np.arange(len(held.labels)), classes, rule)


def _held_back(source: Source, classes: tuple[str, ...], every: int, what: str) -> Split:
    train, validation, rule = every_last(len(source.labels), every, what, "image")
    return Split(source, train, source, validation, classes, rule)


def _array_split(parts: ArrayParts, every: int, what: str) -> Split:
    if parts.held is None:
        split = _held_back(parts.train, parts.classes, every, what)
    else:
        split = _whole(parts.train, parts.held, parts.classes, parts.rule)
    return replace(split, rule=split.rule + parts.unused)


def _digits() -> ArrayParts:
    """1,797 scans of handwritten digits, 8x8 with 17 levels of grey (Alpaydin and Kaynak 1998, UCI repository)."""
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
    rule = f"{SHAPES_HELD:,} drawn at random, the same ones always, are held back for validation"
    return Split(shapes, np.sort(train), shapes, held, CLASSES, rule)


def _points(density: Mixture | SwissRoll) -> Split:
    train, held = (Sampled(density, density.labels(count)) for count in (TRAIN, VALIDATION))
    return _whole(train, held, density.classes, "others in every epoch; those of validation are always the same ones")


def _facades(size: int) -> ArrayParts:
    """The photographs of the built-in pairs, the right half of each."""
    folder = facades_folder(size)

    def photographs(part: str) -> Arrays:
        pairs = [read_image(file, 3) for file in list_images(folder / part)]
        return Arrays(np.stack(pairs)[:, :, size:], np.full(len(pairs), -1, np.int32))

    return ArrayParts(photographs("train"), photographs("val"), (), "its own validation part")


@dataclass(frozen=True)
class _Layout:
    """What lies where in a folder of images.

    Attributes:
      training, held: folders of the parts; `held` is None where nothing is held out.
      classes: names of the folders in `training`, in order.
      unused: names of what nothing is read from.
    """

    training: Path
    held: Path | None
    classes: tuple[str, ...]
    unused: tuple[str, ...]


def _layout(folder: Path) -> _Layout:
    """Decides what the folders in `folder` are: parts of the data set, or classes beside at most one held-out part.

    Raises:
      UserError: that cannot be told, or there are two folders of one part.
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
            f"{shown(folder)} holds {shown(parts.train)} beside {shown(parts.others[0])}, so that it could be a part "
            f"of the data set or a class; accepted are {shown(parts.train)} alone or beside val or test, and other "
            "names for classes."
        )
    return _Layout(training, held, classes, (*parts.unused, *parts.others, *(file.name for file in found.images)))


def read_folder(folder: Path, val_every: int) -> Split:
    """A folder with or without a training part, and with val (or else test), or all in one.

    Each part holds images, or one subfolder per class whose images may lie deeper.

    Raises:
      UserError: see `_layout` and `_files`.
    """
    layout = _layout(folder)
    names, unused = tuple(map(shown, layout.classes)), not_used(layout.unused)
    train = _files(layout.training, layout.classes, whole=layout.training == folder)
    if layout.held is None:
        split = _held_back(train, names, val_every, str(layout.training))
    else:
        held = _files(layout.held, layout.classes)
        split = _whole(train, held, names, f"{shown(layout.training.name)} and {shown(layout.held.name)} folders")
    # Sorted by class, the first validation images, which are the previews of a run, would all be of one.
    mixed = np.random.default_rng(0).permutation(split.validation_indices) if names else split.validation_indices
    return replace(split, validation_indices=mixed, rule=split.rule + unused)


def _files(folder: Path, classes: tuple[str, ...], *, whole: bool = False) -> Encoded:
    """The images of one part; its subfolders are some of `classes`, and with `whole` also the parts of the data set.

    Raises:
      UserError: there are no images, a class without images or unknown, or images beside the folders of classes.
    """
    found = listing(folder)
    folders = [inside for inside in found.folders if not whole or inside.name in classes]
    files, broken, others, labels = found.images, found.broken, found.others, [-1] * len(found.images)
    if folders and files:
        raise UserError(
            f"{shown(folder)} holds both images, {shown(files[0].name)} for one, and folders, {shown(folders[0].name)} "
            "for one; accepted are images alone, or one folder of images per class."
        )
    by_name = {inside.name: inside for inside in folders}
    if unknown := [inside for name, inside in by_name.items() if name not in classes]:
        raise UserError(
            f"{shown(unknown[0])} is of a class that training lacks; accepted are {', '.join(map(shown, classes))}."
        )
    for name in (name for name in classes if name in by_name):
        inside = by_name[name]
        if parts := [below for below in listing(inside).folders if part_of(below.name)]:
            raise UserError(
                f"{shown(parts[0])} is a part of the data set in the folder of a class; accepted are folders of "
                f"classes in those of the parts, {shown(parts[0].name)}/{shown(name)}."
            )
        tree = walk(inside)
        if not tree.images:
            raise UserError(f"{shown(inside)} holds no {SOUGHT}; accepted is a folder of images for each class.")
        files, broken, others = files + tree.images, broken + tree.broken, others + tree.others
        labels += [classes.index(name)] * len(tree.images)
    if not files:
        raise UserError(f"{shown(folder)} holds no {SOUGHT}, nor folders of them; accepted are {ACCEPTED}.")
    if classes and not folders:
        raise UserError(
            f"{shown(folder)} has no folders of classes, and training has {', '.join(map(shown, classes))}; accepted "
            "are the same in both."
        )
    paths = tf.constant([os.fsencode(file) for file in files])  # a file name need not be UTF-8
    return Encoded(
        lambda index: shown(files[index]),
        lambda index: tf.io.read_file(paths[index]),
        np.array(labels, np.int32),
        tuple(map(shown, broken)),
        tuple(map(shown, others)),
        tuple(files),
    )


def _tfds(spec: str, image_feature: str, label_feature: str, tfds_dir: str, val_every: int) -> Split:
    # Imported late, because it takes seconds and only this form needs it.
    import tensorflow_datasets as tfds

    from keras_gen.data.files.tfds import main_feature, open_tfds, read_labels, require_image

    info, train, held, splits = open_tfds(spec.removeprefix("tfds:"), tfds_dir)
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
        return _held_back(training, classes, val_every, spec)
    return _whole(training, encoded(held), classes, f"splits {splits}")
