import io
import struct
import zlib

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageOps

from keras_gen.data.files import codecs as images
from keras_gen.data.files import folders
from keras_gen.data.files.codecs import UnreadableImage
from keras_gen.errors import UserError


def encode(array, form="PNG", **options):
    file = io.BytesIO()
    image = array if isinstance(array, Image.Image) else Image.fromarray(array)
    image.save(file, form, **options)
    return file.getvalue()


def picture(channels, dtype=np.uint8, seed=0):
    shape = (6, 10, channels)
    return np.random.default_rng(seed).integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def grey_png(values, bits):
    """A grey PNG with 1, 2 or 4 bits, which Pillow cannot write."""
    digits = ((values[..., None] >> np.arange(bits - 1, -1, -1)) & 1).reshape(len(values), -1)
    rows = b"".join(b"\0" + row.tobytes() for row in np.packbits(digits.astype(np.uint8), axis=1))
    header = struct.pack(">IIBBBBB", values.shape[1], values.shape[0], bits, 0, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


@pytest.mark.parametrize(("form", "options"), [("PNG", {}), ("BMP", {}), ("WEBP", {"lossless": True})])
def test_lossless_formats_keep_every_value(form, options):
    expected = picture(3)
    np.testing.assert_array_equal(images.decode_image(encode(expected, form, **options), "x"), expected)


def test_jpeg_is_close():
    smooth = np.tile(np.arange(0, 240, 10, dtype=np.uint8)[:, None, None], (1, 24, 3))
    decoded = images.decode_image(encode(smooth, "JPEG", quality=95), "x")
    assert np.abs(decoded.astype(int) - smooth).max() <= 4


def test_cmyk_jpeg_is_rgb():
    assert images.decode_image(encode(Image.new("CMYK", (4, 4)), "JPEG"), "x").shape == (4, 4, 3)


def test_gif_gives_its_first_frame():
    first, second = (Image.new("RGB", (4, 3), colour) for colour in ("red", "blue"))
    contents = encode(first, "GIF", save_all=True, append_images=[second])
    assert np.all(images.decode_image(contents, "x") == [255, 0, 0])


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_sixteen_bit_png_keeps_every_value(channels):
    expected = picture(channels, np.uint16)
    contents = tf.io.encode_png(expected).numpy()
    decoded = images.decode_image(contents, "x", channels)
    assert decoded.dtype == np.uint16
    np.testing.assert_array_equal(decoded, expected)


def test_channels_follow_the_file_or_the_request():
    grey, colour = picture(1), picture(3)
    assert images.decode_image(encode(grey[..., 0]), "x").shape == (6, 10, 1)
    np.testing.assert_array_equal(images.decode_image(encode(grey[..., 0]), "x", 3), np.repeat(grey, 3, axis=-1))
    luma = np.asarray(Image.fromarray(colour).convert("L"))[..., None]
    assert np.abs(images.decode_image(encode(colour), "x", 1).astype(int) - luma).max() <= 1
    opaque = images.decode_image(encode(colour), "x", 4)
    assert np.all(opaque[..., 3] == 255)


@pytest.mark.parametrize("channels", [2, 4])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_transparency_is_composited_on_white(channels, dtype):
    array = picture(channels, dtype)
    contents = tf.io.encode_png(array).numpy()
    alpha = array[..., -1:] / np.iinfo(dtype).max
    expected = array[..., :-1] * alpha + np.iinfo(dtype).max * (1 - alpha)
    np.testing.assert_allclose(images.decode_image(contents, "x"), expected, atol=0.5001)


def test_transparent_colour_of_a_palette_is_white():
    palette = Image.new("P", (2, 1))
    palette.putpalette([10, 20, 30, 40, 50, 60])
    palette.putpixel((1, 0), 1)
    decoded = images.decode_image(encode(palette, transparency=1), "x")
    np.testing.assert_array_equal(decoded[0], [[10, 20, 30], [255, 255, 255]])


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(form, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    contents = encode(picture(3), form, exif=exif)
    expected = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(contents))).convert("RGB"))
    np.testing.assert_array_equal(images.decode_image(contents, "x"), expected)
    info = images.probe(contents, "x")
    assert (info.height, info.width) == expected.shape[:2]


