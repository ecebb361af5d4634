"""Measure the speed of the pix2pix training step, in images/s and relative to the machine's convolution rate.

    python -m benchmarks.train_step --image-size 256 --batches 1 4

Uses the paper's networks and noise as data. A step takes about 81 GFLOP per image at 256x256 (`flop_per_image`). The
machine's rate is that of a 3x3 convolution from 256 to 256 channels on 128x128 pixels, measured between the steps. All
figures are medians. `--overhead` also compares `fit` with all callbacks to the compiled step alone. `--first-step` also
measures the time from the start of `python -m apps.train_pix2pix` to its first line about the progress, with cached
data.

    python -m benchmarks.train_step --peers

compares with the same networks in plain Keras, in TensorFlow's tutorial and in PyTorch. `--jit` compares with XLA,
`--steps-per-execution 10` one step per call with ten, and `--curve 50` the losses with those of plain Keras;
`--precision float64` then distinguishes errors in formulas from rounding. Processor time is given beside wall time,
because other programs affect it less. PyTorch's threads spin while they wait, which makes its processor time
meaningless on a shared machine; `--threads 1` avoids this.
"""

from __future__ import annotations

import dataclasses
import functools
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import keras
import numpy as np
import tensorflow as tf

from benchmarks.peers import pytorch_step, tutorial_step
from keras_gen.cli.parsing import app, parse
from keras_gen.data.kinds.pairs import PairsConfig
from keras_gen.engine.callbacks import StepCallback
from keras_gen.engine.checkpoints import Progress
from keras_gen.engine.config import RunConfig, Setup
from keras_gen.engine.run import Run
from keras_gen.export.rewrite import in_keras_layers
from keras_gen.flags import BaseConfig, NonNegative, Positive
from keras_gen.layers.fast.adam import FusedAdam
from keras_gen.models.pix2pix import Config, Pix2Pix

EXAMPLE = "python -m benchmarks.train_step --image-size 256 --batches 1 4"


@dataclass(frozen=True)
class Flags(BaseConfig):
    image_size: Positive[int] = 256
    """Image size [pixels]."""
    filters: Positive[int] = 64
    """Channels of the first layer of each network [channels]."""
    batches: tuple[Positive[int], ...] = (1, 4)
    """Batch sizes [images]."""
    repeats: Positive[int] = 9
    """Timed steps [steps]."""
    peers: bool = False
    """Only compare with plain Keras, TensorFlow's tutorial and PyTorch."""
    jit: bool = False
    """Only compare with XLA."""
    steps_per_execution: NonNegative[int] = 0
    """Only compare one step per call with N steps per call [steps]; 0: no comparison."""
    curve: NonNegative[int] = 0
    """Only compare the losses of N steps with those of plain Keras [steps]; 0: no comparison."""
    threads: NonNegative[int] = 0
    """Threads of TensorFlow and PyTorch [threads]; 0: their defaults."""
    precision: Literal["float32", "float64", "mixed_float16", "mixed_bfloat16"] = "float32"
    """Precision of the suite and of plain Keras."""
    overhead: bool = False
    """Also compare fit to the compiled step alone."""
    first_step: bool = False
    """Also measure the time from the start of a process to its first line about the progress."""


def seconds(function, *arguments) -> float:
    start = time.perf_counter()
    result = function(*arguments)
    tf.nest.map_structure(lambda tensor: tensor.numpy(), result)
    return time.perf_counter() - start


def convolution() -> tuple[object, float]:
    """A large 3x3 convolution, and its number of floating-point operations."""
    image, kernel = tf.random.normal((1, 128, 128, 256)), tf.random.normal((3, 3, 256, 256))
    function = tf.function(lambda: tf.nn.conv2d(image, kernel, 1, "SAME"))
    return function, 2.0 * 128 * 128 * 256 * 256 * 9


def flop_per_image(model: Pix2Pix) -> float:
    """Floating-point operations of a step per image.

    The generator runs forward once and backward once. The discriminator runs forward twice, on real and generated
    images, and backward three times: for its own loss on both, and for the generator's loss, which needs no gradients
    of its weights.
    """

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


def our_step(config: Config, plain: bool = False, jit: bool = False) -> Callable[[Any], object]:
    """The compiled step on (source, target) with the weights of seed 0; `plain` uses Keras' own layers and Adam."""
    keras.utils.set_random_seed(0)
    model = Pix2Pix(config)
    if plain:
        for name, network in model.networks.items():
            model.networks[name] = in_keras_layers(network)
        model.generator, model.discriminator = model.networks["generator"], model.networks["discriminator"]
    adam = keras.optimizers.Adam if plain else FusedAdam
    model.compile({player: adam(2e-4, beta_1=config.beta_1) for player in model.players})
    return tf.function(model.train_step, jit_compile=jit)


