"""Process images of any size with a network of a fixed size, tile by tile.

An image is cut into overlapping tiles of the network's input size. The outputs are blended: over an overlap, the weight
of one tile falls as cos^2 and that of the next rises as sin^2, and the weights at each pixel are divided by their sum.
An image that is smaller than a tile is padded by reflection, and the output is cropped. The output may be larger than
the input by an integer factor.
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
from keras_gen.export.metadata import Metadata
from keras_gen.export.saved_model import SavedModel
from keras_gen.export.signature import Port, Served
from keras_gen.export.tflite import TFLiteModel
from keras_gen.files import require_utf8


@dataclass(frozen=True)
class Network:
    """A network from images or label maps to images.

    Attributes:
        run: float32 (batch, h, w, channels) -> float32 (batch, H, W, channels).
        source: port of the input, of a fixed size.
        output: port of the output.
        batch: examples per call; None: any number.

    Examples:
        A "network" that enlarges images of 8x8 pixels to twice their size:

        >>> source = Port("source", "image", (8, 8, 3), range=(-1.0, 1.0))
        >>> output = Port("output", "image", (16, 16, 3), range=(-1.0, 1.0))
        >>> network = Network(lambda images: images.repeat(2, axis=1).repeat(2, axis=2), source, output)
        >>> network.scale
        2
        >>> (large,) = draw(network, [np.zeros((20, 30, 3), np.float32)])
        >>> large.shape
        (40, 60, 3)
    """

    run: Callable[[np.ndarray], np.ndarray]
    source: Port
    output: Port
    batch: int | None = None

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the input [pixels]."""
        return self.source.shape[:2]

    @property
    def scale(self) -> int:
        """Size of the output relative to the input, an integer.

        Raises:
            UserError: if the ratio is not an integer, or differs between height and width.
        """
        ratios = {output / source for output, source in zip(self.output.shape[:2], self.size, strict=True)}
        if len(ratios) > 1 or min(ratios) % 1 or not min(ratios):
            (height, width), output = self.size, self.output.shape
            raise UserError(
                f"MODEL makes images of {output[1]}x{output[0]} from {width}x{height}; accepted are models that keep "
                "the size or enlarge it by an integer factor."
            )
        return int(min(ratios))

    def __call__(self, images: np.ndarray) -> np.ndarray:
        return self.run(images)


