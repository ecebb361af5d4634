"""Speed of the pix2pix training step, as images/s and as a share of the machine's own convolution rate.

    python -m benchmarks.train_step --image-size 256 --batches 1 4

The paper's networks on noise: the step is about 81 GFLOP an image at 256x256 (`flop_per_image` counts it). The
machine's rate is measured in the same run by a 3x3 convolution of 256 to 256 channels on 128x128 pixels, interleaved
with the steps; medians. `--overhead` also times `fit` with all callbacks beside the bare compiled step, `--first-step`
the seconds from typing `python -m apps.train_pix2pix` to its first step, its data in the cache.
"""

from __future__ import annotations

import argparse
import dataclasses
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from keras_gen.data.pairs import PairsConfig
from keras_gen.engine.callbacks import StepCallback
from keras_gen.engine.checkpoints import Progress
from keras_gen.engine.config import RunConfig, Setup
from keras_gen.engine.run import Run
from keras_gen.models.pix2pix import Config, Pix2Pix


def seconds(function, *arguments) -> float:
    start = time.perf_counter()
    result = function(*arguments)
    tf.nest.map_structure(lambda tensor: tensor.numpy(), result)
    return time.perf_counter() - start


def convolution() -> tuple[object, float]:
    """A large 3x3 convolution and its FLOP."""
    image, kernel = tf.random.normal((1, 128, 128, 256)), tf.random.normal((3, 3, 256, 256))
    function = tf.function(lambda: tf.nn.conv2d(image, kernel, 1, "SAME"))
    return function, 2.0 * 128 * 128 * 256 * 256 * 9


def flop_per_image(model: Pix2Pix) -> float:
    """FLOP of one step on one image: the generator forward and back, the discriminator forward twice and back three
    times (for its own step on real and fake, and for the generator's, which needs no gradient of the weights)."""

    def forward(network: keras.Model) -> float:
        total = 0.0
        for layer in network.layers:
            if isinstance(layer, keras.layers.Conv2DTranspose):
                pixels = np.prod(layer.input.shape[1:3])
            elif isinstance(layer, keras.layers.Conv2D):
                pixels = np.prod(layer.output.shape[1:3])
            else:
                continue
            total += 2.0 * pixels * np.prod(layer.kernel.shape)
        return total

    generator, discriminator = forward(model.generator), forward(model.discriminator)
    return 3 * generator + (2 + 4 + 1) * discriminator


def noise(size: int, batch: int) -> tuple[tf.Tensor, tf.Tensor]:
    return tf.random.uniform((batch, size, size, 3), -1, 1), tf.random.uniform((batch, size, size, 3), -1, 1)


def measure_step(config: Config, batches: list[int], repeats: int) -> None:
    convolve, flop = convolution()
    print("| batch | images/s | s/step | convolution rate GFLOP/s | GFLOP/image | share of the rate |")
    print("|---|---|---|---|---|---|")
    for batch in batches:
        keras.utils.set_random_seed(0)
        model = Pix2Pix(config)
        model.compile(model.make_optimizers(2e-4))
        step, data = tf.function(model.train_step), noise(config.image_size, batch)
        for _ in range(2):
            seconds(step, data), seconds(convolve)
        steps, rates = [], []
        for _ in range(repeats):
            rates.append(flop / seconds(convolve))
            steps.append(seconds(step, data))
        per_image, second, rate = flop_per_image(model), statistics.median(steps), statistics.median(rates)
        share = per_image * batch / second / rate
        cells = (
            f"{batch / second:.2f}",
            f"{second:.3f}",
            f"{rate / 1e9:.0f}",
            f"{per_image / 1e9:.1f}",
            f"{share:.2f}",
        )
        print(f"| {batch} | {' | '.join(cells)} |", flush=True)


class FixedData:
    """The same batch for ever: no input pipeline in the measurement."""

    train_size, val_size = 10**6, 1

    def __init__(self, size: int) -> None:
        self._size = size

    def train(self, batch_size, *, start=0, shard=(0, 1)):
        return tf.data.Dataset.from_tensors(noise(self._size, batch_size)).repeat()

    def validation(self, batch_size, *, limit=None, shard=(0, 1)):
        return tf.data.Dataset.from_tensors(noise(self._size, 1))


class Clock(StepCallback):
    def __init__(self) -> None:
        super().__init__(Progress())
        self.times: list[float] = []

    def after_step(self, logs) -> None:
        self.times.append(time.perf_counter())


def measure_overhead(config: Config, steps: int, rounds: int = 5) -> None:
    """`Run.fit` with every callback against the compiled step alone, interleaved; the ratio of the medians."""
    bare, full = [], []
    with tempfile.TemporaryDirectory() as folder:
        for number in range(rounds):
            keras.utils.set_random_seed(0)
            run_config = RunConfig(
                out=Path(folder) / str(number), epochs=1, steps_per_epoch=steps, preview_every=10**6,
                checkpoint_every=10**6,
            )  # fmt: skip
            run, data = Run(Setup("pix2pix", "paper", config, PairsConfig(), run_config)), FixedData(config.image_size)
            model = Pix2Pix(config)
            run.compile(model, data)
            clock = Clock()
            original = model.fit
            # The run's own list of callbacks, and a clock behind them.
            model.fit = lambda *a, fit=original, clock=clock, **k: fit(
                *a, **(k | {"callbacks": [*k["callbacks"], clock]})
            )
            run.fit(model, data)
            full += list(np.diff(clock.times)[2:])
            step, batch = tf.function(model.train_step), noise(config.image_size, 1)
            seconds(step, batch)
            bare += [seconds(step, batch) for _ in range(steps)]
    one, other = statistics.median(bare), statistics.median(full)
    print(f"\nbare step {1e3 * one:.1f} ms, in fit with all callbacks {1e3 * other:.1f} ms: ratio {other / one:.3f}")


def measure_first_step(rounds: int = 3) -> None:
    """Whole processes, until the progress bar shows a step; the median."""
    taken = []
    for _ in range(rounds + 1):
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, "-u", "-m", "apps.train_pix2pix", "--out", f"{folder}/run"]
            start = time.perf_counter()
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
            said = b""
            while b"/step" not in said:
                said += process.stdout.read1()
            taken.append(time.perf_counter() - start)
            process.kill()
            process.wait()
    print(f"\nfirst step {statistics.median(taken[1:]):.1f} s after the command")  # the first filled the caches


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--image-size", type=int, default=256)
    parser.add_argument("--filters", type=int, default=64)
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 4])
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--overhead", action="store_true", help="also time fit beside the bare step")
    parser.add_argument("--first-step", action="store_true", help="also time a process up to its first step")
    flags = parser.parse_args()
    config = dataclasses.replace(
        Config(), image_size=flags.image_size, filters=flags.filters, discriminator_filters=flags.filters
    )
    measure_step(config, flags.batches, flags.repeats)
    if flags.overhead:
        measure_overhead(config, steps=12)
    if flags.first_step:
        measure_first_step()


if __name__ == "__main__":
    main()
