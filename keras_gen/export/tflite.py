"""Convert networks to .tflite files with a static shape, and run them.

Variants differ in the types of weights and activations:

- float32: the types of the network.
- float16: weights are stored as float16, which halves the size; computation is in float32.
- dynamic8: weights are stored as int8, a quarter of the size; activations are quantised on the fly.
- int8: weights and activations are int8; the ranges of activations come from calibration examples.
"""

from __future__ import annotations

import dataclasses
import gc
import os
import re
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import keras
import numpy as np
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

from keras_gen.console import quiet
from keras_gen.errors import UserError
from keras_gen.export.metadata import Metadata, read_metadata, with_metadata
from keras_gen.export.rewrite import rewritten
from keras_gen.export.saved_model import in_order, write_saved_model
from keras_gen.export.signature import Io, Port, Served
from keras_gen.files import write
from keras_gen.ops.pixels import to_float, to_uint8

Variant = Literal["float32", "float16", "dynamic8", "int8"]
VARIANTS: tuple[Variant, ...] = get_args(Variant)


def require_variant(network: keras.Model, variant: Variant) -> None:
    """Refuse a variant that TensorFlow's converter cannot produce.

    Raises:
        UserError: for int8 with recurrent layers. They become a loop (WHILE), and calibration inside a loop crashes the
            process with a segmentation fault (TensorFlow 2.21).
    """
    if variant == "int8" and any(isinstance(layer, keras.layers.RNN) for layer in network.layers):
        raise UserError(
            f"--variants got int8, but TFLite cannot calibrate the recurrent layers of {network.name}; accepted are "
            "float32, float16 and dynamic8."
        )


def write_tflite(
    served: Served,
    path: Path,
    *,
    variant: Variant = "float32",
    io: Io = "float",
    batch: int = 1,
    calibration: Sequence[np.ndarray] | None = None,
    metadata: Metadata | None = None,
    rewrite: bool = True,
) -> dict[str, str]:
    """Convert a network to a .tflite with a static batch size. The tensors of its signature are named after the ports.

    The conversion goes through a SavedModel, because converting the concrete functions of a Keras 3 model writes files
    without weights. TensorFlow's select operators (Flex) are allowed only if built-in operators do not suffice. Such a
    file needs an app that links the Flex delegate; the interpreter for Python cannot run it.

    Args:
        served: the network and its ports.
        path: file to write.
        variant: see the module.
        io: type of images: "float" is float32 in [-1, 1]; "uint8" is [0, 255], with the conversion inside the file.
        batch: examples per call.
        calibration: for int8, real training inputs, (n, ...) for each input.
        metadata: to write into the file.
        rewrite: rewrite the network for faster inference first (`export.rewrite`).

    Returns:
        Flex operator -> why it is needed; empty if all operators are built in.

    Raises:
        UserError: see `require_variant`; also for int8 with uint8 images if the outputs leave [-1, 1].
        RuntimeError: if the network cannot be converted even with Flex operators.
    """
    require_variant(served.network, variant)
    if rewrite:
        examples = calibration if variant == "int8" else None
        served = dataclasses.replace(served, network=rewritten(served.network, examples=examples))
    with tempfile.TemporaryDirectory() as folder:
        saved = Path(folder) / "saved_model"
        # For int8 the converter makes inputs and outputs uint8 itself, which avoids casts to float and back.
        write_saved_model(served, saved, batch=batch, ios=["float" if variant == "int8" else io])

        def convert(*sets: tf.lite.OpsSet) -> bytes:
            converter = tf.lite.TFLiteConverter.from_saved_model(str(saved))
            converter.target_spec.supported_ops = list(sets)
            if variant != "float32":
                converter.optimizations = [tf.lite.Optimize.DEFAULT]
            if variant == "float16":
                converter.target_spec.supported_types = [tf.float16]
            if variant == "int8":
                converter.representative_dataset = lambda: _representative(served.inputs, calibration, batch)
                if io == "uint8":
                    converter.inference_input_type = converter.inference_output_type = tf.uint8
            with quiet(), warnings.catch_warnings():
                # Calibration uses TensorFlow's own interpreter, which warns that it has moved to another package.
                warnings.filterwarnings("ignore", r"\s*Warning: tf.lite.Interpreter is deprecated", UserWarning)
                gc.freeze()  # the converter collects garbage: among its own objects, not among all of TensorFlow's
                try:
                    return converter.convert()
                finally:
                    gc.unfreeze()

        missing = {}
        try:
            try:
                content = convert(tf.lite.OpsSet.TFLITE_BUILTINS)
            except Exception as error:  # the class that the converter raises is not public
                missing = _missing_operators(str(error))
                if not missing:
                    raise
                content = convert(tf.lite.OpsSet.TFLITE_BUILTINS, tf.lite.OpsSet.SELECT_TF_OPS)
        except Exception as error:
            raise RuntimeError(f"{served.network.name} cannot be converted to TFLite: {error}") from error
    if variant == "int8" and io == "uint8":
        _require_full_range(content, served.network.name)
    write(path, with_metadata(content, metadata) if metadata else content)
    return missing


def _representative(
    ports: Sequence[Port], calibration: Sequence[np.ndarray], batch: int
) -> Iterator[dict[str, np.ndarray]]:
    """Calibration batches, input name -> array. A smaller last batch is dropped; a smaller first one is repeated."""
    examples = {port.name: _with_full_range(array, port) for port, array in zip(ports, calibration, strict=True)}
    count = min(map(len, examples.values()))
    for n in range(0, max(1, count - batch + 1), batch):
        yield {name: np.resize(array[n : n + batch], (batch, *array.shape[1:])) for name, array in examples.items()}


