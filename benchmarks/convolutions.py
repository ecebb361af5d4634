"""Compare convolution algorithms for each layer shape of this suite's networks, on this machine's CPU.

    python -m benchmarks.convolutions --networks pix2pix --batches 1 4

Measures the median processor time of the forward pass and both gradients, as TensorFlow graphs on one thread, in turns.
The rules of `layers.fast.convolutions` come from these figures. Besides the plain convolution, the columns are,
relative to its time: taps summed after the product (`layers.fast.planes`), one matrix product (`layers.fast.products`),
and Winograd's filtering on tiles of 2, 4 and 6 outputs (`layers.fast.winograd`); "-" where an algorithm does not apply.
The last column is the algorithm that the suite chooses.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import keras
import tensorflow as tf

from benchmarks.interleaved import medians
from keras_gen.cli.parsing import app, parse
from keras_gen.flags import BaseConfig, Positive
from keras_gen.layers.fast import planes, products, winograd
from keras_gen.layers.fast.convolutions import choose_algorithm, padding
from keras_gen.networks.gan import Layout, discriminator, generator
from keras_gen.networks.patchgan import patchgan
from keras_gen.networks.unet import unet

EXAMPLE = "python -m benchmarks.convolutions --networks pix2pix --batches 1 4"
TILES = (2, 4, 6)
Network = Literal["pix2pix", "demo", "dcgan", "resnet"]


@dataclass(frozen=True)
class Flags(BaseConfig):
    networks: tuple[Network, ...] = ("pix2pix",)
    """Networks whose layers to measure: pix2pix (paper, 256 pixels), demo (pix2pix, 128), dcgan (64), resnet (32)."""
    batches: tuple[Positive[int], ...] = (1, 4)
    """Batch sizes [images]."""
    runs: Positive[int] = 7
    """Timed calls of each algorithm [calls]."""

    def check_together(self) -> None:
        super().check_together()
        if not (self.networks and self.batches):
            raise self.fault("<networks> and <batches> take one or more values each.")


@app
def main(argv: Sequence[str] | None = None) -> None:
    """Measure and print the table."""
    flags = parse(Flags, argv, example=EXAMPLE)
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    tiles = " | ".join(f"F({tile}x{tile})" for tile in TILES)
    print(f"| layer | input | filters | batch | plain, CPU ms | planes | product | {tiles} | chosen |")
    print("|---|---|" + "---:|" * (5 + len(TILES)) + "---|")
    for batch in flags.batches:
        for layer in shapes(flags.networks):
            row(layer, batch, flags.runs)


def shapes(networks: Sequence[Network]) -> Iterator[keras.layers.Layer]:
    """One layer of each shape, without 1x1 kernels."""
    seen = set()
    for name in networks:
        for network in made(name):
            for layer in network.layers:
                if not isinstance(layer, keras.layers.Conv2D | keras.layers.Conv2DTranspose):
                    continue
                key = (type(layer), layer.input.shape, layer.kernel.shape, layer.strides)
                if key not in seen and layer.kernel_size != (1, 1):
                    seen.add(key)
                    yield layer


def made(name: Network) -> list[keras.Model]:
    """The generator and the discriminator."""
    if name == "pix2pix":
        return [unet(256, 3, 3, levels=8), patchgan(256, (3, 3))]
    if name == "demo":
        return [unet(128, 3, 3, levels=7, filters=32), patchgan(128, (3, 3), patch=16, filters=32)]
    own = {"image_size": 64, "filters": 64} if name == "dcgan" else {"image_size": 32, "filters": 128}
    layout = Layout(name, channels=3, **own)
    return [generator(layout), discriminator(layout)]


def row(layer: keras.layers.Layer, batch: int, runs: int) -> None:
    """Measure one shape and print it."""
    transposed = isinstance(layer, keras.layers.Conv2DTranspose)
    large, small = (layer.output.shape, layer.input.shape)[:: 1 if transposed else -1]
    chosen = choose_algorithm(layer, large, (batch, *small[1:]))
    images = tf.random.normal((batch, *layer.input.shape[1:]))
    kernel = tf.random.normal(layer.kernel.shape, stddev=0.02)
    stride, around = layer.strides[0], padding(layer, large)
    functions: dict[str, Callable[[tf.Tensor, tf.Tensor], tf.Tensor]] = {"plain": plain(layer)}
    side = layer.kernel_size[0]
    if transposed and layer.filters <= 8:
        functions["planes"] = lambda x, w: planes.convolve_transposed(x, w, stride, around)
    elif stride == 1 and layer.filters <= 8:
        functions["planes"] = lambda x, w: planes.convolve(x, w, around)
    if (side, stride, layer.padding) == (4, 2, "same"):
        functions["product"] = products.convolve_transposed if transposed else products.convolve
    filtered = winograd.convolve_transposed if transposed else winograd.convolve
    for tile in TILES:
        if side // stride - 1 <= tile <= winograd.MAX_SIZE - side // stride:
            functions[f"F{tile}"] = lambda x, w, tile=tile: filtered(x, w, stride, around, tile)
    taken = medians({name: training(f, images, kernel) for name, f in functions.items()}, runs, clock=time.process_time)
    names = ("planes", "product", *(f"F{tile}" for tile in TILES))
    shares = [f"{taken[name] / taken['plain']:.2f}" if name in taken else "-" for name in names]
    _, height, width, channels = layer.input.shape
    name = f"{side}x{side}, stride {stride}{', transposed' if transposed else ''}"
    cells = [name, f"{height}x{width}x{channels}", layer.filters, batch, f"{1e3 * taken['plain']:.1f}", *shares]
    print(f"| {' | '.join(map(str, cells))} | {chosen.name} {chosen.tile or ''} |", flush=True)


def plain(layer: keras.layers.Layer) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
    """TensorFlow's own algorithm."""
    stride, padding = layer.strides[0], layer.padding.upper()
    if isinstance(layer, keras.layers.Conv2D):
        return lambda x, w: tf.nn.conv2d(x, w, stride, padding)
    sides = layer.output.shape[1:]
    return lambda x, w: tf.nn.conv2d_transpose(x, w, (x.shape[0], *sides), stride, padding)


def training(
    function: Callable[[tf.Tensor, tf.Tensor], tf.Tensor], images: tf.Tensor, kernel: tf.Tensor
) -> Callable[[], object]:
    """The forward pass, and the gradients of image and kernel, with the output as output gradient."""
    images, kernel = tf.Variable(images), tf.Variable(kernel)

    @tf.function(autograph=False)
    def step() -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            outputs = function(images.value(), kernel.value())
        return tape.gradient(outputs, [images, kernel], output_gradients=outputs)

    return lambda: [gradient.numpy() for gradient in step()]


if __name__ == "__main__":
    sys.exit(main())
