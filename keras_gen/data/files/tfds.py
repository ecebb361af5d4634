"""Random access to data sets of tensorflow-datasets through their prepared TFRecord files.

The readers of tensorflow-datasets only stream. Here, its split instructions tell which records of which files belong to
a split, and `Records` reads them by index. Image features are stored as encoded image files.
"""

import logging
import re
import urllib.error
import urllib.request
from typing import NamedTuple

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds
from tensorflow_datasets.core.download import resource

from keras_gen.data.files.parts import not_used, sort_parts
from keras_gen.data.files.records import Records, read_index
from keras_gen.errors import UserError

_PATIENCE = 5  # seconds to wait for an answer of the server before a download


class Prepared(NamedTuple):
    """A data set on disk: its description, its training and validation records, and the names of their splits.

    If the SPEC names a split, there are no validation records. Otherwise they are those of the split validation, or
    else test.
    """

    info: tfds.core.DatasetInfo
    train: Records
    held: Records | None
    splits: str


def open_tfds(spec: str, data_dir: str) -> Prepared:
    """Opens `NAME[:SPLIT]`. NAME may include a configuration and a version: `name/config:1.0.0`.

    Args:
        spec: the SPEC without the leading "tfds:". SPLIT may be a slice, such as `train[:90%]`, or a sum.
        data_dir: folder of the prepared data sets; "" for the default of tensorflow-datasets.

    Raises:
        UserError: the data set or split is unknown, or the data set cannot be prepared.
    """
    name, split = re.fullmatch(r"([^:]*(?::[\d.*]+)?)(?::(.+))?", spec).groups()
    builder = _builder(name, data_dir)
    if split:
        return Prepared(builder.info, _records(builder, split), None, split)
    parts = sort_parts(builder.info.splits, f"tfds:{name}")
    train = parts.train or "train"  # does not exist if `parts.train` is empty; `_records` reports that
    validation = _records(builder, parts.held) if parts.held else None
    used = f"{train} and {parts.held}{not_used((*parts.unused, *parts.others))}"
    return Prepared(builder.info, _records(builder, train), validation, used)


def require_image(info: tfds.core.DatasetInfo, feature: str, flag: str) -> tfds.features.Image:
    """Returns an image feature by name.

    Args:
        info: description of the data set.
        feature: name of the feature.
        flag: the flag that named it, for messages.

    Raises:
        UserError: there is no such feature, or its images are not uint8 or uint16.
    """
    there = {
        name: image
        for name, image in info.features.items()
        if isinstance(image, tfds.features.Image) and image.np_dtype in (np.uint8, np.uint16)
    }
    if feature not in there:
        raise UserError(
            f"{flag} got {feature!r}; accepted are the image features of tfds:{info.full_name}: "
            f"{', '.join(there) or '(none)'}."
        )
    return there[feature]


def main_feature(info: tfds.core.DatasetInfo, kind: type, place: int) -> str:
    """Name of the main feature of some kind: the supervised key at `place` (0 input, 1 target), or the only feature.

    Returns:
        The name; "" if there is no such feature, or several of which none is a supervised key.
    """
    names = [name for name, feature in info.features.items() if isinstance(feature, kind)]
    supervised = [key for key in (info.supervised_keys or ())[place : place + 1] if key in names]
    return (supervised or (names if len(names) == 1 else [""]))[0]


def read_labels(info: tfds.core.DatasetInfo, records: Records, feature: str) -> np.ndarray:
    """The labels of all records, int32 (n,).

    Raises:
        UserError: there is no such label feature.
    """
    there = [name for name, one in info.features.items() if isinstance(one, tfds.features.ClassLabel)]
    if feature not in there:
        raise UserError(
            f"--label-feature got {feature!r}; accepted are the label features of tfds:{info.full_name}: "
            f"{', '.join(there) or '(none)'}."
        )
    parsing = {feature: tf.io.FixedLenFeature((), tf.int64)}

    def label(index: tf.Tensor) -> tf.Tensor:
        return tf.io.parse_single_example(records.read(index), parsing)[feature]

    labels = tf.data.Dataset.range(len(records)).map(label, tf.data.AUTOTUNE).batch(1024)
    return np.concatenate(list(labels.as_numpy_iterator())).astype(np.int32)


def _builder(name: str, data_dir: str) -> tfds.core.DatasetBuilder:
    try:
        builder = tfds.builder(name, data_dir=data_dir or None)
    except (tfds.core.registered.DatasetNotFoundError, ValueError, AssertionError) as error:
        where = data_dir or "the default folder of tensorflow-datasets"
        raise UserError(
            f"--data got tfds:{name}, which is neither known to tensorflow-datasets nor prepared in {where}."
        ) from error
    if not builder.info.splits:
        _require_network(builder, name, data_dir)
        try:
            builder.download_and_prepare()
        except Exception as error:  # downloads, archives and licence checks raise all kinds of exceptions
            reason = next(iter(str(error).splitlines()), type(error).__name__)
            raise UserError(f"--data tfds:{name} cannot be downloaded and prepared: {reason}") from error
    if builder.info.file_format != tfds.core.FileFormat.TFRECORD:
        raise UserError(
            f"--data tfds:{name} is prepared in the format {builder.info.file_format.value}; accepted is tfrecord."
        )
    return builder


def _require_network(builder: tfds.core.DatasetBuilder, name: str, data_dir: str) -> None:
    """Raises UserError if the server of the first missing file does not answer.

    tensorflow-datasets itself would give up only after minutes.
    """
    logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)  # would print every attempt
    url = next((url for url in _to_download(builder) if url.startswith("http")), None)
    try:
        if url:
            # A new opener, because `urlopen` keeps the proxies that were set when the process started.
            urllib.request.build_opener().open(url, timeout=_PATIENCE).close()
    except urllib.error.HTTPError:
        pass  # the server answers; the download handles the status
    except OSError as error:
        where = data_dir or "the default folder of tensorflow-datasets"
        reason = getattr(error, "reason", error)
        raise UserError(
            f"--data tfds:{name} is not prepared in {where}, and cannot be downloaded from {url}: "
            f"{getattr(reason, 'strerror', None) or reason}."
        ) from error


def _to_download(builder: tfds.core.DatasetBuilder) -> list[str]:
    """URLs of the files that the download manager does not find on disk."""
    folder = builder.data_dir_root / "downloads"

    def is_there(url: str, checksum: str, filename: str | None) -> bool:
        name = resource.get_dl_fname(url, checksum)
        return any(resource.is_locally_cached(place / name) for place in (folder / builder.name, folder)) or (
            filename is not None and (folder / "manual" / filename).exists()
        )

    known = (builder.url_infos or {}).items()
    return [url for url, file in known if not is_there(url, file.checksum, file.filename)]


def _records(builder: tfds.core.DatasetBuilder, split: str) -> Records:
    try:
        instructions = builder.info.splits[split].file_instructions
    except (KeyError, ValueError) as error:
        raise UserError(
            f"--data tfds:{builder.info.full_name} has no split {split!r}; accepted are "
            f"{', '.join(builder.info.splits)} and slices of them, such as train[:90%]."
        ) from error
    return Records(
        (file.filename, read_index(file.filename)[file.skip : file.skip + file.take, 0]) for file in instructions
    )
