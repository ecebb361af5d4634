"""Compression with a VQ-VAE: its map of codes, entropy-coded.

The codes are integers already, so there is no quantisation step: rate and quality were fixed when the run was trained.
The probability of each code at each position of the map is counted on training images.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence

import keras
import numpy as np

from keras_gen.compression import codec
from keras_gen.compression.container import EntropyModel, smoothed_frequencies

_STEP = 1  # in the header of a file


@dataclasses.dataclass(frozen=True)
class Statistics(codec.Statistics):
    """How often each code occurs at each position.

    Attributes:
        counts: number of training images with each code at each position of the map, row by row, int64 (positions,
            codes).
    """

    counts: np.ndarray

    @classmethod
    def fit(cls, encoder: keras.Model, decoder: keras.Model, batches: Iterable[np.ndarray]) -> Statistics:
        """Count the codes; the decoder's layer "codebook" has one row for each code."""
        encode = codec.compiled(encoder)
        codes = decoder.get_layer("codebook").input_dim
        _, height, width = encoder.output_shape
        counts = np.zeros((height * width, codes), np.int64)
        for images in batches:
            indices = encode(images).numpy().reshape(len(images), -1)
            np.add.at(counts, (np.arange(height * width), indices), 1)
        return cls(counts)


class CodeCodec(codec.Codec):
    """Codec of an encoder from images to maps of codes, int (n, h, w), and a decoder back.

    The coefficients and the symbols of a picture are its codes, row by row; the quantisation step is always 1.
    """

    statistics = Statistics
    setting_title = "number of codes"
    steps = (_STEP,)

    def __init__(self, encoder: keras.Model, decoder: keras.Model, statistics: Statistics) -> None:
        super().__init__(encoder, decoder, statistics)
        self._map_shape = encoder.output_shape[1:]
        self.units, self._codes = statistics.counts.shape
        self._entropy_model = EntropyModel(smoothed_frequencies(statistics.counts))

    def coefficients(self, pictures: Sequence[np.ndarray]) -> np.ndarray:
        """See `Codec`: the codes."""
        return codec.in_batches(self._encode, self.model_images(pictures)).reshape(-1, self.units).astype(np.int64)

    def symbols(self, coefficients: np.ndarray, step: int) -> np.ndarray:
        """See `Codec`: the codes."""
        return coefficients

    def decode(self, symbols: np.ndarray, step: int) -> np.ndarray:
        """See `Codec`."""
        return np.clip(codec.in_batches(self._decode, symbols.reshape(-1, *self._map_shape).astype(np.int32)), -1, 1)

    def entropy_model(self, step: int) -> EntropyModel:
        """See `Codec`."""
        return self._entropy_model

    @property
    def default_step(self) -> int:
        """See `Codec`: 1."""
        return _STEP

    def setting(self, step: int) -> float:
        """See `Codec`: the number of codes in the codebook."""
        return self._codes

    def describe(self, step: int) -> str:
        """See `Codec`: such as "49 codes out of 512"."""
        return f"{self.units} codes out of {self._codes}"
