"""Measure how often the health monitor is wrong, in good runs of all adversarial families and in runs made to fail.

    python -m benchmarks.health --kind good
    python -m benchmarks.health --kind failing

Each row is one run of `python -m apps.train_...` on built-in data, with the flags in the table and those in `_COMMON`.
Whether a run is good is measured at its end, independently of the monitor:

    points        the effective number of modes in the samples (the exponential of their histogram's entropy) is at
    least
                  0.8 of all modes
    images        the energy score of 256 samples is at most 1.15 times that of as many real images; class by class for
                  class-conditional families. 1 is as good as the data, and 1 + 1/k is the result of k equally distant
                  modes out of many
    translations  the L1 distance is below 0.9 of that of the mean target

Any verdict other than "healthy" is an alarm. In a good run it is a false alarm, even if the problem was real and
passed.
"""

from __future__ import annotations

import contextlib
import dataclasses
import importlib
import json
import math
import re
import shlex
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import tensorflow as tf
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from apps._data import reopen
from keras_gen import models
from keras_gen.cli.parsing import app, parse
from keras_gen.data.builtin.points import POINT_SETS, Mixture
from keras_gen.diagnostics.gan_health import HEALTHY, WARM_UP
from keras_gen.engine.model import GenerativeModel
from keras_gen.flags import BaseConfig, Positive
from keras_gen.metrics.modes import SAMPLES, Modes
from keras_gen.ops.divergences import energy_score

EXAMPLE = "python -m benchmarks.health --kind good"
_COMMON = "--epochs 1 --preview-every 250 --checkpoint-every 100000 --steps-per-execution 10"
_MLP = "--architecture mlp --hidden-units 128 256 --latent-dim 32 --generator-norm none --discriminator-norm none"
_SMALL = "--filters 16 --latent-dim 32"
_POINTS = "--architecture mlp --hidden-units 128 128 128 --latent-dim 8 --generator-norm none --discriminator-norm none"
_POINTS += " --batch-size 256 --preset demo"
_PAIRS = "--data facades --image-size 32 --filters 16 --discriminator-filters 16 --patch 16"
_FAIR = 1.15  # images are good up to this ratio: about seven modes
_BLANK = 0.9  # translations are good below this ratio
_MODES = 0.8  # points are good from this fraction of modes on
_OF_CLASSES = ("cgan", "acgan")  # judged within each class, because one image per class would seem diverse

GOOD = (
    "gan --data ring --preset points",
    "gan --data grid --preset points",
    "gan --data swiss-roll --preset points",
    f"wgan_gp --data ring {_POINTS} --learning-rate 3e-4",
    f"wgan_gp --data swiss-roll {_POINTS} --learning-rate 3e-4",
    f"lsgan --data ring {_POINTS} --learning-rate 1e-3",
    "gan --data digits",
    "gan --data digits --seed 1",
    "gan --data digits --objective minimax",
    "gan --data digits --instance-noise 0.1 --label-smoothing 0.1",
    f"gan --data digits {_MLP} --augment ada",
    f"dcgan --data digits {_SMALL}",
    f"dcgan --data digits {_SMALL} --augment diffaugment",
    f"dcgan --data digits {_SMALL} --geometric-weight 0.1",
    f"dcgan --data shapes --image-size 32 {_SMALL}",
    f"lsgan --data digits {_SMALL}",
    f"wgan --data digits {_SMALL}",
    f"wgan_gp --data digits {_SMALL}",
    f"wgan_gp --data digits {_SMALL} --penalty dragan",
    f"wgan_gp --data digits {_SMALL} --penalty r1",
    f"sngan --data digits {_SMALL}",
    f"sngan --data shapes --image-size 32 {_SMALL}",
    "ebgan --data digits",
    "began --data digits",
    f"cgan --data digits {_SMALL}",
    f"cgan --data digits {_SMALL} --projection",
    f"acgan --data digits {_SMALL}",
    f"infogan --data digits {_SMALL}",
    "sgan --data digits --labels-per-class 10",
    f"pix2pix {_PAIRS}",
    f"pix2pix {_PAIRS} --gan-loss lsgan",
    f"pix2pix {_PAIRS} --gan-loss wgangp",
)

FAILING = {
    "gan --data digits --objective minimax --discriminator-rate 30": "the discriminator has won",
    f"gan --data digits {_MLP} --discriminator-rate 20": "the discriminator has won",
    f"gan --data digits {_MLP} --discriminator-rate 0.01": "the generator has won",
    f"gan --data digits {_MLP} --discriminator-rate 1e-7": "has not learnt",
    f"gan --data ring {_POINTS} --learning-rate 1e-3 --discriminator-rate 0.1": "mode collapse",
    f"gan --data grid {_POINTS} --learning-rate 2e-3 --discriminator-rate 0.1": "mode collapse",
    f"pix2pix {_PAIRS} --no-conditional --l1-weight 0": "mode collapse",
    f"gan --data ring {_POINTS} --hidden-units 64 64 --latent-dim 4 --learning-rate 5e-3 --beta-1 0.9": "oscillating",
    f"wgan_gp --data ring {_POINTS} --learning-rate 1e-3 --beta-1 0.5 --beta-2 0.999": "oscillating",
    "gan --data digits --learning-rate 1e30": "not finite",
}


