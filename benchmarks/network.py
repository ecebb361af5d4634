"""Measure the bytes that a training step sends over the network, and estimate the efficiency of many GPUs.

    python -m benchmarks.network

Two processes train pix2pix as in the paper with --distribute multiworker. The chief reads the kernel's counter of the
loopback interface before and after the steps. In theory, an all-reduce over n workers in a ring sends 2 (n - 1) / n
times the gradients from each worker in 2 (n - 1) messages; for two workers, this is the size of the gradients. The
table is computed, not measured. A step computes for c = FLOP / rate seconds and then communicates for t = bytes /
bandwidth + messages * latency seconds, without overlap, so the efficiency is c / (c + t).
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
from keras_gen.cli.launcher import run_workers
from keras_gen.cli.parsing import app, parse
from keras_gen.errors import Stopped
from keras_gen.flags import BaseConfig, Positive
from keras_gen.models.pix2pix import Config, Pix2Pix

EXAMPLE = "python -m benchmarks.network --image-size 256 --steps 10"
_COUNTER = Path("/sys/class/net/lo/statistics/tx_bytes")


@dataclass(frozen=True)
class Flags(BaseConfig):
    image_size: Positive[int] = 256
    """Image size [pixels]."""
    steps: Positive[int] = 10
    """Steps to count [steps]."""
    gpu_tflops: Positive[float] = 20.0
    """Assumed speed of one GPU on these layers [TFLOP/s]."""
    latency: Positive[float] = 20.0
    """Assumed latency of one message between two hosts [microseconds]."""


class Count(keras.callbacks.Callback):
    """Records the counter after each step."""

    def __init__(self) -> None:
        super().__init__()
        self.bytes: list[int] = []

    def on_train_batch_end(self, batch: int, logs: object = None) -> None:
        self.bytes.append(int(_COUNTER.read_text()))


@app
def main(argv: Sequence[str] | None = None) -> None:
    """Start the two workers; within a worker, train and count."""
    flags = parse(Flags, argv, example=EXAMPLE)
    if "TF_CONFIG" in os.environ:
        train(flags)
    else:
        code = run_workers([sys.executable, "-m", "benchmarks.network", *(sys.argv[1:] if argv is None else argv)], 2)
        if code:
            raise Stopped(f"a worker ended with exit code {code}.", code)


def train(flags: Flags) -> None:
    """Train on noise for two steps of warm-up and the counted ones; the chief prints."""
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
    """Markdown table of the efficiency of n GPUs on n hosts."""
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
