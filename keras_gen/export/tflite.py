"""TFLite files: variants by how weights and activations are stored, a static shape, and running them.

- float32: as the network.
- float16: weights stored as float16, half the size, computed in float32.
- dynamic8: weights stored as int8, a quarter of the size; activations are quantised as they come.
- int8: activations are int8 too, in ranges that calibration images showed.
"""

from __future__ import annotations

import dataclasses
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
from keras_gen.export.saved_model import from_levels, in_order, to_levels, write_saved_model
from keras_gen.export.signature import Io, Port, Served
from keras_gen.files import write

Variant = Literal["float32", "float16", "dynamic8", "int8"]
VARIANTS: tuple[Variant, ...] = get_args(Variant)


def require_variant(network: keras.Model, variant: Variant) -> None:
    """Refuse what TensorFlow's converter cannot do.

    Raises:
        UserError: for int8 with recurrent layers. They become a loop (WHILE), and calibrating what lies within one ends
            the process by a segmentation fault (TensorFlow 2.21).
    """
    if variant == "int8" and any(isinstance(layer, keras.layers.RNN) for layer in network.layers):
        raise UserError(
            f"--variants got int8, and {network.name} has recurrent layers, whose activations TFLite cannot calibrate; "
            "accepted are float32, float16, dynamic8."
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
    """Convert a network to a .tflite with the signature serving_default, which has its ports' names and a static batch.

    The conversion goes through a SavedModel with a static batch: converting a Keras 3 model's concrete functions writes
    files without weights. Only where built-in operators do not suffice, those of TensorFlow are allowed (Flex); such a
    file is for apps that link its select operators, and the interpreters for Python cannot run it.

    Args:
        served: the network and its ports.
        path: file to write.
        variant: see the module.
        io: pictures as float32 in [-1, 1] or uint8 in [0, 255], in and out; the normalisation is then part of the file.
        batch: examples per call.
        calibration: for int8, real training inputs: (n, ...) for each input.
        metadata: to write into the file.
        rewrite: convert the faster form of the same function (`export.rewrite`); False takes the network as it is.

    Returns:
        Operator of Flex -> why it is there; empty for built-in operators only.

    Raises:
        UserError: see `require_variant`.
        RuntimeError: if an operator is in neither.
    """
    require_variant(served.network, variant)
    if rewrite:
        examples = calibration if variant == "int8" else None
        served = dataclasses.replace(served, network=rewritten(served.network, examples=examples))
    with tempfile.TemporaryDirectory() as folder:
        saved = Path(folder) / "saved_model"
        # int8 has integers inside, so the converter makes the ends integers too instead of casting to float and back.
        write_saved_model(served, saved, batch=batch, ios=["float" if variant == "int8" else io])

        def converted(*sets: tf.lite.OpsSet) -> bytes:
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
                # Calibration runs the interpreter inside TensorFlow, which tells that another package has it now.
                warnings.filterwarnings("ignore", r"\s*Warning: tf.lite.Interpreter is deprecated", UserWarning)
                return converter.convert()

        missing = {}
        try:
            try:
                content = converted(tf.lite.OpsSet.TFLITE_BUILTINS)
            except Exception as error:  # the converter raises a class of its own that is not public
                missing = _missing_operators(str(error))
                if not missing:
                    raise
                content = converted(tf.lite.OpsSet.TFLITE_BUILTINS, tf.lite.OpsSet.SELECT_TF_OPS)
        except Exception as error:
            raise RuntimeError(f"{served.network.name} has no form in TFLite's operators: {error}") from error
    if variant == "int8" and io == "uint8":
        _require_levels(content, served.network.name)
    write(path, with_metadata(content, metadata) if metadata else content)
    return missing


def _representative(
    ports: Sequence[Port], calibration: Sequence[np.ndarray], batch: int
) -> Iterator[dict[str, np.ndarray]]:
    """Batches by the names of the inputs; a last one that is smaller is left out, unless it is the first."""
    examples = {port.name: _of_whole_range(array, port) for port, array in zip(ports, calibration, strict=True)}
    count = min(map(len, examples.values()))
    for n in range(0, max(1, count - batch + 1), batch):
        yield {name: np.resize(array[n : n + batch], (batch, *array.shape[1:])) for name, array in examples.items()}


def _of_whole_range(array: np.ndarray, port: Port) -> np.ndarray:
    """Pictures with one pixel at -1 and one at 1, so that the input's integers cover exactly [-1, 1]."""
    array = np.array(array)
    if port.has_levels:  # what else there is has no range of its own
        array[0, 0, 0], array[0, -1, -1] = -1.0, 1.0
    return array


def _require_levels(content: bytes, name: str) -> None:
    """The integers of a uint8 file must mean [0, 255] for [-1, 1], within one level."""
    interpreter = Interpreter(model_content=content)
    levels = np.arange(256, dtype=np.uint8)
    for tensor in (*interpreter.get_input_details(), *interpreter.get_output_details()):
        if tensor["dtype"] != np.uint8:  # classes
            continue
        scale, zero = tensor["quantization"]
        if not np.abs((levels - np.float32(zero)) * scale - from_levels(levels)).max() < 1.01 * 2 / 255:
            raise UserError(
                f"--io uint8 with int8 needs images in [-1, 1], and {name} was seen to draw others (a level is "
                f"{scale:.4f} and 0 is {zero}); --io float is accepted."
            )


def _missing_operators(complaint: str) -> dict[str, str]:
    """From what the converter said: TensorFlow operators that Flex has and TFLite has not built in, and their use."""
    listed = re.search(r"^(?:TF Select|Flex) ops: (.+)$", complaint, re.MULTILINE)
    names = listed[1].split(", ") if listed else []
    uses = {name: re.search(rf"^\s*tf\.{name}\((.*?)\) ->", complaint, re.MULTILINE) for name in names}
    return {
        f"Flex{name}": f"TFLite has no built-in form of tf.{name}" + (f" for {use[1]}" if (use := uses[name]) else "")
        for name in names
    }


class TFLiteModel:
    """A .tflite file as a function of arrays, in the order of its ports, or of its names where it has no metadata.

    Any number of examples goes in, whatever the file takes at a time; pictures are float32 in [-1, 1], whatever it
    stores. It gives one array, or a tuple of several. The file is mapped into memory, not read. uint8 tensors hold
    levels from 0 to 255, int8 ones what their scale and zero point say.

    Attributes:
        inputs, outputs: names in the order of the arrays.
        shapes: name of an input -> (examples per call, ...).
        metadata: of the file; None if it was not exported here.
    """

    def __init__(self, path: Path, threads: int | None = None) -> None:
        """Args:
            path: the file.
            threads: CPU threads; None for all cores.

        Raises:
            UserError: if the file cannot be read as a TFLite model.
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
        self._taken, self._given = signature.get_input_details(), signature.get_output_details()
        for tensor in (*self._taken.values(), *self._given.values()):
            if tensor["dtype"] not in (np.float32, np.uint8, np.int8, np.int32):
                raise UserError(
                    f"{path} holds {tensor['dtype'].__name__}; accepted are float32, uint8, int8 and int32."
                )
        self.inputs = in_order(self.metadata.inputs if self.metadata else (), self._taken)
        self.outputs = in_order(self.metadata.outputs if self.metadata else (), self._given)
        self.shapes = {name: tuple(int(side) for side in tensor["shape"]) for name, tensor in self._taken.items()}

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Of the first input."""
        return self.shapes[self.inputs[0]]

    def __call__(self, *arrays: Any) -> Any:
        arrays = [np.asarray(array) for array in arrays]
        batch, results = self.input_shape[0], []
        for start in range(0, len(arrays[0]), batch):
            for name, array in zip(self.inputs, arrays, strict=True):
                part = array[start : start + batch]
                filled = np.concatenate([part, np.repeat(part[-1:], batch - len(part), axis=0)])
                self._interpreter.set_tensor(self._taken[name]["index"], _stored(filled, self._taken[name]))
            self._interpreter.invoke()
            found = [self._interpreter.get_tensor(self._given[name]["index"]) for name in self.outputs]
            count = min(batch, len(arrays[0]) - start)
            results.append([_shown(a, self._given[n])[:count] for n, a in zip(self.outputs, found, strict=True)])
        outputs = tuple(np.concatenate(parts) for parts in zip(*results, strict=True))
        return outputs if len(outputs) > 1 else outputs[0]


def _stored(images: np.ndarray, tensor: dict) -> np.ndarray:
    if tensor["dtype"] == np.uint8:
        return to_levels(images)
    if tensor["dtype"] == np.int8:
        scale, zero = tensor["quantization"]
        return np.clip(np.rint(images / scale + zero), -128, 127).astype(np.int8)
    return images.astype(tensor["dtype"])  # indices of codes are int32


def _shown(values: np.ndarray, tensor: dict) -> np.ndarray:
    if tensor["dtype"] == np.uint8:
        return from_levels(values)
    if tensor["dtype"] == np.int8:
        scale, zero = tensor["quantization"]
        return (values.astype(np.float32) - np.float32(zero)) * np.float32(scale)
    return values
