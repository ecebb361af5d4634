"""Exports of a run, loaded again and compared with the network on real images before anybody relies on them."""

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
from keras_gen.export.saved_model import SavedModel, from_levels, to_levels, write_saved_model
from keras_gen.export.signature import Io, Port, Served
from keras_gen.export.tflite import TFLiteModel, Variant, require_variant, write_tflite
from keras_gen.files import remove

TOLERANCE = 1e-3
"""Largest difference in units of [-1, 1] that a float32 export may have; 1/255 of the range is 7.8e-3."""
TOLERANCE_OF_CHOICES = 1e-2
"""Largest mean difference of a network that chooses the nearest of several codes, or the share of its indices that may
be others: where two codes are equally near, rounding decides, and the choice is seen in the picture."""
USABLE = 30.0
"""PSNR against the network [dB] below which a file is called unusable: its errors are plain to see."""
THREADS = (1, 2)
"""Numbers of CPU threads that latencies are measured with."""
_SHOWN = 4  # images kept for the sheet


class ExportError(Exception):
    """An export does not draw what the network draws."""


@dataclass(frozen=True)
class Plan:
    """Which .tflite files to write, and how closely to look at them.

    Attributes:
        variants: see `tflite`.
        io: values of the images, see `signature.Io`.
        sizes: sides of the images [pixels]; empty: the network's own.
        batch: examples per call.
        runs: calls that are timed for each number of threads; 0 leaves latency and memory out.
    """

    variants: tuple[Variant, ...] = ("float32",)
    io: Io = "float"
    sizes: tuple[int, ...] = ()
    batch: int = 1
    runs: int = 0


