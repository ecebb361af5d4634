"""Sources of aligned pairs: resolves a SPEC to encoded images that are accessed by index."""

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

import tensorflow as tf
from google.protobuf.message import DecodeError

from keras_gen.data.builtin.facades import facades_folder
from keras_gen.data.builtin.saliency_scenes import scenes_folder
from keras_gen.data.files import splits
from keras_gen.data.files.codecs import UnreadableImage, read_contents
from keras_gen.data.files.digests import of_files
from keras_gen.data.files.folders import SOUGHT, Listing, listing, shown
from keras_gen.data.files.parts import not_used, part_of, sort_parts
from keras_gen.data.files.records import Records, find_shards, read_index
from keras_gen.data.files.splits import given, hold_out
from keras_gen.errors import UserError, complaint

BUILT_IN = {"facades": facades_folder, "shapes-saliency": scenes_folder}
"""SPEC -> a function from the size in pixels to the folder of the drawn pairs."""
PACKED_FEATURES = ("a", "b")  # feature names in the shards of packed pairs
ACCEPTED = (
    "'facades', 'shapes-saliency', a folder of side-by-side images, a folder with A/ and B/ or trainA/ and trainB/, "
    "two folders 'PATH_A,PATH_B', 'tfds:NAME[:SPLIT]', 'tfrecord:GLOB[,GLOB]' and a folder written by pack_data"
)


@dataclass(frozen=True, eq=False)
class Source:
    """Pairs of encoded images.

    Attributes:
        size: number of pairs.
        names: index -> names of A and B for messages; the paths of their files, if any.
        stem: index -> a short name.
        encoded: a graph function: int64 scalar index -> the encoded images A and B, string scalars. B is "" if A holds
            both side by side.
        alone: names of files without a partner, for messages.
        broken: names of broken or circular links with the suffix of an image, for messages.
        others: names of other files, for messages.
        files: index -> the one or two files of the pair, if the pairs are files.
        records: the records that hold the pairs if they are not files.
    """

    size: int
    names: Callable[[int], tuple[str, str]]
    stem: Callable[[int], str]
    encoded: Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]
    alone: tuple[str, ...] = ()
    broken: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    files: Callable[[int], tuple[Path, ...]] | None = None
    records: Records | None = None

    def __len__(self) -> int:
        return self.size

    def identity(self) -> tuple[str]:
        """What identifies the pairs in a digest."""
        if self.records:
            return (self.records.digest(),)
        return (of_files(file for index in range(self.size) for file in self.files(index)),)

    @property
    def apart(self) -> bool:
        """Whether A and B are two files, so that an empty B is an empty file."""
        return self.files is not None and len(self.files(0)) == 2

    def read(self, index: int) -> tuple[bytes, ...]:
        """The one or two encoded images of a pair, outside a graph.

        Raises:
            UnreadableImage: a file or record cannot be read.
        """
        if self.files:  # the same bytes at a tenth of the cost of eager operations
            return tuple(map(read_contents, self.files(index)))
        try:
            a, b = (side.numpy() for side in self.encoded(tf.constant(index)))
        except tf.errors.OpError as error:
            raise UnreadableImage(f"{self.names(index)[0]} cannot be read: {complaint(error)}.") from error
        return (a, b) if b else (a,)


Split: TypeAlias = splits.Split[Source]