def compiled(translate: Callable[[tf.Tensor], tf.Tensor], source: Port, output: Port) -> Network:
    """Compile a model's `translate` as a `Network`, with one graph for batches of any size.

    Args:
        translate: float32 (batch, h, w, channels) -> float32 (batch, H, W, channels).
        source: port of its input.
        output: port of its output.
    """
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
    """Load an exported network, whose metadata describe its ports.

    Args:
        path: a SavedModel folder or a .tflite file.
        threads: CPU threads of a .tflite; None: all cores.

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
            f"{path} has no metadata about its inputs and outputs; accepted are files that keras_gen exported."
        )
    return network


def load_network(path: Path, threads: int | None = None) -> Network:
    """Load an exported network from images or label maps to images.

    Args:
        path: a SavedModel folder or a .tflite file.
        threads: CPU threads of a .tflite; None: all cores.

    Raises:
        UserError: as `load_export`; also if the network has several inputs or outputs, others than images, or no fixed
            size.
    """
    export = load_export(path, threads)
    return Network(export, *image_ports(export.metadata, path), export.input_shape[0])


def image_ports(described: Served | Metadata, path: Path) -> tuple[Port, Port]:
    """The ports of a network from images or label maps to images: its input and its output.

    Args:
        described: a network of a model, or the metadata of an export.
        path: the run folder or the export, for the message.

    Raises:
        UserError: if the network has several inputs or outputs, others than images, or no fixed size.
    """
    (source, *more), (output, *others) = described.inputs, described.outputs
    if more or others or not source.fits_uint8 or output.kind != "image" or None in source.shape:
        raise UserError(
            f"{path} has {described.description}; accepted are models of a fixed size with one image as input and one "
            "as output."
        )
    return source, output


def tiles(length: int, tile: int, overlap: float, scale: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Place tiles along one axis: as few as possible with at least the given overlap, evenly spaced.

    Args:
        length: of the axis, at least `tile` [pixels].
        tile: length of a tile [pixels].
        overlap: minimum overlap of neighbouring tiles, as a fraction of a tile, [0, 1).
        scale: size of the output relative to the input.

    Returns:
        The first pixel of each tile, int (n,), from 0 to length - tile; and the weights of each output along the axis,
        float64 (n, scale * tile), which sum to 1 at each output pixel.

    Examples:
        >>> starts, weights = tiles(10, 4, 0.25)
        >>> starts
        array([0, 3, 6])
        >>> weights.shape
        (3, 4)
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
    """One image: its tiles, and the weighted sum of their outputs so far."""

    def __init__(self, image: np.ndarray, tile: tuple[int, int], overlap: float, scale: int) -> None:
        self._size, self._tile, self._scale = image.shape[:2], tile, scale
        missing = [max(0, side - length) for side, length in zip(tile, self._size, strict=True)]
        self._margin = [pixels // 2 for pixels in missing]
        widths = [(before, pixels - before) for before, pixels in zip(self._margin, missing, strict=True)]
        self._image = np.pad(image, [*widths, (0, 0)], "reflect")
        plans = [tiles(length, side, overlap, scale) for length, side in zip(self._image.shape[:2], tile, strict=True)]
        rows, columns = (list(zip(*plan, strict=True)) for plan in plans)
        self._places = deque((row, column) for row in rows for column in columns)
        self._sum: np.ndarray | None = None

    def tiles(self) -> Iterator[np.ndarray]:
        """The tiles, row by row."""
        for (top, _), (left, _) in tuple(self._places):
            yield self._image[top : top + self._tile[0], left : left + self._tile[1]]

    def add(self, output: np.ndarray) -> bool:
        """Add the output of the next tile; True if it was the last."""
        if self._sum is None:
            height, width = (self._scale * length for length in self._image.shape[:2])
            self._sum = np.zeros((height, width, output.shape[-1]), np.float32)
        (top, vertical), (left, horizontal) = self._places.popleft()
        weights = np.outer(vertical, horizontal)[..., np.newaxis].astype(np.float32)
        rows, columns = (
            slice(self._scale * n, self._scale * n + len(w)) for n, w in ((top, vertical), (left, horizontal))
        )
        self._sum[rows, columns] += weights * output
        return not self._places

    def result(self) -> np.ndarray:
        """The output for the whole image, without the padding."""
        (top, left), (height, width) = ([self._scale * n for n in sides] for sides in (self._margin, self._size))
        return self._sum[top : top + height, left : left + width]


def draw(
    network: Network, images: Iterable[np.ndarray], *, batch_size: int = 1, overlap: float = 0.25
) -> Iterator[np.ndarray]:
    """Process images of any size in blended tiles. Batches may contain tiles of several images.

    Args:
        network: the network.
        images: each float32 (height, width, channels) in [-1, 1]; read one after the other, as needed.
        batch_size: tiles per call, if the network accepts any number.
        overlap: minimum overlap of neighbouring tiles, as a fraction of a tile, [0, 1).

    Yields:
        The output for each image, in order: float32 (scale * height, scale * width, output channels), where scale is
        `network.scale`.

    Raises:
        UserError: see `Network.scale`.
    """
    scale = network.scale

    def jobs() -> Iterator[tuple[_Canvas, np.ndarray]]:
        for image in images:
            canvas = _Canvas(image, network.size, overlap, scale)
            for tile in canvas.tiles():
                yield canvas, tile

    queue = jobs()
    while batch := list(islice(queue, network.batch or batch_size)):
        outputs = network(np.stack([tile for _, tile in batch]))
        for (canvas, _), output in zip(batch, outputs, strict=True):
            if canvas.add(output):
                yield canvas.result()


def draw_resized(network: Network, images: Iterable[np.ndarray], *, batch_size: int = 1) -> Iterator[np.ndarray]:
    """Process images of any size by resizing them to the network's size, and the outputs back.

    Label maps are resized to the nearest neighbour. See `draw` for arguments and results.
    """
    sizes: deque[tuple[int, int]] = deque()

    def inputs() -> Iterator[np.ndarray]:
        for image in images:
            height, width = image.shape[:2]
            sizes.append((network.scale * height, network.scale * width))
            yield resized(image, network.size, "nearest" if network.source.is_label_map else "bilinear")

    for output in draw(network, inputs(), batch_size=batch_size):
        yield resized(output, sizes.popleft())


def resized(image: np.ndarray, size: tuple[int, int], method: str = "bilinear") -> np.ndarray:
    """Resize an image (height, width, channels) to `size` (height, width), float32; unchanged if it has this size.

    Args:
        image: of any range.
        size: (height, width) [pixels].
        method: of `tf.image.resize`; "bilinear" is antialiased.
    """
    if image.shape[:2] == size:
        return image
    return tf.image.resize(image, size, method, antialias=method == "bilinear").numpy()
