"""Write SavedModels with `keras.export.ExportArchive`, and run them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_gen.console import quiet
from keras_gen.errors import UserError
from keras_gen.export.metadata import Metadata, read_metadata, write_into_saved_model
from keras_gen.export.signature import Io, Port, Served
from keras_gen.files import replacing
from keras_gen.ops.pixels import to_float, to_uint8

SIGNATURES: dict[Io, str] = {"float": "serving_default", "uint8": "serving_uint8"}


def write_saved_model(
    served: Served,
    path: Path,
    *,
    batch: int | None = None,
    ios: Sequence[Io] | None = None,
    metadata: Metadata | None = None,
) -> None:
    """Write a network as a SavedModel. The tensors of its signatures are named after the ports.

    "serving_default" has the types of the network. A network from images to images also has "serving_uint8", with
    images as uint8 in [0, 255]. The folder is written completely or not at all.

    Args:
        served: the network and its ports.
        path: folder to write; an existing one is replaced.
        batch: fixed batch size; None: any.
        ios: which signatures to write; None: all that the network can have. A single one is always called
            "serving_default".
        metadata: to write into the folder.
    """
    # Do not track the network too: the endpoints track their variables, and the weights would be stored twice.
    archive = keras.export.ExportArchive()
    ios = served.ios if ios is None else ios
    for io in ios:
        name = SIGNATURES[io] if len(ios) > 1 else SIGNATURES["float"]
        signature = [
            tf.TensorSpec((batch, *port.shape), _stored_dtype(port, io), name=port.name) for port in served.inputs
        ]
        archive.add_endpoint(name, _endpoint(served, io), input_signature=signature)
    with replacing(path) as temporary, quiet():
        archive.write_out(str(temporary), verbose=False)
        if metadata:
            write_into_saved_model(temporary, metadata)


def _stored_dtype(port: Port, io: Io) -> str:
    return "uint8" if io == "uint8" and port.fits_uint8 else port.dtype


def _endpoint(served: Served, io: Io) -> Callable[..., dict[str, tf.Tensor]]:
    """The network as a function of tensors; for uint8, conversion to and from [-1, 1] is part of the graph."""

    def decode(tensor: tf.Tensor, port: Port) -> tf.Tensor:
        return tf.cast(tensor, tf.float32) / 127.5 - 1.0 if _stored_dtype(port, io) == "uint8" else tensor

    def encode(tensor: tf.Tensor, port: Port) -> tf.Tensor:
        if _stored_dtype(port, io) != "uint8":
            return tensor
        return tf.cast(tf.round((tf.clip_by_value(tensor, -1.0, 1.0) + 1.0) * 127.5), tf.uint8)

    def run(*tensors: tf.Tensor) -> dict[str, tf.Tensor]:
        outputs = served.call(*(decode(*pair) for pair in zip(tensors, served.inputs, strict=True)))
        return {port.name: encode(tensor, port) for tensor, port in zip(outputs, served.outputs, strict=True)}

    return run


class SavedModel:
    """A signature of a SavedModel as a function of arrays, which returns an array, or a tuple of several.

    Arrays are in the order of the ports; without metadata, in the alphabetical order of their names. Images are float32
    in [-1, 1], also for a uint8 signature.

    Attributes:
        inputs, outputs: names, in the order of the arrays.
        shapes: name of an input -> (batch, ...); the batch is None if any size is accepted.
        metadata: of the folder; None if keras_gen did not export it.

    Examples:
        >>> model = keras_gen.VAE.from_preset("tiny", image_size=16, channels=1)
        >>> write_saved_model(model.serving()["decoder"], folder / "decoder")
        >>> decoder = SavedModel(folder / "decoder")
        >>> decoder(np.zeros((3, model.config.latent_dim), np.float32)).shape
        (3, 16, 16, 1)
    """

    def __init__(self, path: Path, io: Io = "float") -> None:
        """Args:
            path: the folder.
            io: which signature; "uint8" rounds inputs and outputs to 256 levels.

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
        """Shape of the first input."""
        return self.shapes[self.inputs[0]]

    def __call__(self, *arrays: Any) -> Any:
        outputs = self._signature(**dict(zip(self.inputs, map(self._tensor, self.inputs, arrays), strict=True)))
        found = tuple(outputs[name].numpy() for name in self.outputs)
        found = tuple(to_float(array) if array.dtype == np.uint8 else array for array in found)
        return found if len(found) > 1 else found[0]

    def _tensor(self, name: str, array: np.ndarray) -> tf.Tensor:
        dtype = self._specifications[name].dtype
        return tf.constant(to_uint8(array)) if dtype == tf.uint8 else tf.cast(array, dtype)


def in_order(ports: Sequence[Port], names: Sequence[str]) -> tuple[str, ...]:
    """Names of a signature's tensors in the order of the ports, as a signature has no order of its own."""
    return tuple(port.name for port in ports) or tuple(sorted(names))
