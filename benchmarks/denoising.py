"""Measure how well a denoiser works on other noise and other pictures than those of its training.

    python -m benchmarks.denoising --train fashion_mnist --test fashion_mnist mnist --seeds 0 1

A denoising autoencoder is trained on each kind of noise and on their mixture, with the training images of one folder of
idx files. It is tested on the first test images of each folder with every kind of noise. Strengths are uniform in the
same range, all methods get the same noisy images, and these are clipped to black and white as in a file. PSNR is the
mean over the images [dB].

For comparison, non-local means (Buades, Coll, Morel 2005) of scikit-image gets every advantage: it knows the standard
deviation of the noise of each image, measured against the clean image, and its strength h is the best one on training
images for each kind of noise. It assumes noise with mean 0, but clipping at black makes images brighter. So for noise
that exceeds the range, its result on images without clipping is given too.
"""

import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, get_args

import keras
import numpy as np
import tensorflow as tf
import tyro
from skimage.restoration import denoise_nl_means

from keras_gen.cli.parsing import app, parse
from keras_gen.data.kinds.noisy import Noise, NoisyConfig, noisy
from keras_gen.engine.schedules import Schedule
from keras_gen.files import write_json
from keras_gen.flags import BaseConfig, NonNegative, Positive, Share
from keras_gen.models.restoration import Config, Restoration
from keras_gen.ops.reconstruction import psnr

EXAMPLE = "python -m benchmarks.denoising --train fashion_mnist --test fashion_mnist mnist"
KINDS: tuple[Noise, ...] = tuple(kind for kind in get_args(Noise) if kind != "mixed")
_H = (
    0.05,
    0.2,
    0.4,
    0.6,
    0.8,
    1.0,
    1.3,
    1.6,
    2.0,
)  # h of non-local means, relative to the standard deviation of the noise
_TUNING = 30  # training images for choosing the best h


@dataclass(frozen=True)
class Flags(BaseConfig):
    train: Path
    """Folder of idx files with the training images."""
    test: Annotated[tuple[Path, ...], tyro.conf.arg(metavar="FOLDER...")]
    """Folders of idx files with the test images."""
    strength: tuple[Share, Share] = (0.05, 0.3)
    """Lowest and highest strength of the noise, in training and in tests [0 to 1]."""
    filters: Positive[int] = 8
    """Channels of the network [channels]."""
    steps: Positive[int] = 400
    """Steps of each training [steps]."""
    batch_size: Positive[int] = 64
    """Images per step [images]."""
    images: Positive[int] = 300
    """Use the first N test images of each folder [images]."""
    seeds: tuple[NonNegative[int], ...] = (0, 1)
    """Random seeds of training [integers]."""
    json: Path = Path("denoising.json")
    """File for the figures."""


def clean_images(folder: Path, part: str, count: int) -> tf.Tensor:
    """The first test images of a folder, or the first of its training in the order of seed 0."""
    data = NoisyConfig(data=str(folder)).open(0)
    stream = data.train(count) if part == "train" else data.validation(count, limit=count)
    return next(iter(stream))[1]


def spoilt(images: tf.Tensor, noise: Noise, strength: tuple[float, float]) -> tf.Tensor:
    """The images with always the same noise, not clipped."""
    numbers = tf.range(len(images), dtype=tf.int64)
    return noisy(images, tf.stack([tf.fill(tf.shape(numbers), tf.constant(1, tf.int64)), numbers], 1), noise, strength)


def clipped(images: tf.Tensor) -> tf.Tensor:
    return tf.clip_by_value(images, -1.0, 1.0)


def mean_psnr(images: tf.Tensor, clean: tf.Tensor) -> float:
    return float(tf.reduce_mean(psnr(clipped(images), clean)))