def find_pairs(
    spec: str,
    *,
    image_size: int,
    val_every: int,
    feature_a: str = "",
    feature_b: str = "",
    tfds_dir: str = "",
) -> Split:
    """Resolves a SPEC, which has one of the forms in `ACCEPTED`.

    A part named train is for training, and one named val (or else test) for validation, in any spelling that
    `parts.part_of` knows. Parts are subfolders, splits, or the first word in the name of a folder or shard. Without a
    validation part, every N-th pair is held out. Files are sorted by name.

    Args:
        spec: where the pairs are.
        image_size: size at which built-in pairs are drawn [pixels].
        val_every: without a validation part, hold out every N-th pair.
        feature_a, feature_b: image features of a tfds data set.
        tfds_dir: see `tfds.open_tfds`.

    Raises:
        UserError: the SPEC has an unknown form, there are no pairs, or A and B do not match.
    """
    if spec in BUILT_IN:
        return _folder(BUILT_IN[spec](image_size), val_every)
    if spec.startswith("tfds:"):
        # Imported here, because the import takes seconds and only this form needs it.
        from keras_gen.data.files.tfds import open_tfds, require_image

        info, train, held, used = open_tfds(spec.removeprefix("tfds:"), tfds_dir)
        features = (feature_a, feature_b)
        for side, feature in zip("ab", features, strict=True):
            require_image(info, feature, f"--feature-{side}")
        if held is None:
            return hold_out(packed(train, features), val_every, spec, "pair")
        return given(packed(train, features), packed(held, features), f"splits {used}")
    if spec.startswith("tfrecord:"):
        return _shards(spec.removeprefix("tfrecord:").split(","), val_every)
    folder = Path(spec).expanduser()
    if not folder.is_dir() and spec.count(",") == 1:
        return _two_folders(*(Path(part).expanduser() for part in spec.split(",")), val_every)
    if not folder.is_dir():
        raise UserError(f"--data got {shown(spec)}, which is not a folder; accepted are {ACCEPTED}.")
    if any(folder.glob("*.tfrecord")):
        return _shards([str(folder / "*.tfrecord")], val_every)
    return _folder(folder, val_every)


