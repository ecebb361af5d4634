"""SavedModels through `keras.export.ExportArchive`, and the way back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from keras_gen.console import quiet
from keras_gen.errors import UserError
from keras_gen.export.metadata import Io, Metadata, write_beside
from keras_gen.files import replacing

SIGNATURES: dict[Io, str] = {"float": "serving_default", "uint8": "serving_uint8"}


def write_saved_model(
    network: keras.Model,
    source: str,
    output: str,
    path: Path,
    *,
    batch: int | None = None,
    ios: Sequence[Io] = ("float", "uint8"),
    metadata: Metadata | None = None,
) -> None:
    """Write `network` as a SavedModel with the signatures {source} -> {output}.

    "serving_default" takes and gives what the network does, "serving_uint8" uint8 in [0, 255]. The folder appears
    complete or not at all.

    Args:
        network: functional, one input and one output, built for float32.
        source: name of the input in the signatures.
        output: name of the output in the signatures.
        path: folder to write; an existing one is replaced.
        batch: a fixed batch size, or None for any.
        ios: which signatures; a single one is the default, whatever its type.
        metadata: to write into the folder.
    """
    archive = keras.export.ExportArchive()  # the endpoints track their variables; tracked again, they are stored twice
    for io in ios:
        name = SIGNATURES[io] if len(ios) > 1 else SIGNATURES["float"]
        kind = "uint8" if io == "uint8" else network.inputs[0].dtype
        specification = tf.TensorSpec((batch, *network.input_shape[1:]), kind, name=source)
        archive.add_endpoint(name, _ENDPOINTS[io](network, output), input_signature=[specification])
    with replacing(path) as temporary, quiet():
        archive.write_out(str(temporary), verbose=False)
        if metadata:
            write_beside(temporary, metadata)


def _of_floats(network: keras.Model, output: str) -> Callable[[tf.Tensor], dict[str, tf.Tensor]]:
    return lambda images: {output: network(images, training=False)}


def _of_levels(network: keras.Model, output: str) -> Callable[[tf.Tensor], dict[str, tf.Tensor]]:
    """uint8 in [0, 255] -> uint8: the normalisation is part of the graph."""

    def run(levels: tf.Tensor) -> dict[str, tf.Tensor]:
        drawn = network(tf.cast(levels, tf.float32) / 127.5 - 1.0, training=False)
        return {output: tf.cast(tf.round((tf.clip_by_value(drawn, -1.0, 1.0) + 1.0) * 127.5), tf.uint8)}

    return run


_ENDPOINTS = {"float": _of_floats, "uint8": _of_levels}


def to_levels(images: np.ndarray) -> np.ndarray:
    """float in [-1, 1] -> uint8 in [0, 255], what a uint8 signature takes; values beyond the range are clipped."""
    return np.rint((np.clip(images, -1, 1) + 1) * 127.5).astype(np.uint8)


def from_levels(levels: np.ndarray) -> np.ndarray:
    """uint8 in [0, 255], what a uint8 signature gives -> float32 in [-1, 1]."""
    return levels.astype(np.float32) / np.float32(127.5) - np.float32(1)


def load_saved_model(path: Path, io: Io = "float") -> Callable[[np.ndarray], np.ndarray]:
    """A signature of a SavedModel as a function of one array (batch, h, w, channels), float32 in [-1, 1].

    The function has the attribute `input_shape`, (batch or None, h, w, channels).

    Args:
        path: the folder.
        io: which signature; that of uint8 gets and gives rounded values here too.

    Raises:
        UserError: if the folder holds no SavedModel with this signature, of one input and one output.
    """
    try:
        loaded = tf.saved_model.load(str(path))
        signature = loaded.signatures[SIGNATURES[io]]
    except (OSError, KeyError) as error:
        raise UserError(f"{path} is not a SavedModel with a signature {SIGNATURES[io]} ({error}).") from None
    inputs, outputs = signature.structured_input_signature[1], signature.structured_outputs
    if len(inputs) != 1 or len(outputs) != 1:
        raise UserError(f"{path} has {len(inputs)} inputs and {len(outputs)} outputs; accepted is one of each.")
    (source, specification), (output,) = next(iter(inputs.items())), outputs

    def run(images: np.ndarray) -> np.ndarray:
        if io == "uint8":
            return from_levels(signature(**{source: tf.constant(to_levels(images))})[output].numpy())
        return signature(**{source: tf.cast(images, specification.dtype)})[output].numpy()

    run.input_shape = tuple(specification.shape)  # type: ignore[attr-defined]
    run.keep = loaded  # type: ignore[attr-defined]  # a signature does not keep its variables alive
    return run