def non_local_means(images: tf.Tensor, clean: tf.Tensor, h: float) -> np.ndarray:
    """Patches of 5x5 within 13x13 (5 and 6 in scikit-image's example), h in deviations of each image's noise."""
    result = []
    for image, original in zip(np.asarray(images)[..., 0], np.asarray(clean)[..., 0], strict=True):
        sigma = float(np.sqrt(np.mean(np.square(image - original))))
        drawn = denoise_nl_means(image, 5, 6, h=max(h * sigma, 1e-6), sigma=sigma, fast_mode=True)
        result.append(drawn[..., np.newaxis])
    return np.stack(result)


def rows_of_non_local_means(flags: Flags, tests: dict[str, tf.Tensor]) -> dict[str, dict[str, dict[str, float]]]:
    """row -> folder -> noise -> PSNR, clipped and not."""
    tuning = clean_images(flags.train, "train", _TUNING)
    rows: dict[str, dict[str, dict[str, float]]] = {}
    for row, view, kinds in (
        ("non-local means", clipped, KINDS),
        ("non-local means, unclipped noise", tf.identity, ("gaussian", "poisson")),
    ):
        rows[row] = {name: {} for name in tests}
        for noise in kinds:
            examples = view(spoilt(tuning, noise, flags.strength))
            h = max(_H, key=lambda h, x=examples: mean_psnr(non_local_means(x, tuning, h), tuning))
            print(f"{row}, {noise}: h = {h} deviations", flush=True)
            for name, clean in tests.items():
                drawn = non_local_means(view(spoilt(clean, noise, flags.strength)), clean, h)
                rows[row][name][noise] = mean_psnr(drawn, clean)
    return rows


def trained(flags: Flags, noise: Noise, seed: int, channels: int, size: int) -> Restoration:
    """A model after `steps` steps on one kind of noise."""
    keras.utils.set_random_seed(seed)
    data = NoisyConfig(data=str(flags.train), noise=noise, strength=flags.strength).open(seed)
    model = Restoration(Config(filters=flags.filters, image_size=size, channels=channels))
    rate = Schedule(2e-3, flags.steps)
    model.compile(model.make_optimizers(rate))
    model.fit(data.train(flags.batch_size), steps_per_epoch=flags.steps, shuffle=False, verbose=0)
    return model


@app
def main(argv: Sequence[str] | None = None) -> None:
    """Non-local means, then one training after the other; the figures are written after each."""
    flags = parse(Flags, argv, example=EXAMPLE)
    tests = {folder.name: clean_images(folder, "test", flags.images) for folder in flags.test}
    _, size, _, channels = next(iter(tests.values())).shape
    every = {n: {k: clipped(spoilt(clean, k, flags.strength)) for k in KINDS} for n, clean in tests.items()}
    rows = {"input": {n: {k: mean_psnr(x, tests[n]) for k, x in kinds.items()} for n, kinds in every.items()}}
    rows |= rows_of_non_local_means(flags, tests)
    found: dict[str, list[list[list[float]]]] = {noise: [] for noise in get_args(Noise)}
    for seed in flags.seeds:
        for noise, results in found.items():
            start = time.perf_counter()
            model = trained(flags, noise, seed, channels, size)
            denoise = tf.function(model.denoise)
            results.append([[mean_psnr(denoise(x), tests[n]) for x in kinds.values()] for n, kinds in every.items()])
            print(f"{noise}, seed {seed}: {time.perf_counter() - start:.0f} s", flush=True)
            write_json(flags.json, {"flags": {k: str(v) for k, v in asdict(flags).items()}, **rows, "trained": found})
    for noise, results in found.items():
        means = np.mean(results, axis=0).tolist()
        rows[f"trained on {noise}"] = {n: dict(zip(KINDS, v, strict=True)) for n, v in zip(tests, means, strict=True)}
    spread = max(float(np.ptp(results, axis=0).max()) for results in found.values())
    for name in tests:
        print(f"\n| {name} | {' | '.join(KINDS)} |\n|---|{'---:|' * len(KINDS)}")
        for row, values in rows.items():
            print(f"| {row} | {' | '.join(f'{values[name][k]:.1f}' if k in values[name] else '' for k in KINDS)} |")
    print(f"\nLargest difference between two seeds: {spread:.1f} dB")


if __name__ == "__main__":
    sys.exit(main())
