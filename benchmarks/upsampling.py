"""Compare transposed convolutions with their sub-pixel form, for each shape in the paper's U-Net decoder, on the CPU.

    python -m benchmarks.upsampling --batches 1 4

Runs TensorFlow graphs in turns and prints medians. Inference is the forward pass; training is the forward pass and the
gradients of inputs and weights. The sub-pixel layer rearranges its kernel in every call. The third figure is for a
layer whose weights are the rearranged kernel, as in a converted .tflite (`benchmarks.edge --steps`).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import keras
import tensorflow as tf

from benchmarks.interleaved import medians
from keras_gen.cli.parsing import app, parse
from keras_gen.flags import BaseConfig, Positive
from keras_gen.layers.transposed import SubPixelConv2DTranspose
from keras_gen.networks.unet import unet

EXAMPLE = "python -m benchmarks.upsampling --batches 1 4"


class Rearranged(SubPixelConv2DTranspose):
    """A layer whose weights are the rearranged kernel of the first call."""

    def _as_convolution(self, *taps: int) -> tf.Variable:
        if not hasattr(self, "convolution_kernel"):
            self.convolution_kernel = tf.Variable(super()._as_convolution(*taps))
        return self.convolution_kernel


KINDS = (keras.layers.Conv2DTranspose, SubPixelConv2DTranspose, Rearranged)


@dataclass(frozen=True)
class Flags(BaseConfig):
    image_size: Positive[int] = 256
    """Image size of the U-Net [pixels]."""
    levels: Positive[int] = 8
    """Levels of the U-Net [count]."""
    batches: tuple[Positive[int], ...] = (1, 4)
    """Batch sizes [images]."""
    runs: Positive[int] = 20
    """Timed calls of each layer [calls]."""

    def check_together(self) -> None:
        super().check_together()
        if not self.batches:
            raise self.fault("<batches got>; accepted are one or more sizes.")


@app
def main(argv: Sequence[str] | None = None) -> None:
    """Measure and print the table."""
    flags = parse(Flags, argv, example=EXAMPLE)
    network = unet(flags.image_size, 3, 3, levels=flags.levels)
    layers = [layer for layer in network.layers if isinstance(layer, keras.layers.Conv2DTranspose)]
    print("Transposed convolution [ms] / relative time of the sub-pixel layer / of one with a rearranged kernel\n")
    print("| input | filters | batch | GFLOP | inference | training |")
    print("|---|---:|---:|---:|---:|---:|")
    for batch in flags.batches:
        for layer in layers:
            _, height, width, channels = layer.input.shape
            gflop = 2e-9 * batch * height * width * layer.kernel.shape.num_elements()
            row = [f"{height}x{width}x{channels}", str(layer.filters), str(batch), f"{gflop:.2f}"]
            for function in (inference, training):
                calls = {kind.__name__: function(kind, layer, (batch, height, width, channels)) for kind in KINDS}
                plain, *others = medians(calls, flags.runs).values()
                row.append(" / ".join([f"{1e3 * plain:.2f}", *(f"{other / plain:.2f}" for other in others)]))
            print(f"| {' | '.join(row)} |", flush=True)


def inference(kind: type, layer: keras.layers.Layer, shape: tuple[int, ...]) -> Callable[[], object]:
    """The forward pass on noise."""
    own, images = _built(kind, layer, shape)
    forward = tf.function(own, autograph=False)
    return lambda: forward(images).numpy()


def training(kind: type, layer: keras.layers.Layer, shape: tuple[int, ...]) -> Callable[[], object]:
    """The forward pass on noise, and the gradients of inputs and weights, with the output as output gradient."""
    own, images = _built(kind, layer, shape)

    @tf.function(autograph=False)
    def step() -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            tape.watch(images)
            outputs = own(images)
        return tape.gradient(outputs, [images, *tape.watched_variables()], output_gradients=outputs)

    return lambda: [gradient.numpy() for gradient in step()]


def _built(kind: type, layer: keras.layers.Layer, shape: tuple[int, ...]) -> tuple[keras.layers.Layer, tf.Tensor]:
    """A copy of a layer of the network, and inputs for it."""
    own = kind.from_config(layer.get_config())
    images = tf.random.normal(shape)
    own(images)  # builds it
    return own, images


if __name__ == "__main__":
    sys.exit(main())
