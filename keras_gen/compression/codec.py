"""Pictures as a few whole numbers, entropy-coded: what the codecs of all runs share.

A codec lies between the encoder and the decoder of a run. It makes a row of whole numbers of a picture, knows from
training images how often each occurs at each place, and draws the picture again. The encoder and the decoder of a file
need nothing but integers in common; floats only decide which integers the encoder chooses, and how the decoder draws
them.
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

_BATCH = 256  # images encoded or drawn at a time


@dataclasses.dataclass(frozen=True)
class Statistics(abc.ABC):
    """What is fitted to training images, and kept in a file of the run folder; all fields are arrays."""

    @classmethod
    @abc.abstractmethod
    def fitted(cls, encoder: keras.Model, decoder: keras.Model, batches: Iterable[np.ndarray]) -> Statistics:
        """Those of an encoder and a decoder over batches of training images, (n, size, size, channels) in [-1, 1]."""

    def arrays(self) -> dict[str, np.ndarray]:
        """The fields by name."""
        return {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}

    def to_bytes(self) -> bytes:
        """As the content of an .npz file."""
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **self.arrays())
        return buffer.getvalue()

    @classmethod
    def read(cls, path: Path) -> Statistics:
        """From the .npz file.

        Raises:
            UserError: if it is damaged.
        """
        try:
            with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as arrays:
                return cls(**{field.name: arrays[field.name] for field in dataclasses.fields(cls)})
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise UserError(
                f"{path} cannot be read ({error}): files compressed with it need it back; without it "
                f"{command('compress')} writes a new one, for new files."
            ) from None


class Codec(abc.ABC):
    """Compresses pictures by the encoder and the decoder of a trained model.

    A picture becomes `units` cells, and by a quantisation step of so many cells as many symbols.

    Attributes:
        statistics: kind of what is fitted.
        setting_title: what `setting` is, with its unit.
        steps: of a rate-distortion curve in rising order [cells]; none is larger than the last.
        size: side of the model's images [pixels].
        channels: of them.
        units: the symbols of a picture's file.
        fingerprint: of all that decoding depends on: the decoder's weights and the statistics.
    """

    statistics: ClassVar[type[Statistics]]
    setting_title: ClassVar[str]
    steps: ClassVar[tuple[int, ...]]
    units: int

    def __init__(self, encoder: keras.Model, decoder: keras.Model, statistics: Statistics) -> None:
        self._encode, self._decode = function_of(encoder), function_of(decoder)
        _, self.size, _, self.channels = encoder.input_shape
        self.fingerprint = digest([*weights_of(decoder), *statistics.arrays().values()])[:FINGERPRINT_BYTES]

    # -- pictures to files and back --------------------------------------------------------------------------------

    def compress(self, picture: np.ndarray, step: int) -> bytes:
        """The file of one picture.

        Args:
            picture: (height, width, channels) in [-1, 1]; one of another size than the model's is resized to it.
            step: of the quantisation [cells].
        """
        return self.pack(self.cells([picture])[0], picture.shape[:2], step)

    def pack(self, cells: np.ndarray, size: tuple[int, int], step: int) -> bytes:
        """The file of the cells (units,) of a picture that had this size (height, width)."""
        header = Header(self.fingerprint, *size, step, self.units)
        return pack(header, self.symbols(cells, step), self.entropy_model(step))

    def read(self, contents: bytes, name: str) -> tuple[Header, np.ndarray]:
        """Header and symbols (units,) of a file.

        Args:
            contents: of the file.
            name: what to call it in an error.

        Raises:
            UserError: if it is no such file, of another version or model, or not as it was written.
        """
        header, length = read_header(contents, name)
        if header.fingerprint != self.fingerprint:
            raise UserError(
                f"{name} was compressed by model {header.fingerprint.hex()}, and accepted are files of RUN's, "
                f"{self.fingerprint.hex()}."
            )
        if header.symbols != self.units or header.step > self.steps[-1]:
            raise damaged(name)
        return header, unpack(contents, length, self.entropy_model(header.step), name)

    def picture(self, header: Header, symbols: np.ndarray) -> np.ndarray:
        """The picture of a file, of the size that was compressed: (height, width, channels) float32 in [-1, 1]."""
        return resized(self.draw(symbols[np.newaxis], header.step)[0], (header.height, header.width))

    def model_images(self, pictures: Sequence[np.ndarray]) -> np.ndarray:
        """Pictures of any size as the model takes them, (n, size, size, channels)."""
        return np.stack([resized(picture, (self.size, self.size)) for picture in pictures])

    # -- what kinds of codecs differ in ----------------------------------------------------------------------------

    @abc.abstractmethod
    def cells(self, pictures: Sequence[np.ndarray]) -> np.ndarray:
        """The cells of pictures, as `compress` takes them, int64 (n, units)."""

    @abc.abstractmethod
    def symbols(self, cells: np.ndarray, step: int) -> np.ndarray:
        """Cells -> symbols from 0 on."""

    @abc.abstractmethod
    def draw(self, symbols: np.ndarray, step: int) -> np.ndarray:
        """Symbols (n, units) -> pictures (n, size, size, channels), float32 in [-1, 1]."""

    @abc.abstractmethod
    def entropy_model(self, step: int) -> EntropyModel:
        """How often each symbol is expected at each place."""

    @property
    @abc.abstractmethod
    def default_step(self) -> int:
        """Where the user asks for none [cells]."""

    @abc.abstractmethod
    def setting(self, step: int) -> float:
        """What a step is to the user, see `setting_title`."""

    @abc.abstractmethod
    def described(self, step: int) -> str:
        """How it was compressed, in few words."""


def function_of(network: keras.Model) -> tf.types.experimental.GenericFunction:
    """One graph for all batches."""
    (taken,) = network.inputs
    signature = [tf.TensorSpec((None, *taken.shape[1:]), taken.dtype)]
    return tf.function(lambda batch: network(batch, training=False), input_signature=signature)


def in_batches(function: tf.types.experimental.GenericFunction, array: np.ndarray) -> np.ndarray:
    """`function` of many, some at a time."""
    return np.concatenate([function(array[i : i + _BATCH]).numpy() for i in range(0, len(array), _BATCH)])


def weights_of(network: keras.Model) -> list[np.ndarray]:
    """The weights in order, float32."""
    return [np.asarray(weight, np.float32) for weight in network.get_weights()]


def digest(arrays: Iterable[np.ndarray]) -> bytes:
    """SHA-256 of types, shapes and values, low byte first on every machine."""
    hashed = hashlib.sha256()
    for array in arrays:
        plain = np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<"))
        hashed.update(f"{plain.dtype.str}{plain.shape}".encode() + plain.tobytes())
    return hashed.digest()