def tiff(kind, count, value, order="<"):
    """An EXIF block whose orientation tag has this type, count and four bytes of value."""
    head = {"<": b"II*\0", ">": b"MM\0*"}[order] + struct.pack(order + "I", 8)
    return head + struct.pack(order + "HHHI", 1, 0x0112, kind, count) + value + bytes(4)


def with_exif(form, block):
    """A noise image with these bytes in place of its EXIF data."""
    return encode(picture(3), form, exif=b"Exif\0\0" + block)


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP"])
@pytest.mark.parametrize(
    "block",
    [
        tiff(2, 2, b"6\0\0\0"),  # text
        tiff(3, 2, struct.pack("<HH", 6, 6)),  # two numbers
        tiff(5, 1, struct.pack("<I", 26)),  # a rational
        tiff(99, 1, bytes(4)),
        *(tiff(3, 1, struct.pack("<HH", value, 0)) for value in (0, 9, 65535)),
        b"II*\0" + b"\xff" * 40,
        b"MM\0*" + struct.pack(">I", 8) + b"\xff\xff",
        bytes(range(1, 200)),
        b"",
    ],
)
def test_metadata_without_a_valid_orientation_are_ignored(form, block):
    contents = with_exif(form, block)
    np.testing.assert_array_equal(images.decode_image(contents, "x"), images.decode_image(with_exif(form, b""), "x"))
    assert images.probe(contents, "x").orientation == 1


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize(("kind", "code"), [(1, "Bxxx"), (3, "Hxx"), (4, "I")])
def test_an_orientation_of_any_whole_type_turns_the_picture(order, kind, code):
    contents = with_exif("PNG", tiff(kind, 1, struct.pack(order + code, 6), order))
    np.testing.assert_array_equal(images.decode_image(contents, "x"), np.rot90(picture(3), -1))


@pytest.mark.parametrize(
    "kind", [b"pHYs", b"gAMA", b"sRGB", b"iCCP", b"cHRM", b"tEXt", b"zTXt", b"iTXt", b"acTL", b"eXIf"]
)
def test_junk_in_chunks_of_metadata_is_no_damage(kind):
    expected = picture(3)
    contents = encode(expected)
    contents = contents[:33] + chunk(kind, b"\xff\x00\x01") + contents[33:]
    np.testing.assert_array_equal(images.decode_image(contents, "x"), expected)


