"""`Codec`: compression of pictures by a trained encoder and decoder; the base class of both kinds of codec.

A codec turns a picture into a row of integers (coefficients), quantises them to symbols, and entropy-codes the symbols
with probabilities counted on training images. Compressor and decompressor must agree on integers only. Floating-point
results may differ between machines: they decide which integers the compressor chooses and how the decoder draws them,
but never whether a file can be read.
"""

from __future__ import annotations

import abc
import dataclasses
import hashlib
import io
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import ClassVar

import keras
import numpy as np
import tensorflow as tf

from keras_gen.compression.container import (
    FINGERPRINT_BYTES,
    EntropyModel,
    Header,
    damaged,
    pack,
    read_header,
    unpack,
)
from keras_gen.console import command
from keras_gen.errors import UserError
from keras_gen.inference.tiling import resized

_BATCH = 256  # images per call of a network


@dataclasses.dataclass(frozen=True)
class Statistics(abc.ABC):
    """Statistics of training images that a codec needs, stored in the run folder. All fields are arrays."""

    @classmethod
    @abc.abstractmethod
    def fit(cls, encoder: keras.Model, decoder: keras.Model, batches: Iterable[np.ndarray]) -> Statistics:
        """Compute the statistics.

        Args:
            encoder: images -> latent vectors or codes.
            decoder: latent vectors or codes -> images.
            batches: training images, each batch (n, size, size, channels) in [-1, 1].
        """

    def arrays(self) -> dict[str, np.ndarray]:
        """The fields by name."""
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}

    def to_bytes(self) -> bytes:
        """The content of an .npz file with all fields."""
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **self.arrays())
        return buffer.getvalue()

    @classmethod
    def read(cls, path: Path) -> Statistics:
        """Read the statistics from an .npz file.

        Raises:
            UserError: if the file is missing or damaged.
        """
        try:
            with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as arrays:
                return cls(**{field.name: arrays[field.name] for field in dataclasses.fields(cls)})
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise UserError(
                f"{path} cannot be read ({error}); restore it to decompress its files, or delete it, and "
                f"{command('compress')} writes another for new files."
            ) from None


