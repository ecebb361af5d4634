"""Image files to arrays and back: one decoder for training, translation and checks.

Formats are JPEG, PNG (8 and 16 bits), WebP, BMP and the first frame of GIF. Pillow decodes all of them except 16-bit
PNG, whose colours it would reduce to 8 bits; `tf.io.decode_png` decodes those. A 512x256 JPEG takes Pillow 1.0 ms and
TensorFlow 0.7 to 1.1 ms. Pillow releases the GIL meanwhile and reads every format, so a second decoder would add
different behaviour without saving time.

Files are untrusted. An image whose header claims too many pixels is refused before decoding. A truncated file is
refused, even where Pillow would fill the missing pixels with grey or black (`_refuse_early_end`). PNG checksums are
verified.

The same rules apply to all formats:
- EXIF orientation is applied, so the array shows what an image viewer shows. Invalid orientation tags are ignored.
- Metadata never make an image unusable, because decoders do not see them (`_pixels_alone`).
- Transparent pixels are blended on white, unless four channels are requested.
- Grey images keep one channel, and all others become RGB. Palettes are expanded.
"""

import io
import re
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from PIL import Image

from keras_gen.data.files.folders import shown
from keras_gen.errors import UserError

MAX_PIXELS = 100_000_000
"""Default limit for the pixels of an image, which are 300 MB as RGB."""

Image.MAX_IMAGE_PIXELS = None  # Pillow's own limit is global, and prints warnings

_FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF")
_EXIF_ORIENTATION = 0x0112
_EXIF_INTEGERS = {1: "B", 3: "H", 4: "I"}  # EXIF type -> struct format of the types that can hold an orientation
_DAMAGE = (  # exceptions that Pillow, zlib and TensorFlow raise for damaged files
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    IndexError,
    KeyError,
    OverflowError,
    struct.error,
    zlib.error,
    tf.errors.InvalidArgumentError,
)
_LUMA = np.array([0.299, 0.587, 0.114])  # ITU-R BT.601, as in Pillow and TensorFlow


class UnreadableImage(UserError):
    """A file that cannot be decoded: it is damaged, has another format, or has too many pixels.

    Attributes:
        truncated: whether it begins like an image, but is truncated or damaged.
    """

    truncated = False


class ImageInfo(NamedTuple):
    """The header of an image file."""

    width: int  # pixels, after applying the orientation
    height: int
    channels: int  # 1 or 3, without the alpha channel
    bits: int  # 8 or 16 per channel
    holds_ids: bool  # lossless, and grey or with a palette, so its values can be label ids
    form: str  # actual format, whatever the suffix: PNG, JPEG, WEBP, BMP or GIF
    alpha: bool  # has an alpha channel or a transparent colour
    cmyk: bool  # CMYK, which is converted to RGB without a colour profile
    orientation: int  # EXIF orientation, 1 to 8; 1 is upright
    animated: bool  # has further frames, which are ignored


def read_contents(path: Path | str) -> bytes:
    """The bytes of one file.

    Raises:
        UnreadableImage: the file is missing or cannot be read.
    """
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise UnreadableImage(f"{shown(path)} cannot be read: {error.strerror}.") from error


def read_image(path: Path | str, channels: int | None = None) -> np.ndarray:
    """Decodes one file. See `decode_image`.

    Raises:
        UnreadableImage: the file is missing or cannot be decoded.
    """
    return decode_image(read_contents(path), shown(path), channels)


