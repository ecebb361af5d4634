"""Augmentation of the discriminator's inputs, which delays overfitting when there are few images.

Real and generated images are both augmented. If only real ones were, the generator would learn to reproduce the
augmentations. Both methods are differentiable with respect to the images, so gradients reach the generator.
`diff_augment` changes every image. `adaptive_augment` changes each image with a probability, which
`adapted_probability` increases while the discriminator overfits.

Images are (batch, h, w, channels) in [-1, 1], with 1 to 4 channels and sides of at least one pixel. Results are float32
and not clipped. All randomness is passed in as `uniforms`: one row of numbers in [0, 1) per image.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from typing import Literal, get_args

import tensorflow as tf

DiffAugment = Literal["colour", "translation", "cutout"]
DIFF_AUGMENT: tuple[DiffAugment, ...] = get_args(DiffAugment)
DIFF_AUGMENT_UNIFORMS = 7
"""Uniform numbers per image that `diff_augment` needs."""

Adaptive = Literal[
    "flip", "quarter-turns", "translation", "scale", "rotation", "brightness", "contrast", "saturation", "tilt"
]
ADAPTIVE: tuple[Adaptive, ...] = get_args(Adaptive)
UPRIGHT: tuple[Adaptive, ...] = ("translation", "scale", "brightness", "contrast", "saturation")
"""The subset of `ADAPTIVE` that does not turn a digit or letter into another."""
Kind = DiffAugment | Adaptive
KINDS: dict[str, tuple[Kind, ...]] = {"diffaugment": DIFF_AUGMENT, "ada": ADAPTIVE}
"""The kinds of augmentation of each method, by the method's name in `--augment`."""
ADAPTIVE_UNIFORMS = 19
"""Uniform numbers per image that `adaptive_augment` needs."""