class Codec(abc.ABC):
    """Compresses pictures with the encoder and the decoder of a trained model.

    Args:
        encoder: images (n, size, size, channels) in [-1, 1] -> latent vectors or codes.
        decoder: latent vectors or codes -> images.
        statistics: of training images, from `Statistics.fit`.

    Attributes:
        statistics: class of the statistics.
        setting_title: name of the user's setting, with its unit, such as "quantisation step [levels]".
        steps: quantisation steps of a rate-distortion curve, in ascending order; none larger is accepted.
        size: side of the model's images [pixels].
        channels: channels of the model's images.
        units: number of symbols of a picture.
        fingerprint: hash of the decoder's weights and the statistics, on which decoding depends, 4 bytes.
    """

    statistics: ClassVar[type[Statistics]]
    setting_title: ClassVar[str]
    steps: ClassVar[tuple[int, ...]]
    units: int

    def __init__(self, encoder: keras.Model, decoder: keras.Model, statistics: Statistics) -> None:
        self._encode, self._decode = compiled(encoder), compiled(decoder)
        _, self.size, _, self.channels = encoder.input_shape
        self.fingerprint = digest([*weights_of(decoder), *statistics.arrays().values()])[:FINGERPRINT_BYTES]

    # -- between pictures and files --------------------------------------------------------------------------------

    def compress(self, picture: np.ndarray, step: int) -> bytes:
        """Compress one picture to the content of a .kgz file.

        Args:
            picture: (height, width, channels) in [-1, 1]; resized to the model's size if it has another.
            step: quantisation step, in units of the coefficients.
        """
        return self.pack(self.coefficients([picture])[0], picture.shape[:2], step)

    def pack(self, coefficients: np.ndarray, size: tuple[int, int], step: int) -> bytes:
        """Compress the coefficients (units,) of a picture to the content of a .kgz file.

        Args:
            coefficients: from `coefficients`.
            size: (height, width) of the picture [pixels].
            step: quantisation step, in units of the coefficients.
        """
        header = Header(self.fingerprint, *size, step, self.units)
        return pack(header, self.symbols(coefficients, step), self.entropy_model(step))

    def read(self, contents: bytes, name: str) -> tuple[Header, np.ndarray]:
        """Read the header and the symbols (units,) of a .kgz file.

        Args:
            contents: content of the file.
            name: of the file, for errors.

        Raises:
            UserError: if it is not a .kgz file, belongs to another version or model, or is damaged.
        """
        header, length = read_header(contents, name)
        if header.fingerprint != self.fingerprint:
            raise UserError(
                f"{name} was compressed by model {header.fingerprint.hex()}; accepted are files of the model in RUN, "
                f"{self.fingerprint.hex()}."
            )
        if header.symbols != self.units or header.step > self.steps[-1]:
            raise damaged(name)
        return header, unpack(contents, length, self.entropy_model(header.step), name)

    def picture(self, header: Header, symbols: np.ndarray) -> np.ndarray:
        """Decode the picture of a file, at its original size: (height, width, channels) float32 in [-1, 1]."""
        return resized(self.decode(symbols[np.newaxis], header.step)[0], (header.height, header.width))

    def model_images(self, pictures: Sequence[np.ndarray]) -> np.ndarray:
        """Resize pictures to the model's size, (n, size, size, channels)."""
        return np.stack([resized(picture, (self.size, self.size)) for picture in pictures])

    # -- to be defined by each kind of codec -----------------------------------------------------------------------

    @abc.abstractmethod
    def coefficients(self, pictures: Sequence[np.ndarray]) -> np.ndarray:
        """Encode pictures, each (height, width, channels) in [-1, 1], as integers: int64 (n, units)."""

    @abc.abstractmethod
    def symbols(self, coefficients: np.ndarray, step: int) -> np.ndarray:
        """Quantise coefficients (..., units) to symbols from 0 on, of the same shape."""

    @abc.abstractmethod
    def decode(self, symbols: np.ndarray, step: int) -> np.ndarray:
        """Decode symbols (n, units) to images (n, size, size, channels), float32 in [-1, 1]."""

    @abc.abstractmethod
    def entropy_model(self, step: int) -> EntropyModel:
        """The probabilities of the symbols at a quantisation step."""

    @property
    @abc.abstractmethod
    def default_step(self) -> int:
        """The quantisation step if the user sets none, in units of the coefficients."""

    @abc.abstractmethod
    def setting(self, step: int) -> float:
        """The value of the user's setting for a quantisation step, in the unit of `setting_title`."""

    @abc.abstractmethod
    def describe(self, step: int) -> str:
        """The setting in a few words, for messages: "step 4"."""


def compiled(network: keras.Model) -> tf.types.experimental.GenericFunction:
    """The network in inference as one graph for batches of any size."""
    (tensor,) = network.inputs
    signature = [tf.TensorSpec((None, *tensor.shape[1:]), tensor.dtype)]
    return tf.function(lambda batch: network(batch, training=False), input_signature=signature)


def in_batches(function: tf.types.experimental.GenericFunction, array: np.ndarray) -> np.ndarray:
    """Apply a function of batches to any number of examples."""
    return np.concatenate([function(array[i : i + _BATCH]).numpy() for i in range(0, len(array), _BATCH)])


def weights_of(network: keras.Model) -> list[np.ndarray]:
    """The weights of a network in order, float32."""
    return [np.asarray(weight, np.float32) for weight in network.get_weights()]


def digest(arrays: Iterable[np.ndarray]) -> bytes:
    """SHA-256 of the types, shapes and values of arrays, the same on machines of either byte order."""
    hashed = hashlib.sha256()
    for array in arrays:
        plain = np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<"))
        hashed.update(f"{plain.dtype.str}{plain.shape}".encode() + plain.tobytes())
    return hashed.digest()
