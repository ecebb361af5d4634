"""Drawing images of any size with a network of one size.

An image is cut into overlapping tiles of the network's size, each tile is drawn, and the drawings are blended: along
either axis the weight of a tile rises over the overlap as sin^2 and falls as cos^2, and the weights at every pixel are
divided by their sum. An axis shorter than a tile is padded by reflection and cropped back. A network may enlarge, by a
whole number.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import tensorflow as tf

from keras_gen.errors import UserError
from keras_gen.export.saved_model import SavedModel
from keras_gen.export.signature import Port
from keras_gen.export.tflite import TFLiteModel
from keras_gen.files import require_utf8


@dataclass(frozen=True)
class Network:
    """What draws pictures from pictures, or from label maps: (batch, h, w, channels) -> (batch, H, W, channels).

    Attributes:
        run: the drawing, float32 in and out.
        source: what goes in, of one size.
        output: what comes out.
        batch: images per call; None: any number.
    """

    run: Callable[[np.ndarray], np.ndarray]
    source: Port
    output: Port
    batch: int | None = None

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of what goes in [pixels]."""
        return self.source.shape[:2]

    @property
    def scale(self) -> int:
        """How many times as high and as wide the drawings are.

        Raises:
            UserError: if that is no whole number, or not the same for both.
        """
        ratios = {drawn / side for drawn, side in zip(self.output.shape[:2], self.size, strict=True)}
        if len(ratios) > 1 or min(ratios) % 1 or not min(ratios):
            (height, width), drawn = self.size, self.output.shape
            raise UserError(
                f"MODEL draws {drawn[1]}x{drawn[0]} from {width}x{height}; accepted are models whose drawings are as "
                "large as what they are drawn from, or a whole number of times."
            )
        return int(min(ratios))

    def __call__(self, images: np.ndarray) -> np.ndarray:
        return self.run(images)


def compiled(translate: Callable[[tf.Tensor], tf.Tensor], source: Port, output: Port) -> Network:
    """A model's own `translate` as a `Network`: one graph for all batches."""
    graph = tf.function(translate, input_signature=[tf.TensorSpec((None, *source.shape), tf.float32)])
    return Network(lambda images: graph(tf.constant(images, tf.float32)).numpy(), source, output)


_MODELS = "accepted are a run folder, a saved_model folder and a .tflite file"


def require_model(path: Path) -> None:
    """Refuse a model that does not exist, before TensorFlow is imported.

    Raises:
        UserError: if there is nothing at `path`.
    """
    require_utf8(path)
    if not path.exists():
        raise UserError(f"{path} does not exist; {_MODELS}.")


def load_export(path: Path, threads: int | None = None) -> SavedModel | TFLiteModel:
    """The network of a saved_model folder or of a .tflite file, whose metadata tell its ports.

    Args:
        path: the folder or the file.
        threads: of a .tflite; None: all cores.

    Raises:
        UserError: if `path` is neither, or was not exported by keras_gen.
    """
    require_model(path)
    if (path / "saved_model.pb").is_file():
        network = SavedModel(path)
    elif path.suffix == ".tflite" and path.is_file():
        network = TFLiteModel(path, threads)
    else:
        raise UserError(f"{path} holds no model; {_MODELS}.")
    if network.metadata is None:
        raise UserError(
            f"{path} does not say what it takes and gives; accepted are files with the metadata that exports of "
            "keras_gen have."
        )
    return network


def load_network(path: Path, threads: int | None = None) -> Network:
    """An export that draws pictures from pictures. Arguments as of `load_export`.

    Raises:
        UserError: see there; also if the export takes or gives anything else, or has no size of its own.
    """
    export = load_export(path, threads)
    (source, *more), (output, *others) = export.metadata.inputs, export.metadata.outputs
    if more or others or not source.has_levels or output.kind != "image" or None in source.shape:
        raise UserError(
            f"{path} has {export.metadata.description}; accepted are models of one size that make one picture of one "
            "picture."
        )
    return Network(export, source, output, export.input_shape[0])