def diff_augment(images: tf.Tensor, uniforms: tf.Tensor, kinds: Collection[DiffAugment] = DIFF_AUGMENT) -> tf.Tensor:
    """DiffAugment (Zhao, Liu, Lin, Zhu, Han 2020, arXiv 2006.10738, section 4): every kind on every image.

    - colour: brightness plus -0.5 to 0.5; saturation times 0 to 2 (distance from the mean of a pixel's channels, only
      with three channels); contrast times 0.5 to 1.5 (distance from the image's mean);
    - translation: by whole pixels, up to an eighth of a side; uncovered pixels are 0 (mid-grey);
    - cutout: a rectangle of half the height and width, centred anywhere, is set to 0. Half is rounded down, so that an
      image of a single pixel is not erased.

    Args:
        images: images of a static size.
        uniforms: (batch, DIFF_AUGMENT_UNIFORMS).
        kinds: the kinds to apply, in any order.

    Returns:
        The augmented images, float32, of the same shape.
    """
    images = tf.cast(images, tf.float32)
    _, height, width, channels = images.shape
    brightness, saturation, contrast, down, right, cut_row, cut_column = _columns(uniforms)
    rows, columns = tf.range(height)[:, None], tf.range(width)
    if "colour" in kinds:
        images += brightness[..., None] - 0.5
        if channels == 3:
            images = _scaled_about_mean(images, 2.0 * saturation, axis=3)
        images = _scaled_about_mean(images, contrast + 0.5, axis=(1, 2, 3))
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
    """Adaptive augmentation (ADA): each kind is applied to each image independently, with the given probability.

    Karras, Aittala, Hellsten, Laine, Lehtinen, Aila 2020 (arXiv 2006.06676), appendix B, with bilinear sampling and
    without the kinds that small images do not need (anisotropic scaling, subpixel translation, luma inversion, hue,
    image-space filters). Below a probability of about 0.8, the augmentations do not leak into generated images (section
    2). N is a standard normal number, clipped to [-3, 3]:

    - flip: horizontal, in half of the cases;
    - quarter-turns: 0 to 3 to the left; 0 or 2 if the image is not square;
    - translation: by whole pixels, up to an eighth of a side;
    - scale: by 2^(0.2 N);
    - rotation: by any angle;
    - tilt: rotation by 0.15 N radians, like the slant of handwriting; not in the paper;
    - brightness: plus 0.2 N;
    - contrast: times 2^(0.5 N);
    - saturation: distance from the mean of a pixel's channels times 2^N, only with three channels.

    Pixels from outside the image are taken from its reflection. With a probability of 0 the images are unchanged.

    Args:
        images: images of a static size.
        uniforms: (batch, ADAPTIVE_UNIFORMS).
        probability: scalar in [0, 1].
        kinds: the kinds to apply, in any order.

    Returns:
        The augmented images, float32, of the same shape.
    """
    images = tf.cast(images, tf.float32)
    _, height, width, channels = images.shape
    draws = iter(_columns(uniforms))

    def draw(kind: Adaptive, count: int = 1) -> tuple[tf.Tensor, ...]:
        """Whether to apply this kind to each image, and its parameters."""
        applied = (next(draws) < probability) & (kind in kinds)
        return applied, *(next(draws) for _ in range(count))

    flipped, flip = draw("flip")
    turned, turn = draw("quarter-turns")
    shifted, down, right = draw("translation", 2)
    scaled, scale = draw("scale")
    rotated, angle = draw("rotation")
    brightened, brightness = draw("brightness")
    contrasted, contrast = draw("contrast")
    saturated, saturation = draw("saturation")
    tilted, tilt = draw("tilt")

    # Source coordinates of each output pixel, relative to the image's centre. This is the inverse mapping, so the
    # changes are undone from the last to the first.
    rows = tf.range(height, dtype=tf.float32)[:, None] - (height - 1) / 2
    columns = tf.range(width, dtype=tf.float32) - (width - 1) / 2
    angle = tf.where(rotated, math.pi * (2.0 * angle - 1.0), 0.0) + tf.where(tilted, 0.15 * _normal(tilt), 0.0)
    rows, columns = _rotated_back(rows, columns, tf.cos(angle), tf.sin(angle))
    scale = tf.where(scaled, tf.pow(2.0, 0.2 * _normal(scale)), 1.0)
    rows, columns = rows / scale, columns / scale
    rows -= tf.where(shifted, tf.cast(_shift(down, height), tf.float32), 0.0)
    columns -= tf.where(shifted, tf.cast(_shift(right, width), tf.float32), 0.0)
    turn = _integer(turn, 4) if height == width else 2 * _integer(turn, 2)
    angle = tf.where(turned, tf.cast(turn, tf.float32) * math.pi / 2, 0.0)
    rows, columns = _rotated_back(rows, columns, tf.round(tf.cos(angle)), tf.round(tf.sin(angle)))
    columns = tf.where(flipped & (flip >= 0.5), -columns, columns)
    images = _sampled(images, rows + (height - 1) / 2, columns + (width - 1) / 2)

    images += tf.where(brightened, 0.2 * _normal(brightness), 0.0)[..., None]
    images *= tf.where(contrasted, tf.pow(2.0, 0.5 * _normal(contrast)), 1.0)[..., None]
    if channels == 3:
        images = _scaled_about_mean(images, tf.where(saturated, tf.pow(2.0, _normal(saturation)), 1.0), axis=3)
    return images


def adapted_probability(
    probability: tf.Tensor, mean_sign: tf.Tensor, images: tf.Tensor | int, target: float = 0.6, span: int = 500_000
) -> tf.Tensor:
    """The new probability for `adaptive_augment`: raised if the discriminator overfits, otherwise lowered.

    Overfitting is measured by r_t = E sign(D(real)): 0 if the discriminator cannot tell real images from generated
    ones, 1 if it recognises all of them (Karras et al. 2020, section 3.1).

    Args:
        probability: the current probability, in [0, 1].
        mean_sign: r_t, the mean sign of the logits of the augmented real images.
        images: number of images over which r_t was measured.
        target: target value of r_t.
        span: number of images in which the probability rises from 0 to 1 if r_t stays above the target.

    Returns:
        A scalar in [0, 1].
    """
    step = tf.sign(mean_sign - target) * tf.cast(images, tf.float32) / span
    return tf.clip_by_value(probability + step, 0.0, 1.0)


