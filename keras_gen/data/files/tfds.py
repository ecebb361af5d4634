"""Random access to a tensorflow-datasets data set, through the TFRecord files that it prepared.

Its own readers stream; here its split instructions say which records of which files belong to a split, and
`Records` reads them by number. An image feature is stored as the encoded file that the data set was made
from.
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

_PATIENCE = 5  # seconds for a server to answer before a download is begun


class Prepared(NamedTuple):
    """A data set on disk: its description, the records of training and validation, and which splits they are.

    With SPLIT there are no validation records; without it they are those of validation or else test, beside train.
    """

    info: tfds.core.DatasetInfo
    train: Records
    held: Records | None
    splits: str


def open_tfds(spec: str, data_dir: str) -> Prepared:
    """Opens `NAME[:SPLIT]`, where NAME may hold a configuration and a version: `name/config:1.0.0`.

    Args:
      spec: without the leading "tfds:". SPLIT may be sliced, `train[:90%]`, or a sum.
      data_dir: folder of the prepared data sets, "" for tensorflow-datasets' own.

    Raises:
      UserError: an unknown data set or split, or a data set that cannot be prepared.
    """
    name, split = re.fullmatch(r"([^:]*(?::[\d.*]+)?)(?::(.+))?", spec).groups()
    builder = _builder(name, data_dir)
    if split:
        return Prepared(builder.info, _records(builder, split), None, split)
    parts = sort_parts(builder.info.splits, f"tfds:{name}")
    train = parts.train or "train"  # which is not there, as the message will say
    validation = _records(builder, parts.held) if parts.held else None
    used = f"{train} and {parts.held}{not_used((*parts.unused, *parts.others))}"
    return Prepared(builder.info, _records(builder, train), validation, used)


def require_image(info: tfds.core.DatasetInfo, feature: str, flag: str) -> tfds.features.Image:
    """The image feature of that name.

    Raises:
      UserError: naming `flag`, there is no such feature or it does not hold images of whole numbers.
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
    """Name of the feature of a kind that the data set is about: at `place` of its supervised keys, or the only one.

    Returns:
      "" if there is none, or several and none of them is a supervised key.
    """
    names = [name for name, feature in info.features.items() if isinstance(feature, kind)]
    supervised = [key for key in (info.supervised_keys or ())[place : place + 1] if key in names]
    return (supervised or (names if len(names) == 1 else [""]))[0]


def read_labels(info: tfds.core.DatasetInfo, records: Records, feature: str) -> np.ndarray:
    """The classes of all records, int32 (n,).

    Raises:
      UserError: there is no such feature of classes.
    """
    there = [name for name, one in info.features.items() if isinstance(one, tfds.features.ClassLabel)]
    if feature not in there:
        raise UserError(
            f"--label-feature got {feature!r}; accepted are the features of classes of tfds:{info.full_name}: "
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
        where = data_dir or "tensorflow-datasets' own folder"
        raise UserError(
            f"--data got tfds:{name}; there is no such data set in tensorflow-datasets or prepared in {where}."
        ) from error
    if not builder.info.splits:
        _require_network(builder, name, data_dir)
        try:
            builder.download_and_prepare()
        except Exception as error:  # whatever a download, an archive or a licence gate raises
            reason = next(iter(str(error).splitlines()), type(error).__name__)
            raise UserError(f"--data tfds:{name} cannot be downloaded and prepared: {reason}") from error
    if builder.info.file_format != tfds.core.FileFormat.TFRECORD:
        raise UserError(f"--data tfds:{name} is prepared as {builder.info.file_format.value}; accepted is tfrecord.")
    return builder


def _require_network(builder: tfds.core.DatasetBuilder, name: str, data_dir: str) -> None:
    """Asks the server of the first file that is still to be downloaded; tensorflow-datasets gives up after minutes."""
    logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)  # it prints every attempt
    url = next((url for url in _to_download(builder) if url.startswith("http")), None)
    try:
        if url:
            # An opener of its own: that of `urlopen` keeps the proxies that the process began with.
            urllib.request.build_opener().open(url, timeout=_PATIENCE).close()
    except urllib.error.HTTPError:
        pass  # the server answers; what it says is the download's affair
    except OSError as error:
        where = data_dir or "tensorflow-datasets' own folder"
        reason = getattr(error, "reason", error)
        raise UserError(
            f"--data tfds:{name} is not prepared in {where}, and {url} cannot be reached to download it: "
            f"{getattr(reason, 'strerror', None) or reason}."
        ) from error


def _to_download(builder: tfds.core.DatasetBuilder) -> list[str]:
    """Addresses of the files that do not lie where the download manager looks before it downloads."""
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
            f"--data tfds:{builder.info.full_name} has no split {split!r}, and accepted are "
            f"{', '.join(builder.info.splits)} and slices of them such as train[:90%]."
        ) from error
    return Records(
        (file.filename, read_index(file.filename)[file.skip : file.skip + file.take, 0]) for file in instructions
    )
