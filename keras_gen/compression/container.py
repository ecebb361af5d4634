"""The file of a compressed picture: a header, and whole numbers coded by how often each is expected.

    bytes     what
    3         "KGZ"
    1         version of the format, 1
    4         fingerprint of what decodes it (`codec.Codec.fingerprint`)
    varint    height of the picture [pixels]
    varint    width of the picture [pixels]
    varint    quantisation step [quarters of a level, at least 1; 1 of codes]
    varint    number of symbols
    the rest  the symbols by asymmetric numeral systems (Duda 2013, arXiv 1311.2540): the words of 32 bits, low byte
              first, of the stack of `constriction.stream.stack.AnsCoder`, without the zero bytes at their end

A varint holds 7 bits in each byte, the lowest first; the high bit says that another byte follows.

At the bottom of the stack, below the symbols, lies a CRC-32 of the header and of the symbols as int32, low byte first.
A coder that has given back all symbols of an undamaged file is left with just this number; after any change of the file
it is left with another, but for one time in 2^32. A stack that begins full wastes no bits, so the checksum costs no
more than its own.
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
_MOST_PIXELS = 100_000_000  # of a picture; a header that says more is not believed
_WORD = np.dtype("<u4")


@dataclasses.dataclass(frozen=True)
class Header:
    """What a file says before its symbols; see the module."""

    fingerprint: bytes
    height: int
    width: int
    step: int
    symbols: int

    def to_bytes(self) -> bytes:
        """The header as it is written."""
        numbers = (self.height, self.width, self.step, self.symbols)
        return _MAGIC + bytes([_VERSION]) + self.fingerprint + b"".join(map(_varint, numbers))


class EntropyModel:
    """How often each symbol is expected at each place: whole numbers, so that both ends compute with the same."""

    def __init__(self, frequencies: Sequence[np.ndarray]) -> None:
        """Args:
        frequencies: for each place those of the symbols 0, 1, ...: integers of at least 1, (alphabet,) each.
        """
        self.frequencies = list(frequencies)
        self._models = [_categorical(f) for f in self.frequencies]

    def bits(self, symbols: np.ndarray) -> float:
        """Information content of symbols (places,) [bits]."""
        shares = [f[s] / f.sum() for f, s in zip(self.frequencies, symbols, strict=True)]
        return float(-np.log2(shares).sum())

    def encode(self, symbols: np.ndarray, checksum: int) -> bytes:
        """Symbols (places,) on top of a checksum of 32 bits, as bytes."""
        coder = stream.stack.AnsCoder(np.array([checksum, 1], np.uint32))
        for symbol, model in zip(symbols[::-1], self._models[::-1], strict=True):
            if model is not None:
                coder.encode_reverse(np.array([symbol], np.int32), model)
        return coder.get_compressed().astype(_WORD).tobytes().rstrip(b"\0")

    def decode(self, payload: bytes) -> tuple[np.ndarray, int | None]:
        """The symbols (places,) and the checksum below them; None if what is left has not the form of one."""
        if payload.endswith(b"\0"):
            return np.zeros(len(self._models), np.int64), None
        words = np.frombuffer(payload + b"\0" * (-len(payload) % _WORD.itemsize), _WORD)
        coder = stream.stack.AnsCoder(words.astype(np.uint32))
        symbols = np.array([0 if m is None else coder.decode(m, 1)[0] for m in self._models], np.int64)
        left = coder.get_compressed()
        return symbols, int(left[0]) if len(left) == 2 and left[1] == 1 else None


def half_more(counts: np.ndarray) -> np.ndarray:
    """Frequencies for `EntropyModel` by counts: half a count more of each symbol (Krichevsky, Trofimov 1981, IEEE
    Transactions on Information Theory 27(2)), so that none is impossible."""
    return 2 * counts + 1


def pack(header: Header, symbols: np.ndarray, model: EntropyModel) -> bytes:
    """A file of symbols (header.symbols,)."""
    head = header.to_bytes()
    return head + model.encode(symbols, _checksum(head, symbols))


def read_header(contents: bytes, name: str) -> tuple[Header, int]:
    """The header of a file and its length [bytes].

    Args:
        contents: of the whole file.
        name: what to call it in an error.

    Raises:
        UserError: if it is not such a file, of another version, or ends within the header.
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
    if not (0 < header.height * header.width <= _MOST_PIXELS and header.step):
        raise damaged(name)
    return header, at


def unpack(contents: bytes, length: int, model: EntropyModel, name: str) -> np.ndarray:
    """The symbols of a file whose header has `length` bytes.

    Raises:
        UserError: if they are not those that were written.
    """
    symbols, checksum = model.decode(contents[length:])
    if checksum != _checksum(contents[:length], symbols):
        raise damaged(name)
    return symbols


def damaged(name: str) -> UserError:
    """What is said of a file that is not as it was written."""
    return UserError(f"{name} is truncated or damaged: its checksum is not that of its content.")


def _categorical(frequencies: np.ndarray) -> stream.model.Model | None:
    """The coder's model; None where there is one symbol, which says nothing."""
    return stream.model.Categorical(frequencies.astype(np.float64), perfect=False) if len(frequencies) > 1 else None


def _checksum(head: bytes, symbols: np.ndarray) -> int:
    return zlib.crc32(symbols.astype("<i4").tobytes(), zlib.crc32(head))


def _varint(number: int) -> bytes:
    low, rest = number & 0x7F, number >> 7
    return bytes([low | 0x80]) + _varint(rest) if rest else bytes([low])


def _read_varint(contents: bytes, at: int) -> tuple[int, int]:
    """A number and the place behind it; IndexError where the bytes end."""
    low, at = contents[at], at + 1
    if low < 0x80:
        return low, at
    rest, at = _read_varint(contents, at)
    return low & 0x7F | rest << 7, at
