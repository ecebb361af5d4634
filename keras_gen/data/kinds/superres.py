"""Low-resolution images, enlarged, and their sharp originals: the training data of super-resolution models.

Every image is cropped to a multiple of the scale, downsampled (bicubic, with antialiasing), rounded to 8 bits as in a
file, and upsampled again (bicubic). An example is the same patch of both versions. Its position is a pure function of
the seed, the epoch and the index of the example. An epoch has as many patches as are needed to cover the images once.
All images are in memory as one table of pixels, so that a batch of patches is a single gather.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np
import tensorflow as tf

from keras_gen.data.config import DataConfig
from keras_gen.data.dataset import SplitDataset, Stream, uniforms
from keras_gen.data.files import codecs as images
from keras_gen.data.files.arrays import Arrays
from keras_gen.data.files.decoding import require_range
from keras_gen.data.files.folders import shown
from keras_gen.data.files.image_sources import Encoded, Source, find_set
from keras_gen.errors import UserError
from keras_gen.flags import Positive
from keras_gen.ops.resampling import enlarge, shrink


@dataclass(frozen=True)
class SuperresConfig(DataConfig):
    """Which images to read, and how to cut patches from them."""

    accepted = "'facades', a folder of images of any sizes, and a .npz or .npy file"

    data: str = "facades"
    """SPEC of the images: facades (built in), a folder of images of any size, a .npz or .npy file."""
    scale: Literal[2, 3, 4] = 2
    """Upscaling factor."""
    patch_size: Positive[int] = 48
    """Height and width of the sharp patches [pixels]."""
    channels: Literal[1, 3] = 3
    """Channels: 1 grey, 3 RGB."""
    skip_bad: bool = False
    """Leave out files that cannot be decoded or are smaller than a patch, and report how many, instead of refusing to
    start."""
    mirror: bool = True
    """Flip training patches horizontally and vertically at random."""
    memory_gib: Positive[float] = 2.0
    """Memory limit for the images, which need two bytes per pixel and channel [GiB]."""
    max_pixels: Positive[int] = images.MAX_PIXELS
    """Refuse images whose headers claim more, as a guard against decompression bombs [pixels]."""

    def open(self, seed: int = 0, model: Any = None) -> SuperresData:
        """Finds the images, decodes all of them and computes their low-resolution versions; see `DataConfig.open`."""
        return SuperresData(self, seed)

    def check_together(self) -> None:
        """The patch size must be a multiple of the scale."""
        super().check_together()
        if self.patch_size % self.scale:
            raise self.fault("<patch_size got>; accepted are multiples of <scale=>.")


class _Pictures:
    """Pairs of images as one table of pixels; the first half of the channels is enlarged, the second half sharp.

    Attributes:
        count: number of patches needed to cover all images.
    """

    def __init__(self, pairs: list[np.ndarray], patch: int) -> None:
        sizes = np.array([pair.shape[:2] for pair in pairs], np.int64)
        areas = sizes.prod(axis=1)
        patches = -(-areas // patch**2)
        self.count, self._patch, self._channels = int(patches.sum()), patch, pairs[0].shape[2] // 2
        with tf.device("CPU:0"):  # stored outside the graph, which is limited to 2 GB
            self._pixels = tf.constant(np.concatenate([pair.reshape(-1, pair.shape[2]) for pair in pairs]))
            self._sizes, self._starts = tf.constant(sizes), tf.constant(np.cumsum(areas) - areas)
            self._ends = tf.constant(np.cumsum(patches))

    def patches(self, numbers: tf.Tensor, keys: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Patches (n, patch, patch, 2 channels) for indices below `count`, at positions drawn from the keys, and the
        keys."""
        which = tf.searchsorted(self._ends, numbers, side="right")
        sizes = tf.gather(self._sizes, which)
        room = tf.cast(sizes - self._patch + 1, tf.float32)
        top, left = tf.unstack(tf.cast(uniforms(keys, 2) * room, tf.int64), axis=1)
        steps = tf.range(self._patch, dtype=tf.int64)
        rows = (top[:, None] + steps) * sizes[:, 1:]
        places = tf.gather(self._starts, which)[:, None, None] + rows[:, :, None] + (left[:, None] + steps)[:, None, :]
        return tf.gather(self._pixels, places), keys


