"""Single images, with or without labels: the training data of autoencoders and GANs.

`ImagesConfig.open` resolves a SPEC and checks every image once. Batches are (image, label). Images that fit into memory
are stored as one array, so that a batch is a single gather.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np
import tensorflow as tf

from keras_gen.data.builtin.heads import read_correlations
from keras_gen.data.builtin.points import POINT_SETS, Mixture
from keras_gen.data.builtin.shapes import SIZE, Shapes
from keras_gen.data.config import FilesConfig
from keras_gen.data.dataset import Load, SplitDataset, Stream, random_bool, uniforms
from keras_gen.data.files import codecs as images
from keras_gen.data.files.arrays import Arrays
from keras_gen.data.files.decoding import Decoder, Side, probed, require_range
from keras_gen.data.files.folders import shown
from keras_gen.data.files.image_sources import (
    ACCEPTED,
    HEADS_COUNT,
    Drawn,
    Encoded,
    Heads,
    Sampled,
    Source,
    Split,
    find_set,
)
from keras_gen.errors import UserError
from keras_gen.flags import NonNegative, Positive

_RESIZE_BATCH = 256  # number of images of an array that are resized at a time


@dataclass(frozen=True)
class ImagesConfig(FilesConfig):
    """Which images to read, and how."""

    accepted = ACCEPTED

    data: str = "glyphs"
    """SPEC of the images: glyphs, digits, shapes, facades or heads (built in), a folder of images, a folder with one
    subfolder per class, idx files in MNIST's format, a .npz or .npy file, tfds:NAME[:SPLIT]; or points in the plane:
    ring, grid, swiss-roll (built in)."""
    image_size: NonNegative[int] = 0
    """Height and width of the images, to which others are resized [pixels]; 0: the size of the data, if all are square
    and equal."""
    channels: Literal[0, 1, 3, 4] = 0
    """Channels: 1 grey, 3 RGB, 4 RGBA; 0: as in the data, with transparent pixels blended on white."""
    image_feature: str = ""
    """For tfds: name of the image feature; default: the main image feature of the data set."""
    label_feature: str = ""
    """For tfds: name of the label feature; default: the main label feature of the data set, if any."""
    heads: Positive[int] = HEADS_COUNT
    """For heads: number of training images; a tenth as many are drawn for validation."""
    correlation: tuple[str, ...] = ()
    """For heads: pairs of factors and their correlation, such as beard,sex:0.8; others are independent."""
    mirror: bool = False
    """Flip training images horizontally at random."""
    binarise: Literal["none", "threshold", "sample"] = "none"
    """Make pixels black or white: threshold at mid-grey, or random with the grey value as the probability of white,
    drawn again at each access in training and once in validation (Burda et al. 2016)."""

    def open(self, seed: int = 0, model: Any = None) -> ImagesData:
        """Finds the images, checks every one, and decodes them if they fit into the cache; see `DataConfig.open`."""
        return ImagesData(self, seed)

    def split(self) -> Split:
        """Finds the training and validation images. Raises the errors of `image_sources.find_set`."""
        return find_set(
            self.data,
            image_size=self.image_size,
            val_every=self.val_every,
            max_bytes=self.max_bytes,
            image_feature=self.image_feature,
            label_feature=self.label_feature,
            tfds_dir=self.tfds_dir,
            heads_count=self.heads,
            correlations=read_correlations(self.correlation),
        )

    def inspect(self) -> list[str]:
        """Checks a sample of a folder. Other sources are checked in full when they are opened."""
        from keras_gen.data.checks.rules import quick_check_images  # which opens images itself

        return quick_check_images(self)

    def check_together(self) -> None:
        """Correlations are for heads, and options for images do not apply to points."""
        super().check_together()
        if self.correlation and self.data != "heads":
            raise self.fault("<correlation=> does not apply to <data=>, only to heads: leave it out.")
        if self.data in POINT_SETS:
            for name in ("image_size", "channels", "mirror", "binarise"):
                if getattr(self, name) != getattr(ImagesConfig, name):
                    raise self.fault(f"<{name}=> does not apply to <data=>, which are points: leave it out.")


class ImagesData(SplitDataset):
    """Training and validation images, opened by `ImagesConfig.open`.

    Batches are (image, label): float32 in [-1, 1], (batch, size, size, channels), and int32 (batch,), -1 for images
    without a label.

    Attributes:
        image_size: height and width of the images [pixels].
        channels: channels of the images.
        classes: names of the labels 0, 1, ..., `num_classes` in all; empty if there are none.
        train_size, val_size: number of images.
        train_labels: int32 (train_size,), -1 for images without a label.
        shapes: the grid of factors behind `--data shapes`; None for all other data.
        factors, val_factors: the factors of the training and validation images of `--data heads`, in order: arrays
            (n,) by name, and "identity", (n, 40); None for all other data.
        mixture: the distribution of the points of `--data ring` and `grid`; None for all other data. Its centres are
            `mode_centres`.
    """

    _config: ImagesConfig

    def __init__(self, config: ImagesConfig, seed: int) -> None:
        split = config.split()
        super().__init__(config, seed, split)
        self.classes, self.num_classes = split.classes, len(split.classes)
        self.shapes: Shapes | None = next((s.shapes for s in split.sources if isinstance(s, Drawn)), None)
        self.factors, self.val_factors = (
            source.factors if isinstance(source, Heads) else None for source in (split.train, split.validation)
        )
        density = split.train.density if isinstance(split.train, Sampled) else None
        self.mixture: Mixture | None = density if isinstance(density, Mixture) else None
        self.mode_centres = self.mixture.centres if self.mixture else None

        found = [self._probe(source, indices) for source, indices in split.parts]
        forms = np.concatenate([forms for _, forms in found])
        self.image_size = config.image_size or self._own_size(forms)
        self._side = self._follow(forms)
        self.channels = self._side.channels

        pixel = self.channels * self._side.dtype.itemsize
        self._bytes = pixel * self.image_size**2 * sum(len(good) for good, _ in found)
        # Generated images need no memory; arrays are in memory already.
        self._drawn_anew = any(isinstance(source, Drawn | Sampled) for source in split.sources)
        self._cached = not self._drawn_anew and self._bytes <= config.max_bytes
        if isinstance(split.train, Arrays) and not self._cached:
            raise UserError(
                f"--data {shown(config.data)} needs {self._bytes / 2**30:.2f} GiB of memory at {self.image_size}x"
                f"{self.image_size}; --cache-gib {config.cache_gib:g} is the limit."
            )
        self._vectorised = self._cached or self._drawn_anew
        self._train, self.train_labels = self._table(split.train, found[0][0])
        self._validation, held_labels = self._table(split.validation, found[1][0])
        self.train_size, self.val_size = len(self.train_labels), len(held_labels)
        require_range(config.data, self._side.peaks)
        self._require_usable("images", (self.train_size, self.val_size))

    def describe(self) -> str:
        """A summary to print: number of images, source, split, format, and what was left out."""
        held = f"{self._bytes / 2**20:.1f} MiB in memory" if self._cached else "decoded at each access"
        labels = f"{len(self.classes)} classes" if self.classes else "no labels"
        return self._summary(
            "images",
            (self.train_size, self.val_size),
            f"{self.image_size}x{self.image_size}, {self.channels} channel{'s' * (self.channels > 1)}, {labels}, "
            f"{'drawn at each access' if self._drawn_anew else held}",
        )

    def attributes(self) -> dict[str, Any]:
        """Those of every data set, and `image_size`, `channels`, `num_classes` and `classes`."""
        own = {name: getattr(self, name) for name in ("image_size", "channels", "num_classes", "classes")}
        return {**super().attributes(), **own}

    def streams(self, training: bool) -> tuple[Stream, ...]:
        """One stream, of (image, label)."""
        finish = partial(self._finish, mirror=training and self._config.mirror)
        load, size = (self._train, self.train_size) if training else (self._validation, self.val_size)
        return (Stream(load, finish, size, self._vectorised),)

    def _probe(self, source: Source, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Indices of the images with readable headers, and their height, width, channels and bits, (n, 4)."""
        if not isinstance(source, Encoded) or source.form:
            if isinstance(source, Encoded):
                form = source.form
            elif isinstance(source, Drawn):
                form = (SIZE, SIZE, 1, 8)
            elif isinstance(source, Sampled):
                form = (1, 1, 2, 32)
            else:
                channels = 1 if source.images.shape[3] == 1 else 3
                form = (*source.images.shape[1:3], channels, 8 * source.images.dtype.itemsize)
            return indices, np.broadcast_to(np.array(form), (len(indices), 4))

        def form_of(index: np.int64, contents: bytes) -> np.ndarray:
            info = images.probe(contents, source.names(index), self._config.max_pixels)
            return np.array([info.height, info.width, info.channels, info.bits])

        return probed(form_of, lambda index: (source.encoded(index),), indices, self.skipped)

    def _own_size(self, forms: np.ndarray) -> int:
        sizes = {(int(height), int(width)) for height, width in forms[:, :2]}
        (height, width), *others = sorted(sizes) or [(1, 1)]
        if others or height != width:
            found = f"{width}x{height}" + (f" to {others[-1][1]}x{others[-1][0]}" if others else "")
            raise UserError(
                f"--image-size got 0, but --data {shown(self._config.data)} has images of {found}; accepted is the "
                "size to which all are resized."
            )
        return height

    def _follow(self, forms: np.ndarray) -> Side:
        """Chooses the storage format: from the flag, or from the richest image in the data."""
        channels, bits = forms[:, 2:].max(axis=0, initial=1)
        dtype = np.dtype({16: np.uint16, 32: np.float32}.get(int(bits), np.uint8))
        return Side(self._config.channels or int(channels), dtype, max_pixels=self._config.max_pixels)

    def _table(self, source: Source, indices: np.ndarray) -> tuple[Load, np.ndarray]:
        """A function from indices to stored images, labels and keys, and all labels; checks every file."""
        if isinstance(source, Drawn):
            return self._drawn(source, indices), source.labels[indices]
        if isinstance(source, Sampled):
            return self._sampled(source), source.labels
        if isinstance(source, Arrays):
            if source.images.dtype == np.uint16:
                self._side.peaks.add(int(source.images.max()))
            return self._held(self._resized(source.images, indices), source.labels[indices])
        return self._decoded(source, indices)

    def _drawn(self, source: Drawn, indices: np.ndarray) -> Load:
        with tf.device("CPU:0"):
            chosen, labels = tf.constant(indices), tf.constant(source.labels[indices])

        def load(numbers: tf.Tensor, keys: tf.Tensor) -> tuple[tf.Tensor, ...]:
            return self._of_grid(source.shapes, tf.gather(chosen, numbers)), tf.gather(labels, numbers), keys

        return load

    def _sampled(self, source: Sampled) -> Load:
        with tf.device("CPU:0"):
            labels = tf.constant(source.labels)

        def load(numbers: tf.Tensor, keys: tf.Tensor) -> tuple[tf.Tensor, ...]:
            chosen = tf.gather(labels, numbers)
            return source.density.draw(keys, chosen), chosen, keys

        return load

    def _of_grid(self, shapes: Shapes, index: tf.Tensor) -> tf.Tensor:
        """Images of the grid in storage format."""
        drawn = shapes.images(index)
        if self.image_size != SIZE:
            drawn = self._side.resize(drawn, self.image_size)
        if self.channels > 1:
            opaque = [tf.fill(tf.shape(drawn), tf.constant(255, tf.uint8))] * (self.channels == 4)
            drawn = tf.concat([drawn] * 3 + opaque, axis=-1)
        return drawn

    def draw(self, factors: np.ndarray) -> tf.Tensor:
        """For `--data shapes`: images for factor values (n, 5), in the format of the batches."""
        return self._side.to_float(self._of_grid(self.shapes, tf.constant(self.shapes.index(factors))))

    def _resized(self, array: np.ndarray, indices: np.ndarray) -> np.ndarray:
        """The images of an array, in storage format."""
        shape = (self.image_size, self.image_size, self.channels)
        if array.shape[1:] == shape and array.dtype == self._side.dtype:
            return array[indices]
        stored = np.empty((len(indices), *shape), self._side.dtype)
        resize = tf.function(lambda batch: self._side.resize(batch, self.image_size), reduce_retracing=True)
        for start in range(0, len(indices), _RESIZE_BATCH):
            batch = images.convert_channels(array[indices[start : start + _RESIZE_BATCH]], self.channels)
            if batch.dtype == np.uint8 and self._side.dtype == np.uint16:
                batch = batch * np.uint16(257)
            stored[start : start + len(batch)] = resize(batch) if batch.shape[1:] != shape else batch
        return stored

    def _held(self, stored: np.ndarray, labels: np.ndarray) -> tuple[Load, np.ndarray]:
        with tf.device("CPU:0"):  # stored outside the graph, which is limited to 2 GB
            table, ids = tf.constant(stored), tf.constant(labels)
        return lambda numbers, keys: (tf.gather(table, numbers), tf.gather(ids, numbers), keys), labels

    def _decoded(self, source: Encoded, indices: np.ndarray) -> tuple[Load, np.ndarray]:
        def decode(index: np.int64, contents: bytes) -> tuple[np.ndarray]:
            return (self._side.decode(contents, source.names(index)),)

        decoder = Decoder(decode, lambda index: (source.encoded(index),), (self._side,), self.image_size)
        if self._cached or self._config.verify:
            indices, stored = decoder.load_all(indices, self.skipped, keep=self._cached)
            if self._cached:
                return self._held(*stored, source.labels[indices])
        labels = source.labels[indices]
        chosen, ids = tf.constant(indices), tf.constant(labels)
        return lambda number, key: (*decoder.load(chosen[number]), ids[number], key), labels

    def _finish(self, image: tf.Tensor, label: tf.Tensor, keys: tf.Tensor, mirror: bool) -> tuple[tf.Tensor, tf.Tensor]:
        if mirror:
            image = tf.where(random_bool(keys)[:, None, None, None], tf.reverse(image, [2]), image)
        image = self._side.to_float(image)
        if self._config.binarise != "none":
            black = tf.constant(0.5)
            if self._config.binarise == "sample":
                black = tf.reshape(uniforms(keys, math.prod(image.shape[1:])), tf.shape(image))
            image = tf.where((image + 1.0) / 2.0 > black, 1.0, -1.0)
        return image, label
