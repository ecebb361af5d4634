"""The .kgz file of a compressed picture: a header, followed by entropy-coded symbols.

    bytes     content
    3         "KGZ"
    1         version of the format, 1
    4         fingerprint of the decoder (`codec.Codec.fingerprint`)
    varint    height of the picture [pixels]
    varint    width of the picture [pixels]
    varint    quantisation step [quarters of a level, at least 1; always 1 for a VQ-VAE]
    varint    number of symbols
    the rest  the symbols, coded by asymmetric numeral systems (Duda 2013, arXiv 1311.2540): the stack of
              `constriction.stream.stack.AnsCoder` as 32-bit words, low byte first, without trailing zero bytes

A varint holds 7 bits in each byte, the lowest first; the high bit says that another byte follows.

A CRC-32 of the header and of the symbols (as int32, low byte first) lies at the bottom of the stack, below the symbols.
After decoding all symbols of an undamaged file, exactly this number is left on the stack. If the file was changed,
another number is left, except once in 2^32 cases. The checksum costs no more than its 32 bits, because a coder that
starts with a full stack wastes none.
"""

from __future__ import annotations

import dataclasses
import zlib
from collections.abc import Sequence

import numpy as np
from constriction import stream

from keras_gen.console import command
from keras_gen.errors import UserError

SUFFIX = ".kgz"
FINGERPRINT_BYTES = 4
_MAGIC, _VERSION = b"KGZ", 1
_MAX_PIXELS = 100_000_000  # of a picture; a header with more is taken for damaged
_WORD = np.dtype("<u4")


@dataclasses.dataclass(frozen=True)
class Header:
    """The header of a file; the module describes the format.

    Attributes:
        fingerprint: of the decoder, 4 bytes.
        height: of the picture [pixels].
        width: of the picture [pixels].
        step: quantisation step [quarters of a level].
        symbols: number of symbols.
    """

    fingerprint: bytes
    height: int
    width: int
    step: int
    symbols: int

    def to_bytes(self) -> bytes:
        """The bytes of the header, as in the file."""
        numbers = (self.height, self.width, self.step, self.symbols)
        return _MAGIC + bytes([_VERSION]) + self.fingerprint + b"".join(map(_varint, numbers))


class EntropyModel:
    """The probability of each symbol at each position, as integer frequencies.

    Compressor and decompressor must use exactly the same probabilities, and integers do not depend on the machine.

    Attributes:
        frequencies: for each position the frequencies of the symbols 0, 1, ..., (symbols,) each.

    Examples:
        >>> model = EntropyModel([np.array([1, 3]), np.array([2, 2])])
        >>> model.bits(np.array([0, 1]))
        3.0
        >>> symbols, checksum = model.decode(model.encode(np.array([0, 1]), checksum=1234))
        >>> symbols, checksum
        (array([0, 1]), 1234)
    """

    def __init__(self, frequencies: Sequence[np.ndarray]) -> None:
        """Args:
        frequencies: for each position the frequencies of the symbols 0, 1, ...: integers of at least 1, (symbols,).
        """
        self.frequencies = list(frequencies)
        self._models = [_categorical(f) for f in self.frequencies]

    def bits(self, symbols: np.ndarray) -> float:
        """Information content of symbols (positions,) [bits]."""
        shares = [f[s] / f.sum() for f, s in zip(self.frequencies, symbols, strict=True)]
        return float(-np.log2(shares).sum())

    def encode(self, symbols: np.ndarray, checksum: int) -> bytes:
        """Encode symbols (positions,) on top of a 32-bit checksum."""
        coder = stream.stack.AnsCoder(np.array([checksum, 1], np.uint32))
        for symbol, model in zip(symbols[::-1], self._models[::-1], strict=True):
            if model is not None:
                coder.encode_reverse(np.array([symbol], np.int32), model)
        return coder.get_compressed().astype(_WORD).tobytes().rstrip(b"\0")

    def decode(self, payload: bytes) -> tuple[np.ndarray, int | None]:
        """The inverse of `encode`: the symbols (positions,) and the checksum; None if no checksum is left."""
        if payload.endswith(b"\0"):
            return np.zeros(len(self._models), np.int64), None
        words = np.frombuffer(payload + b"\0" * (-len(payload) % _WORD.itemsize), _WORD)
        coder = stream.stack.AnsCoder(words.astype(np.uint32))
        symbols = np.array([0 if m is None else coder.decode(m, 1)[0] for m in self._models], np.int64)
        left = coder.get_compressed()
        return symbols, int(left[0]) if len(left) == 2 and left[1] == 1 else None