class SuperresData(SplitDataset):
    """Training and validation patches at random positions, which are fixed in validation; see `SuperresConfig`.

    Batches are (enlarged, sharp), float32 in [-1, 1], (batch, patch, patch, channels).

    Attributes:
        image_size, scale, channels: size, scale and channels of the patches.
        train_size, val_size: number of patches needed to cover the images once.
    """

    _config: SuperresConfig

    def __init__(self, config: SuperresConfig, seed: int) -> None:
        self._left = int(config.memory_gib * 2**30)
        split = find_set(config.data, image_size=0, val_every=config.val_every, max_bytes=self._left)
        super().__init__(config, seed, split)
        self.image_size, self.scale, self.channels = config.patch_size, config.scale, config.channels
        self._peaks: set[int] = set()
        pairs = [list(self._pairs(source, indices)) for source, indices in split.parts]
        self._counts = tuple(map(len, pairs))
        require_range(config.data, self._peaks)
        self._require_usable("images", self._counts, use="used")
        self._train, self._validation = (_Pictures(part, config.patch_size) for part in pairs)
        self.train_size, self.val_size = self._train.count, self._validation.count

    def _pairs(self, source: Source, indices: np.ndarray) -> Iterator[np.ndarray]:
        """The enlarged and sharp version of each image that is large enough, uint8 (height, width, 2 channels)."""
        for wide, name in _decoded(source, indices, self._config, self.skipped):
            if wide.dtype == np.uint16:
                self._peaks.add(int(wide.max()))
            picture = images.eight_bits(wide)
            height, width = (side // self.scale * self.scale for side in picture.shape[:2])
            if min(height, width) < self.image_size:
                self.skipped.append(
                    f"{name} is {picture.shape[1]}x{picture.shape[0]}, smaller than --patch-size {self.image_size}"
                )
                continue
            sharp = picture[:height, :width]
            self._left -= 2 * sharp.size
            if self._left < 0:
                limit = self._config.memory_gib
                raise UserError(f"--data {shown(self._config.data)} needs more memory than --memory-gib {limit:g}.")
            yield np.concatenate([degraded(sharp, self.scale), sharp], axis=-1)

    def describe(self) -> str:
        """A summary to print: number of images, source, split, patches, and what was left out."""
        return self._summary(
            "images",
            self._counts,
            f"{self.train_size} training and {self.val_size} validation patches of {self.image_size}x{self.image_size},"
            f" {self.channels} channel{'s' * (self.channels > 1)}, enlarged {self.scale} times",
        )

    def attributes(self) -> dict[str, Any]:
        """Those of every data set, and `image_size`, `scale` and `channels`."""
        own = {"image_size": self.image_size, "scale": self.scale, "channels": self.channels}
        return {**super().attributes(), **own}

    def streams(self, training: bool) -> tuple[Stream, ...]:
        """One stream, of (enlarged, sharp)."""
        pictures = self._train if training else self._validation
        return (
            Stream(pictures.patches, partial(self._finish, mirror=training and self._config.mirror), pictures.count),
        )

    def _finish(self, patches: tf.Tensor, keys: tf.Tensor, mirror: bool) -> tuple[tf.Tensor, tf.Tensor]:
        if mirror:
            for axis, draw in zip((2, 1), tf.unstack(uniforms(keys, 4)[:, 2:], axis=1), strict=True):
                patches = tf.where(draw[:, None, None, None] < 0.5, tf.reverse(patches, [axis]), patches)
        return tuple(tf.split(tf.cast(patches, tf.float32) / 127.5 - 1.0, 2, axis=-1))


def degraded(picture: np.ndarray, scale: int) -> np.ndarray:
    """Reduces an image to low resolution and enlarges it again, with rounding to 8 bits after both steps.

    Args:
        picture: uint8 (height, width, channels); height and width are multiples of `scale`.
        scale: integer factor.

    Returns:
        An image of the same type and shape.
    """
    small = _to_bytes(shrink(tf.constant(picture)[None], scale))
    return _to_bytes(enlarge(small, scale)).numpy()[0]


def _to_bytes(images: tf.Tensor) -> tf.Tensor:
    return tf.cast(tf.clip_by_value(tf.round(images), 0.0, 255.0), tf.uint8)


def _decoded(
    source: Source, indices: np.ndarray, config: SuperresConfig, skipped: list[str]
) -> Iterator[tuple[np.ndarray, str]]:
    """Yields each image, uint8 or uint16 (height, width, channels), and its name; adds unreadable ones to `skipped`."""
    if isinstance(source, Arrays):
        for index in indices:
            yield images.convert_channels(source.images[index], config.channels), f"image {index}"
        return
    if not isinstance(source, Encoded):
        raise UserError(f"--data got {config.data}, whose images all have one size; accepted are {config.accepted}.")
    for index in indices:
        name = source.names(index)
        try:
            contents = source.encoded(tf.constant(index)).numpy()
            yield images.decode_image(contents, name, config.channels, config.max_pixels), name
        except images.UnreadableImage as error:
            skipped.append(str(error))
