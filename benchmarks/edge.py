"""Inference on a phone's scale: .tflite variants of the paper's U-Net beside ONNX Runtime with the same weights.

    pip install -e '.[bench]'
    python -m benchmarks.edge

One process, interleaved calls, medians; the ratio to ONNX Runtime is what can be compared between machines. The ONNX
graph is written layer by layer from the Keras network (convolutions, transposed convolutions and instance normalisation
as its own operators, the form in which an equal PyTorch network is exported), and both draw the same picture.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from keras_gen.engine.cli import app, parse
from keras_gen.engine.config import positive
from keras_gen.errors import UserError
from keras_gen.export.tflite import VARIANTS, TFLiteModel, write_tflite
from keras_gen.models.pix2pix import Config, Pix2Pix

EXAMPLE = "python -m benchmarks.edge --image-size 256 --threads 2"


@dataclass(frozen=True)
class Flags:
    image_size: int = 256
    """Side of the images [pixels]."""
    filters: int = 64
    """Channels of the first block [channels]."""
    threads: int = 2
    """CPU threads of each engine [threads]."""
    runs: int = 30
    """Calls that are timed [calls]."""

    def __post_init__(self) -> None:
        positive(self, "image_size", "filters", "threads", "runs")


@app
def main(argv: Sequence[str] | None = None) -> None:
    """Convert, time, print."""
    flags = parse(Flags, argv, example=EXAMPLE)
    keras.utils.set_random_seed(0)
    network = Pix2Pix(Config(image_size=flags.image_size, filters=flags.filters)).serving()["generator"].network
    rng = np.random.default_rng(0)
    images = rng.uniform(-1, 1, (8, flags.image_size, flags.image_size, 3)).astype(np.float32)
    with tempfile.TemporaryDirectory() as folder:
        engines = {"ONNX Runtime": onnx_runtime(network, flags.threads)}
        for plain in (True, False):
            for variant in VARIANTS:
                file = Path(folder) / f"{variant}{plain}.tflite"
                settings = {"variant": variant, "calibration": images, "rewrite": not plain}
                write_tflite(network, "source", "generated", file, **settings)
                name = f"TFLite {variant}{', as converted' if plain else ''}"
                engines[name] = TFLiteModel(file, flags.threads)
        seconds: dict[str, list[float]] = {name: [] for name in engines}
        for number in range(flags.runs + 2):
            for name, run in engines.items():
                start = time.perf_counter()
                run(images[:1])
                if number >= 2:
                    seconds[name].append(time.perf_counter() - start)
        expected = network(images[:1]).numpy()
        base = statistics.median(seconds["ONNX Runtime"])
        print("| engine | ms | of ONNX Runtime's | largest difference from the network |")
        print("|---|---:|---:|---:|")
        for name, run in engines.items():
            median, difference = statistics.median(seconds[name]), np.abs(run(images[:1]) - expected).max()
            print(f"| {name} | {1e3 * median:.1f} | {median / base:.2f} | {difference:.1e} |")


def onnx_runtime(network: keras.Model, threads: int) -> Callable[[np.ndarray], np.ndarray]:
    """The network in ONNX Runtime, as a function of (1, h, w, channels)."""
    try:
        import onnxruntime
    except ImportError:
        raise UserError("ONNX Runtime is not installed; pip install -e '.[bench]' does it.") from None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(to_onnx(network), options, providers=["CPUExecutionProvider"])
    return lambda images: session.run(None, {"source": images.transpose(0, 3, 1, 2)})[0].transpose(0, 2, 3, 1)


def to_onnx(network: keras.Model) -> bytes:
    """The U-Net as an ONNX graph of channels-first operators."""
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
