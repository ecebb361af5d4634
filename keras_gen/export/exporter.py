"""Export networks as SavedModel and .tflite, and verify the files: each is loaded again and compared on real data."""

from __future__ import annotations

import statistics
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_gen.errors import UserError
from keras_gen.export.benchmark import machine, measure
from keras_gen.export.metadata import UNKNOWN, Metadata, Provenance
from keras_gen.export.operators import operators_of
from keras_gen.export.saved_model import SavedModel, write_saved_model
from keras_gen.export.signature import Io, Port, Served
from keras_gen.export.tflite import TFLiteModel, Variant, require_variant, write_tflite
from keras_gen.files import remove
from keras_gen.ops.pixels import to_float, to_uint8

TOLERANCE = 1e-3
"""Largest absolute difference of a float32 export, in units of [-1, 1]; one level of 8 bits is 7.8e-3."""
TOLERANCE_OF_CHOICES = 1e-2
"""Largest mean absolute difference, or fraction of different indices, of a network that chooses the nearest of several
codes. If two codes are equally near, rounding decides between them, and the choice is visible in the image."""
USABLE = 30.0
"""PSNR against the network [dB] below which a file is called unusable, because its errors are visible."""
THREADS = (1, 2)
"""Numbers of CPU threads that latencies are measured with."""
_REPORT_EXAMPLES = 4  # examples on the sheet of a report
_BATCH = 8  # examples per call of a network


class ExportError(Exception):
    """The outputs of an exported float32 file differ from those of the network."""


@dataclass(frozen=True)
class Plan:
    """Which .tflite files to write, and whether to measure their speed.

    Every combination of variant and size gives a file.

    Attributes:
        variants: see `export.tflite`.
        io: type of the images, see `signature.Io`.
        sizes: sides of the images [pixels]; empty: only the network's own size.
        batch: examples per call.
        runs: timed calls for each number of threads; 0: latency and memory are not measured.

    Examples:
        >>> Plan(variants=("float32", "int8"), io="uint8", runs=50).sizes
        ()
    """

    variants: tuple[Variant, ...] = ("float32",)
    io: Io = "float"
    sizes: tuple[int, ...] = ()
    batch: int = 1
    runs: int = 0


PLAN_OF_A_RUN = Plan()
"""The files that a training run writes at its end: float32 only, verified, without latency and memory."""


