"""Pictures as maps of codes: the indices that a vector quantiser chooses, entropy-coded as they are.

There is nothing to round: how good a picture is and how many numbers it takes was decided when the run was trained. How
often each code occurs at each place is counted on training images.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence

import keras
import numpy as np

from keras_gen.compression import codec
from keras_gen.compression.container import EntropyModel, half_more

_STEP = 1  # of the quantisation, in the header of a file


@dataclasses.dataclass(frozen=True)
class Statistics(codec.Statistics):
    """How often each code was chosen.

    Attributes:
        counts: training images whose map has each code at each place, row by row, int64 (places, codes).
    """

    counts: np.ndarray

    @classmethod
    def fitted(cls, encoder: keras.Model, decoder: keras.Model, batches: Iterable[np.ndarray]) -> Statistics:
        """Counted; the decoder's layer "codebook" knows how many codes there are."""
        encode = codec.function_of(encoder)
        codes = decoder.get_layer("codebook").input_dim
        _, height, width = encoder.output_shape
        counts = np.zeros((height * width, codes), np.int64)
        for images in batches:
            indices = encode(images).numpy().reshape(len(images), -1)
            np.add.at(counts, (np.arange(height * width), indices), 1)
        return cls(counts)


class CodeCodec(codec.Codec):
    """Between an encoder of images to maps of codes, (n, h, w) integers, and a decoder of these."""

    statistics = Statistics
    setting_title = "number of codes"
    steps = (_STEP,)

    def __init__(self, encoder: keras.Model, decoder: keras.Model, statistics: Statistics) -> None:
        super().__init__(encoder, decoder, statistics)
        self._map = encoder.output_shape[1:]
        self.units, self._codes = statistics.counts.shape
        self._model = EntropyModel(half_more(statistics.counts))

    def cells(self, pictures: Sequence[np.ndarray]) -> np.ndarray:
        """The indices, row by row."""
        return codec.in_batches(self._encode, self.model_images(pictures)).reshape(-1, self.units).astype(np.int64)

    def symbols(self, cells: np.ndarray, step: int) -> np.ndarray:
        """The same."""
        return cells

    def draw(self, symbols: np.ndarray, step: int) -> np.ndarray:
        """By the decoder of indices."""
        return np.clip(codec.in_batches(self._decode, symbols.reshape(-1, *self._map).astype(np.int32)), -1, 1)

    def entropy_model(self, step: int) -> EntropyModel:
        """Always the same."""
        return self._model

    @property
    def default_step(self) -> int:
        """The only one."""
        return _STEP

    def setting(self, step: int) -> float:
        """The size of the codebook."""
        return self._codes

    def described(self, step: int) -> str:
        """Where the numbers are from."""
        return f"{self.units} codes out of {self._codes}"
