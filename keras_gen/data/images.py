"""Image files to arrays and back: one decoder for training, translation and checks.

JPEG, PNG (8 and 16 bit), WebP, BMP and the first frame of GIF. Pillow decodes everything but 16-bit PNG,
whose colour it would cut to 8 bits; that one goes through `tf.io.decode_png`. Pillow takes 1.0 ms for a
512x256 JPEG where TensorFlow takes 0.7 to 1.1 ms, releases the GIL meanwhile, reads every format and fails
loudly on truncated files: a second decoder would buy two behaviours and no time.

Rules, the same for every format:
- EXIF orientation is applied: the array shows what a viewer shows.
- Transparency is composited on white, unless four channels are asked for.
- Grey stays one channel, everything else is RGB; palettes are expanded.
"""

import io
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from PIL import Image

from keras_gen.errors import UserError

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif")

_FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF")
_EXIF_ORIENTATION = 0x0112
_LUMA = np.array([0.299, 0.587, 0.114])  # ITU-R BT.601, as Pillow's and TensorFlow's grey


class UnreadableImage(UserError):
    """A file that no decoder can read: truncated, of another kind, or absurdly large."""


class ImageInfo(NamedTuple):
    """What the header of an image file says, after orientation: sizes in pixels."""

    width: int
    height: int
    channels: int  # 1 or 3: transparency is composited and not counted
    bits: int  # 8 or 16 per channel
    holds_ids: bool  # grey or palette and lossless: its values can be label ids


def list_images(folder: Path) -> list[Path]:
    """The image files directly in `folder`, sorted by name, hidden files left out."""
    files = (file for file in folder.iterdir() if file.suffix.lower() in IMAGE_SUFFIXES)
    return sorted((f for f in files if not f.name.startswith(".") and f.is_file()), key=lambda f: f.name)


def read_image(path: Path | str, channels: int | None = None) -> np.ndarray:
    """Decodes one file. See `decode_image`.

    Raises:
      UnreadableImage: the file is missing or cannot be decoded.
    """
    try:
        contents = Path(path).read_bytes()
    except OSError as error:
        raise UnreadableImage(f"{path} cannot be read: {error.strerror}.") from error
    return decode_image(contents, str(path), channels)


def decode_image(contents: bytes, name: str, channels: int | None = None) -> np.ndarray:
    """Decodes the bytes of one image file.

    Args:
      contents: an encoded image.
      name: what to call it in an error.
      channels: 1, 3 or 4 to convert to grey, RGB or RGBA; None follows the file (1 or 3).

    Returns:
      uint8 or, for 16-bit PNG, uint16; shape (height, width, channels).

    Raises:
      UnreadableImage: the bytes cannot be decoded.
    """
    with _opened(contents, name) as image:
        if _is_png16(image, contents):
            array = tf.io.decode_png(contents, dtype=tf.uint16).numpy()
        else:
            array = np.asarray(image.convert(_expanded_mode(image)))
        array = array[..., np.newaxis] if array.ndim == 2 else array
        return convert_channels(_upright(array, _orientation(image)), channels)


def decode_ids(contents: bytes, name: str) -> np.ndarray:
    """Decodes a label map: the stored grey values or palette indices, without colour conversion.

    Returns:
      uint8 or uint16 ids, shape (height, width, 1).

    Raises:
      UnreadableImage: the bytes cannot be decoded.
      UserError: the file holds colours, transparency or lossy values.
    """
    with _opened(contents, name) as image:
        if not _holds_ids(image):
            raise UserError(
                f"{name} is {image.format} in mode {image.mode}, and label ids are read from grey or palette "
                "PNG, BMP or GIF."
            )
        if _is_png16(image, contents):
            return _upright(tf.io.decode_png(contents, dtype=tf.uint16).numpy(), _orientation(image))
        ids = np.asarray(image).astype(np.uint8)
        if image.format == "PNG" and image.mode == "L":  # Pillow spreads 2- and 4-bit grey over 0..255
            ids //= 255 // (2 ** min(contents[24], 8) - 1)
        return _upright(ids[..., np.newaxis], _orientation(image))


def probe(contents: bytes, name: str) -> ImageInfo:
    """Reads the header only.

    Raises:
      UnreadableImage: there is no header of a known image format.
    """
    with _opened(contents, name) as image:
        width, height = image.size if _orientation(image) < 5 else image.size[::-1]
        channels = 1 if _expanded_mode(image) in ("L", "LA") else 3
        return ImageInfo(width, height, channels, 16 if _is_png16(image, contents) else 8, _holds_ids(image))


