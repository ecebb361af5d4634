"""The two sides of a comparison of sets of images: folders, arrays, stored statistics, and generators."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from keras_gen.data.files import arrays, codecs
from keras_gen.data.files.folders import SUFFIXES, shown, walk
from keras_gen.errors import UserError
from keras_gen.metrics.statistics import Statistics as Stored
from keras_gen.metrics.statistics import are_stored, load
from keras_gen.ops.pixels import to_uint8
from keras_gen.ops.resampling import resize

Part = Literal["all", "train", "held"]
BATCH = 100
"""Images at a time."""
_MAX_BYTES = 2**34  # of arrays
_DECODERS = 4  # threads


@dataclass(frozen=True)
class Side:
    """A set of images.

    Attributes:
        name: where they are from.
        count: number of images.
        images: returns the images in batches, uint8 (n, height, width, channels), always the same.
        digest: identifies their contents.
        split: which part of a data set they are.
        notes: what a reader of a score should know.
        generator: for path lengths, if they are generated.
    """

    name: str
    count: int
    images: Callable[[], Iterable[np.ndarray]]
    digest: str
    split: str = "all"
    notes: tuple[str, ...] = ()
    generator: Generator | None = None


@dataclass(frozen=True)
class Generator:
    """A generator from latent vectors, or one that hides them.

    Attributes:
        draw: maps a number of images and a seed to images in [-1, 1].
        digest: identifies its weights.
        decode: maps latent vectors (n, latent_dim) to images; None if it has none.
        latent_dim: length of a latent vector.
    """

    draw: Callable[[int, int], np.ndarray]
    digest: str
    decode: Callable[[np.ndarray], np.ndarray] | None = None
    latent_dim: int = 0

    def side(self, name: str, count: int, seed: int, resize: int = 0) -> Side:
        """The images of this generator: batches of 100 with the seeds `seed`, `seed` + 1, ...

        Args:
            name: of the generator.
            count: number of images.
            seed: first seed.
            resize: height and width to which they are resized [pixels]; 0: their own.
        """

        def images() -> Iterator[np.ndarray]:
            for number, start in enumerate(range(0, count, BATCH)):
                drawn = np.asarray(self.draw(min(BATCH, count - start), seed + number))
                if drawn.ndim != 4 or drawn.shape[-1] not in (1, 3, 4):
                    raise UserError(f"{name} generates arrays of shape {drawn.shape[1:]}; accepted are images.")
                yield _resized(to_uint8(drawn), resize)

        return Side(name, count, images, f"{self.digest} {count} {seed} {resize}", "generated", generator=self)


def find_side(path: Path, flag: str, *, part: Part = "all", side: int = 0, limit: int = 0) -> Side | Stored:
    """The images or stored statistics at a path that is not a generator.

    Args:
        path: a folder of images, a folder of idx files or one such file, an .npz or .npy file of images, or an .npz
            file of statistics.
        flag: the flag that named it, for errors.
        part: of arrays with a training and a validation part; "held" is the validation or test part.
        side: resize all images to this height and width [pixels]; 0: images must have equal sizes.
        limit: use the first images only; 0: all.

    Raises:
        UserError: if there are no images, or a file cannot be read.
    """
    if not path.exists():
        raise UserError(f"{flag} {shown(path)} does not exist; accepted are {ACCEPTED}.")
    if path.suffix == ".npz" and are_stored(path):
        return load(path, flag)
    if path.is_dir() and not arrays.holds_idx(path):
        if part != "all":
            raise UserError(f"--split {part} needs arrays with parts, and {flag} {shown(path)} is a folder of images.")
        return _folder(path, flag, side, limit)
    if path.suffix.lower() in (".npz", ".npy"):
        found = arrays.read_numpy(path, _MAX_BYTES)
    else:
        found = arrays.read_idx(path, _MAX_BYTES)
    chosen = {"train": [found.train], "held": [found.held], "all": [found.train, found.held]}[part]
    images = [each.images for each in chosen if each is not None]
    if not images:
        raise UserError(f"{flag} {shown(path)} has no validation or test part; accepted are --split all and train.")
    return _array(np.concatenate(images) if len(images) > 1 else images[0], shown(path), part, side, limit)


ACCEPTED = (
    "a folder of images, idx files, an .npz file of images or of statistics, a run folder, and an exported generator"
)


def of_data(batches: Iterable[np.ndarray], name: str, split: str, side: int = 0) -> Side:
    """A side of images in [-1, 1] that come in batches and fit into memory."""
    return _array(np.concatenate([to_uint8(batch) for batch in batches]), name, split, side, 0)


def _array(images: np.ndarray, name: str, split: str, side: int, limit: int) -> Side:
    images = codecs.eight_bits(images[: limit or None])

    def batches() -> Iterator[np.ndarray]:
        for start in range(0, len(images), BATCH):
            yield _resized(images[start : start + BATCH], side)

    digest = hashlib.sha256(f"{images.shape} {side}".encode() + np.ascontiguousarray(images).data).hexdigest()
    return Side(name, len(images), batches, digest, split)


def _folder(path: Path, flag: str, side: int, limit: int) -> Side:
    files = walk(path).images[: limit or None]
    if not files:
        raise UserError(f"{flag} {shown(path)} holds no images; accepted are {ACCEPTED}.")

    def batches() -> Iterator[np.ndarray]:
        first: tuple[int, int] | None = None
        with ThreadPoolExecutor(_DECODERS) as decoders:
            for start in range(0, len(files), BATCH):
                batch = files[start : start + BATCH]
                images = list(decoders.map(lambda file: codecs.eight_bits(codecs.read_image(file, 3)), batch))
                for file, image in zip(batch, images, strict=True):
                    height, width = image.shape[:2]
                    first = first or (height, width)
                    if (height, width) != first and not side:
                        raise UserError(
                            f"{shown(file)} is {width}x{height}, but {shown(files[0])} is {first[1]}x{first[0]}; "
                            "--resize SIDE accepts images of different sizes."
                        )
                yield np.stack([_resized(image[None], side)[0] for image in images])

    digest = hashlib.sha256(str(side).encode())
    for file in files:
        digest.update(hashlib.sha256(codecs.read_contents(file)).digest())
    jpeg = any(file.suffix.lower() in SUFFIXES["JPEG"] for file in files)
    return Side(shown(path), len(files), batches, digest.hexdigest(), notes=("JPEG inputs",) * jpeg)


def _resized(images: np.ndarray, side: int) -> np.ndarray:
    if not side or images.shape[1:3] == (side, side):
        return images
    return np.rint(np.clip(resize(images, side, side), 0.0, 255.0)).astype(np.uint8)
