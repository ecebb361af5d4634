"""Augmentation of all that a discriminator sees, real and generated, by which few images last longer.

Both kinds are differentiable by the images, so that a generator learns through them and does not learn to draw what
they do, as it would if real images alone were augmented. `diff_augment` changes every image, `adaptive_augment` each
with a probability, which `adapted_probability` raises as long as the discriminator overfits.

Images are (batch, h, w, channels) in [-1, 1], of 1 to 4 channels and any size from one pixel on; results are float32
and not clipped. All chance comes in as `uniforms`, a row of numbers from [0, 1) for each image.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Literal, get_args

import tensorflow as tf

DiffAugment = Literal["colour", "translation", "cutout"]
DIFF_AUGMENT: tuple[DiffAugment, ...] = get_args(DiffAugment)
DIFF_AUGMENT_UNIFORMS = 7
"""Uniform numbers that `diff_augment` takes for an image."""

Adaptive = Literal[
    "flip", "quarter-turns", "translation", "scale", "rotation", "brightness", "contrast", "saturation", "tilt"
]
ADAPTIVE: tuple[Adaptive, ...] = get_args(Adaptive)
UPRIGHT: tuple[Adaptive, ...] = ("translation", "scale", "brightness", "contrast", "saturation")
"""The paper's that leave digits and letters what they are."""
Kind = DiffAugment | Adaptive
KINDS: dict[str, tuple[Kind, ...]] = {"diffaugment": DIFF_AUGMENT, "ada": ADAPTIVE}
"""By the names of `--augment`."""
ADAPTIVE_UNIFORMS = 19
"""Uniform numbers that `adaptive_augment` takes for an image."""


def diff_augment(images: tf.Tensor, uniforms: tf.Tensor, kinds: Collection[DiffAugment] = DIFF_AUGMENT) -> tf.Tensor:
    """DiffAugment (Zhao, Liu, Lin, Zhu, Han 2020, arXiv 2006.10738, section 4): every kind on every image.

    - colour: -0.5 to 0.5 brighter; if there are three channels, the distance from the mean of a pixel's channels times
      0 to 2; the distance from the image's mean times 0.5 to 1.5;
    - translation: by whole pixels up to an eighth of a side, 0 (mid-grey) where nothing was;
    - cutout: 0 in a rectangle of half of each side with its middle anywhere. Half is rounded down, or nothing would be
      left of a single pixel.

    Args:
        images: of a static size.
        uniforms: (batch, DIFF_AUGMENT_UNIFORMS).
        kinds: which of them, whatever their order here.
    """
    images = tf.cast(images, tf.float32)
    _, height, width, channels = images.shape
    brightness, saturation, contrast, down, right, cut_row, cut_column = _columns(uniforms)
    rows, columns = tf.range(height)[:, None], tf.range(width)
    if "colour" in kinds:
        images += brightness[..., None] - 0.5
        if channels == 3:
            images = _stretched(images, 2.0 * saturation, axis=3)
        images = _stretched(images, contrast + 0.5, axis=(1, 2, 3))
    if "translation" in kinds:
        from_rows, from_columns = rows - _shift(down, height), columns - _shift(right, width)
        inside = (from_rows >= 0) & (from_rows < height) & (from_columns >= 0) & (from_columns < width)
        images = tf.where(inside[..., None], _pixels(images, from_rows, from_columns), 0.0)
    if "cutout" in kinds:
        cut = _within_cut(rows, cut_row, height) & _within_cut(columns, cut_column, width)
        images = tf.where(cut[..., None], 0.0, images)
    return images


