"""Compare .tflite variants of the paper's U-Net with ONNX Runtime, with the same weights.

    pip install -e '.[bench]'
    python -m benchmarks.edge
    python -m benchmarks.edge --steps [--norm batch]

All engines run in one process, in turns with a pause between calls; figures are medians. Only the ratio to ONNX Runtime
is comparable between machines. The ONNX graph is written layer by layer from the Keras network, with convolutions,
transposed convolutions and instance normalisation as single operators, as in the export of an equal PyTorch network.
All engines produce the same image.

`--steps` measures the rewrites of `keras_gen.export.rewrite` separately: each one alone, all but each one, and all.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import keras
import numpy as np

from benchmarks.interleaved import medians
from keras_gen.cli.parsing import app, parse
from keras_gen.errors import UserError
from keras_gen.export.rewrite import STEPS, Step, rewritten
from keras_gen.export.signature import Served, image
from keras_gen.export.tflite import VARIANTS, TFLiteModel, Variant, write_tflite
from keras_gen.flags import BaseConfig, Positive
from keras_gen.models.pix2pix import Config, Pix2Pix
from keras_gen.networks.normalisation import Norm

EXAMPLE = "python -m benchmarks.edge --image-size 256 --threads 2"
_REST = 0.1  # [s]; ONNX Runtime's threads spin for about 0.05 s after a call
_STEPS_VARIANTS = tuple(variant for variant in VARIANTS if variant != "float16")  # which computes in float32


@dataclass(frozen=True)
class Flags(BaseConfig):
    image_size: Positive[int] = 256
    """Image size [pixels]."""
    filters: Positive[int] = 64
    """Channels of the first block [channels]."""
    threads: Positive[int] = 2
    """CPU threads of each engine [threads]."""
    runs: Positive[int] = 30
    """Timed calls [calls]."""
    steps: bool = False
    """Measure the effect of each rewrite instead of comparing with ONNX Runtime."""
    norm: Norm = "instance"
    """Normalisation of the U-Net; the comparison with ONNX Runtime needs instance."""

    def check_together(self) -> None:
        super().check_together()
        if self.norm != "instance" and not self.steps:
            raise self.fault("<norm got> without <steps>; accepted is instance.")


@app
def main(argv: Sequence[str] | None = None) -> None:
    """Convert, measure and print the table."""
    flags = parse(Flags, argv, example=EXAMPLE)
    keras.utils.set_random_seed(0)
    config = Config(image_size=flags.image_size, filters=flags.filters, norm=flags.norm)
    network = Pix2Pix(config).serving()["generator"].network
    with tempfile.TemporaryDirectory() as folder:
        (compare_steps if flags.steps else compare_engines)(network, flags, Path(folder))


def compare_engines(network: keras.Model, flags: Flags, folder: Path) -> None:
    """Compare each variant, with and without rewrites, to ONNX Runtime."""
    images = noise(flags.image_size)
    engines = {"ONNX Runtime": onnx_runtime(network, flags.threads)}
    for name, steps in (", as converted", ()), ("", STEPS):
        for variant in VARIANTS:
            engines[f"TFLite {variant}{name}"] = tflite(network, steps, variant, flags.threads, folder)
    times = medians(drawing(engines, images[:1]), flags.runs, rest=_REST)
    expected = network(images[:1]).numpy()
    print("| engine | ms | of ONNX Runtime's | largest difference from the network |")
    print("|---|---:|---:|---:|")
    for name, run in engines.items():
        difference = np.abs(run(images[:1]) - expected).max()
        print(f"| {name} | {1e3 * times[name]:.1f} | {times[name] / times['ONNX Runtime']:.2f} | {difference:.1e} |")


def compare_steps(network: keras.Model, flags: Flags, folder: Path) -> None:
    """Compare rewrites: each that changes this network alone, all, and all but each."""

    def kinds(model: keras.Model) -> list[type]:
        return [type(layer) for layer in model.layers]

    steps = tuple(step for step in STEPS if kinds(rewritten(network, [step])) != kinds(network))
    sets = {"as converted": (), **{f"{step} alone": (step,) for step in steps}, "all": steps}
    sets |= {f"all but {step}": tuple(other for other in steps if other != step) for step in steps}
    rows = {name: [name] for name in sets}
    for variant in _STEPS_VARIANTS:
        files = {name: tflite(network, chosen, variant, flags.threads, folder) for name, chosen in sets.items()}
        times = medians(drawing(files, noise(flags.image_size)[:1]), flags.runs)
        for name, row in rows.items():
            row.append(f"{1e3 * times[name]:.1f} ({times[name] / times['as converted']:.2f})")
    print(f"| rewrites | {' | '.join(f'{variant}, ms' for variant in _STEPS_VARIANTS)} |")
    print("|---|" + "---:|" * len(_STEPS_VARIANTS))
    for row in rows.values():
        print(f"| {' | '.join(row)} |")


def noise(size: int) -> np.ndarray:
    """Images of uniform noise, (8, size, size, 3)."""
    return np.random.default_rng(0).uniform(-1, 1, (8, size, size, 3)).astype(np.float32)


def tflite(network: keras.Model, steps: Sequence[Step], variant: Variant, threads: int, folder: Path) -> TFLiteModel:
    """The network as a .tflite, converted after these rewrites."""
    file = folder / f"{variant}-{'-'.join(steps)}.tflite"
    images = noise(network.input_shape[1])
    faster = rewritten(network, steps, [images] if variant == "int8" else None)  # as exports do
    served = Served(faster, (image("source", faster.input),), (image("generated", faster.output),), "")
    write_tflite(served, file, variant=variant, calibration=[images], rewrite=False)
    return TFLiteModel(file, threads)


def drawing(engines: dict[str, Callable], images: np.ndarray) -> dict[str, Callable[[], object]]:
    """Each engine as a function that runs it on `images`."""
    return {name: partial(engine, images) for name, engine in engines.items()}


def onnx_runtime(network: keras.Model, threads: int) -> Callable[[np.ndarray], np.ndarray]:
    """The network in ONNX Runtime, as a function of (1, h, w, channels)."""
    try:
        import onnxruntime
    except ImportError:
        raise UserError("ONNX Runtime is not installed; pip install -e '.[bench]' installs it.") from None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(to_onnx(network), options, providers=["CPUExecutionProvider"])
    return lambda images: session.run(None, {"source": images.transpose(0, 3, 1, 2)})[0].transpose(0, 2, 3, 1)


def to_onnx(network: keras.Model) -> bytes:
    """The U-Net as an ONNX graph with channels-first operators."""
    from onnx import TensorProto, helper, numpy_helper

    nodes, weights = [], []

    def constant(name: str, value: np.ndarray) -> str:
        weights.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def node(kind: str, inputs: list[str], output: str, **attributes: object) -> None:
        nodes.append(helper.make_node(kind, inputs, [output], **attributes))

    for layer in network.layers:
        if isinstance(layer, keras.layers.InputLayer):
            continue
        tensors = layer.input if isinstance(layer.input, list) else [layer.input]
        inputs, output = [t._keras_history.operation.name for t in tensors], layer.name
        if isinstance(layer, keras.layers.Conv2DTranspose | keras.layers.Conv2D):
            transposed = isinstance(layer, keras.layers.Conv2DTranspose)
            kernel, *bias = layer.get_weights()  # both kinds: (rows, columns, a, b) -> (b, a, rows, columns)
            inputs.append(constant(f"{output}/kernel", kernel.transpose(3, 2, 0, 1)))
            inputs += [constant(f"{output}/bias", bias[0])] if bias else []
            settings = {"kernel_shape": [4, 4], "strides": [2, 2], "pads": [1, 1, 1, 1]}
            node("ConvTranspose" if transposed else "Conv", inputs, output, **settings)
        elif isinstance(layer, keras.layers.GroupNormalization):
            scale, offset = (constant(f"{output}/{i}", w) for i, w in enumerate(layer.get_weights()))
            node("InstanceNormalization", [*inputs, scale, offset], output, epsilon=layer.epsilon)
        elif isinstance(layer, keras.layers.LeakyReLU):
            node("LeakyRelu", inputs, output, alpha=float(layer.negative_slope))
        elif isinstance(layer, keras.layers.ReLU):
            node("Relu", inputs, output)
        elif isinstance(layer, keras.layers.Concatenate):
            node("Concat", inputs, output, axis=1)
        elif isinstance(layer, keras.layers.Dropout):
            node("Identity", inputs, output)
        else:
            node("Tanh", inputs, output)
    size, channels = network.input_shape[1], network.input_shape[-1]
    source = helper.make_tensor_value_info("source", TensorProto.FLOAT, [1, channels, size, size])
    drawn = helper.make_tensor_value_info(
        network.layers[-1].name, TensorProto.FLOAT, [1, network.output_shape[-1], size, size]
    )
    graph = helper.make_graph(nodes, "unet", [source], [drawn], weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()


if __name__ == "__main__":
    sys.exit(main())
