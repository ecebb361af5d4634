"""Drawing images of any size with a network of one size.

An image is cut into overlapping tiles of the network's size, each tile is drawn, and the drawings are blended: along
either axis the weight of a tile rises over the overlap as sin^2 and falls as cos^2, and the weights at every pixel are
divided by their sum. An axis shorter than a tile is padded by reflection and cropped back.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Protocol

import numpy as np
import tensorflow as tf

from keras_gen.errors import UserError
from keras_gen.export.metadata import read_metadata
from keras_gen.export.saved_model import load_saved_model
from keras_gen.export.tflite import TFLiteModel


class Network(Protocol):
    """What draws: (batch, h, w, channels) -> (batch, h, w, channels of the result), float32 in [-1, 1].

    Attributes:
        input_shape: (batch or None for any, h, w, channels).
    """

    input_shape: tuple[int | None, int, int, int]

    def __call__(self, images: np.ndarray) -> np.ndarray: ...


def compiled(translate: Callable[[tf.Tensor], tf.Tensor], input_shape: tuple[int | None, int, int, int]) -> Network:
    """A model's own `translate` as a `Network`: one graph for all batches."""
    graph = tf.function(translate, input_signature=[tf.TensorSpec(input_shape, tf.float32)])

    def run(images: np.ndarray) -> np.ndarray:
        return graph(tf.constant(images, tf.float32)).numpy()

    run.input_shape = input_shape  # type: ignore[attr-defined]
    return run


def load_export(path: Path, threads: int | None = None, *, vectors: bool = False) -> Network:
    """The network of a saved_model folder or of a .tflite file.

    Args:
        path: the folder or the file.
        threads: of a .tflite; None: all cores.
        vectors: whether it is to take vectors, as decoders do, and not images.

    Raises:
        UserError: if `path` is neither, or takes no images of one size (or no vectors).
    """
    if (path / "saved_model.pb").is_file():
        network = load_saved_model(path)
    elif path.suffix == ".tflite" and path.is_file():
        network = TFLiteModel(path, threads)
    else:
        found = "holds no model" if path.exists() else "does not exist"
        raise UserError(f"{path} {found}; accepted are a run folder, a saved_model folder and a .tflite file.")
    shape = tuple(network.input_shape)
    if len(shape) != (2 if vectors else 4) or None in shape[1:]:
        accepted = "numbers" if vectors else "height, width, channels"
        raise UserError(f"{path} takes arrays {shape}; accepted are (any number, {accepted}).")
    return network


def labels_of(path: Path, network: Network) -> int:
    """The number of label ids that an export takes, one channel for each; 0 for pictures.

    Its metadata tells; without it, a number of channels that no picture has.
    """
    if metadata := read_metadata(path):
        return metadata.origin.labels
    channels = network.input_shape[-1]
    return 0 if channels in (1, 3, 4) else channels