def smoothed_frequencies(counts: np.ndarray) -> np.ndarray:
    """Frequencies for `EntropyModel`: counts with half a count added to each symbol, times two.

    So no symbol is impossible, even if it was never counted. Krichevsky, Trofimov: The Performance of Universal
    Encoding, IEEE Transactions on Information Theory 27(2), 1981.

    Examples:
        >>> smoothed_frequencies(np.array([0, 3]))
        array([1, 7])
    """
    return 2 * counts + 1


def pack(header: Header, symbols: np.ndarray, model: EntropyModel) -> bytes:
    """The content of a file with this header and these symbols, (header.symbols,)."""
    head = header.to_bytes()
    return head + model.encode(symbols, _checksum(head, symbols))


def read_header(contents: bytes, name: str) -> tuple[Header, int]:
    """Read the header of a file.

    Args:
        contents: content of the file.
        name: of the file, for errors.

    Returns:
        The header, and its length [bytes].

    Raises:
        UserError: if it is not a .kgz file, has another version, or is damaged.
    """
    if not contents.startswith(_MAGIC):
        raise UserError(f"{name} is not a compressed picture; accepted are {SUFFIX} files of {command('compress')}.")
    if len(contents) > len(_MAGIC) and (version := contents[len(_MAGIC)]) != _VERSION:
        raise UserError(f"{name} has version {version} of the format, and this keras_gen reads version {_VERSION}.")
    at = len(_MAGIC) + 1
    fingerprint = contents[at : at + FINGERPRINT_BYTES]
    at, numbers = at + FINGERPRINT_BYTES, []
    try:
        for _ in range(4):
            number, at = _read_varint(contents, at)
            numbers.append(number)
    except IndexError:
        raise damaged(name) from None
    header = Header(fingerprint, *numbers)
    if not (0 < header.height * header.width <= _MAX_PIXELS and header.step):
        raise damaged(name)
    return header, at


def unpack(contents: bytes, length: int, model: EntropyModel, name: str) -> np.ndarray:
    """Read the symbols of a file whose header has `length` bytes, and verify the checksum.

    Raises:
        UserError: if the checksum is wrong.
    """
    symbols, checksum = model.decode(contents[length:])
    if checksum != _checksum(contents[:length], symbols):
        raise damaged(name)
    return symbols


def damaged(name: str) -> UserError:
    """The error for a file that was changed after it was written."""
    return UserError(f"{name} is truncated or damaged: its checksum does not match its content.")


def _categorical(frequencies: np.ndarray) -> stream.model.Model | None:
    """The coder's model; None for a single symbol, which needs no bits."""
    return stream.model.Categorical(frequencies.astype(np.float64), perfect=False) if len(frequencies) > 1 else None


def _checksum(head: bytes, symbols: np.ndarray) -> int:
    return zlib.crc32(symbols.astype("<i4").tobytes(), zlib.crc32(head))


def _varint(number: int) -> bytes:
    low, rest = number & 0x7F, number >> 7
    return bytes([low | 0x80]) + _varint(rest) if rest else bytes([low])


def _read_varint(contents: bytes, at: int) -> tuple[int, int]:
    """The number at `at`, and the position after it.

    Raises:
        IndexError: if `contents` ends within the number.
    """
    low, at = contents[at], at + 1
    if low < 0x80:
        return low, at
    rest, at = _read_varint(contents, at)
    return low & 0x7F | rest << 7, at