def _columns(uniforms: tf.Tensor) -> list[tf.Tensor]:
    """The columns of `uniforms`, each as (batch, 1, 1)."""
    return tf.unstack(tf.cast(uniforms, tf.float32)[:, None, None], axis=3)


def _integer(uniform: tf.Tensor, count: int) -> tf.Tensor:
    """An integer from 0 to count - 1."""
    return tf.cast(tf.floor(uniform * count), tf.int32)


def _normal(uniform: tf.Tensor) -> tf.Tensor:
    """A number from N(0, 1), clipped to [-3, 3], because a uniform number of 0 would give minus infinity."""
    return tf.math.ndtri(tf.clip_by_value(uniform, 0.00135, 0.99865))


def _shift(uniform: tf.Tensor, size: int) -> tf.Tensor:
    """A shift by whole pixels, at most an eighth of the side (rounded) in either direction."""
    largest = int(size / 8 + 0.5)
    return _integer(uniform, 2 * largest + 1) - largest


def _within_cut(positions: tf.Tensor, uniform: tf.Tensor, size: int) -> tf.Tensor:
    """Whether `positions` lie in an interval of half of `size`, centred anywhere and cut off at the edges."""
    length = size // 2
    first = _integer(uniform, size + 1 - length % 2) - length // 2
    return (positions >= first) & (positions < first + length)


def _scaled_about_mean(images: tf.Tensor, factor: tf.Tensor, axis: int | tuple[int, ...]) -> tf.Tensor:
    """Multiplies the distances from the mean over `axis` by `factor`. A factor of 1 changes no bit of the images."""
    return images + (factor[..., None] - 1.0) * (images - tf.reduce_mean(images, axis, keepdims=True))


def _rotated_back(
    rows: tf.Tensor, columns: tf.Tensor, cosine: tf.Tensor, sine: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Source coordinates of the pixels of an image that is rotated to the left (counterclockwise)."""
    return cosine * rows + sine * columns, cosine * columns - sine * rows


def _sampled(images: tf.Tensor, rows: tf.Tensor, columns: tf.Tensor) -> tf.Tensor:
    """Samples images bilinearly at fractional coordinates (batch, h, w), with reflection beyond the edges."""
    _, height, width, _ = images.shape
    (top, bottom, below), (left, right, beside) = _neighbours(rows, height), _neighbours(columns, width)
    upper = (1.0 - beside) * _pixels(images, top, left) + beside * _pixels(images, top, right)
    lower = (1.0 - beside) * _pixels(images, bottom, left) + beside * _pixels(images, bottom, right)
    return (1.0 - below) * upper + below * lower


def _neighbours(positions: tf.Tensor, size: int) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """The pixels before and after each position on an axis, and the weight (..., 1) of the latter."""
    mirrored = size - tf.abs(size - tf.math.floormod(positions + 0.5, 2.0 * size)) - 0.5
    mirrored = tf.clip_by_value(mirrored, 0.0, size - 1.0)  # the outer half of an edge pixel has no second neighbour
    before = tf.floor(mirrored)
    first = tf.cast(before, tf.int32)
    return first, tf.minimum(first + 1, size - 1), (mirrored - before)[..., None]


def _pixels(images: tf.Tensor, rows: tf.Tensor, columns: tf.Tensor) -> tf.Tensor:
    """Pixels at integer coordinates, which broadcast to (batch, h, w). Coordinates are clipped to the image."""
    count, (height, width, channels) = tf.shape(images)[0], images.shape[1:]
    indices = tf.clip_by_value(rows, 0, height - 1) * width + tf.clip_by_value(columns, 0, width - 1)
    flat = tf.reshape(images, (count, height * width, channels))
    return tf.gather(flat, indices, batch_dims=1)
