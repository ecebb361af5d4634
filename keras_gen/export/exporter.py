"""Exports of a run, loaded again and compared with the network on real images before anybody relies on them."""

from __future__ import annotations

import statistics
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_gen.errors import UserError
from keras_gen.export.benchmark import machine, measure
from keras_gen.export.metadata import UNKNOWN, Io, Metadata, Provenance
from keras_gen.export.operators import operators_of
from keras_gen.export.saved_model import from_levels, load_saved_model, to_levels, write_saved_model
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
        io: values of the images, see `metadata.Io`.
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
    served: Mapping[str, Any],
    folder: Path,
    images: np.ndarray,
    *,
    plan: Plan = PLAN_OF_A_RUN,
    calibration: np.ndarray | None = None,
    family: str = "",
    origin: Provenance = UNKNOWN,
    previous_report: Mapping[str, Any] | None = None,
    pictures: dict[str, dict[str, np.ndarray]] | None = None,
) -> dict[str, Any]:
    """Write SavedModel and .tflite files of each served network and prove that they draw the same pictures.

    The first is written to saved_model/ and model.tflite, any other to saved_model_NAME/ and NAME.tflite; other
    variants, sizes, values and batches are in the file's name (model-int8-128-uint8.tflite).

    Args:
        served: name -> `engine.model.Served`.
        folder: the run folder.
        images: real validation inputs, (n, h, w, channels) float32 in [-1, 1], or sequences, (n, steps, features).
        plan: which .tflite files.
        calibration: real training inputs like `images`, for int8.
        family: name of the model in the metadata.
        origin: see `metadata.Provenance`.
        previous_report: what this function returned for the folder before. Files of the same weights that are not
            written again stay in the report; those of other weights are deleted.
        pictures: receives, by network and size, "source", "network" and every variant -> (4, h, w, channels), or
            (4, steps, features) of sequences.

    Returns:
        name -> about, weights, validation_examples, machine and files: file name -> metadata, megabytes, largest and
        mean absolute difference from the Keras network, PSNR, seconds for one example; for .tflite operators and, if
        asked for, latency and memory.

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
    subject = len(next(iter(served.values())).network.output_shape)  # axes of what the run is about: images, sequences
    for number, (name, item) in enumerate(served.items()):
        network = item.network
        of_source = item.of_source or (lambda sources: sources)
        proof = np.asarray(of_source(images))
        pixels = _is_image(network.input_shape) and _is_image(network.output_shape)
        io: Io = plan.io if pixels else "float"
        weights = f"{_digest(network):08x}"
        saved = folder / ("saved_model" if number == 0 else f"saved_model_{name}")
        files = {saved.name: {}, **_kept((previous_report or {}).get(name), weights, folder)}
        report[name] = {
            "about": item.about,
            "weights": weights,
            "validation_examples": len(images),
            **({"machine": machine()} if plan.runs else {}),
            "files": files,
        }
        ends = {item.source: network.inputs[0], item.output: network.outputs[0]}
        own = Metadata(
            name=f"{family} {name}".strip(),
            source=item.source,
            output=item.output,
            size=next((s[1:3] for s in (network.input_shape, network.output_shape) if _is_image(s)), (0, 0)),
            source_channels=network.input_shape[-1],
            output_channels=network.output_shape[-1],
            arrays={name: tuple(t.shape[1:]) for name, t in ends.items() if not _is_image(t.shape)},
            integers=tuple(name for name, tensor in ends.items() if tensor.dtype == "int32"),
            origin=replace(origin, labels=item.labels) if item.labels else origin,
        )
        ios: list[Io] = ["float", "uint8"] if pixels else ["float"]
        write_saved_model(network, item.source, item.output, saved, ios=ios, metadata=own)
        expected = _drawn(network, proof)
        figures = compare(load_saved_model(saved), proof, expected)
        if pixels:
            rounded, expected_of_rounded = _by_levels(network, proof, expected)
            figures["uint8"] = compare(load_saved_model(saved, "uint8"), rounded, expected_of_rounded)
        files[saved.name] = {"megabytes": _megabytes(saved), **figures}

        stem = "model" if number == 0 else name
        runnable: list[Path] = []
        for size in (plan.sizes if pixels else ()) or (None,):
            sized = network if size in (None, *network.input_shape[1:2]) else _at_size(network, size)
            sources = _resized(proof, sized, origin) if pixels else proof
            expected = _drawn(sized, sources)
            if io == "uint8":
                sources, expected = _by_levels(sized, sources, expected)
            height, width = sized.input_shape[1:3] if pixels else own.size
            shown = (
                {"source": sources[:_SHOWN, ..., : sources.shape[-1] - item.labels]}
                if len(sized.input_shape) == len(sized.output_shape)
                else {}
            )
            shown["network"] = expected[:_SHOWN]
            if len(sized.output_shape) == subject:
                pictures[f"{name} {width}x{height}" if _is_image(sized.output_shape) else name] = shown
            for variant in plan.variants:
                metadata = replace(own, size=(height, width), variant=variant, io=io, batch=plan.batch)
                file = folder / _file_name(stem, metadata, own)
                missing = write_tflite(
                    sized,
                    item.source,
                    item.output,
                    file,
                    variant=variant,
                    io=io,
                    batch=plan.batch,
                    calibration=None if calibration is None else _calibration(calibration, of_source, sized, origin),
                    metadata=metadata,
                )
                files[file.name] = {"metadata": metadata.as_dict(), "megabytes": _megabytes(file)}
                files[file.name] |= _proved(file, sources, expected, missing)
                if not files[file.name]["flex"]:
                    shown[variant] = TFLiteModel(file)(sources[:_SHOWN])
                    runnable.append(file)
        if plan.runs:
            for file, timed in measure(runnable, threads=THREADS, runs=plan.runs).items():
                files[file.name] |= timed
        for file, figures in files.items():
            _require_equal(folder / file, figures, report, chooses=item.chooses)
    return report


def compare(
    run: Callable[[np.ndarray], np.ndarray], images: np.ndarray, expected: np.ndarray, batch: int = 1
) -> dict[str, float]:
    """How far `run(images)` is from `expected` in units of [-1, 1], and the median seconds for an example.

    A value that is not a number counts as the widest difference, 2. The PSNR [dB] is 10 log10(2^2 / MSE) over all
    images, at most 120. Vectors and sequences are measured in units of their range, see `_unit`. Indices are equal or
    not, 0 or 1, so that the mean is the share of those that differ; they have no PSNR.
    """
    indices = np.issubdtype(expected.dtype, np.integer)
    unit = 1.0 if _is_image(expected.shape) or indices else _unit(expected)
    drawn, seconds = [], []
    for number in range(0, len(images), batch):
        start = time.perf_counter()
        drawn.append(run(images[number : number + batch]))
        seconds.append((time.perf_counter() - start) / len(drawn[-1]))
    difference = np.concatenate(drawn) - expected
    difference = (difference != 0).astype(np.float32) if indices else np.abs(difference) / unit
    difference = np.where(np.isfinite(difference), difference, 2.0)
    error = float(np.mean(np.square(difference, dtype=np.float64)))
    return {
        "max_abs_difference": float(difference.max()),
        "mean_abs_difference": float(difference.mean()),
        **({} if indices else {"psnr": round(10.0 * float(np.log10(4.0 / max(error, 4e-12))), 2)}),
        "seconds_per_example": round(statistics.median(seconds), 5),
    }


def _proved(file: Path, sources: np.ndarray, expected: np.ndarray, missing: dict[str, str]) -> dict[str, Any]:
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
    figures |= compare(model, sources, expected, batch=model.input_shape[0])
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


def _file_name(stem: str, metadata: Metadata, own: Metadata) -> str:
    """STEM.tflite, with all in which it is not the default."""
    parts = [stem]
    parts += [metadata.variant] if metadata.variant != "float32" else []
    parts += [str(metadata.size[0])] if metadata.size != own.size else []
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


def _at_size(network: keras.Model, size: int) -> keras.Model:
    """The same network for square images of another size.

    Raises:
        UserError: if it cannot be built there.
    """
    image = keras.Input((size, size, network.input_shape[-1]), name=network.inputs[0].name)
    try:
        clone = keras.models.clone_model(network, input_tensors=image)
        clone.set_weights(network.get_weights())
        if clone.output_shape[1:3] != (size, size):
            raise ValueError("the output has another size")
    except ValueError:
        raise UserError(
            f"--sizes got {size}, which this network of {network.input_shape[1]}x{network.input_shape[2]} cannot draw; "
            "accepted are multiples of its own size, and whatever else its layers allow."
        ) from None
    return clone


def _is_image(shape: Sequence[int | None]) -> bool:
    """Whether a tensor of this shape holds images, and not vectors."""
    return len(shape) == 4


def _unit(values: np.ndarray) -> float:
    """What of values of any range counts as 1: half of the range, of which images have [-1, 1].

    At least a hundredth of the largest value: rounding of float32 is to be told from a network that is wrong.
    """
    return max(float(np.ptp(values)) / 2, float(np.abs(values).max()) / 100) or 1.0


def _calibration(images: np.ndarray, of_source: Callable, network: keras.Model, origin: Provenance) -> np.ndarray:
    """Real training inputs of `network`, of any size."""
    inputs = np.asarray(of_source(images))
    return _resized(inputs, network, origin) if _is_image(network.input_shape) else inputs


def _resized(images: np.ndarray, network: keras.Model, origin: Provenance) -> np.ndarray:
    size = network.input_shape[1:3]
    if images.shape[1:3] == size:
        return images
    method = "nearest" if origin.labels else "bilinear"
    return tf.image.resize(images, size, method, antialias=method == "bilinear").numpy()


def _drawn(network: keras.Model, images: np.ndarray) -> np.ndarray:
    return np.concatenate([np.asarray(network(image[None], training=False)) for image in images])


def _by_levels(network: keras.Model, images: np.ndarray, expected: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The images as uint8 holds them, and what the network draws from these within uint8's range."""
    rounded = from_levels(to_levels(images))
    if not np.array_equal(rounded, images):  # images of 8 bits are what they were
        expected = _drawn(network, rounded)
    return rounded, np.clip(expected, -1, 1)


def _megabytes(path: Path) -> float:
    files = [path] if path.is_file() else [f for f in path.rglob("*") if f.is_file()]
    return round(sum(f.stat().st_size for f in files) / 1e6, 2)