@pytest.mark.parametrize("marker", [0xE0, 0xE1, 0xE2, 0xED, 0xEE, 0xFE])
@pytest.mark.parametrize(
    "data", [b"JFIF\0", b"Adobe", b"MPF\0II*\0\xff", b"Exif\0\0MM", b"Photoshop 3.0\x008BIM\xff", b""]
)
def test_junk_in_segments_of_metadata_is_no_damage(marker, data):
    contents = encode(picture(3), "JPEG")
    expected = images.decode_image(contents, "x")
    segment = struct.pack(">BBH", 0xFF, marker, 2 + len(data)) + data
    np.testing.assert_array_equal(images.decode_image(contents[:2] + segment + contents[2:], "x"), expected)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_transparent_colour_is_white_at_16_bits_as_at_8(channels):
    key = [7] * channels
    eight = np.full((2, 3, channels), 200, np.uint8)
    eight[0, 1] = key
    wide = eight.astype(np.uint16) * 257
    expected = eight.astype(int)
    expected[0, 1] = 255
    for array, values, white in ((eight, key, 255), (wide, [1799] * channels, 65535)):
        contents = tf.io.encode_png(array).numpy()
        contents = contents[:33] + chunk(b"tRNS", struct.pack(f">{channels}H", *values)) + contents[33:]
        assert images.probe(contents, "x").alpha
        np.testing.assert_array_equal(images.decode_image(contents, "x"), expected * (white // 255))
        np.testing.assert_array_equal(images.decode_image(contents, "x", 4)[..., 3] == 0, expected[..., 0] == 255)


@pytest.mark.parametrize(("channels", "bits"), [(1, 8), (3, 8), (1, 16), (3, 16)])
def test_probe_agrees_with_decoding(channels, bits):
    contents = tf.io.encode_png(picture(channels, np.uint16 if bits == 16 else np.uint8)).numpy()
    assert images.probe(contents, "x")[:5] == (10, 6, channels, bits, channels == 1)


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_grey_ids_are_the_stored_values(bits):
    ids = np.random.default_rng(0).integers(0, 2**bits, (5, 7))
    np.testing.assert_array_equal(images.decode_ids(grey_png(ids, bits), "x")[..., 0], ids)


def test_palette_and_sixteen_bit_ids_are_the_stored_values():
    ids = np.arange(12, dtype=np.uint8).reshape(3, 4)
    palette = Image.fromarray(ids, "L").convert("P")
    palette.putpalette(np.random.default_rng(0).integers(0, 256, 768).tolist())
    np.testing.assert_array_equal(images.decode_ids(encode(palette), "x")[..., 0], np.asarray(palette))
    wide = ids.astype(np.uint16)[..., None] * 1000
    np.testing.assert_array_equal(images.decode_ids(tf.io.encode_png(wide).numpy(), "x"), wide)


@pytest.mark.parametrize("contents", [encode(picture(3)), encode(picture(1)[..., 0], "JPEG")])
def test_ids_of_colours_or_lossy_files_are_refused(contents):
    with pytest.raises(UserError, match=r"map\.png is .* grey or palette"):
        images.decode_ids(contents, "map.png")


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "BMP", "GIF"])
def test_truncated_files_are_unreadable(form):
    contents = encode(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8), form)
    with pytest.raises(UnreadableImage, match=r"x\.png is"):
        images.decode_image(contents[: len(contents) // 2], "x.png")


def test_truncated_sixteen_bit_png_is_unreadable():
    contents = tf.io.encode_png(picture(3, np.uint16)).numpy()
    with pytest.raises(UnreadableImage, match=r"x\.png is truncated"):
        images.decode_image(contents[: len(contents) // 2], "x.png")


def test_an_empty_file_is_said_to_be_empty():
    with pytest.raises(UnreadableImage, match=r"x\.png is empty"):
        images.probe(b"", "x.png")


def taller(jpeg, rows):
    """A JPEG with a wrong height in its header."""
    at = max(jpeg.find(b"\xff\xc0"), jpeg.find(b"\xff\xc2"))
    return jpeg[: at + 5] + struct.pack(">H", rows) + jpeg[at + 7 :]


JPEGS = [{}, {"progressive": True}, {"restart_marker_blocks": 3}, {"subsampling": 0}]


@pytest.mark.parametrize("options", JPEGS)
@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_a_jpeg_that_promises_more_rows_than_it_holds_is_unreadable(options, mode):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    contents = encode(Image.fromarray(noise).convert(mode), "JPEG", **options)
    assert images.decode_image(contents, "x").shape[0] == 64
    for damaged in (taller(contents, 80), taller(contents, 640), contents[: len(contents) // 2] + b"\xff\xd9"):
        with pytest.raises(UnreadableImage, match="truncated") as error:
            images.decode_image(damaged, "x")
        assert error.value.truncated


@pytest.mark.parametrize("options", JPEGS)
@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
@pytest.mark.parametrize("value", [127, 128])
@pytest.mark.parametrize("size", [(1, 1), (8, 8), (63, 37)])
def test_a_whole_jpeg_of_the_grey_that_missing_data_become_is_accepted(options, mode, value, size):
    colour = value if mode == "L" else (value,) * len(mode)
    assert images.decode_image(encode(Image.new(mode, size, colour), "JPEG", **options), "x").shape[:2] == size[::-1]


def png(rows, width, height, *, interlaced=0):
    """A grey 8-bit PNG with any data and correct checksums."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, interlaced)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def test_a_png_with_too_few_rows_is_unreadable_and_a_black_one_is_not():
    row = b"\0" + bytes(6)
    assert not images.decode_image(png(row * 4, 6, 4), "x").any()
    assert not images.decode_ids(png(row * 4, 6, 4), "x").any()
    for read in (images.decode_image, images.decode_ids):
        with pytest.raises(UnreadableImage, match="truncated"):
            read(png(row * 3, 6, 4), "x")


def test_an_interlaced_png_has_to_hold_all_passes():
    passes = [(1, 1), (1, 1), (1, 1), (3, 1), (3, 2), (6, 2)]  # of 6x4 pixels; the third pass has none
    rows = b"".join((b"\0" + bytes([9]) * width) * height for width, height in passes)
    assert np.all(images.decode_image(png(rows, 6, 4, interlaced=1), "x") == 9)
    with pytest.raises(UnreadableImage, match="truncated"):
        images.decode_image(png(rows[:-7], 6, 4, interlaced=1), "x")


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_png_with_a_wrong_checksum_is_unreadable(dtype):
    contents = bytearray(tf.io.encode_png(picture(3, dtype)).numpy())
    contents[contents.find(b"IEND") - 5] ^= 1  # the last byte of the checksum of the pixels
    with pytest.raises(UnreadableImage, match="truncated or damaged"):
        images.decode_image(bytes(contents), "x")


def test_probe_tells_what_the_checks_ask():
    frames = [Image.new("RGB", (4, 3), colour) for colour in ("red", "blue")]
    for form in ("GIF", "PNG", "WEBP"):
        assert images.probe(encode(frames[0], form, save_all=True, append_images=frames[1:]), "x").animated
        assert not images.probe(encode(frames[0], form), "x").animated
    assert images.probe(encode(Image.new("CMYK", (4, 4)), "JPEG"), "x").cmyk
    assert images.probe(encode(Image.new("RGBA", (4, 4)), "WEBP"), "x").alpha
    exif = Image.Exif()
    exif[0x0112] = 6
    info = images.probe(encode(Image.new("RGB", (4, 3)), "JPEG", exif=exif), "x.png")
    assert (info.form, info.orientation, info.alpha, info.cmyk, info.animated) == ("JPEG", 6, False, False, False)


@pytest.mark.parametrize("contents", [b"just text", b"PK\x03\x04" + bytes(40)])
def test_other_files_are_unreadable(contents):
    with pytest.raises(UnreadableImage, match=r"x\.png is not a PNG, JPEG, WebP, BMP or GIF"):
        images.probe(contents, "x.png")


@pytest.mark.parametrize("read", [images.probe, images.decode_image, images.decode_ids])
def test_too_many_pixels_are_refused(read):
    contents = encode(picture(1)[..., 0])
    read(contents, "x.png", max_pixels=60)
    with pytest.raises(UnreadableImage, match=r"x.png claims to have 10x6 pixels, more than --max-pixels 59"):
        read(contents, "x.png", max_pixels=59)


def test_missing_file_is_named(tmp_path):
    with pytest.raises(UnreadableImage, match=r"gone\.png cannot be read: No such file"):
        images.read_image(tmp_path / "gone.png")


def test_listing_is_sorted_and_leaves_out_what_is_no_image(tmp_path):
    for name in ("b.png", "10.jpg", "9.JPG", "._b.png", "notes.txt"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "folder.png").mkdir()
    assert [file.name for file in folders.list_images(tmp_path)] == ["10.jpg", "9.JPG", "b.png"]
