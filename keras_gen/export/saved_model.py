"""SavedModels through `keras.export.ExportArchive`, and the way back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_gen.console import quiet
from keras_gen.errors import UserError
from keras_gen.export.metadata import Metadata, read_metadata, write_beside
from keras_gen.export.signature import Io, Port, Served
from keras_gen.files import replacing

SIGNATURES: dict[Io, str] = {"float": "serving_default", "uint8": "serving_uint8"}


def write_saved_model(
    served: Served,
    path: Path,
    *,
    batch: int | None = None,
    ios: Sequence[Io] | None = None,
    metadata: Metadata | None = None,
) -> None:
    """Write a network as a SavedModel whose signatures have its ports' names.

    "serving_default" takes and gives what the network does; "serving_uint8", where pictures go in and come out, has
    them as uint8 in [0, 255]. The folder appears complete or not at all.

    Args:
        served: the network and its ports.
        path: folder to write; an existing one is replaced.
        batch: a fixed batch size, or None for any.
        ios: which signatures; None: all that it can have. A single one is the default, whatever its type.
        metadata: to write into the folder.
    """
    archive = keras.export.ExportArchive()  # the endpoints track their variables; tracked again, they are stored twice
    ios = served.ios if ios is None else ios
    for io in ios:
        name = SIGNATURES[io] if len(ios) > 1 else SIGNATURES["float"]
        signature = [tf.TensorSpec((batch, *port.shape), _stored(port, io), name=port.name) for port in served.inputs]
        archive.add_endpoint(name, _endpoint(served, io), input_signature=signature)
    with replacing(path) as temporary, quiet():
        archive.write_out(str(temporary), verbose=False)
        if metadata:
            write_beside(temporary, metadata)


def _stored(port: Port, io: Io) -> str:
    return "uint8" if io == "uint8" and port.has_levels else port.dtype


def _endpoint(served: Served, io: Io) -> Callable[..., dict[str, tf.Tensor]]:
    """The network as a function of tensors; of uint8, the normalisation is part of the graph."""

    def taken(tensor: tf.Tensor, port: Port) -> tf.Tensor:
        return tf.cast(tensor, tf.float32) / 127.5 - 1.0 if _stored(port, io) == "uint8" else tensor

    def given(tensor: tf.Tensor, port: Port) -> tf.Tensor:
        if _stored(port, io) != "uint8":
            return tensor
        return tf.cast(tf.round((tf.clip_by_value(tensor, -1.0, 1.0) + 1.0) * 127.5), tf.uint8)

    def run(*tensors: tf.Tensor) -> dict[str, tf.Tensor]:
        outputs = served.call(*(taken(*pair) for pair in zip(tensors, served.inputs, strict=True)))
        return {port.name: given(tensor, port) for tensor, port in zip(outputs, served.outputs, strict=True)}

    return run


def to_levels(images: np.ndarray) -> np.ndarray:
    """float in [-1, 1] -> uint8 in [0, 255], what a uint8 signature takes; values beyond the range are clipped."""
    return np.rint((np.clip(images, -1, 1) + 1) * 127.5).astype(np.uint8)


def from_levels(levels: np.ndarray) -> np.ndarray:
    """uint8 in [0, 255], what a uint8 signature gives -> float32 in [-1, 1]."""
    return levels.astype(np.float32) / np.float32(127.5) - np.float32(1)


class SavedModel:
    """A signature of a SavedModel as a function of arrays, in the order of its ports, or of its names without metadata.

    Pictures are float32 in [-1, 1] whatever the signature stores. It gives one array, or a tuple of several.

    Attributes:
        inputs, outputs: names in the order of the arrays.
        shapes: name of an input -> (batch or None for any, ...).
        metadata: of the folder; None if it was not exported here.
    """

    def __init__(self, path: Path, io: Io = "float") -> None:
        """Args:
            path: the folder.
            io: which signature; that of uint8 gets and gives rounded values here too.

        Raises:
            UserError: if the folder holds no SavedModel with this signature.
        """
        try:
            self._loaded = tf.saved_model.load(str(path))  # kept: a signature does not keep its variables alive
            self._signature = self._loaded.signatures[SIGNATURES[io]]
        except (OSError, KeyError) as error:
            raise UserError(f"{path} is not a SavedModel with a signature {SIGNATURES[io]} ({error}).") from None
        self._specifications: dict[str, Any] = self._signature.structured_input_signature[1]
        self.metadata = read_metadata(path)
        self.inputs = in_order(self.metadata.inputs if self.metadata else (), self._specifications)
        self.outputs = in_order(self.metadata.outputs if self.metadata else (), self._signature.structured_outputs)
        self.shapes = {name: tuple(specification.shape) for name, specification in self._specifications.items()}

    @property
    def input_shape(self) -> tuple[int | None, ...]:
        """Of the first input."""
        return self.shapes[self.inputs[0]]

    def __call__(self, *arrays: Any) -> Any:
        given = self._signature(**dict(zip(self.inputs, map(self._tensor, self.inputs, arrays), strict=True)))
        found = tuple(given[name].numpy() for name in self.outputs)
        found = tuple(from_levels(array) if array.dtype == np.uint8 else array for array in found)
        return found if len(found) > 1 else found[0]

    def _tensor(self, name: str, array: np.ndarray) -> tf.Tensor:
        kind = self._specifications[name].dtype
        return tf.constant(to_levels(array)) if kind == tf.uint8 else tf.cast(array, kind)


def in_order(ports: Sequence[Port], names: Sequence[str]) -> tuple[str, ...]:
    """Names of a signature's tensors in the order of the ports, which a signature itself has not."""
    return tuple(port.name for port in ports) or tuple(sorted(names))
