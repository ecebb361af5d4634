"""Pictures as a few whole numbers: the latent vectors of a trained model, rotated, rounded and entropy-coded.

Transform coding (Goyal 2001, IEEE Signal Processing Magazine 18(5)) between the encoder and the decoder of a run:

    y = A (encoder(x) - m)        q = round(y / step)        x' = decoder(m + A^-1 (step q))

A makes rounding cost the same in every direction and leaves the directions uncorrelated: A = U' G^1/2 S^-1, where S
holds the standard deviations of the latents, G = E[J' J] is the mean metric of pictures seen from latents divided by
them (J: derivative of the decoder), and U the eigenvectors of the covariance of G^1/2 S^-1 z. A unit of y then changes
the picture by one level of 255, root mean square over its values, whatever the latents' scales are, and one step serves
all directions.

How often each whole number occurs is counted on training images in cells of a quarter of a level, whence integer
frequencies for every step that is a multiple of it.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterable, Sequence

import keras
import numpy as np
import tensorflow as tf

from keras_gen.compression import codec
from keras_gen.compression.codec import function_of, in_batches
from keras_gen.compression.container import EntropyModel, half_more

CELLS_PER_LEVEL = 4
"""Cells in which training latents are counted, and of which steps are multiples [1/level]."""
LARGEST_STEP = 256
"""[levels]; more than a picture can change."""
STEPS = tuple(sorted({round(2 ** (i / 2)) for i in range(2 * (LARGEST_STEP * CELLS_PER_LEVEL).bit_length() - 1)}))
"""Of a curve [cells]: factors of the square root of 2."""
_LEVELS = 127.5  # per unit of [-1, 1]
_METRIC_IMAGES = 256  # of the training images, those around which the decoder is differentiated
_NUDGE = 0.1  # by which, as a share of a latent's standard deviation
_SMALLEST_EIGENVALUE = 1e-6  # of the metric, as a share of the largest: directions that draw nothing stay invertible
_ROUNDING_SHARE = 0.1  # what the default step adds to the mean squared error of the model itself


@dataclasses.dataclass(frozen=True)
class Statistics(codec.Statistics):
    """The rotation, and how often each of its cells occurs.

    Attributes:
        mean: of the latents, float64 (units,).
        analysis: A, float64 (units, units).
        lowest: the first cell of each direction, int64 (units,).
        sizes: the number of cells of each direction, int64 (units,).
        counts: how many training images fall into each cell, of one direction after the other, int64 (sum of sizes,).
        error: mean squared error of the model's own reconstructions of them [levels^2], float64 ().
    """

    mean: np.ndarray
    analysis: np.ndarray
    lowest: np.ndarray
    sizes: np.ndarray
    counts: np.ndarray
    error: np.ndarray

    @classmethod
    def fitted(cls, encoder: keras.Model, decoder: keras.Model, batches: Iterable[np.ndarray]) -> Statistics:
        """See the module."""
        encode, decode = function_of(encoder), function_of(decoder)
        latents, errors = [], []
        for images in batches:
            latents.append(encode(images).numpy())
            difference = _LEVELS * (decode(latents[-1]).numpy() - images)
            errors.append(np.square(difference, dtype=np.float64).mean(axis=(1, 2, 3)))
        z = np.concatenate(latents).astype(np.float64)
        mean, deviation = z.mean(axis=0), np.maximum(z.std(axis=0), 1e-9)
        values, vectors = np.linalg.eigh(_metric(decode, z[:_METRIC_IMAGES], deviation))
        lengths = np.sqrt(np.maximum(values, _SMALLEST_EIGENVALUE * max(values[-1], 1e-9)))
        scaling = (vectors * lengths) @ vectors.T / deviation
        scaled = (z - mean) @ scaling.T
        analysis = np.linalg.eigh(scaled.T @ scaled)[1].T[::-1] @ scaling
        cells = _cells(z, mean, analysis)
        lowest = cells.min(axis=0)
        counts = [np.bincount(column) for column in (cells - lowest).T]
        sizes = np.array([len(column) for column in counts])
        return cls(mean, analysis, lowest, sizes, np.concatenate(counts), np.concatenate(errors).mean())


class LatentCodec(codec.Codec):
    """Between an encoder of images to vectors, (n, units), and a decoder of these."""

    statistics = Statistics
    setting_title = "quantisation step [levels]"
    steps = STEPS

    def __init__(self, encoder: keras.Model, decoder: keras.Model, statistics: Statistics) -> None:
        super().__init__(encoder, decoder, statistics)
        self._statistics = statistics
        self._synthesis = np.linalg.inv(statistics.analysis)
        self._counts = np.split(statistics.counts, np.cumsum(statistics.sizes)[:-1])
        self.units = len(statistics.mean)
        self._tables = functools.lru_cache(maxsize=4)(self._count)

    def cells(self, pictures: Sequence[np.ndarray]) -> np.ndarray:
        """Those of the rotated latents."""
        latents = in_batches(self._encode, self.model_images(pictures))
        return _cells(latents, self._statistics.mean, self._statistics.analysis)

    def symbols(self, cells: np.ndarray, step: int) -> np.ndarray:
        """Rounded; beyond what training images reach, the nearest that they do."""
        first = _bins(self._statistics.lowest, step)
        last = [len(frequencies) - 1 for frequencies in self.entropy_model(step).frequencies]
        return np.clip(_bins(cells, step) - first, 0, last)

    def draw(self, symbols: np.ndarray, step: int) -> np.ndarray:
        """By the decoder of the mean cell of the training images that have each symbol."""
        centres = [centres[column] for centres, column in zip(self._tables(step)[1], symbols.T, strict=True)]
        rotated = np.stack(centres, axis=-1) / CELLS_PER_LEVEL
        latents = rotated @ self._synthesis.T + self._statistics.mean
        return np.clip(in_batches(self._decode, latents.astype(np.float32)), -1, 1)

    def entropy_model(self, step: int) -> EntropyModel:
        """How often each symbol is expected in each direction."""
        return self._tables(step)[0]

    def _count(self, step: int) -> tuple[EntropyModel, list[np.ndarray]]:
        """The entropy model, and for each direction the mean cell of the training images with each symbol."""
        frequencies, centres = [], []
        for lowest, counts in zip(self._statistics.lowest, self._counts, strict=True):
            cells = np.arange(lowest, lowest + len(counts))
            bins = _bins(cells, step)
            symbols = bins - bins[0]
            seen = np.bincount(symbols, counts).astype(np.int64)
            middle = np.unique(bins) * step - step // 2 + (step - 1) / 2
            mean = np.bincount(symbols, counts * cells) / np.maximum(seen, 1)
            frequencies.append(half_more(seen))
            centres.append(np.where(seen, mean, middle))
        return EntropyModel(frequencies), centres

    @property
    def default_step(self) -> int:
        """The largest step by which rounding adds no more than a tenth to the squared error of the model [cells].

        Rounding errs by step^2 / 12 in a direction, and by no more than its variance.
        """
        variances = []
        for lowest, counts in zip(self._statistics.lowest, self._counts, strict=True):
            cells = np.arange(lowest, lowest + len(counts))
            mean = np.average(cells, weights=counts)
            variances.append(np.average((cells - mean) ** 2, weights=counts))
        steps = np.arange(1, LARGEST_STEP * CELLS_PER_LEVEL + 1)
        added = np.minimum(steps[:, np.newaxis] ** 2 / 12, variances).sum(axis=1) / CELLS_PER_LEVEL**2
        return max(1, int(np.searchsorted(added, _ROUNDING_SHARE * float(self._statistics.error))))

    def setting(self, step: int) -> float:
        """In levels."""
        return step / CELLS_PER_LEVEL

    def described(self, step: int) -> str:
        """The step in levels."""
        return f"step {self.setting(step):g}"


def _metric(decode: tf.types.experimental.GenericFunction, latents: np.ndarray, deviation: np.ndarray) -> np.ndarray:
    """G of latents (n, units) by differences, per value of the picture [levels^2]: (units, units)."""
    nudges = np.diag(_NUDGE * deviation)
    total = np.zeros(nudges.shape)
    for z in latents:
        both = decode(np.concatenate([z + nudges, z - nudges]).astype(np.float32)).numpy()
        further, back = both.reshape(2, len(nudges), -1).astype(np.float64)
        slopes = _LEVELS * (further - back) / (2 * _NUDGE)
        total += slopes @ slopes.T / slopes.shape[1]
    return total / len(latents)


def _cells(latents: np.ndarray, mean: np.ndarray, analysis: np.ndarray) -> np.ndarray:
    return np.rint((latents - mean) @ analysis.T * CELLS_PER_LEVEL).astype(np.int64)


def _bins(cells: np.ndarray, step: int) -> np.ndarray:
    """Of `step` cells each, the one number 0 around cell 0."""
    return (cells + step // 2) // step