def export(
    served: Mapping[str, Served],
    folder: Path,
    batches: Sequence[Any],
    *,
    plan: Plan = PLAN_OF_A_RUN,
    calibration: Sequence[Any] | None = None,
    family: str = "",
    origin: Provenance = UNKNOWN,
    previous_report: Mapping[str, Any] | None = None,
    pictures: dict[str, dict[str, np.ndarray]] | None = None,
) -> dict[str, Any]:
    """Write each served network as a SavedModel and as .tflite files, and verify all of them.

    The first network goes to saved_model/ and model.tflite, the others to saved_model_NAME/ and NAME.tflite. A variant,
    size, type or batch size that is not the default is part of the file's name: model-int8-128-uint8.tflite.

    Args:
        served: name -> network with its ports.
        folder: the run folder.
        batches: batches of real validation data, from which `Served.examples` takes the inputs.
        plan: which .tflite files to write.
        calibration: batches of real training data; required for int8.
        family: name of the model in the metadata.
        origin: author and licence in the metadata.
        previous_report: what this function returned before for this folder. Its other files stay in the report if they
            have the same weights, and are deleted if not.
        pictures: a dictionary that receives the examples for the report: network (with output and size, if there are
            several) -> name of an input, "network" or variant -> images or sequences.

    Returns:
        name -> "about", "task", "inputs" and "outputs" (fields of `signature.Port`), "description", "weights" (CRC-32),
        "validation_examples", "machine" (if latency was measured) and "files": file name -> "bytes" and the figures of
        `compare`; for a .tflite also "metadata", "operators", "delegated_to_xnnpack" [0, 1], "not_delegated", "flex",
        "verdict" (if it is not usable) and the figures of `benchmark.measure` (if latency was measured).

    Raises:
        ExportError: if a float32 file differs from the network by more than `TOLERANCE`, or for a network that chooses
            codes by more than `TOLERANCE_OF_CHOICES` in the mean. The second argument is the report so far.
        UserError: if a network cannot be built at a size or converted to a variant.
    """
    for item in served.values():
        for variant in plan.variants:
            require_variant(item.network, variant)
    report: dict[str, Any] = {}
    pictures = {} if pictures is None else pictures
    for number, (name, item) in enumerate(served.items()):
        inputs = item.examples_of(batches)
        io: Io = plan.io if plan.io in item.ios else "float"
        weights = f"{_checksum(item.network):08x}"
        saved = folder / ("saved_model" if number == 0 else f"saved_model_{name}")
        files = {saved.name: {}, **_figures_to_keep((previous_report or {}).get(name), weights, folder)}
        report[name] = {
            "about": item.about,
            "task": item.task,
            "inputs": [asdict(port) for port in item.inputs],
            "outputs": [asdict(port) for port in item.outputs],
            "description": item.description,
            "weights": weights,
            "validation_examples": len(inputs[0]),
            **({"machine": machine()} if plan.runs else {}),
            "files": files,
        }
        network_metadata = Metadata(f"{family} {name}".strip(), item.inputs, item.outputs, item.task, origin)
        write_saved_model(item, saved, metadata=network_metadata)
        expected = _network_outputs(item, inputs)
        figures = compare(SavedModel(saved), inputs, expected, item.outputs)
        if "uint8" in item.ios:
            rounded, expected_of_rounded = _rounded_to_uint8(item, inputs, expected)
            figures["uint8"] = compare(SavedModel(saved, "uint8"), rounded, expected_of_rounded, item.outputs)
        files[saved.name] = {"bytes": _folder_size(saved), **figures}

        stem = "model" if number == 0 else name
        runnable: list[Path] = []
        for size in (plan.sizes if "uint8" in item.ios else ()) or (None,):
            sized = item if size is None or size == _side(item) else _at_size(item, size)
            sources = tuple(_resized(array, port) for array, port in zip(inputs, sized.inputs, strict=True))
            expected = _network_outputs(sized, sources)
            if io == "uint8":
                sources, expected = _rounded_to_uint8(sized, sources, expected)
            shown = _report_examples(name, sized, sources, expected)
            pictures |= shown
            for variant in plan.variants:
                metadata = replace(
                    network_metadata,
                    inputs=sized.inputs,
                    outputs=sized.outputs,
                    variant=variant,
                    io=io,
                    batch=plan.batch,
                )
                file = folder / _file_name(stem, metadata, None if sized is item else size)
                examples = None
                if calibration is not None:
                    arrays = item.examples_of(calibration)
                    examples = tuple(_resized(array, port) for array, port in zip(arrays, sized.inputs, strict=True))
                missing = write_tflite(
                    sized, file, variant=variant, io=io, batch=plan.batch, calibration=examples, metadata=metadata
                )
                files[file.name] = {"metadata": metadata.as_dict(), "bytes": file.stat().st_size}
                files[file.name] |= _verified_figures(file, sources, expected, sized.outputs, missing)
                if not files[file.name]["flex"]:
                    drawn = _as_tuple(TFLiteModel(file)(*(array[:_REPORT_EXAMPLES] for array in sources)))
                    for picture, output in zip(shown.values(), _drawable(sized.outputs), strict=True):
                        picture[variant] = drawn[sized.outputs.index(output)]
                    runnable.append(file)
        if plan.runs:
            for file, timed in measure(runnable, threads=THREADS, runs=plan.runs).items():
                files[file.name] |= timed
        for file, figures in files.items():
            _require_equal(folder / file, figures, report, chooses=item.chooses)
    return report


def compare(
    run: Callable[..., Any],
    inputs: Sequence[np.ndarray],
    expected: Sequence[np.ndarray],
    ports: Sequence[Port],
    batch: int = 1,
) -> dict[str, Any]:
    """Compare the outputs of `run` with the expected ones, and time it.

    The unit of differences is half the range of the port, so 1 for images in [-1, 1]; without a range, half the range
    of the expected values (`_half_range`). A value that is not finite counts as a difference of 2. The PSNR is
    10 log10(2^2 / MSE) [dB] over all examples, at most 120. Indices have no PSNR; their difference is 0 or 1, so the
    mean is the fraction of different indices.

    Args:
        run: function of the inputs that returns one array, or a tuple of them.
        inputs: one array for each input, (n, ...).
        expected: one array for each output, (n, ...).
        ports: ports of the outputs.
        batch: examples per call.

    Returns:
        "max_abs_difference", "mean_abs_difference" and "psnr", for several outputs the worst of each;
        "seconds_per_example", the median; and for several outputs "outputs": name -> the figures of each.
    """
    drawn, seconds = [], []
    for number in range(0, len(inputs[0]), batch):
        start = time.perf_counter()
        drawn.append(_as_tuple(run(*(array[number : number + batch] for array in inputs))))
        seconds.append((time.perf_counter() - start) / len(drawn[-1][0]))
    found = [np.concatenate(parts) for parts in zip(*drawn, strict=True)]
    each = {port.name: _difference(*arrays, port) for *arrays, port in zip(found, expected, ports, strict=True)}
    worst = {
        figure: max(values) if figure != "psnr" else min(values)
        for figure in ("max_abs_difference", "mean_abs_difference", "psnr")
        if (values := [figures[figure] for figures in each.values() if figure in figures])
    }
    return {
        **worst,
        **({"outputs": each} if len(each) > 1 else {}),
        "seconds_per_example": round(statistics.median(seconds), 5),
    }


