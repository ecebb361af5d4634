"""Where aligned pairs come from: a SPEC is resolved into encoded images that can be reached by number."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError

from keras_gen.data.builtin.facades import facades_folder
from keras_gen.data.builtin.saliency_scenes import scenes_folder
from keras_gen.data.files.codecs import UnreadableImage, read_contents
from keras_gen.data.files.folders import HELD, IMAGE_SUFFIXES, Listing, every_last, listing, shown
from keras_gen.data.files.records import Records, find_shards, read_index
from keras_gen.errors import UserError, complaint

BUILT_IN = {"facades": facades_folder, "shapes-saliency": scenes_folder}
"""SPEC -> the function from a size in pixels to the folder that is drawn."""
PACKED_FEATURES = ("a", "b")  # feature names in the shards that apps.pack_data writes
ACCEPTED = (
    "'facades', 'shapes-saliency', a folder of side-by-side images, a folder with A/ and B/ or trainA/ and trainB/, "
    "two folders 'PATH_A,PATH_B', 'tfds:NAME[:SPLIT]', 'tfrecord:GLOB[,GLOB]' and a folder written by apps.pack_data"
)


@dataclass(frozen=True, eq=False)
class Source:
    """N pairs of encoded images.

    Attributes:
      size: N.
      names: index -> what to call A and B in messages, their files' paths wherever there are any.
      stem: index -> a short name.
      encoded: a graph function, int64 scalar index -> two string scalars (A, B); B is "" when A holds both
        side by side, left half and right half.
      alone: files that have no partner, for messages.
      broken: links named like images that lead nowhere or in a circle, for messages.
      files: index -> the one or two files, where there are any.
    """

    size: int
    names: Callable[[int], tuple[str, str]]
    stem: Callable[[int], str]
    encoded: Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]
    alone: tuple[str, ...] = ()
    broken: tuple[str, ...] = ()
    files: Callable[[int], tuple[Path, ...]] | None = None

    @property
    def apart(self) -> bool:
        """Whether A and B are known to lie in two files, so that an empty B is an empty file."""
        return self.files is not None and len(self.files(0)) == 2

    def read(self, index: int) -> tuple[bytes, ...]:
        """The encoded images of one pair, two or one, outside a graph.

        Raises:
          UnreadableImage: a file or a record cannot be read.
        """
        if self.files:  # the same bytes at a tenth of the cost of operations outside a graph
            return tuple(map(read_contents, self.files(index)))
        try:
            a, b = (side.numpy() for side in self.encoded(tf.constant(index)))
        except tf.errors.OpError as error:
            raise UnreadableImage(f"{self.names(index)[0]} cannot be read: {complaint(error)}.") from error
        return (a, b) if b else (a,)


@dataclass(frozen=True)
class Split:
    """Training and validation pairs, as numbers of their sources; `rule` says how they were told apart."""

    train: Source
    train_indices: np.ndarray
    validation: Source
    validation_indices: np.ndarray
    rule: str


def find_pairs(
    spec: str,
    *,
    image_size: int,
    val_every: int,
    feature_a: str = "",
    feature_b: str = "",
    tfds_dir: str = "",
) -> Split:
    """Resolves a SPEC, one of the forms of `ACCEPTED`.

    A part named train is for training and one named val (or else test) for validation: subfolders, beginnings
    of the names of folders and shards, or splits. Without them `held_back` splits what there is. Files are
    sorted by name.

    Args:
      spec: where the pairs are.
      image_size: pixels, the size at which the built-in ones are drawn.
      val_every: see `held_back`.
      feature_a, feature_b, tfds_dir: see `tfds_source.open_tfds`.

    Raises:
      UserError: the SPEC is of no known form, there are no pairs, or A and B do not match.
    """
    if spec in BUILT_IN:
        return _folder(BUILT_IN[spec](image_size), val_every)
    if spec.startswith("tfds:"):
        # Imported late, because it takes seconds and only this form needs it.
        from keras_gen.data.files.tfds import open_tfds, require_image

        info, train, held, splits = open_tfds(spec.removeprefix("tfds:"), tfds_dir)
        features = (feature_a, feature_b)
        for side, feature in zip("ab", features, strict=True):
            require_image(info, feature, f"--feature-{side}")
        if held is None:
            return held_back(packed(train, features), val_every, spec)
        return _given(packed(train, features), packed(held, features), f"splits {splits}")
    if spec.startswith("tfrecord:"):
        return _shards(spec.removeprefix("tfrecord:").split(","), val_every)
    folder = Path(spec).expanduser()
    if not folder.is_dir() and spec.count(",") == 1:
        return _two_folders(*(Path(part).expanduser() for part in spec.split(",")), val_every)
    if not folder.is_dir():
        raise UserError(f"--data got {shown(spec)}, which is no folder; accepted are {ACCEPTED}.")
    if any(folder.glob("*.tfrecord")):
        return _shards([str(folder / "*.tfrecord")], val_every)
    return _folder(folder, val_every)


def held_back(source: Source, every: int, what: str) -> Split:
    """Splits one source, see `folders.every_last`."""
    train, validation, rule = every_last(source.size, every, what, "pair")
    return Split(source, train, source, validation, rule)


def side_by_side(folder: Path) -> Source:
    """One image per pair, A in its left half and B in its right half.

    Raises:
      UserError: a folder without images.
    """
    found = _images(folder)
    files = found.images
    paths = _paths(files)

    def encoded(index: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return tf.io.read_file(paths[index]), tf.constant("")

    return Source(
        len(files),
        lambda index: (shown(files[index]),) * 2,
        lambda index: files[index].stem,
        encoded,
        broken=tuple(map(shown, found.broken)),
        files=lambda index: (files[index],),
    )


def parallel(folder_a: Path, folder_b: Path) -> Source:
    """Two images per pair, the same file name in two folders, suffixes aside.

    Raises:
      UserError: a folder without images, no common name, or two files of one name in a folder.
    """
    found = [_images(folder) for folder in (folder_a, folder_b)]
    by_stem_a, by_stem_b = (_by_stem(one.images) for one in found)
    stems = [stem for stem in by_stem_a if stem in by_stem_b]
    if not stems:
        raise UserError(
            f"{shown(folder_a)} ({_three(by_stem_a)}) and {shown(folder_b)} ({_three(by_stem_b)}) have no file name "
            "in common, suffixes aside, and pairs are matched by it."
        )
    files = [(by_stem_a[stem], by_stem_b[stem]) for stem in stems]
    paths = tf.reshape(_paths([file for pair in files for file in pair]), (-1, 2))

    def encoded(index: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return tf.io.read_file(paths[index, 0]), tf.io.read_file(paths[index, 1])

    def names(index: int) -> tuple[str, str]:
        return shown(files[index][0]), shown(files[index][1])

    sides = ((by_stem_a, by_stem_b), (by_stem_b, by_stem_a))
    alone = tuple(shown(file) for side, other in sides for stem, file in side.items() if stem not in other)
    broken = tuple(shown(link) for one in found for link in one.broken)
    return Source(len(stems), names, stems.__getitem__, encoded, alone, broken, files.__getitem__)


def packed(records: Records, features: tuple[str, str] = PACKED_FEATURES) -> Source:
    """At least one `tf.train.Example`, one per pair: encoded images in two features, the second "" if the
    first holds both.

    Raises:
      UserError: the first record is no such example.
    """
    try:
        first = tf.train.Example.FromString(records.read(tf.constant(0)).numpy())
    except (tf.errors.OpError, DecodeError) as error:
        raise UserError(f"{records.name(0)} is damaged or holds no tf.train.Example.") from error
    if missing := [name for name in features if name not in first.features.feature]:
        raise UserError(
            f"{records.name(0)} holds the features "
            f"{', '.join(sorted(first.features.feature)) or '(none)'}, and "
            f"{' and '.join(missing)} are looked for."
        )
    parsing = {name: tf.io.FixedLenFeature((), tf.string) for name in features}

    def encoded(index: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        example = tf.io.parse_single_example(records.read(index), parsing)
        return example[features[0]], example[features[1]]

    def names(index: int) -> tuple[str, str]:
        return tuple(f"{feature!r} of {records.name(index)}" for feature in features)

    return Source(len(records), names, lambda index: f"{index:08d}", encoded)


def _given(train: Source, validation: Source, rule: str) -> Split:
    return Split(train, np.arange(train.size), validation, np.arange(validation.size), rule)


def _folder(folder: Path, val_every: int) -> Split:
    if (folder / "trainA").is_dir() and (folder / "trainB").is_dir():
        return _parts(lambda part: [folder / f"{part}A", folder / f"{part}B"], [], parallel, val_every)
    if (folder / "A").is_dir() and (folder / "B").is_dir():
        return _two_folders(folder / "A", folder / "B", val_every)
    return _parts(lambda part: [folder / part], [folder], side_by_side, val_every)


def _two_folders(folder_a: Path, folder_b: Path, val_every: int) -> Split:
    for folder in (folder_a, folder_b):
        if not folder.is_dir():
            raise UserError(f"--data got {shown(folder)}, which is no folder; accepted are {ACCEPTED}.")
    folders = [folder_a, folder_b]
    return _parts(lambda part: [folder / part for folder in folders], folders, parallel, val_every)


def _parts(
    folders_of: Callable[[str], list[Path]], whole: list[Path], source: Callable[..., Source], val_every: int
) -> Split:
    """Splits by the folders of each part, or else `whole` by rule."""

    def existing(part: str) -> list[Path]:
        folders = folders_of(part)
        return folders if all(folder.is_dir() for folder in folders) else []

    train = existing("train")
    held = next((part for part in HELD if existing(part)), None)
    if train and held:
        return _given(source(*train), source(*existing(held)), f"train and {held} folders")
    folders = train or whole
    return held_back(source(*folders), val_every, " and ".join(map(str, folders)))


def _shards(patterns: Sequence[str], val_every: int) -> Split:
    shards = find_shards(patterns)
    parts = {part: [s for s in shards if s.name.startswith(part)] for part in HELD}
    train = [shard for shard in shards if not shard.name.startswith(HELD)]
    held = next((part for part in HELD if parts[part]), None)
    if train and held:
        return _given(_packed_shards(train), _packed_shards(parts[held]), f"train and {held} shards")
    return held_back(_packed_shards(shards), val_every, ",".join(patterns))


def _packed_shards(shards: Sequence[Path]) -> Source:
    records = Records((shard, read_index(shard)[:, 0]) for shard in shards)
    if not len(records):
        raise UserError(f"{shown(shards[0])} holds no records; accepted are shards of at least one pair.")
    return packed(records)


def _images(folder: Path) -> Listing:
    found = listing(folder)
    if not found.images:
        inside = sorted(shown(child.name) for child in folder.iterdir())
        there = f"only {', '.join(inside[:5])}" if inside else "nothing"
        raise UserError(f"{shown(folder)} holds {there}, and images ({' '.join(IMAGE_SUFFIXES)}) are looked for there.")
    return found


def _by_stem(files: Sequence[Path]) -> dict[str, Path]:
    stems: dict[str, Path] = {}
    for file in files:
        if file.stem in stems:
            raise UserError(
                f"{shown(file.parent)} holds both {shown(stems[file.stem].name)} and {shown(file.name)}, and accepted "
                "is one file of each name, suffixes aside."
            )
        stems[file.stem] = file
    return stems


def _paths(files: Sequence[Path]) -> tf.Tensor:
    """As bytes: a file name need not be UTF-8."""
    return tf.constant([os.fsencode(file) for file in files])


def _three(stems: dict[str, Path]) -> str:
    names = [shown(file.name) for file in stems.values()]
    return f"{len(names)} images: {', '.join(names[:3])}{', ...' if len(names) > 3 else ''}"
