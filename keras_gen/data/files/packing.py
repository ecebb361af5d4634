"""Packs aligned pairs into TFRecord shards; the images stay encoded, so nothing is lost."""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import tensorflow as tf

from keras_gen.data.files.folders import shown
from keras_gen.data.files.pair_sources import PACKED_FEATURES, Source, Split
from keras_gen.data.files.records import write_shard
from keras_gen.errors import UserError
from keras_gen.files import replacing, require_utf8, write_json

MANIFEST = "pairs.json"


def pack_pairs(split: Split, out: Path, shards: int) -> dict[str, int]:
    """Writes train-00000-of-0000N.tfrecord ... and val-..., each with an index file, and a manifest.

    Each record is a `tf.train.Example` with the encoded images `a` and `b` (empty if `a` holds both side by side) and
    the `stem` of the files. The shards are written to a temporary folder, which is renamed to `out` at the end.

    Args:
        split: the pairs.
        out: an empty folder, or one that does not exist yet.
        shards: number of training shards. There are as many validation shards, or fewer if some would be empty.

    Returns:
        The manifest: the numbers of pairs and shards.

    Raises:
        UserError: `out` is not empty or cannot be written, or there are fewer training pairs than shards.
    """
    require_utf8(out)
    out = out.expanduser().absolute()
    if not 1 <= shards <= len(split.train_indices):
        raise UserError(f"--shards got {shards}; accepted are 1 to {len(split.train_indices)} for these pairs.")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UserError(f"--out got {shown(out)}, which is not empty; accepted is an empty or new folder.")
    try:
        with replacing(out) as partial:
            partial.mkdir(parents=True)
            train = _write_part(partial, "train", split.train, split.train_indices, shards)
            val_shards = min(shards, len(split.validation_indices))
            val = _write_part(partial, "val", split.validation, split.validation_indices, val_shards)
            manifest = {"train": train, "val": val, "train_shards": shards, "val_shards": val_shards}
            write_json(partial / MANIFEST, manifest)
    except (OSError, tf.errors.OpError) as error:
        raise UserError(f"--out got {shown(out)}, which cannot be written: {error}.") from error
    return manifest


def _write_part(folder: Path, part: str, source: Source, indices: np.ndarray, shards: int) -> int:
    return sum(
        write_shard(folder / f"{part}-{number:05d}-of-{shards:05d}.tfrecord", _examples(source, chosen))
        for number, chosen in enumerate(np.array_split(indices, shards))
    )


def _examples(source: Source, indices: np.ndarray) -> Iterator[bytes]:
    numbers = tf.data.Dataset.from_tensor_slices(indices)
    pairs = numbers.map(lambda index: (index, *source.encoded(index)), tf.data.AUTOTUNE, deterministic=True)
    for index, *images in pairs.as_numpy_iterator():
        values = dict(zip(PACKED_FEATURES, images, strict=True), stem=os.fsencode(source.stem(index)))
        features = {
            name: tf.train.Feature(bytes_list=tf.train.BytesList(value=[value])) for name, value in values.items()
        }
        yield tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString()