def _difference(drawn: np.ndarray, expected: np.ndarray, port: Port) -> dict[str, float]:
    """The differences and the PSNR of one output."""
    if port.kind == "indices":
        difference = (drawn != expected).astype(np.float32)
        return {"max_abs_difference": float(difference.max()), "mean_abs_difference": float(difference.mean())}
    difference = np.abs(drawn - expected) / (
        (port.range[1] - port.range[0]) / 2 if port.range else _half_range(expected)
    )
    difference = np.where(np.isfinite(difference), difference, 2.0)
    error = float(np.mean(np.square(difference, dtype=np.float64)))
    return {
        "max_abs_difference": float(difference.max()),
        "mean_abs_difference": float(difference.mean()),
        "psnr": round(10.0 * float(np.log10(4.0 / max(error, 4e-12))), 2),
    }


def _verified_figures(
    file: Path,
    sources: Sequence[np.ndarray],
    expected: Sequence[np.ndarray],
    ports: Sequence[Port],
    missing: dict[str, str],
) -> dict[str, Any]:
    """The operators of a .tflite and its differences from the network."""
    operators = operators_of(file)
    figures: dict[str, Any] = {
        "operators": operators.counts,
        "delegated_to_xnnpack": operators.delegated,
        "not_delegated": operators.left,
        "flex": {name: missing.get(name, "") for name in operators.flex},
    }
    if operators.flex:
        figures["verdict"] = (
            "not verified: it needs Flex operators, which the interpreter for Python does not have; an app must link "
            "TensorFlow's select operators (Flex delegate) to run it"
        )
        return figures
    model = TFLiteModel(file)
    figures |= compare(model, sources, expected, ports, batch=model.input_shape[0])
    if figures.get("psnr", USABLE) < USABLE:
        figures["verdict"] = (
            f"unusable: its PSNR against the network is {figures['psnr']:.1f} dB, and below {USABLE:.0f} dB errors are "
            "visible"
        )
    return figures


def _require_equal(file: Path, figures: dict[str, Any], report: dict[str, Any], *, chooses: bool) -> None:
    """Check a float32 file against the tolerance, which for uint8 includes one level of rounding."""
    metadata = figures.get("metadata", {"variant": "float32", "io": "float"})
    verified = metadata["variant"] == "float32" and not figures.get("flex")
    checks = [(file, figures, metadata["io"])] if verified else []
    checks += [(f"The uint8 signature of {file}", figures["uint8"], "uint8")] if "uint8" in figures else []
    for what, found, io in checks:
        accepted = (TOLERANCE_OF_CHOICES if chooses else TOLERANCE) + (1 / 255 if io == "uint8" else 0)
        difference = found["mean_abs_difference" if chooses else "max_abs_difference"]
        if not difference <= accepted:
            raise ExportError(
                f"{what} differs from the network by {difference:.2e}{' on average' * chooses}; accepted is at most "
                f"{accepted:.0e}. Do not use it.",
                report,
            )


def _file_name(stem: str, metadata: Metadata, size: int | None) -> str:
    """STEM.tflite, or STEM-VARIANT-SIZE-IO-batchN.tflite with those parts that are not the default."""
    parts = [stem]
    parts += [metadata.variant] if metadata.variant != "float32" else []
    parts += [str(size)] if size else []
    parts += [metadata.io] if metadata.io != "float" else []
    parts += [f"batch{metadata.batch}"] if metadata.batch != 1 else []
    return "-".join(parts) + ".tflite"


def _figures_to_keep(previous_report: Mapping[str, Any] | None, weights: str, folder: Path) -> dict[str, Any]:
    """Figures of the .tflite files that still exist and have the same weights; files of other weights are deleted."""
    if not previous_report:
        return {}
    files = {name: figures for name, figures in previous_report["files"].items() if name.endswith(".tflite")}
    if previous_report.get("weights") == weights:
        return {name: figures for name, figures in files.items() if (folder / name).is_file()}
    for name in files:
        remove(folder / name)
    return {}


def _checksum(network: keras.Model) -> int:
    """CRC-32 of all weights in order."""
    digest = 0
    for weight in network.get_weights():
        digest = zlib.crc32(np.ascontiguousarray(weight), digest)
    return digest


