"""Pictures as a few whole numbers: the latent vectors of a trained model, rotated, rounded and entropy-coded.

Transform coding (Goyal 2001, IEEE Signal Processing Magazine 18(5)) between the encoder and the decoder of a run:

    y = A (encoder(x) - m)        q = round(y / step)        x' = decoder(m + A^-1 (step q))

A makes rounding cost the same in every direction and leaves the directions uncorrelated: A = U' G^1/2 S^-1, where S
holds the standard deviations of the latents, G = E[J' J] is the mean metric of pictures seen from latents divided by
them (J: derivative of the decoder), and U the eigenvectors of the covariance of G^1/2 S^-1 z. A unit of y then changes
the picture by one level of 255, root mean square over its values, whatever the latents' scales are, and one step serves
all directions.

How often each whole number occurs is counted on training images in cells of a quarter of a level, whence integer
frequencies for every step that is a multiple of it. The encoder and the decoder of a file need nothing but integers in
common; floats only decide which integers the encoder chooses, and how the decoder draws them.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import io
import zipfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

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
from keras_gen.engine.inference import resized
from keras_gen.engine.model import GenerativeModel
from keras_gen.errors import UserError
from keras_gen.files import write

CELLS_PER_LEVEL = 4
"""Cells in which training latents are counted, and of which steps are multiples [1/level]."""
LARGEST_STEP = 256
"""[levels]; more than a picture can change."""
_LEVELS = 127.5  # per unit of [-1, 1]
_FIT_IMAGES = 20_000  # training images that are counted
_METRIC_IMAGES = 256  # of them, those around which the decoder is differentiated
_NUDGE = 0.1  # by which, as a share of a latent's standard deviation
_SMALLEST_EIGENVALUE = 1e-6  # of the metric, as a share of the largest: directions that draw nothing stay invertible
_BATCH = 256  # images encoded or drawn at a time
_ROUNDING_SHARE = 0.1  # what the default step adds to the mean squared error of the model itself


@dataclasses.dataclass(frozen=True)
class Statistics:
    """What is fitted to training images, and kept in a file of the run folder.

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

    def to_bytes(self) -> bytes:
        """As the content of an .npz file."""
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **dataclasses.asdict(self))
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
                "apps.compress writes a new one, for new files."
            ) from None


class LatentCodec:
    """Compresses pictures by the encoder and the decoder of a trained model.

    Attributes:
        size: side of the model's images [pixels].
        channels: of them.
        units: latents of a picture, the symbols of its file.
        fingerprint: of all that decoding depends on: the decoder's weights and the statistics.
    """

    def __init__(self, encoder: keras.Model, decoder: keras.Model, statistics: Statistics) -> None:
        self._encode, self._decode = _function(encoder), _function(decoder)
        self._statistics = statistics
        self._synthesis = np.linalg.inv(statistics.analysis)
        self._counts = np.split(statistics.counts, np.cumsum(statistics.sizes)[:-1])
        _, self.size, _, self.channels = encoder.input_shape
        self.units = len(statistics.mean)
        content = [*_weights(decoder), *(getattr(statistics, f.name) for f in dataclasses.fields(statistics))]
        self.fingerprint = _digest(content)[:FINGERPRINT_BYTES]
        self._tables = functools.lru_cache(maxsize=4)(self._count)

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
        if header.symbols != self.units or header.step > LARGEST_STEP * CELLS_PER_LEVEL:
            raise damaged(name)
        return header, unpack(contents, length, self.entropy_model(header.step), name)

    def picture(self, header: Header, symbols: np.ndarray) -> np.ndarray:
        """The picture of a file, of the size that was compressed: (height, width, channels) float32 in [-1, 1]."""
        return resized(self.draw(symbols[np.newaxis], header.step)[0], (header.height, header.width))

    # -- the parts of it -------------------------------------------------------------------------------------------

    def cells(self, pictures: Sequence[np.ndarray]) -> np.ndarray:
        """The cells of the rotated latents, int64 (n, units), of pictures as `compress` takes them."""
        images = np.stack([resized(picture, (self.size, self.size)) for picture in pictures])
        return _cells(_batched(self._encode, images), self._statistics.mean, self._statistics.analysis)

    def symbols(self, cells: np.ndarray, step: int) -> np.ndarray:
        """Cells -> symbols from 0 on; beyond what training images reach, the nearest that they do."""
        first = _bins(self._statistics.lowest, step)
        last = [len(frequencies) - 1 for frequencies in self.entropy_model(step).frequencies]
        return np.clip(_bins(cells, step) - first, 0, last)

    def draw(self, symbols: np.ndarray, step: int) -> np.ndarray:
        """Symbols (n, units) -> pictures (n, size, size, channels), float32 in [-1, 1]."""
        centres = [centres[column] for centres, column in zip(self._tables(step)[1], symbols.T, strict=True)]
        rotated = np.stack(centres, axis=-1) / CELLS_PER_LEVEL
        latents = rotated @ self._synthesis.T + self._statistics.mean
        return np.clip(_batched(self._decode, latents.astype(np.float32)), -1, 1)

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
            frequencies.append(2 * seen + 1)  # half a count for each (Krichevsky, Trofimov 1981): none is impossible
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


