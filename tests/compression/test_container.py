"""The file of a compressed picture: exact, as short as its information content, and refused if it was changed."""

import numpy as np
import pytest

from keras_gen.compression.container import EntropyModel, Header, pack, read_header, unpack
from keras_gen.errors import UserError

HEADER = Header(b"\x01\x02\x03\xff", 300, 28, 29, 6)


def models(generator, places):
    """Alphabets of 1 to 300 symbols, some of them very likely."""
    sizes = generator.integers(1, 300, places)
    return EntropyModel([1 + (10 ** generator.uniform(0, 5, size)).astype(np.int64) for size in sizes])


def drawn(generator, model):
    return np.array([generator.choice(len(f), p=f / f.sum()) for f in model.frequencies])


def reread(contents, model):
    header, length = read_header(contents, "a.kgz")
    return header, unpack(contents, length, model, "a.kgz")


@pytest.mark.parametrize("places", [0, 1, 6, 200])
@pytest.mark.parametrize("seed", range(5))
def test_symbols_come_back_and_take_their_information(places, seed):
    generator = np.random.default_rng(seed)
    model = models(generator, places)
    symbols = drawn(generator, model)
    header = Header(b"abcd", 28, 28, 4, places)
    contents = pack(header, symbols, model)
    again, found = reread(contents, model)
    assert again == header
    np.testing.assert_array_equal(found, symbols)
    # Beside the header: the symbols' information, a checksum of 32 bits and its mark of at most 1, rounded up to bytes.
    # The coder's probabilities have 24 bits, and round off less than 0.01 bit a symbol here.
    bits = 8 * (len(contents) - len(header.to_bytes()))
    assert model.bits(symbols) + 32 - 0.01 * places <= bits <= model.bits(symbols) + 33 + 8 + 0.01 * places


def test_the_information_is_that_of_shannon():
    model = EntropyModel([np.array([1, 3]), np.array([5]), np.array([2, 2, 4])])
    assert model.bits(np.array([0, 0, 2])) == pytest.approx(np.log2(4) + 0 + np.log2(2))


def test_the_bytes_are_those_of_the_format():
    """Files must remain readable: these bytes are version 1, independent of the coder's version."""
    model = EntropyModel([np.array([1, 2, 3]), np.array([7]), np.array([100, 1, 1, 50])])
    contents = pack(Header(b"\x01\x02\x03\xff", 300, 28, 29, 3), np.array([2, 0, 1]), model)
    assert contents.hex() == "4b475a01010203ffac021c1d032174a931c101"


def test_every_changed_byte_is_noticed():
    generator = np.random.default_rng(0)
    model = models(generator, 6)
    contents = pack(HEADER, drawn(generator, model), model)
    assert len(contents) < 40
    for place in range(len(contents)):
        for change in range(1, 256):
            damaged = bytearray(contents)
            damaged[place] ^= change
            try:
                header, _ = reread(bytes(damaged), model)
            except UserError:
                continue
            pytest.fail(f"byte {place} changed by {change} was read as {header}")


@pytest.mark.parametrize("length", range(33))
def test_a_file_that_ends_early_or_late_is_noticed(length):
    generator = np.random.default_rng(0)
    model = models(generator, 6)
    contents = pack(HEADER, drawn(generator, model), model)
    if length < len(contents):
        with pytest.raises(UserError, match=r"a\.kgz is (truncated or damaged|not a compressed picture)"):
            reread(contents[:length], model)
    with pytest.raises(UserError, match="truncated or damaged"):
        reread(contents + bytes(range(length + 1)), model)


@pytest.mark.parametrize(
    ("contents", "said"),
    [
        (b"", "is not a compressed picture"),
        (b"\x89PNG\r\n", "is not a compressed picture"),
        (b"KGZ", "truncated"),
        (b"KGZ\x02" + bytes(20), "has version 2 of the format, and this keras_gen reads version 1"),
        (b"KGZ\x01abcd" + b"\xff" * 20, "truncated or damaged"),
        (Header(b"abcd", 60_000, 60_000, 4, 3).to_bytes(), "truncated or damaged"),  # would take 3.6 gigapixels
        (Header(b"abcd", 28, 0, 4, 3).to_bytes(), "truncated or damaged"),
        (Header(b"abcd", 28, 28, 0, 3).to_bytes(), "truncated or damaged"),
    ],
)
def test_what_is_no_such_file_is_refused_by_its_header(contents, said):
    with pytest.raises(UserError, match=said):
        read_header(contents, "a.kgz")