@dataclasses.dataclass(frozen=True)
class Flags(BaseConfig):
    kind: Literal["good", "failing"] = "good"
    """Runs to train: good ones, or ones that are made to fail."""
    only: str = ""
    """Regular expression that selects rows; empty: all."""
    steps: Positive[int] = 4000
    """Steps per run [steps]."""


@app
def main(argv: Sequence[str] | None = None) -> None:
    """Train one run after the other, and print the table."""
    flags = parse(Flags, argv, example=EXAMPLE)
    good = flags.kind == "good"
    print(
        "| run | measured | looks | alarms | last verdict |" if good else "| run | made for | found at step | verdict |"
    )
    print("|---|---|---:|---:|---|" if good else "|---|---|---:|---|", flush=True)
    runs = looks = alarms = ended = 0
    for command in GOOD if good else FAILING:
        if not re.search(flags.only, command):
            continue
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch) / "run"
            train(command, f"{_COMMON} --steps-per-epoch {flags.steps}", folder)
            told = verdicts(folder)
            if not good:
                made_for = FAILING[command]
                found = next((step for step, verdict in told if made_for in verdict), "never")
                shown = next((verdict for step, verdict in told if step == found), told[-1][1])
                print(f"| {command} | {made_for} | {found} | {shown} |", flush=True)
                continue
            measured, well = quality(folder)
            wrong = sum(verdict != HEALTHY for _, verdict in told)
            shown = measured if well else f"{measured}, not good"
            print(f"| {command} | {shown} | {len(told)} | {wrong} | {told[-1][1]} |", flush=True)
            if well:
                runs, looks, alarms = runs + 1, looks + len(told), alarms + wrong
                ended += told[-1][1] != HEALTHY
    if good:
        print(f"\n{runs} good runs: {alarms} of {looks} verdicts are alarms, and {ended} of the last ones")


def train(command: str, common: str, folder: Path) -> int:
    """Train with `command`, a family and its flags, and the flags that all runs share; output goes to stderr.

    Returns:
        The exit code; 0: the run came to its end.
    """
    family, *words = shlex.split(command)
    main = importlib.import_module(f"apps.train_{family}").main
    with contextlib.redirect_stdout(sys.stderr):
        return main([*shlex.split(common), "--out", str(folder), *words])


def verdicts(folder: Path) -> list[tuple[int, str]]:
    """(step, verdict) of each preview after the warm-up, or of the last one if there is none."""
    events = EventAccumulator(str(folder), size_guidance={"tensors": 0}).Reload()
    told = [(event.step, tf.make_ndarray(event.tensor_proto).item().decode()) for event in events.Tensors("health")]
    return [(step, verdict) for step, verdict in told if step >= WARM_UP] or told[-1:]


def modes_of(model: GenerativeModel, points: Mixture) -> dict[str, Any]:
    """The modes of a mixture that `SAMPLES` samples of a model find."""
    modes = Modes(points.centres, points.deviation)
    modes.update(model.generate(SAMPLES))
    return modes.result()


def quality(folder: Path) -> tuple[str, bool]:
    """The quality of a finished run: the figure in words, and whether it is good."""
    model, _ = models.load(folder)
    data = reopen(folder)
    batch = next(iter(data.validation(256, limit=256)))
    if model.family == "pix2pix":
        source, target = batch
        blank = np.abs(target - np.mean(target, axis=0)).mean()
        share = float(np.abs(model.translate(source) - target).mean() / blank)
        return f"L1 {share:.2f} of the mean's", share < _BLANK
    points = POINT_SETS.get(json.loads((folder / "config.json").read_text())["data"]["data"])
    if isinstance(points, Mixture):
        found = modes_of(model, points)
        divergence = found["kl_from_uniform"]
        share = 0.0 if divergence is None else math.exp(-divergence)
        return f"{found['found']} of {found['of']} modes, effectively {share * found['of']:.1f}", share >= _MODES
    (real, its_classes, *_), (held, classes) = next(iter(data.train(1024))), batch
    if model.family not in _OF_CLASSES:
        share = float(np.mean(energy_score(held, model.generate(256))) / np.mean(energy_score(held, real[:256])))
        return f"energy score {share:.2f} of real ones'", share < _FAIR
    drawn = [model.generate(64, label=label) for label in range(model.config.num_classes)]
    shares = [
        np.mean(energy_score(held[classes == label], pictures))
        / np.mean(energy_score(held[classes == label], real[its_classes == label]))
        for label, pictures in enumerate(drawn)
    ]
    share = float(np.mean(shares))
    return f"energy score {share:.2f} of real ones' of the class", share < _FAIR


if __name__ == "__main__":
    sys.exit(main())
