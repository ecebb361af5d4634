"""Label maps among images: the class of every pixel, read from one-hot channels or from the colours of a palette."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import numpy as np
import tensorflow as tf

IGNORED = -1
"""The label of a pixel that is left out of training and of the figures."""
_MOST_AMBIGUOUS = 0.5  # share of pixels without a class from which a picture is no label map


class Pairs(Protocol):
    """What the scores of label maps ask of the data: those of `data.kinds.pairs.PairsData`."""

    num_classes: int
    source_channels: int
    target_channels: int
    train_size: int

    def train(self, batch_size: int) -> tf.data.Dataset: ...

    def validation(self, batch_size: int) -> tf.data.Dataset: ...

    def describe(self) -> str: ...


@dataclass(frozen=True)
class LabelMaps:
    """How the sources of the data are read as label maps.

    Attributes:
        read: sources, float32 (..., channels) in [-1, 1] -> class ids, int32 (...), or `IGNORED`.
        classes: their names.
        rule: how they are read, for the protocol.
    """

    read: Callable[[tf.Tensor], tf.Tensor]
    classes: tuple[str, ...]
    rule: str


def label_maps(data: Pairs, palette: np.ndarray, classes: Sequence[str]) -> LabelMaps | str:
    """How to read the sources of `data` as label maps, or why they are none.

    Args:
        data: whose sources are label ids, or pictures that may be label maps in the colours of `palette`.
        palette: RGB in [0, 255], shape (classes, 3).
        classes: the names of its colours.
    """
    if data.num_classes:
        return LabelMaps(labels_of_scores, tuple(map(str, range(data.num_classes))), "ids of the label maps")
    if data.source_channels != 3:
        return (
            f"sources of {data.source_channels} channels are no label maps (--num-classes of a training app reads ids)"
        )
    read = partial(labels_of_colours, palette=palette)
    ambiguous = np.mean([np.mean(read(source) == IGNORED) for source, _ in data.validation(1)])
    if ambiguous > _MOST_AMBIGUOUS:
        return (
            f"the sources are no label maps: {ambiguous:.0%} of their pixels are far from every colour of the "
            f"{len(classes)} classes of facades"
        )
    rule = f"nearest of the {len(classes)} colours of the facade classes, {ambiguous:.1%} ambiguous pixels left out"
    return LabelMaps(read, tuple(classes), rule)


def labels_of_scores(source: tf.Tensor) -> tf.Tensor:
    """Class ids of label maps that are one-hot channels: (..., classes) -> (...) int32."""
    return tf.argmax(source, axis=-1, output_type=tf.int32)


def labels_of_colours(source: tf.Tensor, palette: np.ndarray) -> tf.Tensor:
    """Class ids of label maps that are pictures in the colours of `palette`.

    A pixel takes the class of the nearest colour if it is nearer to it than half the smallest distance between two
    colours of the palette. Others are ambiguous (blends at the edge of two classes, strong JPEG noise) and `IGNORED`.

    Args:
        source: RGB in [-1, 1], shape (..., 3).
        palette: RGB in [0, 255], shape (classes, 3).

    Returns:
        int32 of shape (...).
    """
    palette = np.asarray(palette, np.float32)
    between = np.linalg.norm(palette[:, None] - palette, axis=-1)
    radius = between[~np.eye(len(palette), dtype=bool)].min() / 2.0
    distances = tf.norm((source[..., None, :] + 1.0) * 127.5 - palette, axis=-1)
    nearest = tf.argmin(distances, axis=-1, output_type=tf.int32)
    return tf.where(tf.reduce_min(distances, axis=-1) < radius, nearest, IGNORED)
