"""SavedModels through `keras.export.ExportArchive`, and the way back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from keras_gen.console import quiet
from keras_gen.errors import UserError
from keras_gen.files import replacing


def write_saved_model(network: keras.Model, source: str, output: str, path: Path, batch: int | None = None) -> None:
    """Write `network` as a SavedModel with the signature serving_default: {source} -> {output}, float32.

    The folder appears complete or not at all.

    Args:
        network: functional, one input and one output, built for float32.
        source: name of the input in the signature.
        output: name of the output in the signature.
        path: folder to write; an existing one is replaced.
        batch: a fixed batch size, or None for any.
    """
    archive = keras.export.ExportArchive()
    archive.track(network)
    specification = tf.TensorSpec((batch, *network.input_shape[1:]), tf.float32, name=source)
    archive.add_endpoint(
        "serving_default", lambda x: {output: network(x, training=False)}, input_signature=[specification]
    )
    with replacing(path) as temporary, quiet():
        archive.write_out(str(temporary), verbose=False)


def load_saved_model(path: Path) -> Callable[[np.ndarray], np.ndarray]:
    """The default signature of a SavedModel as a function of one array (batch, h, w, channels), float32 in [-1, 1].

    The function has the attribute `input_shape`, (batch or None, h, w, channels).

    Raises:
        UserError: if the folder holds no SavedModel with one input and one output.
    """
    try:
        loaded = tf.saved_model.load(str(path))
        signature = loaded.signatures["serving_default"]
    except (OSError, KeyError) as error:
        raise UserError(f"{path} is not a SavedModel with a signature serving_default ({error}).") from None
    inputs, outputs = signature.structured_input_signature[1], signature.structured_outputs
    if len(inputs) != 1 or len(outputs) != 1:
        raise UserError(f"{path} has {len(inputs)} inputs and {len(outputs)} outputs; accepted is one of each.")
    (source, specification), (output,) = next(iter(inputs.items())), outputs

    def run(images: np.ndarray) -> np.ndarray:
        return signature(**{source: tf.constant(images, tf.float32)})[output].numpy()

    run.input_shape = tuple(specification.shape)  # type: ignore[attr-defined]
    run.keep = loaded  # type: ignore[attr-defined]  # a signature does not keep its variables alive
    return run