def decode_image(contents: bytes, name: str, channels: int | None = None, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """Decodes the bytes of one image file.

    Args:
        contents: an encoded image.
        name: name of the image for error messages.
        channels: 1, 3 or 4 to convert to grey, RGB or RGBA; None: 1 or 3, as in the file.
        max_pixels: refuse images with more pixels before decoding them.

    Returns:
        uint8 or, for 16-bit PNG, uint16; shape (height, width, channels).

    Raises:
        UnreadableImage: the bytes cannot be decoded.
    """
    with _opened(contents, name, max_pixels) as (image, parts):
        if _is_png16(image, contents):
            array = _decode_png16(contents, _expanded_mode(image, contents))
        else:
            array = np.asarray(image.convert(_expanded_mode(image, contents)))
            _refuse_early_end(image, parts.pixels, contents)
        array = array[..., np.newaxis] if array.ndim == 2 else array
        return convert_channels(_upright(array, parts.orientation), channels)


def decode_ids(contents: bytes, name: str, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """Decodes a label map: the stored grey values or palette indices, without colour conversion.

    Returns:
        uint8 or uint16 ids, shape (height, width, 1).

    Raises:
        UnreadableImage: the bytes cannot be decoded.
        UserError: the file holds colours, transparency or lossy values.
    """
    with _opened(contents, name, max_pixels) as (image, parts):
        if not _holds_ids(image):
            raise UserError(
                f"{name} is a {image.format} image in mode {image.mode}; accepted for label ids are grey or palette "
                "PNG, BMP or GIF images."
            )
        if _is_png16(image, contents):
            return _upright(_decode_png16(contents, "L"), parts.orientation)
        ids = np.asarray(image).astype(np.uint8)
        _refuse_early_end(image, parts.pixels, contents)
        if image.format == "PNG" and image.mode == "L":  # Pillow scales 2- and 4-bit grey to 0..255
            ids //= 255 // (2 ** min(contents[24], 8) - 1)
        return _upright(ids[..., np.newaxis], parts.orientation)


def probe(contents: bytes, name: str, max_pixels: int = MAX_PIXELS) -> ImageInfo:
    """Reads the header only.

    Raises:
        UnreadableImage: the format is unknown, or the header claims too many pixels.
    """
    with _opened(contents, name, max_pixels) as (image, parts):
        mode = _expanded_mode(image, contents)
        return ImageInfo(
            *(image.size if parts.orientation < 5 else image.size[::-1]),
            channels=1 if mode in ("L", "LA") else 3,
            bits=16 if _is_png16(image, contents) else 8,
            holds_ids=_holds_ids(image),
            form=image.format,
            alpha=mode in ("LA", "RGBA"),
            cmyk=image.mode == "CMYK",
            orientation=parts.orientation,
            animated=parts.animated or (image.format in ("GIF", "WEBP") and image.is_animated),
        )


def eight_bits(array: np.ndarray) -> np.ndarray:
    """uint8 of the same shape: the nearest to values of 16 bits, and the array itself if it is uint8."""
    return array if array.dtype == np.uint8 else np.rint(array / 257).astype(np.uint8)


def convert_channels(array: np.ndarray, channels: int | None) -> np.ndarray:
    """Converts grey, grey with alpha, RGB or RGBA to grey, RGB or RGBA.

    Args:
        array: uint8 or uint16 (..., height, width, channels) with 1 to 4 channels.
        channels: 1, 3 or 4; None: 3 for colour, 1 for grey.

    Returns:
        An array of the same type, (..., height, width, channels). If the result has no alpha channel, transparent
        pixels are blended on white: value * alpha + white * (1 - alpha).
    """
    white = np.iinfo(array.dtype).max
    alpha = array[..., -1:] if array.shape[-1] in (2, 4) else None
    colour = array if alpha is None else array[..., :-1]
    if channels == 4:
        alpha = np.full_like(array[..., :1], white) if alpha is None else alpha
        return np.concatenate([np.broadcast_to(colour, (*colour.shape[:-1], 3)), alpha], axis=-1)
    if alpha is not None and alpha.min() < white:
        wide = colour.astype(np.uint32) * alpha + np.uint32(white) * (white - alpha.astype(np.uint32))
        colour = ((wide + white // 2) // white).astype(array.dtype)
    if channels == 1 and colour.shape[-1] == 3:
        return np.rint(colour @ _LUMA).astype(array.dtype)[..., np.newaxis]
    if channels == 3 and colour.shape[-1] == 1:
        return np.repeat(colour, 3, axis=-1)
    return colour


class _Parts(NamedTuple):
    """An image file without metadata, and the metadata that matter."""

    pixels: bytes  # a file of the same format without metadata
    orientation: int = 1  # EXIF orientation, 1 to 8
    animated: bool = False  # whether a PNG has further frames


@contextmanager
def _opened(contents: bytes, name: str, max_pixels: int) -> Iterator[tuple[Image.Image, _Parts]]:
    if not contents:
        raise UnreadableImage(f"{name} is empty.")
    parts = _pixels_alone(contents)
    try:
        with Image.open(io.BytesIO(parts.pixels), formats=_FORMATS) as image:
            if image.width * image.height > max_pixels:
                raise UnreadableImage(
                    f"{name} claims to have {image.width}x{image.height} pixels, more than --max-pixels {max_pixels:,}."
                )
            if image.format == "WEBP":  # Pillow returns its metadata without parsing them
                parts = parts._replace(orientation=_orientation(image.info.get("exif", b"")))
            yield image, parts
    except Image.UnidentifiedImageError as error:
        raise UnreadableImage(f"{name} is not a PNG, JPEG, WebP, BMP or GIF image.") from error
    except UserError:
        raise
    except _DAMAGE as error:
        unreadable = UnreadableImage(f"{name} is truncated or damaged.")
        unreadable.truncated = True
        raise unreadable from error


def _is_png16(image: Image.Image, contents: bytes) -> bool:
    return image.format == "PNG" and contents[24] == 16  # the bit depth, at a fixed place in the first chunk


def _holds_ids(image: Image.Image) -> bool:
    return image.format in ("PNG", "BMP", "GIF") and image.mode in ("1", "L", "P", "I;16")


def _expanded_mode(image: Image.Image, contents: bytes) -> str:
    """The mode to decode to. Palettes are expanded, and a transparent colour becomes an alpha channel.

    Pillow opens 16-bit grey with alpha as RGBA, so for PNG the colour type in the first chunk decides.
    """
    grey = contents[25] in (0, 4) if image.format == "PNG" else image.mode in ("1", "L", "LA", "I", "I;16")
    colour = "L" if grey else "RGB"
    transparent = image.mode in ("LA", "PA", "RGBA") or "transparency" in image.info
    return {"L": "LA", "RGB": "RGBA"}[colour] if transparent else colour


def _pixels_alone(contents: bytes) -> _Parts:
    """Removes the metadata of JPEG and PNG files, and parses the orientation.

    Pillow fails on some invalid metadata and warns about others. A file that cannot be parsed is left as it is: the
    decoder will report the reason.
    """
    try:
        if contents[:2] == b"\xff\xd8":
            return _jpeg_alone(contents)
        if contents[:8] == b"\x89PNG\r\n\x1a\n":
            return _png_alone(contents)
    except struct.error:
        pass
    return _Parts(contents)


def _jpeg_alone(contents: bytes) -> _Parts:
    """Removes comments and application segments before the first scan, except those that define the colour space."""
    pieces, at, start, exif = [], 2, 0, b""
    while contents[at : at + 1] == b"\xff" and (marker := contents[at + 1 : at + 2]) not in (b"\xda", b"\xd9", b""):
        if marker == b"\xff":  # padding
            at += 1
            continue
        end = at + 2 + struct.unpack_from(">H", contents, at + 2)[0]
        data = contents[at + 4 : end]
        if 0xE0 <= marker[0] <= 0xEF or marker[0] == 0xFE:
            if marker[0] == 0xE1 and data[:6] == b"Exif\0\0":
                exif = exif or data
            jfif, adobe = data[:5] == b"JFIF\0" and len(data) >= 14, data[:5] == b"Adobe" and len(data) >= 12
            if not (jfif or adobe):
                pieces.append(contents[start:at])
                start = end
        at = end
    return _Parts(b"".join([*pieces, contents[start:]]) if pieces else contents, _orientation(exif))


_PNG_PIXELS = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")


def _png_alone(contents: bytes) -> _Parts:
    """Keeps only the chunks of the default image. `_verify_png` checks the checksums."""
    pieces, at, exif, frames = [contents[:8]], 8, b"", 1
    for kind, data, _ in _png_chunks(contents):
        end = at + 12 + len(data)
        if kind in _PNG_PIXELS:
            pieces.append(contents[at:end])
        elif kind == b"eXIf":
            exif = bytes(data)
        elif kind == b"acTL" and len(data) == 8:
            frames = struct.unpack(">II", data)[0]
        at = end
    return _Parts(b"".join(pieces), _orientation(exif), frames > 1)


def _orientation(exif: bytes) -> int:
    """The orientation, 1 to 8, in a block of EXIF; 1 if the block or the tag is invalid or missing."""
    tiff = exif.removeprefix(b"Exif\0\0")
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    if order is None:
        return 1
    try:
        (at,) = struct.unpack_from(order + "I", tiff, 4)
        (entries,) = struct.unpack_from(order + "H", tiff, at)
        for place in range(at + 2, at + 2 + 12 * entries, 12):
            tag, kind, count = struct.unpack_from(order + "HHI", tiff, place)
            if tag == _EXIF_ORIENTATION:
                if kind not in _EXIF_INTEGERS or count != 1:
                    return 1
                (value,) = struct.unpack_from(order + _EXIF_INTEGERS[kind], tiff, place + 8)
                return value if 1 <= value <= 8 else 1
    except struct.error:
        pass
    return 1


def _upright(array: np.ndarray, orientation: int) -> np.ndarray:
    if orientation >= 5:
        array = array.swapaxes(0, 1)
    vertical, horizontal = {2: (1, -1), 3: (-1, -1), 4: (-1, 1), 6: (1, -1), 7: (-1, -1), 8: (-1, 1)}.get(
        orientation, (1, 1)
    )
    return array[::vertical, ::horizontal]


def _decode_png16(contents: bytes, mode: str) -> np.ndarray:
    """Decodes to (height, width, channels of `mode`).

    TensorFlow turns a transparent colour into an alpha channel only if four channels are requested.
    """
    _verify_png(contents)
    if "A" not in mode:
        return tf.io.decode_png(contents, dtype=tf.uint16).numpy()[..., : len(mode)]
    array = tf.io.decode_png(contents, channels=4, dtype=tf.uint16).numpy()
    return array[..., [0, 3]] if mode == "LA" else array


def _refuse_early_end(image: Image.Image, pixels: bytes, contents: bytes) -> None:
    """Raises ValueError for a decoded image whose data end before the last pixel, and for wrong PNG checksums.

    Pillow notices if the file is cut off, but not if only the pixel data end early. The missing pixels are then grey in
    a JPEG (blurred if it is progressive) and black in a PNG. The thorough tests are expensive, so they are applied only
    if the last pixels have such a value.

    Args:
        image: the decoded image.
        pixels: the file without metadata.
        contents: the whole file. Its metadata are verified too, because a chunk of pixels with a damaged name looks
            like metadata.
    """
    if image.format == "PNG":
        _verify_png(contents)
        last_row = image.crop((0, image.height - 1, image.width, image.height))
        if (image.info.get("interlace") or not last_row.getbbox()) and not _png_is_complete(pixels):
            raise ValueError("the pixel data end early")
    elif image.format == "JPEG":
        left, top = (8 * ((length - 1) // 8) for length in image.size)
        last_block = image.crop((left, top, *image.size)).getextrema()
        grey = {127, 128} >= set(np.ravel(last_block))  # the value of zero coefficients; 127 in inverted CMYK
        if (grey or image.info.get("progressive")) and not _jpeg_is_complete(image, pixels):
            raise ValueError("the pixel data end early")


def _verify_png(contents: bytes) -> None:
    """Raises ValueError unless all chunks up to IEND exist and have the right checksums.

    Pillow does not verify the checksums of pixel data, and libpng ignores those of chunks that it does not need.
    """
    for kind, data, checksum in _png_chunks(contents):
        if zlib.crc32(data, zlib.crc32(kind)) != checksum:
            raise ValueError(f"wrong checksum of {kind!r}")


def _png_chunks(contents: bytes) -> Iterator[tuple[bytes, memoryview, int]]:
    """Yields (kind, data, checksum) of the chunks of a PNG file; raises struct.error if it ends before IEND."""
    view, at, kind = memoryview(contents), 8, b""
    while kind != b"IEND":
        length, kind = struct.unpack_from(">I4s", contents, at)
        (checksum,) = struct.unpack_from(">I", contents, at + 8 + length)
        yield kind, view[at + 8 : at + 8 + length], checksum
        at += 12 + length


def _png_is_complete(contents: bytes) -> bool:
    """Whether the pixel data of a PNG file decompress to the number of bytes that its header implies."""
    pixels = b"".join(data for kind, data, _ in _png_chunks(contents) if kind == b"IDAT")
    width, height, depth, colour, _, _, interlaced = struct.unpack_from(">IIBBBBB", contents, 16)
    bits = depth * {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour]
    promised = 0
    for left, top, right, down in _ADAM7 if interlaced else ((0, 0, 1, 1),):
        columns, rows = -(-(width - left) // right), -(-(height - top) // down)
        if columns > 0:
            promised += max(rows, 0) * (1 + (columns * bits + 7) // 8)
    return len(zlib.decompressobj().decompress(pixels, promised)) == promised


_ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
"""Left, top, step to the right and step down of the seven passes of an interlaced PNG (PNG specification, 8.2)."""

_SCAN_END = re.compile(rb"\xff+(?=[^\x00\xd0-\xd7\xff])")  # any marker except a stuffed byte or a restart marker
_NOISE = b"".join(  # random bytes without 0xff, and the eight restart markers, which a decoder may wait for
    bytes(np.random.default_rng(number).integers(0, 255, 64, np.uint8)) + bytes([0xFF, 0xD0 + number % 8])
    for number in range(16)
)


def _jpeg_is_complete(image: Image.Image, contents: bytes) -> bool:
    """Whether a JPEG file contains data for all of its pixels.

    A decoder ignores bytes after the last pixel, but if pixels are missing, it decodes those bytes as pixels. So random
    bytes are inserted after the data of every scan: a complete image does not change. With arithmetic coding this test
    is impossible, because encoders omit zeros at the end; such files count as complete.
    """
    pieces, at, start = [], 2, 0
    while (mark := contents[at : at + 2]) != b"\xff\xd9":
        if mark[:1] != b"\xff" or len(mark) < 2:
            break  # bytes between segments, which decoders skip; the rest cannot be parsed reliably
        if 0xC9 <= mark[1] <= 0xCF and mark[1] != 0xCC:
            return True
        if mark[1] == 0xFF:
            at += 1
            continue
        at += 2 + struct.unpack_from(">H", contents, at + 2)[0]
        if mark[1] == 0xDA:
            end = _SCAN_END.search(contents, at)
            at = end.start() if end else len(contents)
            pieces += [contents[start:at], _NOISE]
            start = at
    with Image.open(io.BytesIO(b"".join([*pieces, contents[start:]])), formats=_FORMATS) as noisy:
        return noisy.tobytes() == image.tobytes()