def convert_channels(array: np.ndarray, channels: int | None) -> np.ndarray:
    """Grey, RGB or RGBA from any of L, LA, RGB, RGBA.

    Args:
      array: uint8 or uint16 (height, width, 1 to 4).
      channels: 1, 3, 4, or None for 1 or 3, whichever loses no colour.

    Returns:
      The same type, shape (height, width, channels). Without an alpha channel in the result, transparent
      pixels are composited on white: value * alpha + white * (1 - alpha).
    """
    white = np.iinfo(array.dtype).max
    alpha = array[..., -1:] if array.shape[-1] in (2, 4) else None
    colour = array if alpha is None else array[..., :-1]
    if channels == 4:
        alpha = np.full_like(array[..., :1], white) if alpha is None else alpha
        return np.concatenate([np.broadcast_to(colour, (*colour.shape[:2], 3)), alpha], axis=-1)
    if alpha is not None and alpha.min() < white:
        wide = colour.astype(np.uint32) * alpha + np.uint32(white) * (white - alpha.astype(np.uint32))
        colour = ((wide + white // 2) // white).astype(array.dtype)
    if channels == 1 and colour.shape[-1] == 3:
        return np.rint(colour @ _LUMA).astype(array.dtype)[..., np.newaxis]
    if channels == 3 and colour.shape[-1] == 1:
        return np.repeat(colour, 3, axis=-1)
    return colour


def to_float(array: np.ndarray) -> np.ndarray:
    """uint8 or uint16 to float32 in [-1, 1]: 0 is -1 and the type's largest value 1."""
    return array.astype(np.float32) / np.float32(np.iinfo(array.dtype).max / 2) - np.float32(1)


def to_uint8(array: np.ndarray) -> np.ndarray:
    """float in [-1, 1] to uint8, rounded; values beyond the range are clipped."""
    return np.rint(np.clip((np.asarray(array, np.float32) + 1) * 127.5, 0, 255)).astype(np.uint8)


@contextmanager
def _opened(contents: bytes, name: str) -> Iterator[Image.Image]:
    try:
        with Image.open(io.BytesIO(contents), formats=_FORMATS) as image:
            yield image
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise UnreadableImage(
            f"{name} has more pixels than the {2 * Image.MAX_IMAGE_PIXELS:,} that are accepted as a guard "
            "against "
            "decompression bombs."
        ) from error
    except Image.UnidentifiedImageError as error:
        raise UnreadableImage(f"{name} is not a PNG, JPEG, WebP, BMP or GIF image.") from error
    except UserError:
        raise
    except (
        OSError,
        SyntaxError,
        ValueError,
        EOFError,
        struct.error,
        tf.errors.InvalidArgumentError,
    ) as error:
        # What Pillow and libpng raise for damaged files.
        raise UnreadableImage(f"{name} is truncated or damaged.") from error


def _is_png16(image: Image.Image, contents: bytes) -> bool:
    return image.format == "PNG" and contents[24] == 16  # the bit depth, a fixed place in the first chunk


def _holds_ids(image: Image.Image) -> bool:
    return image.format in ("PNG", "BMP", "GIF") and image.mode in ("1", "L", "P", "I;16")


def _expanded_mode(image: Image.Image) -> str:
    """The mode to decode into: palettes expanded, a transparent colour turned into an alpha channel."""
    colour = "L" if image.mode in ("1", "L", "LA", "I", "I;16") else "RGB"
    transparent = image.mode in ("LA", "PA", "RGBA") or "transparency" in image.info
    return {"L": "LA", "RGB": "RGBA"}[colour] if transparent else colour


def _orientation(image: Image.Image) -> int:
    """EXIF orientation 1..8; read from `info`, because `getexif` would decode the whole of a PNG."""
    exif = Image.Exif()
    exif.load(image.info.get("exif"))
    return exif.get(_EXIF_ORIENTATION, 1)


def _upright(array: np.ndarray, orientation: int) -> np.ndarray:
    if orientation >= 5:
        array = array.swapaxes(0, 1)
    vertical, horizontal = {2: (1, -1), 3: (-1, -1), 4: (-1, 1), 6: (1, -1), 7: (-1, -1), 8: (-1, 1)}.get(
        orientation, (1, 1)
    )
    return array[::vertical, ::horizontal]