def interleaved(steps: dict[str, Callable[[], object]], repeats: int) -> dict[str, np.ndarray]:
    """Name -> wall time and processor time, (repeats, 2) [s]. Each round runs every step once, in changing order."""
    taken = {name: [] for name in steps}
    for number in range(repeats + 2):
        names = list(steps)
        for name in names[number % len(names) :] + names[: number % len(names)]:
            wall, cpu = time.perf_counter(), time.process_time()
            steps[name]()
            if number >= 2:
                taken[name].append((time.perf_counter() - wall, time.process_time() - cpu))
    return {name: np.array(pairs) for name, pairs in taken.items()}


def fetched(step: Callable[[Any], object], batch: tuple[tf.Tensor, tf.Tensor]) -> Callable[[], object]:
    return lambda: tf.nest.map_structure(lambda tensor: tensor.numpy(), step(batch))


def compare(title: str, steps: dict[str, Callable[[], object]], repeats: int) -> None:
    """Print median times, and medians over the rounds of the ratio to the first step."""
    taken = interleaved(steps, repeats)
    ours = next(iter(taken.values()))
    print(f"\n| {title} | s/step | CPU s/step | times ours | times ours, CPU |\n|---|---|---|---|---|")
    for name, pairs in taken.items():
        wall, cpu = np.median(pairs, 0)
        ratios = np.median(pairs / ours, 0)
        print(f"| {name} | {wall:.3f} | {cpu:.3f} | {ratios[0]:.2f} | {ratios[1]:.2f} |", flush=True)


def measure_peers(config: Config, batches: list[int], repeats: int, threads: int) -> None:
    """Compare the step with those of plain Keras, the tutorial and PyTorch on the same noise."""
    for batch in batches:
        data = noise(config.image_size, batch)
        steps = {
            "keras_gen": fetched(our_step(config), data),
            "the same in plain Keras": fetched(our_step(config, plain=True), data),
            "TensorFlow's tutorial": fetched(tutorial_step(config), data),
        }
        for layout, last in (("channels first", False), ("channels last", True)):
            torch_step = pytorch_step(config, last, threads)
            torch_data = torch_step.taken(tuple(tensor.numpy() for tensor in data))
            steps[f"PyTorch, {layout}"] = functools.partial(torch_step, torch_data)
        compare(f"batch {batch}", steps, repeats)


def measure_jit(config: Config, batches: list[int], repeats: int) -> None:
    """Compare the step without and with XLA, for the preset "tiny" and for the given networks."""
    for name, kind in (("tiny", Pix2Pix.presets["tiny"].model), (f"{config.image_size} pixels", config)):
        for batch in batches:
            data = noise(kind.image_size, batch)
            steps = {"plain": fetched(our_step(kind), data), "--jit": fetched(our_step(kind, jit=True), data)}
            compare(f"{name}, batch {batch}", steps, repeats if name != "tiny" else 20 * repeats)


def measure_curve(config: Config, steps: int) -> None:
    """Compare losses with those of plain Keras, from the same weights and without dropout.

    For reference, plain Keras also trains on images that differ by one rounding error. Prints the largest relative
    differences so far.
    """
    config = dataclasses.replace(config, dropout=0.0)
    plain, ours, rounded = our_step(config, plain=True), our_step(config), our_step(config, plain=True)
    kind = keras.config.floatx()
    batches = [tuple(tf.cast(images, kind) for images in noise(config.image_size, 1)) for _ in range(4)]
    largest: dict[tuple[str, str], float] = {}
    print(
        "\n| steps | term | ours and plain Keras | plain Keras, with rounding errors in the images |\n|---|---|---|---|"
    )
    for number in range(1, steps + 1):
        batch = batches[number % 4]
        moved = tuple(image * (1.0 + np.finfo(kind).eps) for image in batch)
        terms, *others = [
            {name: float(value) for name, value in run(images).items() if not name.endswith("_norm")}
            for run, images in ((plain, batch), (ours, batch), (rounded, moved))
        ]
        for other, values in zip(("ours", "rounded"), others, strict=True):
            for name, value in values.items():
                apart = abs(value - terms[name]) / abs(terms[name])
                largest[other, name] = max(largest.get((other, name), 0.0), apart)
        if number in (1, 2, 5, 10, 20, steps):
            for name in terms:
                print(
                    f"| {number} | {name} | {largest['ours', name]:.1e} | {largest['rounded', name]:.1e} |", flush=True
                )


class FixedData:
    """Repeats one batch, so that no input pipeline is measured."""

    train_size, val_size, classes, mode_centres = 10**6, 1, (), None

    def __init__(self, size: int) -> None:
        self._size = size

    def train(self, batch_size, *, start=0, shard=(0, 1)):
        return tf.data.Dataset.from_tensors(noise(self._size, batch_size)).repeat()

    def validation(self, batch_size, *, limit=None, shard=(0, 1)):
        return tf.data.Dataset.from_tensors(noise(self._size, 1))


