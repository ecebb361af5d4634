"""Measure the cost of the health monitor, by alternating blocks of steps with and without it.

    python -m benchmarks.health_cost

A block has the steps between two previews, with one measurement of the monitor and TensorBoard logs, but without
sheets. Two figures are printed: the median processor times of blocks with and without the monitor, and the time within
the monitor's own calls as a fraction of the block, which other programs on the machine affect less.
"""

from __future__ import annotations

import dataclasses
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from keras_gen.cli.parsing import app, parse
from keras_gen.data.kinds.images import ImagesConfig
from keras_gen.data.kinds.pairs import PairsConfig
from keras_gen.engine.callbacks import Counter, TensorBoardLog
from keras_gen.engine.checkpoints import Progress
from keras_gen.engine.config import Preset, Setup
from keras_gen.engine.event_files import EventWriters
from keras_gen.engine.gan_monitor import HealthMonitor
from keras_gen.engine.model import GenerativeModel
from keras_gen.flags import BaseConfig, Positive, hidden_fields
from keras_gen.models import dcgan, gan, pix2pix, wgan_gp

EXAMPLE = "python -m benchmarks.health_cost --blocks 6"
_CASES: dict[str, tuple[type[GenerativeModel], Preset, Any]] = {
    "gan, ring, preset points": (gan.GAN, gan.GAN.presets["points"], ImagesConfig()),
    "gan, 8x8, preset demo": (gan.GAN, gan.GAN.presets["demo"], ImagesConfig(data="digits")),
    "dcgan, 8x8, preset demo": (dcgan.DCGAN, dcgan.DCGAN.presets["demo"], ImagesConfig(data="digits")),
    "wgan_gp, 8x8, preset demo": (wgan_gp.WGANGP, wgan_gp.WGANGP.presets["demo"], ImagesConfig(data="digits")),
    "dcgan, 32x32, preset demo": (dcgan.DCGAN, dcgan.DCGAN.presets["demo"], ImagesConfig(data="shapes", image_size=32)),
    "pix2pix, 128x128, preset demo": (pix2pix.Pix2Pix, pix2pix.Pix2Pix.presets["demo"], PairsConfig()),
}


@dataclasses.dataclass(frozen=True)
class Flags(BaseConfig):
    blocks: Positive[int] = 6
    """Blocks with the monitor, and as many without [blocks]."""
    only: str = ""
    """Measure only cases whose name contains this text; empty: all."""


class Clocked(HealthMonitor):
    """Measures the time within its calls."""

    seconds = 0.0

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        begun = time.perf_counter()
        super().on_train_batch_begin(batch, logs)
        self.seconds += time.perf_counter() - begun

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        begun = time.perf_counter()
        super().on_train_batch_end(batch, logs)
        self.seconds += time.perf_counter() - begun


@app
def main(argv: Sequence[str] | None = None) -> None:
    """Measure one case after the other, and print the table."""
    flags = parse(Flags, argv, example=EXAMPLE)
    print("| model | steps between previews | s per block | CPU s with | CPU s without | ratio | own calls |")
    print("|---|---:|---:|---:|---:|---:|---:|", flush=True)
    for name, (family, preset, kind) in _CASES.items():
        if flags.only in name:
            print(f"| {name} | {' | '.join(_cost(family, preset, kind, flags.blocks))} |", flush=True)


def _cost(family: type[GenerativeModel], preset: Preset, kind: Any, blocks: int) -> list[str]:
    config, run, changes = preset
    kind = dataclasses.replace(kind, **changes)
    data = kind.open(run.seed)
    given = data.attributes()
    config = dataclasses.replace(config, **{name: given[name] for name in hidden_fields(type(config))})
    keras.utils.set_random_seed(run.seed)
    model = family(config)
    model.compile(
        model.make_optimizers(run.learning_rate), ema_decay=run.ema, steps_per_execution=run.steps_per_execution
    )
    every, size = run.preview_every, run.batch_size * model.batches_per_step
    progress, batches = Progress(), data.train(size)
    taken: dict[bool, list[tuple[float, float]]] = {True: [], False: []}
    with tempfile.TemporaryDirectory() as scratch:
        writers = EventWriters(Path(scratch))
        setup = Setup(family.family, "demo", config, kind, dataclasses.replace(run, out=Path(scratch)))
        log = TensorBoardLog(progress, writers, setup)
        example = next(iter(data.validation(run.previews, limit=run.previews)))
        monitor = Clocked(
            progress, model.health(), data, example, writers.train, lambda line: None, every=every, end=sys.maxsize
        )
        for number in range(2 * blocks + 2):
            watched = number % 2 == 1
            callbacks = [Counter(progress), log, *([monitor] if watched else [])]
            wall, processor = time.perf_counter(), time.process_time()
            model.fit(batches, steps_per_epoch=every, verbose=0, shuffle=False, callbacks=callbacks)
            if number >= 2:
                taken[watched].append((time.perf_counter() - wall, time.process_time() - processor))
            else:
                monitor.seconds = 0.0  # the first two blocks compile
        writers.train.close()
        writers.validation.close()
    (wall, with_it), (_, without) = (np.median(taken[watched], axis=0) for watched in (True, False))
    own = monitor.seconds / sum(seconds for seconds, _ in taken[True])
    return [f"{every}", f"{wall:.1f}", f"{with_it:.2f}", f"{without:.2f}", f"{with_it / without:.3f}", f"{own:.2%}"]


if __name__ == "__main__":
    sys.exit(main())