def adaptive_augment(
    images: tf.Tensor, uniforms: tf.Tensor, probability: tf.Tensor | float, kinds: Collection[Adaptive] = ADAPTIVE
) -> tf.Tensor:
    """Adaptive augmentation (ADA): each kind on each image with this probability, on each by itself.

    Karras, Aittala, Hellsten, Laine, Lehtinen, Aila 2020 (arXiv 2006.06676), appendix B, without what small images do
    not need (scales of one axis, parts of a pixel, inversion, hue, filters of bands), and by bilinear sampling. Below
    about 0.8 generated images do not show it (section 2). N is normal, held within 3:

    - flip: left to right or not; quarter-turns: 0 to 3 to the left, 0 or 2 if the image is not square;
    - translation: by whole pixels up to an eighth of a side; scale: 2^(0.2 N); rotation: by any angle; tilt, which is
      not the paper's: by 0.15 N radians, as people's letters are; what these need from outside is the image mirrored at
      its edges;
    - brightness: plus 0.2 N; contrast: times 2^(0.5 N); saturation, if there are three channels: the distance from the
      mean of a pixel's channels times 2^N.

    At a probability of 0 the result is the images, exactly.

    Args:
        images: of a static size.
        uniforms: (batch, ADAPTIVE_UNIFORMS).
        probability: scalar.
        kinds: which of them, whatever their order here.
    """
    images = tf.cast(images, tf.float32)
    _, height, width, channels = images.shape
    draws = iter(_columns(uniforms))

    def drawn(kind: Adaptive, count: int = 1) -> tuple[tf.Tensor, ...]:
        """Whether this kind is on, for each image, and its numbers."""
        on = (next(draws) < probability) & (kind in kinds)
        return on, *(next(draws) for _ in range(count))

    flipped, flip = drawn("flip")
    turned, turn = drawn("quarter-turns")
    shifted, down, right = drawn("translation", 2)
    scaled, scale = drawn("scale")
    rotated, angle = drawn("rotation")
    brightened, brightness = drawn("brightness")
    contrasted, contrast = drawn("contrast")
    saturated, saturation = drawn("saturation")
    tilted, tilt = drawn("tilt")

    # From the last change to the first: where in the image a pixel of the result comes from, about its middle.
    rows = tf.range(height, dtype=tf.float32)[:, None] - (height - 1) / 2
    columns = tf.range(width, dtype=tf.float32) - (width - 1) / 2
    angle = tf.where(rotated, math.pi * (2.0 * angle - 1.0), 0.0) + tf.where(tilted, 0.15 * _normal(tilt), 0.0)
    rows, columns = _turned(rows, columns, tf.cos(angle), tf.sin(angle))
    scale = tf.where(scaled, tf.pow(2.0, 0.2 * _normal(scale)), 1.0)
    rows, columns = rows / scale, columns / scale
    rows -= tf.where(shifted, tf.cast(_shift(down, height), tf.float32), 0.0)
    columns -= tf.where(shifted, tf.cast(_shift(right, width), tf.float32), 0.0)
    turn = _whole(turn, 4) if height == width else 2 * _whole(turn, 2)
    angle = tf.where(turned, tf.cast(turn, tf.float32) * math.pi / 2, 0.0)
    rows, columns = _turned(rows, columns, tf.round(tf.cos(angle)), tf.round(tf.sin(angle)))
    columns = tf.where(flipped & (flip >= 0.5), -columns, columns)
    images = _sampled(images, rows + (height - 1) / 2, columns + (width - 1) / 2)

    images += tf.where(brightened, 0.2 * _normal(brightness), 0.0)[..., None]
    images *= tf.where(contrasted, tf.pow(2.0, 0.5 * _normal(contrast)), 1.0)[..., None]
    if channels == 3:
        images = _stretched(images, tf.where(saturated, tf.pow(2.0, _normal(saturation)), 1.0), axis=3)
    return images


def adapted_probability(
    probability: tf.Tensor, mean_sign: tf.Tensor, images: tf.Tensor | int, target: float = 0.6, span: int = 500_000
) -> tf.Tensor:
    """The probability of `adaptive_augment` after so many more images: up if the discriminator overfits, else down.

    Karras et al. 2020, section 3.1, where r_t = E sign(D(real)) tells: 0 if it knows nothing of the real images, 1 if
    it knows them all.

    Args:
        probability: so far, in [0, 1].
        mean_sign: r_t, the mean sign of the logits of real images as the discriminator saw them, augmented.
        images: that these were.
        target: of r_t.
        span: images in which the probability goes from 0 to 1 if r_t stays above the target.
    """
    step = tf.sign(mean_sign - target) * tf.cast(images, tf.float32) / span
    return tf.clip_by_value(probability + step, 0.0, 1.0)


