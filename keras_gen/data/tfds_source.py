"""Random access to a tensorflow-datasets data set, through the TFRecord files that it prepared.

Its own readers stream; here its split instructions say which records of which files belong to a split, and
`Records` reads them by number. An image feature is stored as the encoded file that the data set was made
from.
"""

import logging
import re
import urllib.error
import urllib.request

import numpy as np
import tensorflow_datasets as tfds

from keras_gen.data.records import Records, read_index
from keras_gen.errors import UserError

VALIDATION_SPLITS = ("validation", "val", "test")

_PATIENCE = 5  # seconds for a server to answer before a download is begun


def open_tfds(spec: str, features: tuple[str, str], data_dir: str) -> tuple[Records, Records | None, str]:
    """Opens `NAME[:SPLIT]`, where NAME may hold a configuration and a version: `name/config:1.0.0`.

    Args:
      spec: without the leading "tfds:". SPLIT may be sliced, `train[:90%]`, or a sum.
      features: names of two image features of the data set.
      data_dir: folder of the prepared data sets, "" for tensorflow-datasets' own.

    Returns:
      Training records, validation records, and which splits they are. With SPLIT there are no validation
      records; without it they are the first of VALIDATION_SPLITS that exists, beside `train`.

    Raises:
      UserError: an unknown data set, split or feature, or a data set that cannot be prepared.
    """
    name, split = re.fullmatch(r"([^:]*(?::[\d.*]+)?)(?::(.+))?", spec).groups()
    builder = _builder(name, data_dir)
    _check_features(builder, features)
    if split:
        return _records(builder, split), None, split
    held = next((held for held in VALIDATION_SPLITS if held in builder.info.splits), None)
    return _records(builder, "train"), _records(builder, held) if held else None, f"train and {held}"


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
    """Asks the server of the data set's first file for it; tensorflow-datasets itself gives up after minutes."""
    logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)  # it prints every attempt
    url = next((url for url in builder.url_infos if url.startswith("http")), None)
    try:
        if url:
            urllib.request.urlopen(url, timeout=_PATIENCE).close()
    except urllib.error.HTTPError:
        pass  # the server answers; what it says is the download's affair
    except OSError as error:
        where = data_dir or "tensorflow-datasets' own folder"
        reason = getattr(error, "reason", error)
        raise UserError(
            f"--data tfds:{name} is not prepared in {where}, and {url} cannot be reached to download it: "
            f"{getattr(reason, 'strerror', None) or reason}."
        ) from error


def _check_features(builder: tfds.core.DatasetBuilder, features: tuple[str, str]) -> None:
    there = {
        name: feature
        for name, feature in builder.info.features.items()
        if isinstance(feature, tfds.features.Image) and feature.np_dtype in (np.uint8, np.uint16)
    }
    for side, feature in zip("ab", features, strict=True):
        if feature not in there:
            raise UserError(
                f"--feature-{side} got {feature!r}; accepted are the image features of "
                f"tfds:{builder.info.full_name}: {', '.join(there) or '(none)'}."
            )


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
