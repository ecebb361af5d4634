"""The contract between a family with latent vectors and the views of them: how to encode and how to decode."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

_BATCH = 256  # examples that go through a network at a time


def images_and_labels(batch: tuple[Any, Any]) -> tuple[np.ndarray, np.ndarray]:
    """The two arrays of a batch of single images with their labels."""
    images, labels = batch
    return np.asarray(images), np.asarray(labels)


@dataclasses.dataclass(frozen=True)
class LatentSpace:
    """The latent vectors of a family, and the way there from images with labels and back.

    Attributes:
        size: units of a vector.
        encode: (images, int labels (n,)) -> vectors (n, size), the mean where they are distributed.
        decode: (vectors, int labels) -> images.
        divergence: (images, labels) -> KL divergence of each unit from N(0, 1), (n, size) [nats]; None where nothing
            makes the vectors normal. Units are ordered by it, and the views go over N(0, 1) instead of over what is
            observed.
        conditional: whether encoder and decoder need the label.
        examples: a batch of the family's data -> its images and their int labels (n,), -1 where there are none.
    """

    size: int
    encode: Callable[[Any, Any], Any]
    decode: Callable[[Any, Any], Any]
    divergence: Callable[[Any, Any], Any] | None = None
    conditional: bool = False
    examples: Callable[[Any], tuple[np.ndarray, np.ndarray]] = images_and_labels

    def vectors(self, images: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """`encode` of many: float32 (n, size)."""
        return _in_batches(self.encode, images, labels)

    def divergences(self, images: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """`divergence` of many: float32 (n, size)."""
        return _in_batches(self.divergence, images, labels)

    def pictures(self, vectors: np.ndarray, labels: np.ndarray | int = -1) -> np.ndarray:
        """`decode` of many, float32 (..., h, w, channels) for vectors (..., size), with a label each or one for all."""
        vectors = np.asarray(vectors, np.float32)
        flat = vectors.reshape(-1, self.size)
        labels = np.broadcast_to(labels, vectors.shape[:-1]).reshape(-1).astype(np.int32)
        drawn = _in_batches(self.decode, flat, labels)
        return drawn.reshape(*vectors.shape[:-1], *drawn.shape[1:])


def _in_batches(function: Callable[[Any, Any], Any], *arrays: np.ndarray) -> np.ndarray:
    drawn = []
    for start in range(0, len(arrays[0]), _BATCH):
        batch = (tf.convert_to_tensor(array[start : start + _BATCH]) for array in arrays)
        drawn.append(np.asarray(function(*batch), np.float32))
    return np.concatenate(drawn)
