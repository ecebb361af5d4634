"""`LatentSpace`: how a family with latent vectors encodes and decodes images, for everything that draws them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

BATCH = 256
"""Examples per call of a network."""


def images_and_labels(batch: tuple[Any, Any]) -> tuple[np.ndarray, np.ndarray]:
    """The images and labels of a batch (images, labels), as arrays."""
    images, labels = batch
    return np.asarray(images), np.asarray(labels)


@dataclasses.dataclass(frozen=True)
class LatentSpace:
    """The latent space of a family: encoder, decoder and prior.

    Images are float32 (n, h, w, channels) in [-1, 1], labels integers (n,), -1 without a label.

    Attributes:
        size: number of latent units.
        encode: (images, labels) -> vectors (n, size); of a distribution, its mean.
        decode: (vectors, labels) -> images.
        divergence: (images, labels) -> KL divergence of each unit from the prior N(0, 1), (n, size) [nats]; None
            without a prior. With a prior, the views order the units by their KL divergence and sample N(0, 1) instead
            of the observed range.
        conditional: whether encoder and decoder use the labels.
        examples: batch of the family's data -> its images and labels.

    Examples:
        A "latent space" of the mean brightness of an image:

        >>> import numpy as np
        >>> space = LatentSpace(
        ...     size=1,
        ...     encode=lambda images, labels: np.mean(images, axis=(1, 2)),
        ...     decode=lambda vectors, labels: np.tile(vectors[:, None, None], (1, 8, 8, 1)),
        ... )
        >>> vectors = space.vectors(np.ones((5, 8, 8, 1)), np.full(5, -1))
        >>> vectors.shape, space.pictures(vectors).shape
        ((5, 1), (5, 8, 8, 1))
    """

    size: int
    encode: Callable[[Any, Any], Any]
    decode: Callable[[Any, Any], Any]
    divergence: Callable[[Any, Any], Any] | None = None
    conditional: bool = False
    examples: Callable[[Any], tuple[np.ndarray, np.ndarray]] = images_and_labels

    def vectors(self, images: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """Encode any number of images in batches: float32 (n, size)."""
        return _in_batches(self.encode, images, labels)

    def divergences(self, images: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """KL divergences of any number of images, in batches: float32 (n, size) [nats]. Only with a prior."""
        return _in_batches(self.divergence, images, labels)

    def pictures(self, vectors: np.ndarray, labels: np.ndarray | int = -1) -> np.ndarray:
        """Decode any number of vectors in batches.

        Args:
            vectors: (..., size).
            labels: one for each vector, (...,), or one for all.

        Returns:
            float32 (..., h, w, channels).
        """
        vectors = np.asarray(vectors, np.float32)
        flat = vectors.reshape(-1, self.size)
        labels = np.broadcast_to(labels, vectors.shape[:-1]).reshape(-1).astype(np.int32)
        drawn = _in_batches(self.decode, flat, labels)
        return drawn.reshape(*vectors.shape[:-1], *drawn.shape[1:])


def _in_batches(function: Callable[[Any, Any], Any], *arrays: np.ndarray) -> np.ndarray:
    drawn = []
    for start in range(0, len(arrays[0]), BATCH):
        batch = (tf.convert_to_tensor(array[start : start + BATCH]) for array in arrays)
        drawn.append(np.asarray(function(*batch), np.float32))
    return np.concatenate(drawn)