class Clock(StepCallback):
    """Records the time after each call."""

    def __init__(self) -> None:
        super().__init__(Progress())
        self.times: list[float] = []

    def after_steps(self, logs) -> None:
        self.times.append(time.perf_counter())


def measure_overhead(config: Config, steps: int, rounds: int = 5) -> None:
    """Compare `Run.fit` with all callbacks to the compiled step alone, interleaved; prints the ratio of the medians."""
    bare, full = [], []
    for _ in range(rounds):
        full += fit_seconds(config, steps)
        step, batch = our_step(config), noise(config.image_size, 1)
        seconds(step, batch)
        bare += [seconds(step, batch) for _ in range(steps)]
    one, other = statistics.median(bare), statistics.median(full)
    print(f"\nbare step {1e3 * one:.1f} ms, in fit with all callbacks {1e3 * other:.1f} ms: ratio {other / one:.3f}")


def measure_calls(config: Config, at_once: int, rounds: int = 3) -> None:
    """Compare `Run.fit` with one and with several steps per call, for the preset "tiny" and for the given networks."""
    print(f"\n| networks | one step per call, s/step | {at_once} steps per call, s/step | ratio |\n|---|---|---|---|")
    for name, kind, calls in (("tiny", Pix2Pix.presets["tiny"].model, 40), (f"{config.image_size} pixels", config, 6)):
        one, several = [], []
        for _ in range(rounds):
            one += fit_seconds(kind, calls * at_once)
            several += fit_seconds(kind, calls * at_once, at_once)
        one, several = statistics.median(one), statistics.median(several)
        print(f"| {name} | {one:.4f} | {several:.4f} | {several / one:.2f} |", flush=True)


def fit_seconds(config: Config, steps: int, at_once: int = 1) -> list[float]:
    """Time per step in `Run.fit` with all callbacks [s], for each call of `at_once` steps."""
    keras.utils.set_random_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        run_config = RunConfig(
            out=Path(folder) / "run", epochs=1, steps_per_epoch=steps, preview_every=10**6, checkpoint_every=10**6,
            steps_per_execution=at_once,
        )  # fmt: skip
        run, data = Run(Setup("pix2pix", "paper", config, PairsConfig(), run_config)), FixedData(config.image_size)
        model = Pix2Pix(config)
        run.compile(model, data)
        clock, fit = Clock(), model.fit
        # The run's own callbacks, followed by a clock.
        model.fit = lambda *a, **k: fit(*a, **(k | {"callbacks": [*k["callbacks"], clock]}))
        run.fit(model, data)
    return list(np.diff(clock.times)[2:] / at_once)


def measure_first_step(rounds: int = 3) -> None:
    """Print the median time from the start of a process to its first line about the progress, after the second step."""
    taken = []
    for _ in range(rounds + 1):
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, "-u", "-m", "apps.train_pix2pix", "--out", f"{folder}/run"]
            start = time.perf_counter()
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
            said = b""
            while not re.search(rb"step \d+ of", said):
                if not (more := process.stdout.read1()):
                    raise RuntimeError(f"the process ended:\n{said.decode()}")
                said += more
            taken.append(time.perf_counter() - start)
            process.kill()
            process.wait()
    print(f"\nfirst progress {statistics.median(taken[1:]):.1f} s after the command")  # the first process fills caches


@app
def main(argv: Sequence[str] | None = None) -> None:
    """Measure and print the tables."""
    flags = parse(Flags, argv, example=EXAMPLE)
    tf.config.threading.set_intra_op_parallelism_threads(flags.threads)
    tf.config.threading.set_inter_op_parallelism_threads(flags.threads)
    keras.config.set_dtype_policy(flags.precision)
    if flags.precision == "float64":
        keras.config.set_floatx("float64")  # otherwise losses would be float32
    config = dataclasses.replace(
        Config(), image_size=flags.image_size, filters=flags.filters, discriminator_filters=flags.filters
    )
    if flags.peers or flags.jit or flags.curve or flags.steps_per_execution:
        if flags.peers:
            measure_peers(config, flags.batches, flags.repeats, flags.threads)
        if flags.jit:
            measure_jit(config, flags.batches, flags.repeats)
        if flags.steps_per_execution:
            measure_calls(config, flags.steps_per_execution)
        if flags.curve:
            measure_curve(config, flags.curve)
        return
    measure_step(config, flags.batches, flags.repeats)
    if flags.overhead:
        measure_overhead(config, steps=12)
    if flags.first_step:
        measure_first_step()


if __name__ == "__main__":
    sys.exit(main())
