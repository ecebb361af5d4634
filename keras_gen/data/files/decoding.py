"""From encoded images to arrays of one size, many at a time, with every fault named: for pairs and single images."""

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
"""A graph function, int64 scalar index -> the encoded files of an example, string scalars."""
LEAST_PEAK = 2**14  # of 16-bit data: below it they have 14 bits or fewer
_PASS_BATCH = 16  # examples handed from TensorFlow to Python at a time while all are checked


@dataclass(frozen=True)
class Side:
    """How one side is decoded and stored until it becomes floats.

    Attributes:
      channels: as stored; 1 for ids.
      dtype: uint8, uint16 or, of what is drawn, float32.
      labels: number of label ids; 0 for pictures.
      max_pixels: refuse images that say they have more.
      peaks: the largest values of 16-bit pictures that were decoded, for `require_range`.
    """

    channels: int
    dtype: np.dtype
    labels: int = 0
    max_pixels: int = images.MAX_PIXELS
    peaks: set[int] = field(default_factory=set, compare=False, repr=False)

    def decode(self, contents: bytes, name: str) -> np.ndarray:
        """(height, width, channels) in this side's type; 8-bit images among 16-bit ones are scaled up."""
        if self.labels:
            return images.decode_ids(contents, name, self.max_pixels).astype(self.dtype)
        array = images.decode_image(contents, name, self.channels, self.max_pixels)
        if array.dtype == np.uint16:
            self.peaks.add(int(array.max()))
        return array * np.uint16(257) if array.dtype == np.uint8 and self.dtype == np.uint16 else array

    def check_ids(self, ids: np.ndarray, name: str) -> None:
        if self.labels and ids.max() >= self.labels:
            raise UserError(
                f"{name} holds the label id {ids.max()}, and --num-classes {self.labels} accepts ids from 0 to "
                f"{self.labels - 1}."
            )

    def resize(self, image: tf.Tensor, size: int) -> tf.Tensor:
        """An image or a batch to size x size, same type: ids to the nearest, pictures bilinear with antialias."""
        if image.shape.rank is None:
            image.set_shape((None, None, self.channels))
        if self.labels:
            return tf.image.resize(image, (size, size), "nearest")

        def scaled(antialias: bool) -> tf.Tensor:
            return tf.image.resize(image, (size, size), "bilinear", antialias=antialias)

        # Enlarging needs no antialias: the same values but for rounding, in less than half the time.
        shrinks = tf.reduce_any(tf.shape(image)[-3:-1] > size)
        resized = tf.cond(shrinks, lambda: scaled(True), lambda: scaled(False))
        return tf.cast(tf.round(resized), self.dtype)  # a mean of values in range: no clipping needed

    def to_float(self, image: tf.Tensor) -> tf.Tensor:
        """To float32 in [-1, 1], where what is stored as floats lies already; ids to `labels` channels, 1 for the
        pixel's own and -1 for the others."""
        if self.labels:
            return tf.one_hot(tf.cast(image[..., 0], tf.int32), self.labels, 1.0, -1.0)
        if self.dtype == np.float32:
            return image
        return tf.cast(image, tf.float32) / (np.iinfo(self.dtype).max / 2) - 1.0


def require_range(spec: str, peaks: Iterable[int]) -> None:
    """Refuses pictures of 10, 12 or 14 bits in 16, which would train as near black.

    It is decided for a data set as a whole, by the largest value of all its 16-bit pictures: a single dark one is none.

    Args:
      spec: what `--data` got.
      peaks: the largest values.

    Raises:
      UserError: not one lies in the upper three quarters of 16 bits.
    """
    if 0 < (peak := max(peaks, default=0)) < LEAST_PEAK:
        raise UserError(
            f"--data {shown(spec)} has 16-bit images with values of up to {peak}, which would be near black; accepted "
            f"are images that use the range up to 65535: multiply the values by {65535 // peak}."
        )


def probed(
    probe: Callable[..., np.ndarray], encoded: Encodings, indices: np.ndarray, skipped: list[str]
) -> tuple[np.ndarray, np.ndarray]:
    """Reads all headers.

    Args:
      probe: (index, files of the example) -> int64 (4,).
      encoded: see `Encodings`.
      indices: of the examples.
      skipped: gets a sentence for each that cannot be read.

    Returns:
      The indices that can be read, and (n, 4) of `probe` for them.

    Raises:
      UserError: the first fault of another kind.
    """
    survey = _Survey(probe, np.zeros(4, np.int64))

    def load(index: tf.Tensor) -> tf.Tensor:
        return tf.ensure_shape(tf.numpy_function(survey, [index, *encoded(index)], tf.int64), (4,))

    headers = np.concatenate([batch for _, batch in _passed_once(load, indices)])
    good = survey.good(indices, skipped)
    return indices[good], headers[good]


class Decoder:
    """Examples by number, decoded and brought to one size: an image for each of their sides."""

    def __init__(
        self, decode: Callable[..., Sequence[np.ndarray]], encoded: Encodings, sides: Sequence[Side], size: int
    ) -> None:
        """Args:
        decode: (index, files of the example) -> an array of each side, (height, width, channels) of its type.
        encoded: see `Encodings`.
        sides: how each is stored.
        size: height and width of the images [pixels].
        """
        self._decode, self._encoded, self._sides, self._size = decode, encoded, sides, size

    def load(self, index: tf.Tensor) -> tuple[tf.Tensor, ...]:
        """One example, within a graph: (size, size, channels) of each side, as stored."""
        return self._load(index, self._decode)

    def load_all(self, indices: np.ndarray, skipped: list[str], *, keep: bool) -> tuple[np.ndarray, list[np.ndarray]]:
        """Decodes each of many examples once.

        Args:
          indices: of the examples.
          skipped: gets a sentence for each that cannot be decoded.
          keep: whether to hold what was decoded.

        Returns:
          The indices that can be decoded, and with `keep` the images of each side, (their number, size, size,
          channels), as stored.

        Raises:
          UserError: the first fault of another kind.
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
    """Wraps a function of (index, ...), so that one pass finds all bad examples instead of the first."""

    def __init__(self, function: Callable, stand_in: Any) -> None:
        self._function, self._stand_in = function, stand_in
        self._problems: dict[int, UserError] = {}

    def __call__(self, index: np.int64, *contents: bytes) -> Any:
        try:
            return self._function(index, *contents)
        except UserError as error:
            # Without its traceback, which would keep the contents of the file in memory.
            self._problems[int(index)] = type(error)(str(error))
            return self._stand_in

    def good(self, indices: np.ndarray, skipped: list[str]) -> np.ndarray:
        """Which examples passed; unreadable ones go to `skipped`, and any other fault is raised."""
        for index in sorted(self._problems):
            if not isinstance(self._problems[index], UnreadableImage):
                raise self._problems[index]
            skipped.append(str(self._problems[index]))
        return np.array([int(index) not in self._problems for index in indices], bool)


def _passed_once(load: Callable, indices: np.ndarray) -> Iterator[tuple[int, Any]]:
    """(start, batch of numpy arrays) of `load` over `indices`, in parallel and in order."""
    numbers = tf.data.Dataset.from_tensor_slices(indices)
    start = 0
    try:
        for batch in numbers.map(load, tf.data.AUTOTUNE).batch(_PASS_BATCH).as_numpy_iterator():
            yield start, batch
            start += _PASS_BATCH
    except tf.errors.OpError as error:  # a file that vanished, a damaged shard, no permission
        raise UserError(f"--data cannot be read: {complaint(error)}.") from error
