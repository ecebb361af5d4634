"""Decodes many images to arrays of one size in parallel, and reports all bad ones: for pairs and single images."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import tensorflow as tf

from keras_gen.data.files import codecs as images
from keras_gen.data.files.codecs import UnreadableImage
from keras_gen.data.files.folders import shown
from keras_gen.errors import UserError, complaint

Encodings = Callable[[tf.Tensor], tuple[tf.Tensor, ...]]
"""A graph function: int64 scalar index -> the encoded files of an example, string scalars."""
MIN_PEAK = 2**14  # 16-bit images whose largest value is below this have at most 14 bits
_PASS_BATCH = 16  # number of examples that TensorFlow passes to Python at a time while all are checked


@dataclass(frozen=True)
class Side:
    """How the images of one side of an example are decoded and stored until they become floats.

    Attributes:
        channels: number of channels in storage; 1 for label ids.
        dtype: uint8, uint16, or float32 for generated points.
        labels: number of label ids; 0 for pictures.
        max_pixels: refuse images whose headers claim more.
        peaks: collects the largest value of each 16-bit picture, for `require_range`.
    """

    channels: int
    dtype: np.dtype
    labels: int = 0
    max_pixels: int = images.MAX_PIXELS
    peaks: set[int] = field(default_factory=set, compare=False, repr=False)

    def decode(self, contents: bytes, name: str) -> np.ndarray:
        """Decodes to (height, width, channels) of type `dtype`; 8-bit images among 16-bit ones are scaled up."""
        if self.labels:
            return images.decode_ids(contents, name, self.max_pixels).astype(self.dtype)
        array = images.decode_image(contents, name, self.channels, self.max_pixels)
        if array.dtype == np.uint16:
            self.peaks.add(int(array.max()))
        return array * np.uint16(257) if array.dtype == np.uint8 and self.dtype == np.uint16 else array

    def check_ids(self, ids: np.ndarray, name: str) -> None:
        """Raises UserError if a label map contains an id that is too large."""
        if self.labels and ids.max() >= self.labels:
            raise UserError(
                f"{name} holds the label id {ids.max()}; --num-classes {self.labels} accepts ids from 0 to "
                f"{self.labels - 1}."
            )

    def resize(self, image: tf.Tensor, size: int) -> tf.Tensor:
        """Resizes an image or a batch, keeping the type: nearest neighbour for label ids, otherwise bilinear with
        antialiasing."""
        if image.shape.rank is None:
            image.set_shape((None, None, self.channels))
        if self.labels:
            return tf.image.resize(image, (size, size), "nearest")

        def scaled(antialias: bool) -> tf.Tensor:
            return tf.image.resize(image, (size, size), "bilinear", antialias=antialias)

        # Without antialiasing, enlarging gives the same values except for rounding, in less than half the time.
        shrinks = tf.reduce_any(tf.shape(image)[-3:-1] > size)
        resized = tf.cond(shrinks, lambda: scaled(True), lambda: scaled(False))
        return tf.cast(tf.round(resized), self.dtype)  # means of values in range need no clipping

    def to_float(self, image: tf.Tensor) -> tf.Tensor:
        """Converts stored images to float32 in [-1, 1]; label ids become one-hot channels of -1 and 1."""
        if self.labels:
            return tf.one_hot(tf.cast(image[..., 0], tf.int32), self.labels, 1.0, -1.0)
        if self.dtype == np.float32:
            return image
        return tf.cast(image, tf.float32) / (np.iinfo(self.dtype).max / 2) - 1.0


def require_range(spec: str, peaks: Iterable[int]) -> None:
    """Refuses data with 10, 12 or 14 bits that are stored in 16 bits, which would be nearly black.

    The largest value in the whole data set decides, so single dark images are accepted.

    Args:
        spec: the value of `--data`.
        peaks: the largest values of the 16-bit images.

    Raises:
        UserError: all of them are in the lowest quarter of the 16-bit range.
    """
    if 0 < (peak := max(peaks, default=0)) < MIN_PEAK:
        raise UserError(
            f"--data {shown(spec)} has 16-bit images with values of at most {peak}, which would be nearly black; "
            f"accepted are images that use the range up to 65535: multiply the values by {65535 // peak}."
        )


def probed(
    probe: Callable[..., np.ndarray], encoded: Encodings, indices: np.ndarray, skipped: list[str]
) -> tuple[np.ndarray, np.ndarray]:
    """Reads the headers of many examples.

    Args:
        probe: (index, files of the example) -> int64 (4,).
        encoded: see `Encodings`.
        indices: indices of the examples.
        skipped: a list to which a sentence is added for each unreadable example.

    Returns:
        The indices of the readable examples, and what `probe` returned for them, (n, 4).

    Raises:
        UserError: an example is bad for another reason.
    """
    survey = _Survey(probe, np.zeros(4, np.int64))

    def load(index: tf.Tensor) -> tf.Tensor:
        return tf.ensure_shape(tf.numpy_function(survey, [index, *encoded(index)], tf.int64), (4,))

    headers = np.concatenate([batch for _, batch in _passed_once(load, indices)])
    good = survey.good(indices, skipped)
    return indices[good], headers[good]


class Decoder:
    """Decodes and resizes examples by index: one image for each side."""

    def __init__(
        self, decode: Callable[..., Sequence[np.ndarray]], encoded: Encodings, sides: Sequence[Side], size: int
    ) -> None:
        """Args:
        decode: (index, files of the example) -> one array per side, (height, width, channels) of its type.
        encoded: see `Encodings`.
        sides: storage format of each side.
        size: height and width of the images [pixels].
        """
        self._decode, self._encoded, self._sides, self._size = decode, encoded, sides, size

    def load(self, index: tf.Tensor) -> tuple[tf.Tensor, ...]:
        """Loads one example, within a graph: (size, size, channels) for each side, in storage format."""
        return self._load(index, self._decode)

    def load_all(self, indices: np.ndarray, skipped: list[str], *, keep: bool) -> tuple[np.ndarray, list[np.ndarray]]:
        """Decodes many examples once.

        Args:
            indices: indices of the examples.
            skipped: a list to which a sentence is added for each unreadable example.
            keep: whether to return the images.

        Returns:
            The indices of the readable examples, and with `keep` the images of each side, (n, size, size, channels), in
            storage format.

        Raises:
            UserError: an example is bad for another reason.
        """
        survey = _Survey(self._decode, [np.zeros((1, 1, side.channels), side.dtype) for side in self._sides])
        shape = (len(indices) if keep else 0, self._size, self._size)
        stored = [np.empty((*shape, side.channels), side.dtype) for side in self._sides]
        for start, batch in _passed_once(partial(self._load, decode=survey), indices):
            for array, part in zip(stored, batch, strict=True) if keep else ():
                array[start : start + len(part)] = part
        good = survey.good(indices, skipped)
        return indices[good], stored if good.all() or not keep else [array[good] for array in stored]

    def _load(self, index: tf.Tensor, decode: Callable) -> tuple[tf.Tensor, ...]:
        types = [side.dtype for side in self._sides]
        arrays = tf.numpy_function(decode, [index, *self._encoded(index)], types, stateful=False)
        return tuple(side.resize(image, self._size) for side, image in zip(self._sides, arrays, strict=True))


class _Survey:
    """Wraps a function of (index, ...) so that one pass finds all bad examples instead of stopping at the first."""

    def __init__(self, function: Callable, stand_in: Any) -> None:
        self._function, self._stand_in = function, stand_in
        self._problems: dict[int, UserError] = {}

    def __call__(self, index: np.int64, *contents: bytes) -> Any:
        try:
            return self._function(index, *contents)
        except UserError as error:
            # A copy without the traceback, which would keep the contents of the file in memory.
            self._problems[int(index)] = type(error)(str(error))
            return self._stand_in

    def good(self, indices: np.ndarray, skipped: list[str]) -> np.ndarray:
        """A mask of the good examples; adds unreadable ones to `skipped`, and raises the first other error."""
        for index in sorted(self._problems):
            if not isinstance(self._problems[index], UnreadableImage):
                raise self._problems[index]
            skipped.append(str(self._problems[index]))
        return np.array([int(index) not in self._problems for index in indices], bool)


def _passed_once(load: Callable, indices: np.ndarray) -> Iterator[tuple[int, Any]]:
    """Yields (start, batch of NumPy arrays) of `load` over `indices`, computed in parallel, in order."""
    numbers = tf.data.Dataset.from_tensor_slices(indices)
    start = 0
    try:
        for batch in numbers.map(load, tf.data.AUTOTUNE).batch(_PASS_BATCH).as_numpy_iterator():
            yield start, batch
            start += _PASS_BATCH
    except tf.errors.OpError as error:  # a missing file, a damaged shard, no permission
        raise UserError(f"--data cannot be read: {complaint(error)}.") from error