def open_codec(
    run: Path, model: GenerativeModel, training: Callable[[int], Iterable[np.ndarray]] | None
) -> LatentCodec:
    """The codec of a run, whose statistics lie in its folder in a file for these weights.

    Args:
        run: the run folder.
        model: loaded from it.
        training: a number of images -> batches of as many training images, (n, size, size, channels) in [-1, 1]: the
            statistics are fitted to them and written if there are none; None: they have to be there.

    Raises:
        UserError: if the model has no encoder from images to vectors and decoder back, or the file is missing or
            damaged.
    """
    served = model.serving()
    networks = [served[name].network for name in ("encoder", "decoder") if name in served]
    if [(len(n.input_shape), len(n.output_shape)) for n in networks] != [(4, 2), (2, 4)]:
        raise UserError(
            f"{run} is a run of {model.family}, which turns no single image into a latent vector and back; accepted "
            "are runs of autoencoder, vae and their kin."
        )
    encoder, decoder = networks
    path = run / f"codec-{_digest([*_weights(encoder), *_weights(decoder)]).hex()[:8]}.npz"
    if not path.is_file():
        if training is None:
            raise UserError(
                f"{run} has no {path.name}, the statistics that apps.compress writes there and decompressing needs."
            )
        write(path, fitted(encoder, decoder, training(_FIT_IMAGES)).to_bytes())
    return LatentCodec(encoder, decoder, Statistics.read(path))


def fitted(encoder: keras.Model, decoder: keras.Model, batches: Iterable[np.ndarray]) -> Statistics:
    """The statistics of an encoder and a decoder over batches of training images; see the module."""
    encode, decode = _function(encoder), _function(decoder)
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
    return Statistics(mean, analysis, lowest, sizes, np.concatenate(counts), np.concatenate(errors).mean())


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


def _function(network: keras.Model) -> tf.types.experimental.GenericFunction:
    """One graph for all batches."""
    signature = [tf.TensorSpec((None, *network.input_shape[1:]), tf.float32)]
    return tf.function(lambda batch: network(batch, training=False), input_signature=signature)


def _batched(function: tf.types.experimental.GenericFunction, array: np.ndarray) -> np.ndarray:
    return np.concatenate([function(array[i : i + _BATCH]).numpy() for i in range(0, len(array), _BATCH)])


def _weights(network: keras.Model) -> list[np.ndarray]:
    return [np.asarray(weight, np.float32) for weight in network.get_weights()]


def _digest(arrays: Iterable[np.ndarray]) -> bytes:
    """SHA-256 of types, shapes and values, low byte first on every machine."""
    hashed = hashlib.sha256()
    for array in arrays:
        plain = np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<"))
        hashed.update(f"{plain.dtype.str}{plain.shape}".encode() + plain.tobytes())
    return hashed.digest()
