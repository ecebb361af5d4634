"""Compression with an autoencoder or a VAE: transform coding of the latent vector.

Source: Goyal, Theoretical Foundations of Transform Coding, IEEE Signal Processing Magazine 18(5), 2001.

    y = A (encoder(x) - m)        q = round(y / step)        x' = decoder(m + A^-1 (step q))

m is the mean latent vector. The matrix A makes the directions of y uncorrelated, and makes an error of 1 in any of them
change the picture equally: by a root mean square of one level of 255. So one step fits all directions, whatever the
scales of the latent units are.

A = U' G^1/2 S^-1. S is the diagonal matrix of the units' standard deviations. G = E[J' J], where J is the derivative of
the picture with respect to S^-1 z, so G measures how strongly each direction changes the picture. U holds the
eigenvectors of the covariance of G^1/2 S^-1 z.

The coefficients are y in quarters of a level, rounded to integers. The histogram of each coefficient over the training
images gives the frequencies of its symbols, for every step that is a multiple of a quarter level.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterable, Iterator, Sequence

import keras
import numpy as np
import tensorflow as tf

from keras_gen.compression import codec
from keras_gen.compression.codec import compiled, in_batches
from keras_gen.compression.container import EntropyModel, smoothed_frequencies

RESOLUTION = 4
"""Coefficients and steps are integers in units of 1 / RESOLUTION levels."""
LARGEST_STEP = 256
"""Largest quantisation step [levels]; a picture cannot change by more."""
STEPS = tuple(sorted({round(2 ** (i / 2)) for i in range(2 * (LARGEST_STEP * RESOLUTION).bit_length() - 1)}))
"""Steps of a rate-distortion curve [quarters of a level], each sqrt(2) times the previous one."""
_LEVELS = 127.5  # levels per unit of [-1, 1]
_METRIC_IMAGES = 256  # training images at which the decoder is differentiated
_DIFFERENCE = 0.1  # step of the finite differences, relative to a unit's standard deviation
_MIN_EIGENVALUE = 1e-6  # of G, relative to the largest; keeps A invertible if a direction does not change the picture
_ROUNDING_SHARE = 0.1  # squared error that the default step adds, relative to the squared error of the model


@dataclasses.dataclass(frozen=True)
class Statistics(codec.Statistics):
    """The transform and the histograms of its coefficients over training images.

    Attributes:
        mean: m, the mean latent vector, float64 (units,).
        analysis: A, float64 (units, units).
        lowest: smallest value of each coefficient, int64 (units,).
        sizes: number of histogram bins of each coefficient, int64 (units,).
        counts: histograms of all coefficients, one after the other, int64 (sum of sizes,).
        error: mean squared error of the model's reconstructions [levels^2], float64 ().
    """

    mean: np.ndarray
    analysis: np.ndarray
    lowest: np.ndarray
    sizes: np.ndarray
    counts: np.ndarray
    error: np.ndarray

    @classmethod
    def fit(cls, encoder: keras.Model, decoder: keras.Model, batches: Iterable[np.ndarray]) -> Statistics:
        """Compute the transform and the histograms, see the module."""
        encode, decode = compiled(encoder), compiled(decoder)
        latents, errors = [], []
        for images in batches:
            latents.append(encode(images).numpy())
            difference = _LEVELS * (decode(latents[-1]).numpy() - images)
            errors.append(np.square(difference, dtype=np.float64).mean(axis=(1, 2, 3)))
        z = np.concatenate(latents).astype(np.float64)
        mean, deviation = z.mean(axis=0), np.maximum(z.std(axis=0), 1e-9)
        values, vectors = np.linalg.eigh(_metric(decode, z[:_METRIC_IMAGES], deviation))
        lengths = np.sqrt(np.maximum(values, _MIN_EIGENVALUE * max(values[-1], 1e-9)))
        scaling = (vectors * lengths) @ vectors.T / deviation
        scaled = (z - mean) @ scaling.T
        analysis = np.linalg.eigh(scaled.T @ scaled)[1].T[::-1] @ scaling
        coefficients = _coefficients(z, mean, analysis)
        lowest = coefficients.min(axis=0)
        counts = [np.bincount(column) for column in (coefficients - lowest).T]
        sizes = np.array([len(column) for column in counts])
        return cls(mean, analysis, lowest, sizes, np.concatenate(counts), np.concatenate(errors).mean())


class LatentCodec(codec.Codec):
    """Codec of an encoder from images to latent vectors, (n, units), and a decoder back."""

    statistics = Statistics
    setting_title = "quantisation step [levels]"
    steps = STEPS

    def __init__(self, encoder: keras.Model, decoder: keras.Model, statistics: Statistics) -> None:
        super().__init__(encoder, decoder, statistics)
        self._statistics = statistics
        self._synthesis = np.linalg.inv(statistics.analysis)
        self._counts = np.split(statistics.counts, np.cumsum(statistics.sizes)[:-1])
        self.units = len(statistics.mean)
        self._tables = functools.lru_cache(maxsize=4)(self._tables_of)

    def coefficients(self, pictures: Sequence[np.ndarray]) -> np.ndarray:
        """See `Codec`: the transformed latent vectors [quarters of a level]."""
        latents = in_batches(self._encode, self.model_images(pictures))
        return _coefficients(latents, self._statistics.mean, self._statistics.analysis)

    def symbols(self, coefficients: np.ndarray, step: int) -> np.ndarray:
        """See `Codec`. Values outside the range of the training images are clipped to it."""
        first = _quantise(self._statistics.lowest, step)
        last = [len(frequencies) - 1 for frequencies in self.entropy_model(step).frequencies]
        return np.clip(_quantise(coefficients, step) - first, 0, last)

    def decode(self, symbols: np.ndarray, step: int) -> np.ndarray:
        """See `Codec`. A symbol stands for the mean of the training coefficients that have this symbol."""
        means = [means[column] for means, column in zip(self._tables(step)[1], symbols.T, strict=True)]
        transformed = np.stack(means, axis=-1) / RESOLUTION
        latents = transformed @ self._synthesis.T + self._statistics.mean
        return np.clip(in_batches(self._decode, latents.astype(np.float32)), -1, 1)

    def entropy_model(self, step: int) -> EntropyModel:
        """See `Codec`."""
        return self._tables(step)[0]

    def _tables_of(self, step: int) -> tuple[EntropyModel, list[np.ndarray]]:
        """The entropy model, and for each coefficient the value that each symbol stands for, (symbols,)."""
        frequencies, values = [], []
        for coefficients, counts in self._histograms():
            quantised = _quantise(coefficients, step)
            symbols = quantised - quantised[0]
            totals = np.bincount(symbols, counts).astype(np.int64)
            centres = np.unique(quantised) * step - step // 2 + (step - 1) / 2
            means = np.bincount(symbols, counts * coefficients) / np.maximum(totals, 1)
            frequencies.append(smoothed_frequencies(totals))
            values.append(np.where(totals, means, centres))
        return EntropyModel(frequencies), values

    def _histograms(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """For each coefficient its values in the training images, and how often each occurs."""
        for lowest, counts in zip(self._statistics.lowest, self._counts, strict=True):
            yield np.arange(lowest, lowest + len(counts)), counts

    @property
    def default_step(self) -> int:
        """See `Codec`: the largest step whose rounding adds at most a tenth to the squared error of the model.

        The squared error of rounding is step^2 / 12 for each coefficient, but at most the coefficient's variance.
        """
        variances = []
        for coefficients, counts in self._histograms():
            mean = np.average(coefficients, weights=counts)
            variances.append(np.average((coefficients - mean) ** 2, weights=counts))
        steps = np.arange(1, LARGEST_STEP * RESOLUTION + 1)
        added = np.minimum(steps[:, np.newaxis] ** 2 / 12, variances).sum(axis=1) / RESOLUTION**2
        return max(1, int(np.searchsorted(added, _ROUNDING_SHARE * float(self._statistics.error))))

    def setting(self, step: int) -> float:
        """See `Codec`: the step [levels]."""
        return step / RESOLUTION

    def describe(self, step: int) -> str:
        """See `Codec`: such as "step 4"."""
        return f"step {self.setting(step):g}"


def _metric(decode: tf.types.experimental.GenericFunction, latents: np.ndarray, deviation: np.ndarray) -> np.ndarray:
    """G at latent vectors (n, units), by central differences: (units, units) [levels^2 per pixel value]."""
    differences = np.diag(_DIFFERENCE * deviation)
    total = np.zeros(differences.shape)
    for z in latents:
        images = decode(np.concatenate([z + differences, z - differences]).astype(np.float32)).numpy()
        above, below = images.reshape(2, len(differences), -1).astype(np.float64)
        slopes = _LEVELS * (above - below) / (2 * _DIFFERENCE)
        total += slopes @ slopes.T / slopes.shape[1]
    return total / len(latents)


def _coefficients(latents: np.ndarray, mean: np.ndarray, analysis: np.ndarray) -> np.ndarray:
    """Transform latent vectors (n, units) to integers, int64 (n, units) [quarters of a level]."""
    return np.rint((latents - mean) @ analysis.T * RESOLUTION).astype(np.int64)


def _quantise(coefficients: np.ndarray, step: int) -> np.ndarray:
    """Divide integers by `step` and round to the nearest integer."""
    return (coefficients + step // 2) // step
