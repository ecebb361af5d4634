"""Mutated image files and TFRecord shards, and requirements for reading them.

A file may always be refused (by `UnreadableImage`, or for a shard by `UserError` or an error of TensorFlow). If it is
accepted, the result

- has the size, the channels and the type of its header;
- if it is a PNG, has the pixels of the original, because a wrong checksum is refused;
- if the file was only truncated, has the pixels of the original: it is never half grey. A JPEG with an end marker after
  the cut may differ in the last blocks, which the cut damaged, and a progressive one that was cut exactly between two
  scans is a complete file of a coarser picture;
- if it is a record, is one of the original ones, because its checksums are right.

A mutated JPEG, BMP, GIF or WebP of full length may decode to other pixels: these formats have no checksums.
"""

from __future__ import annotations

import io
import random
import struct
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import tensorflow as tf
from PIL import Image

from keras_gen.data.files import codecs as images
from keras_gen.data.files.codecs import UnreadableImage
from keras_gen.data.files.records import Records, read_index, write_shard
from keras_gen.errors import UserError

FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "TFRecord")
_MAX_PIXELS = 2_000_000  # mutated headers promise anything; this keeps the memory of a test small
_END_MARKERS = {"JPEG": b"\xff\xd9", "GIF": b"\x00;"}


def originals() -> dict[str, list[bytes]]:
    """Valid files of each image format in several variants, 40x28 pixels."""
    y, x = np.mgrid[0:28, 0:40]
    noise = np.random.default_rng(0).integers(0, 30, (28, 40, 3))
    colour = (np.stack([x * 5, y * 7, (x + y) * 3], axis=-1) + noise).clip(0, 255).astype(np.uint8)
    picture, grey = Image.fromarray(colour), Image.fromarray(colour[..., 0])

    def saved(image: Image.Image, form: str, **options: object) -> bytes:
        file = io.BytesIO()
        image.save(file, form, **options)
        return file.getvalue()

    return {
        "PNG": [
            saved(picture, "PNG"),
            saved(grey, "PNG"),
            saved(picture.quantize(16), "PNG"),
            saved(picture.convert("RGBA"), "PNG"),
            tf.io.encode_png(colour.astype(np.uint16) * 250).numpy(),
        ],
        "JPEG": [
            saved(picture, "JPEG"),
            saved(grey, "JPEG", quality=95),
            saved(picture, "JPEG", progressive=True),
            saved(picture, "JPEG", restart_marker_blocks=2),
            saved(picture.convert("CMYK"), "JPEG"),
        ],
        "BMP": [saved(picture, "BMP"), saved(grey, "BMP"), saved(grey.convert("1"), "BMP")],
        "GIF": [
            saved(picture.quantize(64), "GIF"),
            saved(grey, "GIF", interlace=1),
            saved(picture, "GIF", save_all=True, append_images=[picture.rotate(90)]),
        ],
        "WEBP": [saved(picture, "WEBP"), saved(picture, "WEBP", lossless=True), saved(picture.convert("RGBA"), "WEBP")],
    }


def mutate(contents: bytes, chance: random.Random, form: str) -> tuple[bytes, str]:
    """Applies one of seven kinds of damage; also returns its name."""
    data = bytearray(contents)
    at = chance.randrange(len(data))
    span = chance.randint(1, max(1, len(data) // 8))
    kind = chance.choice(("bits", "bytes", "number", "delete", "insert", "cut", "close"))
    if kind == "bits":
        for _ in range(chance.randint(1, 8)):
            data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    elif kind == "bytes":
        for place in range(at, min(at + min(span, 16), len(data))):
            data[place] = chance.randrange(256)
    elif kind == "number":  # as lengths and sizes are stored, mostly near the beginning
        at = chance.randrange(min(len(data), 64))
        value = chance.choice((0, 1, 0x7F, 0xFF, 0x100, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF))
        packed = struct.pack(chance.choice("<>") + ("I" if value > 0xFFFF else chance.choice("HI")), value)
        data[at : at + len(packed)] = packed
    elif kind == "delete":
        del data[at : at + span]
    elif kind == "insert":
        data[at:at] = chance.choice((data[at : at + span], bytes(span), chance.randbytes(span)))
    else:
        del data[at:]
        if kind == "close":
            data += _END_MARKERS.get(form, b"")
    return bytes(data), kind


def judge_image(original: bytes, mutated: bytes, kind: str, form: str) -> str:
    """Reads a mutated file: "refused", "same" or "other" pixels; raises AssertionError for forbidden results."""
    try:
        info = images.probe(mutated, "x", _MAX_PIXELS)
        array = images.decode_image(mutated, "x", max_pixels=_MAX_PIXELS)
    except UnreadableImage:
        return "refused"
    assert array.shape == (info.height, info.width, info.channels)
    assert array.dtype == (np.uint16 if info.bits == 16 else np.uint8)
    expected = images.decode_image(original, "x")
    if info.holds_ids:
        images.decode_ids(mutated, "x", _MAX_PIXELS)
    same = array.shape == expected.shape and np.array_equal(array, expected)
    if form == "PNG" or kind == "cut":
        assert same
    if kind == "close" and not same:
        assert form == "JPEG"
        cut = len(mutated) - len(_END_MARKERS[form])
        differs = np.flatnonzero((array != expected).any(axis=(1, 2)))
        last_blocks = differs.min() >= array.shape[0] - 24  # of 16 rows, and 8 that their chroma is smoothed into
        between_scans = b"\xff\xc2" in original and 0xFF in original[cut - 1 : cut + 1]
        assert last_blocks or between_scans
    return "same" if same else "other"


def judge_shard(folder: Path, contents: list[bytes], mutate_one: Callable[[bytes], bytes], with_index: bool) -> str:
    """Reads a mutated shard, with its valid index, a mutated one or none."""
    shard = folder / "x.tfrecord"
    write_shard(shard, contents)
    index = shard.with_name(shard.name + ".idx")
    if with_index:
        index.write_bytes(mutate_one(index.read_bytes()))
    else:
        index.unlink()
        shard.write_bytes(mutate_one(shard.read_bytes()))
    try:
        records = Records([(shard, read_index(shard)[:, 0])])
        found = [records.read(tf.constant(number)).numpy() for number in range(len(records))]
    except (UserError, tf.errors.OpError):
        return "refused"
    assert set(found) <= set(contents)
    return "same" if found == contents else "other"


def fuzz(mutations: int, seed: int, folder: Path, progress: Callable[[int], None] = lambda done: None) -> Counter:
    """Reads a number of mutated files, with the formats in turn.

    Returns:
        (format, outcome) -> number of files.

    Raises:
        AssertionError: if a forbidden result was accepted; the message says how to reproduce it.
    """
    outcomes: Counter = Counter()
    files = originals()
    contents = [files["PNG"][0], files["JPEG"][0], b"short", b""]
    for number in range(mutations):
        chance = random.Random(f"{seed} {number}")
        form = FORMATS[number % len(FORMATS)]
        kind = ""
        try:
            if form == "TFRecord":
                with_index = chance.random() < 0.3
                outcome = judge_shard(folder, contents, lambda data, c=chance: mutate(data, c, "")[0], with_index)
            else:
                original = chance.choice(files[form])
                mutated, kind = mutate(original, chance, form)
                outcome = judge_image(original, mutated, kind, form)
        except Exception as error:
            raise AssertionError(f"mutation {number} of seed {seed} ({form} {kind}): {error!r}") from error
        outcomes[form, outcome] += 1
        progress(number + 1)
    return outcomes