def _side(served: Served) -> int:
    """Height of the first input that is an image or a label map [pixels]."""
    return next(port.shape[0] for port in served.inputs if port.fits_uint8)


def _at_size(served: Served, size: int) -> Served:
    """The same network for images of another size.

    Raises:
        UserError: if it cannot be built at this size.
    """
    side = _side(served)

    def resized(port: Port) -> Port:
        if not port.fits_uint8:
            return port
        sides = [length * size / side for length in port.shape[:2]]
        if any(length % 1 for length in sides):
            raise ValueError(f"{sides} are not whole numbers of pixels")
        return replace(port, shape=(*map(int, sides), port.shape[-1]))

    network = served.network
    try:
        inputs, outputs = (tuple(map(resized, ports)) for ports in (served.inputs, served.outputs))
        tensors = [
            keras.Input(port.shape, dtype=port.dtype, name=tensor.name)
            for port, tensor in zip(inputs, network.inputs, strict=True)
        ]
        clone = keras.models.clone_model(network, input_tensors=tensors if len(tensors) > 1 else tensors[0])
        clone.set_weights(network.get_weights())
        return replace(served, network=clone, inputs=inputs, outputs=outputs)
    except ValueError:
        raise UserError(
            f"--sizes got {size}, but this network of {side}x{side} cannot be built at that size; accepted are "
            "multiples of its own size, and other sizes that its layers allow."
        ) from None


def _half_range(values: np.ndarray) -> float:
    """Scale of differences: half the value range, which is 1 for images in [-1, 1].

    It is at least a hundredth of the largest absolute value, so that float32 rounding of nearly constant values does
    not look like an error.
    """
    return max(float(np.ptp(values)) / 2, float(np.abs(values).max()) / 100) or 1.0


def _resized(array: np.ndarray, port: Port) -> np.ndarray:
    """Images resized to the shape of a port; anything that has this shape already is returned as it is."""
    if array.shape[1:] == port.shape:
        return array
    method = "nearest" if port.is_label_map else "bilinear"
    return tf.image.resize(array, port.shape[:2], method, antialias=method == "bilinear").numpy()


def _as_tuple(outputs: Any) -> tuple[np.ndarray, ...]:
    return outputs if isinstance(outputs, tuple) else (outputs,)


def _network_outputs(served: Served, inputs: Sequence[np.ndarray]) -> tuple[np.ndarray, ...]:
    """The outputs of the network, a few examples at a time."""
    starts = range(0, len(inputs[0]), _BATCH)
    each = [_as_tuple(served(*(array[n : n + _BATCH] for array in inputs))) for n in starts]
    return tuple(np.concatenate(parts) for parts in zip(*each, strict=True))


def _rounded_to_uint8(
    served: Served, inputs: Sequence[np.ndarray], expected: Sequence[np.ndarray]
) -> tuple[tuple[np.ndarray, ...], tuple[np.ndarray, ...]]:
    """The inputs after rounding to uint8, and the expected outputs for them, clipped to the range of uint8."""
    rounded = tuple(
        to_float(to_uint8(array)) if port.fits_uint8 else array
        for array, port in zip(inputs, served.inputs, strict=True)
    )
    if not all(map(np.array_equal, rounded, inputs)):  # rounding does not change images of 8 bits
        expected = _network_outputs(served, rounded)
    return rounded, tuple(
        np.clip(array, -1, 1) if port.fits_uint8 else array
        for array, port in zip(expected, served.outputs, strict=True)
    )


def _drawable(ports: Sequence[Port]) -> list[Port]:
    """The outputs that the report can show."""
    return [port for port in ports if port.kind in ("image", "sequence")]


def _report_examples(
    name: str, served: Served, sources: Sequence[np.ndarray], expected: Sequence[np.ndarray]
) -> dict[str, dict[str, np.ndarray]]:
    """Examples for the report: each output that can be shown, with the inputs of the same kind."""
    outputs = _drawable(served.outputs)
    shown = {}
    for port in outputs:
        size = f"{port.shape[1]}x{port.shape[0]}" if port.kind == "image" else ""
        key = " ".join(part for part in (name, port.name if len(outputs) > 1 else "", size) if part)
        shown[key] = {
            source.name: array[:_REPORT_EXAMPLES]
            for array, source in zip(sources, served.inputs, strict=True)
            if (source.fits_uint8 if port.kind == "image" else source.kind == port.kind)
        }
        shown[key]["network"] = expected[served.outputs.index(port)][:_REPORT_EXAMPLES]
    return shown


def _folder_size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