def side_by_side(folder: Path) -> Source:
    """Opens a folder of images that each hold a pair: A in the left half, B in the right half.

    Raises:
        UserError: the folder holds no images.
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
        others=tuple(map(shown, found.others)),
        files=lambda index: (files[index],),
    )


def parallel(folder_a: Path, folder_b: Path) -> Source:
    """Opens two folders whose images are matched by file name, ignoring suffixes.

    Raises:
        UserError: a folder holds no images or two files of the same name, or the folders have no name in common.
    """
    found = [_images(folder) for folder in (folder_a, folder_b)]
    by_stem_a, by_stem_b = (_by_stem(one.images) for one in found)
    stems = [stem for stem in by_stem_a if stem in by_stem_b]
    if not stems:
        raise UserError(
            f"{shown(folder_a)} ({_three(by_stem_a)}) and {shown(folder_b)} ({_three(by_stem_b)}) have no file name "
            "in common; pairs are matched by name, ignoring suffixes."
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
    others = tuple(shown(file) for one in found for file in one.others)
    return Source(len(stems), names, stems.__getitem__, encoded, alone, broken, others, files.__getitem__)


def packed(records: Records, features: tuple[str, str] = PACKED_FEATURES) -> Source:
    """Opens records of `tf.train.Example`, one per pair, at least one in all.

    Args:
        records: the records.
        features: names of the two features with the encoded images; the second is "" if the first holds both.

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
            f"{', '.join(sorted(first.features.feature)) or '(none)'}; "
            f"{' and '.join(missing)} {'are' if len(missing) > 1 else 'is'} needed."
        )
    parsing = {name: tf.io.FixedLenFeature((), tf.string) for name in features}

    def encoded(index: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        example = tf.io.parse_single_example(records.read(index), parsing)
        return example[features[0]], example[features[1]]

    def names(index: int) -> tuple[str, str]:
        return tuple(f"{feature!r} of {records.name(index)}" for feature in features)

    return Source(len(records), names, lambda index: f"{index:08d}", encoded, records=records)


def _folder(folder: Path, val_every: int) -> Split:
    """A folder of side-by-side images, with A/ and B/, or with trainA/ and trainB/ (or train_a, ...)."""
    sides: dict[str, dict[str, Path]] = {}
    names = [inside.name for inside in listing(folder).folders]
    for name in names:
        match = _SIDE.fullmatch(name)
        if match and (not match[1] or part_of(match[1])):
            sides.setdefault(match[1].lower(), {}).setdefault(match[2].lower(), folder / name)
    both = {part: (found["a"], found["b"]) for part, found in sides.items() if len(found) == 2}
    whole = both.pop("", None)
    if sort_parts(both, folder).train:
        used = [inside.name for pair in both.values() for inside in pair]
        return _split(both, None, parallel, val_every, folder, [name for name in names if name not in used])
    if whole:
        split = _two_folders(*whole, val_every)
        unused = [name for name in names if folder / name not in whole]
        return replace(split, rule=split.rule + not_used(unused))
    parts = {name: (folder / name,) for name in names if part_of(name)}
    return _split(parts, (folder,), side_by_side, val_every, folder, [name for name in names if name not in parts])


_SIDE = re.compile(r"(.*?)[ _-]?([ab])", re.IGNORECASE)


def _two_folders(folder_a: Path, folder_b: Path, val_every: int) -> Split:
    for folder in (folder_a, folder_b):
        if not folder.is_dir():
            raise UserError(f"--data got {shown(folder)}, which is not a folder; accepted are {ACCEPTED}.")
    inside = []
    for folder in (folder_a, folder_b):
        folders = listing(folder).folders
        sort_parts((one.name for one in folders), folder)
        inside.append({part_of(one.name) or one.name: one for one in folders})
    both = {name: (one, inside[1][name]) for name, one in inside[0].items() if part_of(name) and name in inside[1]}
    unused = [f"{one.parent.name}/{one.name}" for side in inside for name, one in side.items() if name not in both]
    return _split(both, (folder_a, folder_b), parallel, val_every, f"{folder_a} and {folder_b}", unused)


def _split(
    parts: Mapping[str, tuple[Path, ...]],
    whole: tuple[Path, ...] | None,
    source: Callable[..., Source],
    val_every: int,
    where: object,
    unused: Sequence[str],
) -> Split:
    """Splits by the folders of the parts if there are any, otherwise by rule.

    Args:
        parts: name -> the folder of a part, or its two folders A and B.
        whole: the training folders if no part is named train.
        source: opens the folders of a part.
        val_every: without a validation part, hold out every N-th pair.
        where: the folder with the parts, for messages.
        unused: names of other files and folders there.

    Raises:
        UserError: a part occurs twice, or there are no training pairs.
    """
    named = sort_parts(parts, where)
    folders = parts[named.train] if named.train else whole
    unused = [*unused, *named.unused]
    if named.train and whole:
        unused += [file.name for folder in whole for file in listing(folder).images]
    train = source(*folders)
    if not named.held:
        split = hold_out(train, val_every, " and ".join(map(str, folders)), "pair")
        return replace(split, rule=split.rule + not_used(unused))
    name = shown(named.train or folders[0].name)
    rule = f"{name} and {shown(named.held)} folders{not_used(unused)}"
    return given(train, source(*parts[named.held]), rule)


def _shards(patterns: Sequence[str], val_every: int) -> Split:
    """Splits shards by the first word of their names; those without the name of a part are for training."""
    parts: dict[str, list[Path]] = {}
    shards = find_shards(patterns)
    for shard in shards:
        parts.setdefault(part_of(re.match("t10k|[A-Za-z]*", shard.name)[0]) or "train", []).append(shard)
    named = sort_parts(parts, ",".join(patterns))
    if named.train and named.held:
        rule = f"train and {named.held} shards{not_used(named.unused)}"
        return given(_packed_shards(parts["train"]), _packed_shards(parts[named.held]), rule)
    return hold_out(_packed_shards(shards), val_every, ",".join(patterns), "pair")


def _packed_shards(shards: Sequence[Path]) -> Source:
    records = Records((shard, read_index(shard)[:, 0]) for shard in shards)
    if not len(records):
        raise UserError(f"{shown(shards[0])} holds no records; accepted are shards with at least one pair.")
    return packed(records)


def _images(folder: Path) -> Listing:
    found = listing(folder)
    if not found.images:
        inside = sorted(shown(child.name) for child in folder.iterdir())
        there = f"holds {', '.join(inside[:5])}, but no {SOUGHT}" if inside else "is empty"
        raise UserError(f"{shown(folder)} {there}; accepted as --data are {ACCEPTED}.")
    return found


def _by_stem(files: Sequence[Path]) -> dict[str, Path]:
    stems: dict[str, Path] = {}
    for file in files:
        if file.stem in stems:
            raise UserError(
                f"{shown(file.parent)} holds both {shown(stems[file.stem].name)} and {shown(file.name)}; accepted is "
                "one file of each name, ignoring suffixes."
            )
        stems[file.stem] = file
    return stems


def _paths(files: Sequence[Path]) -> tf.Tensor:
    """The paths as bytes, because file names need not be UTF-8."""
    return tf.constant([os.fsencode(file) for file in files])


def _three(stems: dict[str, Path]) -> str:
    names = [shown(file.name) for file in stems.values()]
    return f"{len(names)} images: {', '.join(names[:3])}{', ...' if len(names) > 3 else ''}"
