"""Aligned pairs of images: source and target show the same scene, as for pix2pix (arXiv 1611.07004).

`PairsConfig.open` resolves a SPEC and checks every image once. Batches are (source, target).

Training pairs are augmented as in section 6.2 of the paper, both images in the same way: resized to 286/256 of the
image size (bilinear, with antialiasing when shrinking, as in the authors' Torch loader), randomly cropped, and randomly
flipped. Validation pairs are resized to the image size. Resizing makes all images square, as in the authors' code.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Literal

import numpy as np
import tensorflow as tf

from keras_gen.data.config import FilesConfig
from keras_gen.data.dataset import SplitDataset, Stream
from keras_gen.data.files import codecs as images
from keras_gen.data.files.codecs import UnreadableImage
from keras_gen.data.files.decoding import Decoder, Side, probed, require_range
from keras_gen.data.files.pair_sources import ACCEPTED, BUILT_IN, Source, Split, find_pairs
from keras_gen.errors import UserError
from keras_gen.flags import Positive, Range

JITTER = 286 / 256  # the paper's ratio of the size before the random crop to the size after it

_Table = Callable[[tf.Tensor], tuple[tf.Tensor, ...]]


@dataclass(frozen=True)
class PairsConfig(FilesConfig):
    """Which pairs to read, and how."""

    accepted = ACCEPTED

    data: str = "facades"
    """SPEC of the pairs: facades or shapes-saliency (built in), a folder of side-by-side images, a folder with A/ and
    B/ or trainA/ and trainB/, two folders PATH_A,PATH_B, tfds:NAME[:SPLIT], tfrecord:GLOB[,GLOB], a packed folder."""
    image_size: Positive[int] = 256
    """Height and width to which all images are resized [pixels]; 256 in the pix2pix paper."""
    direction: Literal["AtoB", "BtoA"] = "AtoB"
    """Direction of translation. AtoB: from the left image, or folder A, to the right image, or folder B."""
    num_classes: Annotated[int, Range(0, 65536)] = 0
    """Number of label ids if the source is a label map, which becomes one-hot channels of -1 and 1 [count]; 0: the
    source is a picture."""
    source_channels: Literal[0, 1, 3, 4] = 0
    """Channels of the source: 1 grey, 3 RGB, 4 RGBA; 0: as in the data, with transparent pixels blended on white."""
    target_channels: Literal[0, 1, 3, 4] = 0
    """Channels of the target: 1 grey, 3 RGB, 4 RGBA; 0: as in the data, with transparent pixels blended on white."""
    feature_a: str = ""
    """For tfds: name of the image feature that is side A, such as segmentation_mask."""
    feature_b: str = ""
    """For tfds: name of the image feature that is side B, such as image."""
    jitter: bool = True
    """Crop training pairs at random after resizing them to 286/256 of the image size (paper, section 6.2)."""
    mirror: bool = True
    """Flip training pairs horizontally at random (paper, section 6.2)."""

    def open(self, seed: int = 0, model: Any = None) -> PairsData:
        """Finds the pairs, checks every one, and decodes them if they fit into the cache; see `DataConfig.open`."""
        return PairsData(self, seed)

    def split(self) -> Split:
        """Finds the training and validation pairs. Raises the errors of `pair_sources.find_pairs`."""
        return find_pairs(
            self.data,
            image_size=self.image_size,
            val_every=self.val_every,
            feature_a=self.feature_a,
            feature_b=self.feature_b,
            tfds_dir=self.tfds_dir,
        )

    def inspect(self) -> list[str]:
        """Checks a sample of the pairs; see `data.checks`."""
        from keras_gen.data.checks.rules import quick_check  # which opens pairs itself

        return quick_check(self)

    def attributes(self) -> dict[str, Any]:
        """The image size, which is known in advance."""
        return {"image_size": self.image_size}

    def check_together(self) -> None:
        """For a label map, the number of classes determines the channels."""
        super().check_together()
        if self.num_classes == 1:
            raise self.fault("<num_classes got>; accepted are 0 (no labels) and 2 to 65536.")
        if self.num_classes and self.source_channels:
            raise self.fault("<source_channels got>, but <num_classes=> determines it: leave one of them out.")


class PairReader:
    """Decodes pairs: from the encoded images A and B to source and target arrays."""

    def __init__(self, source: Source, config: PairsConfig) -> None:
        self._source = source
        self._swap = config.direction == "BtoA"
        self._labels = config.num_classes
        self._max_pixels = config.max_pixels

    def probe(self, index: np.int64, a: bytes, b: bytes) -> np.ndarray:
        """(source channels, source bits, target channels, target bits) from the headers; see `infos`."""
        source, target = self.infos(index, a, b)
        return np.array([source.channels, source.bits, target.channels, target.bits])

    def infos(self, index: int, a: bytes, b: bytes = b"") -> tuple[images.ImageInfo, images.ImageInfo]:
        """The headers of source and target; for a side-by-side pair, the same header twice.

        Raises:
            UnreadableImage: a file has no image header.
            UserError: the images cannot be a pair, or the source cannot hold label ids.
        """
        names = self._source.names(index)
        info_a = images.probe(a, names[0], self._max_pixels)
        if not b and not self._source.apart:
            if info_a.width % 2:
                raise UserError(
                    f"{names[0]} is {info_a.width} pixels wide; accepted is an even width for an image that holds A "
                    "and B side by side."
                )
            info_b = info_a
        elif not b:
            raise UnreadableImage(f"{names[1]} is empty.")
        else:
            info_b = images.probe(b, names[1], self._max_pixels)
            if info_a[:2] != info_b[:2]:
                raise UserError(
                    f"{names[0]} is {info_a.width}x{info_a.height} and {names[1]} is "
                    f"{info_b.width}x{info_b.height}; accepted are pairs of equal size."
                )
        source, target = (info_b, info_a) if self._swap else (info_a, info_b)
        if self._labels and not source.holds_ids:
            raise UserError(
                f"{names[self._swap]} has colours or lossy compression; --num-classes {self._labels} reads label ids "
                "from grey or palette PNG, BMP or GIF images."
            )
        return source, target

    def decode(self, index: np.int64, a: bytes, b: bytes, sides: tuple[Side, Side]) -> tuple[np.ndarray, np.ndarray]:
        """The source and target arrays, each (height, width, channels) in its storage type; checks label ids."""
        source, target = self.arrays(index, a, b, sides)
        sides[0].check_ids(source, self._source.names(index)[self._swap])
        return source, target

    def arrays(self, index: int, a: bytes, b: bytes, sides: tuple[Side, Side]) -> tuple[np.ndarray, np.ndarray]:
        """Like `decode`, without checking label ids."""
        names = self._source.names(index)
        contents = (a, b or a)
        if self._swap:
            contents, names = contents[::-1], names[::-1]
        source = sides[0].decode(contents[0], names[0])
        shared = not b and sides[0] == sides[1]
        target = source if shared else sides[1].decode(contents[1], names[1])
        if not b:
            middle = source.shape[1] // 2
            left, right = np.s_[:, :middle], np.s_[:, middle:]
            source, target = (source[right], target[left]) if self._swap else (source[left], target[right])
        return source, target


class PairsData(SplitDataset):
    """Training and validation pairs, opened by `PairsConfig.open`.

    Batches are (source, target), float32 in [-1, 1], (batch, size, size, channels). Training batches are augmented.

    Attributes:
        source_channels, target_channels: channels of the images.
        num_classes: number of label ids in the source; 0 for pictures.
        image_size: height and width of the images [pixels].
        train_size, val_size: number of pairs.
    """

    _config: PairsConfig

    def __init__(self, config: PairsConfig, seed: int) -> None:
        split, image_size = config.split(), config.image_size
        # Built-in pairs are the same everywhere, so their files need not be read to identify them.
        super().__init__(config, seed, split, f"{config.data}, {image_size}" if config.data in BUILT_IN else "")
        self.image_size = image_size
        self._load_size = round(image_size * JITTER) if config.jitter else image_size
        self.num_classes = config.num_classes

        found = [
            probed(PairReader(source, config).probe, source.encoded, indices, self.skipped)
            for source, indices in split.parts
        ]
        self._sides = self._follow(np.concatenate([headers for _, headers in found]))
        self.source_channels = self.num_classes or self._sides[0].channels
        self.target_channels = self._sides[1].channels

        pixel = sum(side.channels * side.dtype.itemsize for side in self._sides)
        areas = (self._load_size**2, image_size**2)
        self._bytes = pixel * sum(len(headers) * area for (_, headers), area in zip(found, areas, strict=True))
        self._cached = self._bytes <= config.cache_gib * 2**30
        self._train, self.train_size = self._table(split.train, found[0][0], self._load_size)
        self._validation, self.val_size = self._table(split.validation, found[1][0], image_size)
        for side in self._sides:
            require_range(config.data, side.peaks)
        self._require_usable("pairs", (self.train_size, self.val_size))

    def describe(self) -> str:
        """A summary to print: number of pairs, source, split, format, and what was left out."""
        what = f"{self.num_classes} label ids" if self.num_classes else f"{self.source_channels} channels"
        held = f"{self._bytes / 2**20:.0f} MiB in memory" if self._cached else "decoded at each access"
        return self._summary(
            "pairs",
            (self.train_size, self.val_size),
            f"{self.image_size}x{self.image_size}, {what} to {self.target_channels} channels, {held}",
        )

    def attributes(self) -> dict[str, Any]:
        """Those of every data set, and `image_size`, `source_channels`, `target_channels` and `num_classes`."""
        names = ("image_size", "source_channels", "target_channels", "num_classes")
        return {**super().attributes(), **{name: getattr(self, name) for name in names}}

    def streams(self, training: bool) -> tuple[Stream, ...]:
        """One stream, of (source, target)."""
        load, size = (self._augmented, self.train_size) if training else (self._as_stored, self.val_size)
        return (Stream(load, self._to_float, size, vectorised=False),)

    def _as_stored(self, index: tf.Tensor, key: tf.Tensor) -> tuple[tf.Tensor, ...]:
        return self._validation(index)

    def _follow(self, headers: np.ndarray) -> tuple[Side, Side]:
        """Chooses the storage format of source and target: from the flags, or from the richest image in the data."""
        channels, bits = headers.max(axis=0, initial=1).reshape(2, 2).T
        types = [np.dtype(np.uint16 if depth == 16 else np.uint8) for depth in bits]
        source = 1 if self.num_classes else self._config.source_channels or int(channels[0])
        target = self._config.target_channels or int(channels[1])
        limit = self._config.max_pixels
        return Side(source, types[0], self.num_classes, limit), Side(target, types[1], max_pixels=limit)

    def _table(self, source: Source, indices: np.ndarray, size: int) -> tuple[_Table, int]:
        """A function from indices to stored pairs of side `size`, and their number; checks every pair."""
        decode = partial(PairReader(source, self._config).decode, sides=self._sides)
        decoder = Decoder(decode, source.encoded, self._sides, size)
        if self._cached or self._config.verify:
            indices, stored = decoder.load_all(indices, self.skipped, keep=self._cached)
            if self._cached:
                with tf.device("CPU:0"):  # stored outside the graph, which is limited to 2 GB
                    tables = list(map(tf.constant, stored))
                return lambda number: tuple(table[number] for table in tables), len(indices)
        chosen = tf.constant(indices)
        return lambda number: decoder.load(chosen[number]), len(indices)

    def _augmented(self, index: tf.Tensor, key: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        draw = tf.random.stateless_uniform((3,), key)
        margin = self._load_size - self.image_size
        top, left = tf.unstack(tf.cast(draw[:2] * (margin + 1), tf.int32))
        mirrored = draw[2] < 0.5

        def view(image: tf.Tensor) -> tf.Tensor:
            if self._config.jitter:
                image = image[top : top + self.image_size, left : left + self.image_size]
            if self._config.mirror:  # tf.where with a scalar condition takes 20 times as long
                image = tf.cond(mirrored, lambda: tf.reverse(image, [1]), lambda: image)
            return tf.ensure_shape(image, (self.image_size, self.image_size, None))

        return tuple(view(image) for image in self._train(index))

    def _to_float(self, source: tf.Tensor, target: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return self._sides[0].to_float(source), self._sides[1].to_float(target)