def _with_full_range(array: np.ndarray, port: Port) -> np.ndarray:
    """Set one pixel of the images to -1 and one to 1, so that the integers of the input cover exactly [-1, 1]."""
    array = np.array(array)
    if port.fits_uint8:
        array[0, 0, 0], array[0, -1, -1] = -1.0, 1.0
    return array


def _require_full_range(content: bytes, name: str) -> None:
    """Check that the quantisation of uint8 tensors maps [0, 255] to [-1, 1], within one level."""
    interpreter = Interpreter(model_content=content)
    levels = np.arange(256, dtype=np.uint8)
    for tensor in (*interpreter.get_input_details(), *interpreter.get_output_details()):
        if tensor["dtype"] != np.uint8:  # class labels
            continue
        scale, zero = tensor["quantization"]
        if not np.abs((levels - np.float32(zero)) * scale - to_float(levels)).max() < 1.01 * 2 / 255:
            raise UserError(
                f"--io got uint8, but {name} draws values outside [-1, 1] (one level is {scale:.4f}, and 0 is level "
                f"{zero}); accepted with int8 is --io float."
            )


def _missing_operators(message: str) -> dict[str, str]:
    """Parse the converter's error: Flex operator -> why it is needed; empty if Flex would not help."""
    listed = re.search(r"^(?:TF Select|Flex) ops: (.+)$", message, re.MULTILINE)
    names = listed[1].split(", ") if listed else []
    uses = {name: re.search(rf"^\s*tf\.{name}\((.*?)\) ->", message, re.MULTILINE) for name in names}
    return {
        f"Flex{name}": f"TFLite has no built-in form of tf.{name}" + (f" for {use[1]}" if (use := uses[name]) else "")
        for name in names
    }


class TFLiteModel:
    """A .tflite file as a function of arrays, which returns an array, or a tuple of several.

    Any number of examples is processed in calls of the file's batch size. Arrays are in the order of the ports; without
    metadata, in the alphabetical order of their names. Images are float32 in [-1, 1], also if the file stores uint8.
    The file is memory-mapped.

    Attributes:
        inputs, outputs: names, in the order of the arrays.
        shapes: name of an input -> (examples per call, ...).
        metadata: of the file; None if keras_gen did not export it.

    Examples:
        >>> model = keras_gen.VAE.from_preset("tiny", image_size=16, channels=1)
        >>> missing = write_tflite(model.serving()["decoder"], folder / "decoder.tflite")
        >>> decoder = TFLiteModel(folder / "decoder.tflite")
        >>> decoder(np.zeros((3, model.config.latent_dim), np.float32)).shape
        (3, 16, 16, 1)
    """

    def __init__(self, path: Path, threads: int | None = None) -> None:
        """Args:
            path: the file.
            threads: CPU threads; None for all cores.

        Raises:
            UserError: if the file is not a TFLite model that this interpreter can run, or has other types than float32,
                uint8, int8 and int32.
        """
        try:
            with quiet():
                self._interpreter = Interpreter(str(path), num_threads=threads or os.cpu_count())
                self._interpreter.allocate_tensors()
                self.metadata = read_metadata(path)
                signature = self._interpreter.get_signature_runner()
        except (ValueError, RuntimeError, OSError) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise UserError(f"{path} cannot be run as a TFLite model ({reason}).") from None
        self._input_details, self._output_details = signature.get_input_details(), signature.get_output_details()
        for tensor in (*self._input_details.values(), *self._output_details.values()):
            if tensor["dtype"] not in (np.float32, np.uint8, np.int8, np.int32):
                raise UserError(
                    f"{path} has {tensor['dtype'].__name__} tensors; accepted are float32, uint8, int8 and int32."
                )
        self.inputs = in_order(self.metadata.inputs if self.metadata else (), self._input_details)
        self.outputs = in_order(self.metadata.outputs if self.metadata else (), self._output_details)
        self.shapes = {
            name: tuple(int(side) for side in tensor["shape"]) for name, tensor in self._input_details.items()
        }

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of the first input."""
        return self.shapes[self.inputs[0]]

    def __call__(self, *arrays: Any) -> Any:
        arrays = [np.asarray(array) for array in arrays]
        batch, results = self.input_shape[0], []
        for start in range(0, len(arrays[0]), batch):
            for name, array in zip(self.inputs, arrays, strict=True):
                part = array[start : start + batch]
                filled = np.concatenate([part, np.repeat(part[-1:], batch - len(part), axis=0)])
                self._interpreter.set_tensor(
                    self._input_details[name]["index"], _quantised(filled, self._input_details[name])
                )
            self._interpreter.invoke()
            found = [self._interpreter.get_tensor(self._output_details[name]["index"]) for name in self.outputs]
            count = min(batch, len(arrays[0]) - start)
            results.append(
                [_dequantised(a, self._output_details[n])[:count] for n, a in zip(self.outputs, found, strict=True)]
            )
        outputs = tuple(np.concatenate(parts) for parts in zip(*results, strict=True))
        return outputs if len(outputs) > 1 else outputs[0]


def _quantised(images: np.ndarray, tensor: dict) -> np.ndarray:
    if tensor["dtype"] == np.uint8:
        return to_uint8(images)
    if tensor["dtype"] == np.int8:
        scale, zero = tensor["quantization"]
        return np.clip(np.rint(images / scale + zero), -128, 127).astype(np.int8)
    return images.astype(tensor["dtype"])  # float32, or int32 for indices


def _dequantised(values: np.ndarray, tensor: dict) -> np.ndarray:
    if tensor["dtype"] == np.uint8:
        return to_float(values)
    if tensor["dtype"] == np.int8:
        scale, zero = tensor["quantization"]
        return (values.astype(np.float32) - np.float32(zero)) * np.float32(scale)
    return values