PLAN_OF_A_RUN = Plan()
"""What a training run writes at its end: one float32 file, compared but not timed at length."""


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
    """Write SavedModel and .tflite files of each served network and prove that they draw the same.

    The first is written to saved_model/ and model.tflite, any other to saved_model_NAME/ and NAME.tflite; other
    variants, sizes, values and batches are in the file's name (model-int8-128-uint8.tflite).

    Args:
        served: name -> network and ports.
        folder: the run folder.
        batches: real validation data; `Served.examples` makes of them what a network takes.
        plan: which .tflite files.
        calibration: batches of real training data, for int8.
        family: name of the model in the metadata.
        origin: see `metadata.Provenance`.
        previous_report: what this function returned before for the folder. Files of the same weights that are not
            written again stay in the report; those of other weights are deleted.
        pictures: receives what people look at, by network, output where there are several, and size: name of an input,
            "network" and every variant -> images or sequences.

    Returns:
        name -> about, task, inputs and outputs (as of `signature.Port`), weights, validation_examples, machine and
        files: file name -> metadata, bytes, largest and mean absolute difference from the Keras network, PSNR, seconds
        for one example (of several outputs the worst, and `outputs` has each); for .tflite operators and, if asked for,
        latency and memory.

    Raises:
        ExportError: if a float32 file is further than `TOLERANCE` from the network, or than
            `TOLERANCE_OF_CHOICES` in the mean where it chooses codes; the report so far is its second argument.
        UserError: if a network cannot be built at a size, or cannot be converted to a variant.
    """
    for item in served.values():
        for variant in plan.variants:
            require_variant(item.network, variant)
    report: dict[str, Any] = {}
    pictures = {} if pictures is None else pictures
    for number, (name, item) in enumerate(served.items()):
        proof = item.examples_of(batches)
        io: Io = plan.io if plan.io in item.ios else "float"
        weights = f"{_digest(item.network):08x}"
        saved = folder / ("saved_model" if number == 0 else f"saved_model_{name}")
        files = {saved.name: {}, **_kept((previous_report or {}).get(name), weights, folder)}
        report[name] = {
            "about": item.about,
            "task": item.task,
            "inputs": [asdict(port) for port in item.inputs],
            "outputs": [asdict(port) for port in item.outputs],
            "description": item.description,
            "weights": weights,
            "validation_examples": len(proof[0]),
            **({"machine": machine()} if plan.runs else {}),
            "files": files,
        }
        own = Metadata(f"{family} {name}".strip(), item.inputs, item.outputs, item.task, origin)
        write_saved_model(item, saved, metadata=own)
        expected = _drawn(item, proof)
        figures = compare(SavedModel(saved), proof, expected, item.outputs)
        if "uint8" in item.ios:
            rounded, expected_of_rounded = _by_levels(item, proof, expected)
            figures["uint8"] = compare(SavedModel(saved, "uint8"), rounded, expected_of_rounded, item.outputs)
        files[saved.name] = {"bytes": _bytes(saved), **figures}

        stem = "model" if number == 0 else name
        runnable: list[Path] = []
        for size in (plan.sizes if "uint8" in item.ios else ()) or (None,):
            sized = item if size is None or size == _side(item) else _at_size(item, size)
            sources = tuple(_resized(array, port) for array, port in zip(proof, sized.inputs, strict=True))
            expected = _drawn(sized, sources)
            if io == "uint8":
                sources, expected = _by_levels(sized, sources, expected)
            shown = _shown(name, sized, sources, expected)
            pictures |= shown
            for variant in plan.variants:
                metadata = replace(
                    own, inputs=sized.inputs, outputs=sized.outputs, variant=variant, io=io, batch=plan.batch
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
                files[file.name] |= _proved(file, sources, expected, sized.outputs, missing)
                if not files[file.name]["flex"]:
                    drawn = _listed(TFLiteModel(file)(*(array[:_SHOWN] for array in sources)))
                    for picture, output in zip(shown.values(), _seen(sized.outputs), strict=True):
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
    """How far `run(*inputs)` is from what is expected, and the median seconds for an example.

    Differences are in units of half a port's range: of [-1, 1] for pictures. What has no range is measured in units of
    half the range that is expected, see `_unit`; a value that is not a number counts as 2. The PSNR [dB] is
    10 log10(2^2 / MSE) over all examples, at most 120. Indices are equal or not, 0 or 1, so that the mean is the share
    of those that differ; they have no PSNR.

    Args:
        run: takes the inputs and gives the outputs, one array or several.
        inputs: an array for each input, (n, ...).
        expected: an array for each output.
        ports: of the outputs.
        batch: examples per call.

    Returns:
        max_abs_difference, mean_abs_difference, psnr and seconds_per_example; of several outputs the worst, and
        outputs: name -> the same of each.
    """
    drawn, seconds = [], []
    for number in range(0, len(inputs[0]), batch):
        start = time.perf_counter()
        drawn.append(_listed(run(*(array[number : number + batch] for array in inputs))))
        seconds.append((time.perf_counter() - start) / len(drawn[-1][0]))
    found = [np.concatenate(parts) for parts in zip(*drawn, strict=True)]
    each = {port.name: _difference(*of_one, port) for *of_one, port in zip(found, expected, ports, strict=True)}
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
    """The figures of one output."""
    if port.kind == "indices":
        difference = (drawn != expected).astype(np.float32)
        return {"max_abs_difference": float(difference.max()), "mean_abs_difference": float(difference.mean())}
    difference = np.abs(drawn - expected) / ((port.range[1] - port.range[0]) / 2 if port.range else _unit(expected))
    difference = np.where(np.isfinite(difference), difference, 2.0)
    error = float(np.mean(np.square(difference, dtype=np.float64)))
    return {
        "max_abs_difference": float(difference.max()),
        "mean_abs_difference": float(difference.mean()),
        "psnr": round(10.0 * float(np.log10(4.0 / max(error, 4e-12))), 2),
    }


def _proved(
    file: Path,
    sources: Sequence[np.ndarray],
    expected: Sequence[np.ndarray],
    ports: Sequence[Port],
    missing: dict[str, str],
) -> dict[str, Any]:
    """The figures of one .tflite."""
    operators = operators_of(file)
    figures: dict[str, Any] = {
        "operators": operators.counts,
        "delegated_to_xnnpack": operators.delegated,
        "not_delegated": operators.left,
        "flex": {name: missing.get(name, "") for name in operators.flex},
    }
    if operators.flex:
        figures["verdict"] = (
            "not proved: the interpreter here has no Flex operators; an app has to link TensorFlow's select operators "
            "to run it"
        )
        return figures
    model = TFLiteModel(file)
    figures |= compare(model, sources, expected, ports, batch=model.input_shape[0])
    if figures.get("psnr", USABLE) < USABLE:
        figures["verdict"] = (
            f"unusable: its pictures are only {figures['psnr']:.1f} dB from the network's, and below {USABLE:.0f} dB "
            "the errors are plain to see"
        )
    return figures


def _require_equal(file: Path, figures: dict[str, Any], report: dict[str, Any], *, chooses: bool) -> None:
    """float32 files must draw the same, up to the rounding of uint8 and the choice between codes that are as near."""
    metadata = figures.get("metadata", {"variant": "float32", "io": "float"})
    proved = metadata["variant"] == "float32" and not figures.get("flex")
    claims = [(file, figures, metadata["io"])] if proved else []
    claims += [(f"{file} by its uint8 signature", figures["uint8"], "uint8")] if "uint8" in figures else []
    for what, found, io in claims:
        accepted = (TOLERANCE_OF_CHOICES if chooses else TOLERANCE) + (1 / 255 if io == "uint8" else 0)
        difference = found["mean_abs_difference" if chooses else "max_abs_difference"]
        if not difference <= accepted:
            raise ExportError(
                f"{what} differs from the network by {difference:.2e}{' in the mean' * chooses}, and at most "
                f"{accepted:.0e} is accepted: do not use it.",
                report,
            )


def _file_name(stem: str, metadata: Metadata, size: int | None) -> str:
    """STEM.tflite, with all in which it is not the default."""
    parts = [stem]
    parts += [metadata.variant] if metadata.variant != "float32" else []
    parts += [str(size)] if size else []
    parts += [metadata.io] if metadata.io != "float" else []
    parts += [f"batch{metadata.batch}"] if metadata.batch != 1 else []
    return "-".join(parts) + ".tflite"


def _kept(previous_report: Mapping[str, Any] | None, weights: str, folder: Path) -> dict[str, Any]:
    """Figures of files that are still there and hold the same weights; files of other weights are deleted."""
    if not previous_report:
        return {}
    files = {name: figures for name, figures in previous_report["files"].items() if name.endswith(".tflite")}
    if previous_report.get("weights") == weights:
        return {name: figures for name, figures in files.items() if (folder / name).is_file()}
    for name in files:
        remove(folder / name)
    return {}


def _digest(network: keras.Model) -> int:
    """CRC-32 of all weights in order."""
    digest = 0
    for weight in network.get_weights():
        digest = zlib.crc32(np.ascontiguousarray(weight), digest)
    return digest


def _side(served: Served) -> int:
    """Of what goes in that has places, the first's height [pixels]."""
    return next(port.shape[0] for port in served.inputs if port.has_levels)


def _at_size(served: Served, size: int) -> Served:
    """The same network for square pictures of another size.

    Raises:
        UserError: if it cannot be built there.
    """
    side = _side(served)

    def grown(port: Port) -> Port:
        if not port.has_levels:
            return port
        sides = [length * size / side for length in port.shape[:2]]
        if any(length % 1 for length in sides):
            raise ValueError(f"{sides} are no whole numbers of pixels")
        return replace(port, shape=(*map(int, sides), port.shape[-1]))

    network = served.network
    try:
        inputs, outputs = (tuple(map(grown, ports)) for ports in (served.inputs, served.outputs))
        tensors = [
            keras.Input(port.shape, dtype=port.dtype, name=tensor.name)
            for port, tensor in zip(inputs, network.inputs, strict=True)
        ]
        clone = keras.models.clone_model(network, input_tensors=tensors if len(tensors) > 1 else tensors[0])
        clone.set_weights(network.get_weights())
        return replace(served, network=clone, inputs=inputs, outputs=outputs)
    except ValueError:
        raise UserError(
            f"--sizes got {size}, which this network of {side}x{side} cannot draw; accepted are multiples of its own "
            "size, and whatever else its layers allow."
        ) from None


def _unit(values: np.ndarray) -> float:
    """Scale of differences: half the value range, which is 1 for images in [-1, 1].

    At least a hundredth of the largest value: rounding of float32 is to be told from a network that is wrong.
    """
    return max(float(np.ptp(values)) / 2, float(np.abs(values).max()) / 100) or 1.0


def _resized(array: np.ndarray, port: Port) -> np.ndarray:
    """Pictures at the size of a port; what has no places is left alone."""
    if array.shape[1:] == port.shape:
        return array
    method = "nearest" if port.is_label_map else "bilinear"
    return tf.image.resize(array, port.shape[:2], method, antialias=method == "bilinear").numpy()


def _listed(outputs: Any) -> tuple[np.ndarray, ...]:
    return outputs if isinstance(outputs, tuple) else (outputs,)


def _drawn(served: Served, inputs: Sequence[np.ndarray]) -> tuple[np.ndarray, ...]:
    """What the network makes of the examples, one at a time."""
    each = [_listed(served(*(array[n : n + 1] for array in inputs))) for n in range(len(inputs[0]))]
    return tuple(np.concatenate(parts) for parts in zip(*each, strict=True))


def _by_levels(
    served: Served, inputs: Sequence[np.ndarray], expected: Sequence[np.ndarray]
) -> tuple[tuple[np.ndarray, ...], tuple[np.ndarray, ...]]:
    """The inputs as uint8 holds them, and what the network draws from these within uint8's range."""
    rounded = tuple(
        from_levels(to_levels(array)) if port.has_levels else array
        for array, port in zip(inputs, served.inputs, strict=True)
    )
    if not all(map(np.array_equal, rounded, inputs)):  # images of 8 bits are what they were
        expected = _drawn(served, rounded)
    return rounded, tuple(
        np.clip(array, -1, 1) if port.has_levels else array
        for array, port in zip(expected, served.outputs, strict=True)
    )


def _seen(ports: Sequence[Port]) -> list[Port]:
    """The outputs that people can look at."""
    return [port for port in ports if port.kind in ("image", "sequence")]


def _shown(
    name: str, served: Served, sources: Sequence[np.ndarray], expected: Sequence[np.ndarray]
) -> dict[str, dict[str, np.ndarray]]:
    """What people look at of a network: each output that can be seen, beside the inputs of its kind."""
    outputs = _seen(served.outputs)
    shown = {}
    for port in outputs:
        size = f"{port.shape[1]}x{port.shape[0]}" if port.kind == "image" else ""
        key = " ".join(part for part in (name, port.name if len(outputs) > 1 else "", size) if part)
        shown[key] = {
            source.name: array[:_SHOWN]
            for array, source in zip(sources, served.inputs, strict=True)
            if (source.has_levels if port.kind == "image" else source.kind == port.kind)
        }
        shown[key]["network"] = expected[served.outputs.index(port)][:_SHOWN]
    return shown


def _bytes(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