def tiles(length: int, tile: int, overlap: float, scale: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Where the tiles along an axis begin, and what the drawing of each weighs at its pixels.

    As few tiles as overlap by the stated share or more, spread evenly.

    Args:
        length: of the axis, at least `tile` [pixels].
        tile: length of a tile [pixels].
        overlap: smallest overlap of neighbours as a share of the tile, [0, 1).
        scale: how many times as long a drawing is as its tile.

    Returns:
        starts, int (n,), from 0 to length - tile; weights, float64 (n, scale * tile), whose sum over the tiles is 1 at
        every pixel of the drawn axis.
    """
    shared = min(round(overlap * tile), tile - 1)
    count = 1 + math.ceil((length - tile) / (tile - shared))
    starts = np.round(np.linspace(0, length - tile, count)).astype(int)
    side, places = scale * tile, scale * starts
    window = np.ones(side)
    if count > 1 and (ramp := min(side - int(np.diff(places).max()), side // 2)):
        rise = np.sin(np.pi / 2 * (np.arange(ramp) + 0.5) / ramp) ** 2
        window[:ramp], window[side - ramp :] = rise, rise[::-1]
    total = np.zeros(scale * length)
    for place in places:
        total[place : place + side] += window
    return starts, np.stack([window / total[place : place + side] for place in places])


class _Canvas:
    """An image on its way through the network: its tiles, and the sum of the drawings so far."""

    def __init__(self, image: np.ndarray, tile: tuple[int, int], overlap: float, scale: int) -> None:
        self._size, self._tile, self._scale = image.shape[:2], tile, scale
        missing = [max(0, side - length) for side, length in zip(tile, self._size, strict=True)]
        self._margin = [pixels // 2 for pixels in missing]
        widths = [(before, pixels - before) for before, pixels in zip(self._margin, missing, strict=True)]
        self._image = np.pad(image, [*widths, (0, 0)], "reflect")
        plans = [tiles(length, side, overlap, scale) for length, side in zip(self._image.shape[:2], tile, strict=True)]
        rows, columns = (list(zip(*plan, strict=True)) for plan in plans)
        self._places = deque((row, column) for row in rows for column in columns)
        self._drawn: np.ndarray | None = None

    def tiles(self) -> Iterator[np.ndarray]:
        """The pieces to draw, row by row."""
        for (top, _), (left, _) in tuple(self._places):
            yield self._image[top : top + self._tile[0], left : left + self._tile[1]]

    def add(self, drawing: np.ndarray) -> bool:
        """Blend in the drawing of the next tile; says whether it was the last."""
        if self._drawn is None:
            height, width = (self._scale * length for length in self._image.shape[:2])
            self._drawn = np.zeros((height, width, drawing.shape[-1]), np.float32)
        (top, rise), (left, run) = self._places.popleft()
        weights = np.outer(rise, run)[..., np.newaxis].astype(np.float32)
        rows, columns = (slice(self._scale * n, self._scale * n + len(w)) for n, w in ((top, rise), (left, run)))
        self._drawn[rows, columns] += weights * drawing
        return not self._places

    def result(self) -> np.ndarray:
        """The whole drawing, of the image's size, or `scale` times of it."""
        (top, left), (height, width) = ([self._scale * n for n in sides] for sides in (self._margin, self._size))
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
        For every image in order its drawing (height, width, channels of the result), float32; `network.scale` times as
        high and as wide.

    Raises:
        UserError: see `Network.scale`.
    """
    scale = network.scale

    def work() -> Iterator[tuple[_Canvas, np.ndarray]]:
        for image in images:
            canvas = _Canvas(image, network.size, overlap, scale)
            for tile in canvas.tiles():
                yield canvas, tile

    queue = work()
    while batch := list(islice(queue, network.batch or batch_size)):
        drawings = network(np.stack([tile for _, tile in batch]))
        for (canvas, _), drawing in zip(batch, drawings, strict=True):
            if canvas.add(drawing):
                yield canvas.result()


def draw_resized(network: Network, images: Iterable[np.ndarray], *, batch_size: int = 1) -> Iterator[np.ndarray]:
    """Draw each image whole: resized to the network's size, drawn, resized back.

    Arguments and results as of `draw`; label maps are resized to the nearest neighbour.
    """
    sizes: deque[tuple[int, int]] = deque()

    def whole() -> Iterator[np.ndarray]:
        for image in images:
            height, width = image.shape[:2]
            sizes.append((network.scale * height, network.scale * width))
            yield resized(image, network.size, "nearest" if network.source.is_label_map else "bilinear")

    for drawing in draw(network, whole(), batch_size=batch_size):
        yield resized(drawing, sizes.popleft())


def resized(image: np.ndarray, size: tuple[int, int], method: str = "bilinear") -> np.ndarray:
    """An image (height, width, channels) at another size (height, width), float32; one of this size is left alone."""
    if image.shape[:2] == size:
        return image
    return tf.image.resize(image, size, method, antialias=method == "bilinear").numpy()
