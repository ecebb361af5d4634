"""Label maps: the class of every pixel, read from one-hot channels or from the colours of a palette."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import numpy as np
import tensorflow as tf

IGNORED = -1
"""The label of pixels that training and scores leave out."""
_MAX_AMBIGUOUS = 0.5  # if a larger fraction of pixels has no class, the images are not label maps


class Pairs(Protocol):
    """The part of `data.kinds.pairs.PairsData` that scores of label maps need."""

    num_classes: int
    source_channels: int
    target_channels: int
    train_size: int

    def train(self, batch_size: int) -> tf.data.Dataset: ...

    def validation(self, batch_size: int) -> tf.data.Dataset: ...

    def describe(self) -> str: ...


@dataclass(frozen=True)
class LabelMaps:
    """How sources are read as label maps.

    Attributes:
        read: maps sources, float32 (..., channels) in [-1, 1], to class ids or `IGNORED`, int32 (...).
        classes: names of the classes.
        rule: description for the protocol.
    """

    read: Callable[[tf.Tensor], tf.Tensor]
    classes: tuple[str, ...]
    rule: str


def label_maps(data: Pairs, palette: np.ndarray, classes: Sequence[str]) -> LabelMaps | str:
    """How to read the sources of `data` as label maps, or a sentence that says why they are not label maps.

    Args:
        data: pairs with label ids as sources, or with images, which may be label maps in the colours of `palette`.
        palette: RGB in [0, 255], (classes, 3).
        classes: names of the classes, in the order of the palette.
    """
    if data.num_classes:
        return LabelMaps(labels_of_scores, tuple(map(str, range(data.num_classes))), "ids of the label maps")
    if data.source_channels != 3:
        return (
            f"sources with {data.source_channels} channels are not label maps (use --num-classes in training for "
            "images of class ids)"
        )
    read = partial(labels_of_colours, palette=palette)
    ambiguous = np.mean([np.mean(read(source) == IGNORED) for source, _ in data.validation(1)])
    if ambiguous > _MAX_AMBIGUOUS:
        return (
            f"the sources are not label maps: {ambiguous:.0%} of their pixels are far from every colour of the "
            f"{len(classes)} classes of facades"
        )
    rule = f"nearest of the {len(classes)} colours of the facade classes, {ambiguous:.1%} ambiguous pixels ignored"
    return LabelMaps(read, tuple(classes), rule)


def labels_of_scores(source: tf.Tensor) -> tf.Tensor:
    """Class ids of label maps with one-hot channels: (..., classes) -> int32 (...)."""
    return tf.argmax(source, axis=-1, output_type=tf.int32)


def labels_of_colours(source: tf.Tensor, palette: np.ndarray) -> tf.Tensor:
    """Class ids of label maps with one colour per class.

    A pixel gets the class of the nearest colour, if the distance is less than half the smallest distance between two
    colours of the palette. Otherwise it is ambiguous, such as a blend at the edge of two classes or JPEG noise, and
    becomes `IGNORED`.

    Args:
        source: RGB in [-1, 1], (..., 3).
        palette: RGB in [0, 255], (classes, 3).

    Returns:
        int32 (...).

    Examples:
        >>> palette = np.array([[0, 0, 0], [255, 0, 0]])
        >>> labels_of_colours(tf.constant([[-1.0, -1.0, -1.0], [0.9, -1.0, -1.0], [0.0, -1.0, -1.0]]), palette).numpy()
        array([ 0,  1, -1], dtype=int32)
    """
    palette = np.asarray(palette, np.float32)
    between = np.linalg.norm(palette[:, None] - palette, axis=-1)
    radius = between[~np.eye(len(palette), dtype=bool)].min() / 2.0
    distances = tf.norm((source[..., None, :] + 1.0) * 127.5 - palette, axis=-1)
    nearest = tf.argmin(distances, axis=-1, output_type=tf.int32)
    return tf.where(tf.reduce_min(distances, axis=-1) < radius, nearest, IGNORED)
