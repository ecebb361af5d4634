"""Bytes that a training step sends over the network, and what they leave of the speed of many GPUs.

    python -m benchmarks.network

Two processes train pix2pix as in the paper under --distribute multiworker; the kernel's counter of the loopback
interface is read before and after the steps, by the chief. Beside it the arithmetic: an all-reduce over n workers in a
ring sends 2 (n - 1) / n times the gradients from each in 2 (n - 1) messages, which for two workers is their size. The
table is arithmetic alone, nothing of it is measured: a step computes for c = FLOP / rate seconds, then exchanges for
t = bytes / bandwidth + messages * latency seconds, nothing at the same time, and the efficiency is c / (c + t).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import tensorflow as tf

from benchmarks.train_step import flop_per_image
from keras_gen.cli.launcher import run_fleet
from keras_gen.cli.parsing import app, parse
from keras_gen.errors import Stopped
from keras_gen.flags import BaseConfig, Positive
from keras_gen.models.pix2pix import Config, Pix2Pix

EXAMPLE = "python -m benchmarks.network --image-size 256 --steps 10"
_COUNTER = Path("/sys/class/net/lo/statistics/tx_bytes")


@dataclass(frozen=True)
class Flags(BaseConfig):
    image_size: Positive[int] = 256
    """Side of the images [pixels]."""
    steps: Positive[int] = 10
    """Steps to count [steps]."""
    gpu_tflops: Positive[float] = 20.0
    """What one GPU makes of these layers, an assumption [TFLOP/s]."""
    latency: Positive[float] = 20.0
    """Of one message between two hosts, an assumption [microseconds]."""


class Count(keras.callbacks.Callback):
    """Notes the counter after each step."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes: list[int] = []

    def on_train_batch_end(self, batch: int, logs: object = None) -> None:
        self.bytes.append(int(_COUNTER.read_text()))


@app
def main(argv: Sequence[str] | None = None) -> None:
    """Start the two workers; in each of them, train and count."""
    flags = parse(Flags, argv, example=EXAMPLE)
    if "TF_CONFIG" in os.environ:
        train(flags)
    else:
        code = run_fleet([sys.executable, "-m", "benchmarks.network", *(sys.argv[1:] if argv is None else argv)], 2)
        if code:
            raise Stopped(f"a worker ended with exit code {code}.", code)


def train(flags: Flags) -> None:
    """Two warm steps and those that count, on noise; the chief prints."""
    strategy = tf.distribute.MultiWorkerMirroredStrategy()
    with strategy.scope():
        model = Pix2Pix(Config(image_size=flags.image_size))
        model.compile(model.make_optimizers(2e-4))

    def share(context: tf.distribute.InputContext) -> tf.data.Dataset:
        shape = (1, flags.image_size, flags.image_size, 3)
        return tf.data.Dataset.from_tensors((tf.random.uniform(shape), tf.random.uniform(shape))).repeat()

    count = Count()
    batches = strategy.distribute_datasets_from_function(share)
    model.fit(batches, steps_per_epoch=flags.steps + 2, callbacks=[count], shuffle=False, verbose=0)
    if strategy.cluster_resolver.task_id == 0:
        sent = (count.bytes[-1] - count.bytes[1]) / flags.steps / 2
        variables = [v for player in model.players for v in model.player_variables(player)]
        gradients = 4 * sum(int(tf.size(v.value)) for v in variables)  # float32
        print(
            f"{sent / 1e6:.1f} MB sent by each of 2 workers in a step; the gradients are {gradients / 1e6:.1f} MB",
            flush=True,
        )
        print("\n".join(table(gradients, flop_per_image(model), flags)), flush=True)


def table(gradients: int, flop: float, flags: Flags) -> list[str]:
    """Efficiency of n GPUs on n hosts, in markdown."""
    gpus, gbits, batches = (1, 2, 4, 8, 16, 32, 64), (10, 100, 400), (1, 16)
    lines = [f"| network | examples per GPU | {' | '.join(f'{n} GPU' + 's' * (n > 1) for n in gpus)} |"]
    lines.append("|---|---:|" + "---:|" * len(gpus))
    for gbit in gbits:
        for batch in batches:
            compute = flop * batch / (1e12 * flags.gpu_tflops)
            cells = []
            for n in gpus:
                exchange = 2 * (n - 1) * (8 * gradients / n / (1e9 * gbit) + 1e-6 * flags.latency)
                cells.append(f"{compute / (compute + exchange):.2f}")
            lines.append(f"| {gbit} Gbit/s | {batch} | {' | '.join(cells)} |")
    return lines


if __name__ == "__main__":
    sys.exit(main())
