"""TFLite files: float32, built-in operators only, a static batch of 1; and running them."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

from keras_gen.console import quiet
from keras_gen.errors import UserError
from keras_gen.export.saved_model import write_saved_model
from keras_gen.files import write


def write_tflite(network: keras.Model, source: str, output: str, path: Path) -> None:
    """Convert `network` to a .tflite with the signature serving_default: {source} -> {output}, shape (1, h, w, c).

    The conversion goes through a SavedModel with a batch of 1: converting a Keras 3 model's concrete functions writes
    files without weights.

    Raises:
        RuntimeError: if the network needs an operator that TFLite does not have built in.
    """
    with tempfile.TemporaryDirectory() as folder:
        saved = Path(folder) / "saved_model"
        write_saved_model(network, source, output, saved, batch=1)
        converter = tf.lite.TFLiteConverter.from_saved_model(str(saved))
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
        try:
            with quiet():
                content = converter.convert()
        except Exception as error:  # the converter raises a class of its own that is not public
            raise RuntimeError(f"{network.name} has no form in TFLite's built-in operators: {error}") from error
    write(path, content)


class TFLiteModel:
    """A .tflite file as a function of one array (batch, h, w, channels), float32; examples run one by one.

    Attributes:
        input_shape: (1, h, w, channels).
    """

    def __init__(self, path: Path, threads: int | None = None) -> None:
        """Args:
            path: the file.
            threads: CPU threads; None for all cores.

        Raises:
            UserError: if the file cannot be read as a TFLite model with one input and one output.
        """
        try:
            with quiet():
                self._interpreter = Interpreter(str(path), num_threads=threads or os.cpu_count())
                self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError, OSError) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise UserError(f"{path} cannot be run as a TFLite model ({reason}).") from None
        inputs, outputs = self._interpreter.get_input_details(), self._interpreter.get_output_details()
        if len(inputs) != 1 or len(outputs) != 1:
            raise UserError(f"{path} has {len(inputs)} inputs and {len(outputs)} outputs; accepted is one of each.")
        self._source, self._output = inputs[0]["index"], outputs[0]["index"]
        self.input_shape = tuple(int(side) for side in inputs[0]["shape"])

    def __call__(self, images: np.ndarray) -> np.ndarray:
        drawn = []
        for image in np.asarray(images, np.float32):
            self._interpreter.set_tensor(self._source, image[None])
            self._interpreter.invoke()
            drawn.append(self._interpreter.get_tensor(self._output))
        return np.concatenate(drawn)