def tiles(length: int, tile: int, overlap: float) -> tuple[np.ndarray, np.ndarray]:
    """Where the tiles along an axis begin, and what each weighs at its pixels.

    As few tiles as overlap by the stated share or more, spread evenly.

    Args:
        length: of the axis, at least `tile` [pixels].
        tile: length of a tile [pixels].
        overlap: smallest overlap of neighbours as a share of the tile, [0, 1).

    Returns:
        starts, int (n,), from 0 to length - tile; weights, float64 (n, tile), whose sum over the tiles is 1 at every
        pixel of the axis.
    """
    shared = min(round(overlap * tile), tile - 1)
    count = 1 + math.ceil((length - tile) / (tile - shared))
    starts = np.round(np.linspace(0, length - tile, count)).astype(int)
    window = np.ones(tile)
    if count > 1 and (ramp := min(tile - int(np.diff(starts).max()), tile // 2)):
        rise = np.sin(np.pi / 2 * (np.arange(ramp) + 0.5) / ramp) ** 2
        window[:ramp], window[tile - ramp :] = rise, rise[::-1]
    total = np.zeros(length)
    for start in starts:
        total[start : start + tile] += window
    return starts, np.stack([window / total[start : start + tile] for start in starts])


class _Canvas:
    """An image on its way through the network: its tiles, and the sum of the drawings so far."""

    def __init__(self, image: np.ndarray, tile: tuple[int, int], overlap: float) -> None:
        self._size, self._tile = image.shape[:2], tile
        missing = [max(0, side - length) for side, length in zip(tile, self._size, strict=True)]
        self._margin = [pixels // 2 for pixels in missing]
        widths = [(before, pixels - before) for before, pixels in zip(self._margin, missing, strict=True)]
        self._image = np.pad(image, [*widths, (0, 0)], "reflect")
        plans = [tiles(length, side, overlap) for length, side in zip(self._image.shape[:2], tile, strict=True)]
        rows, columns = (list(zip(*plan, strict=True)) for plan in plans)
        self._places = deque((row, column) for row in rows for column in columns)
        self._drawn: np.ndarray | None = None

    def tiles(self) -> Iterator[np.ndarray]:
        """The pieces to draw, row by row."""
        for (top, _), (left, _) in tuple(self._places):
            yield self._image[top : top + self._tile[0], left : left + self._tile[1]]

    def add(self, drawing: np.ndarray) -> bool:
        """Blend in the drawing of the next tile; says whether it was the last."""
        if drawing.shape[:2] != self._tile:
            raise UserError(
                f"MODEL draws {drawing.shape[1]}x{drawing.shape[0]} from {self._tile[1]}x{self._tile[0]}; accepted are "
                "models that keep the size."
            )
        if self._drawn is None:
            self._drawn = np.zeros((*self._image.shape[:2], drawing.shape[-1]), np.float32)
        (top, rise), (left, run) = self._places.popleft()
        weights = np.outer(rise, run)[..., np.newaxis].astype(np.float32)
        self._drawn[top : top + self._tile[0], left : left + self._tile[1]] += weights * drawing
        return not self._places

    def result(self) -> np.ndarray:
        """The whole drawing, of the image's size."""
        (top, left), (height, width) = self._margin, self._size
        return self._drawn[top : top + height, left : left + width]


def draw(
    network: Network, images: Iterable[np.ndarray], *, batch_size: int = 1, overlap: float = 0.25
) -> Iterator[np.ndarray]:
    """Draw images of any size by blended tiles; batches go across images.

    Args:
        network: see `Network`.
        images: each (height, width, channels) float32 in [-1, 1]; read as they are needed.
        batch_size: tiles per call, where the network takes more than one.
        overlap: smallest overlap of neighbouring tiles as a share of a tile, [0, 1).

    Yields:
        For every image in order its drawing (height, width, channels of the result), float32.

    Raises:
        UserError: if the network's drawings have another size than its inputs.
    """
    shape = network.input_shape

    def work() -> Iterator[tuple[_Canvas, np.ndarray]]:
        for image in images:
            canvas = _Canvas(image, shape[1:3], overlap)
            for tile in canvas.tiles():
                yield canvas, tile

    queue = work()
    while batch := list(islice(queue, shape[0] or batch_size)):
        drawings = network(np.stack([tile for _, tile in batch]))
        for (canvas, _), drawing in zip(batch, drawings, strict=True):
            if canvas.add(drawing):
                yield canvas.result()


def draw_resized(
    network: Network, images: Iterable[np.ndarray], *, labels: bool = False, batch_size: int = 1
) -> Iterator[np.ndarray]:
    """Draw each image whole: resized to the network's size, drawn, resized back.

    Arguments and results as of `draw`; with `labels` the images are one-hot and resized to the nearest neighbour.
    """
    sizes: deque[tuple[int, int]] = deque()
    side = network.input_shape[1:3]

    def whole() -> Iterator[np.ndarray]:
        for image in images:
            sizes.append(image.shape[:2])
            yield resized(image, side, "nearest" if labels else "bilinear")

    for drawing in draw(network, whole(), batch_size=batch_size):
        yield resized(drawing, sizes.popleft())


def resized(image: np.ndarray, size: tuple[int, int], method: str = "bilinear") -> np.ndarray:
    """An image (height, width, channels) at another size (height, width), float32; one of this size is left alone."""
    if image.shape[:2] == size:
        return image
    return tf.image.resize(image, size, method, antialias=method == "bilinear").numpy()