def _columns(uniforms: tf.Tensor) -> list[tf.Tensor]:
    """Each of the numbers of an image, (batch, 1, 1) of all images."""
    return tf.unstack(tf.cast(uniforms, tf.float32)[:, None, None], axis=3)


def _whole(uniform: tf.Tensor, count: int) -> tf.Tensor:
    """A whole number from 0 to count - 1."""
    return tf.cast(tf.floor(uniform * count), tf.int32)


def _normal(uniform: tf.Tensor) -> tf.Tensor:
    """A number from N(0, 1), held within 3: of 0 it would be minus infinity."""
    return tf.math.ndtri(tf.clip_by_value(uniform, 0.00135, 0.99865))


def _shift(uniform: tf.Tensor, size: int) -> tf.Tensor:
    """Whole pixels, at most an eighth of a side (rounded) in both directions."""
    most = int(size / 8 + 0.5)
    return _whole(uniform, 2 * most + 1) - most


def _within_cut(places: tf.Tensor, uniform: tf.Tensor, size: int) -> tf.Tensor:
    """Whether `places` lie in a stretch of half of `size`; it is cut off where its middle is near an edge."""
    length = size // 2
    first = _whole(uniform, size + 1 - length % 2) - length // 2
    return (places >= first) & (places < first + length)


def _stretched(images: tf.Tensor, factor: tf.Tensor, axis: int | tuple[int, ...]) -> tf.Tensor:
    """Distances from the mean over `axis` times `factor`; 1 leaves images as they are, to the last bit."""
    return images + (factor[..., None] - 1.0) * (images - tf.reduce_mean(images, axis, keepdims=True))


def _turned(rows: tf.Tensor, columns: tf.Tensor, cosine: tf.Tensor, sine: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Where the pixels of an image that was turned to the left come from."""
    return cosine * rows + sine * columns, cosine * columns - sine * rows


def _sampled(images: tf.Tensor, rows: tf.Tensor, columns: tf.Tensor) -> tf.Tensor:
    """Images at any places (batch, h, w) between their pixels, bilinear, mirrored beyond their edges."""
    _, height, width, _ = images.shape
    (top, bottom, below), (left, right, beside) = _neighbours(rows, height), _neighbours(columns, width)
    upper = (1.0 - beside) * _pixels(images, top, left) + beside * _pixels(images, top, right)
    lower = (1.0 - beside) * _pixels(images, bottom, left) + beside * _pixels(images, bottom, right)
    return (1.0 - below) * upper + below * lower


def _neighbours(places: tf.Tensor, size: int) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """The pixels before and after each place on an axis, and the weight (..., 1) of the latter."""
    mirrored = size - tf.abs(size - tf.math.floormod(places + 0.5, 2.0 * size)) - 0.5
    mirrored = tf.clip_by_value(mirrored, 0.0, size - 1.0)  # between an edge and the middle of its pixel
    before = tf.floor(mirrored)
    first = tf.cast(before, tf.int32)
    return first, tf.minimum(first + 1, size - 1), (mirrored - before)[..., None]


def _pixels(images: tf.Tensor, rows: tf.Tensor, columns: tf.Tensor) -> tf.Tensor:
    """Images at whole places, which broadcast to (batch, h, w); beyond the edges is the edge."""
    count, (height, width, channels) = tf.shape(images)[0], images.shape[1:]
    places = tf.clip_by_value(rows, 0, height - 1) * width + tf.clip_by_value(columns, 0, width - 1)
    flat = tf.reshape(images, (count, height * width, channels))
    return tf.gather(flat, places, batch_dims=1)
