"""Measure whether the data pipeline keeps up with the model: pairs per second at 256x256, and a step of pix2pix.

    python -m benchmarks.data

Reads the same pairs, 512x256 JPEGs of the built-in facades, in three ways: decoded once into memory, decoded from files
at each access, and decoded from TFRecord shards at each access. "CPU ms" is the processor time per pair over all cores,
which a model that trains on the same processor loses. The last column is that time as a fraction of one core, at the
speed of the model.

    python -m benchmarks.data --images

Measures an epoch of single images: held in memory, drawn on demand (shapes), and decoded from files at each access.
"""

import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

import apps.pack_data
from keras_gen.cli.parsing import app, parse
from keras_gen.data.builtin.facades import PALETTE, draw_pair
from keras_gen.data.kinds.images import ImagesConfig
from keras_gen.data.kinds.pairs import PairsConfig, PairsData
from keras_gen.flags import BaseConfig, NonNegative, Positive
from keras_gen.models.pix2pix import Pix2Pix

SIZE = 256


@dataclass(frozen=True)
class Flags(BaseConfig):
    pairs: Positive[int] = 200
    """Number of different pairs [pairs]."""
    batch_size: Positive[int] = 4
    """Pairs per batch [pairs]."""
    seconds: Positive[float] = 5.0
    """Time per measurement [s]."""
    model_images_per_second: NonNegative[float] = 0.0
    """Speed of the model [images/s]; 0: measure ten training steps of the paper's pix2pix."""
    images: bool = False
    """Measure single images instead: an epoch of 60,000 images of 28x28, with batches of 128."""


def draw(folder: Path, pairs: int) -> None:
    for number in range(pairs):
        labels, photo = draw_pair(SIZE, 0, number)
        Image.fromarray(np.concatenate([PALETTE[labels], photo], axis=1)).save(folder / f"{number:04d}.jpg", quality=95)


def measure(data: PairsData, batch_size: int, seconds: float) -> tuple[float, float]:
    """Pairs per second and processor seconds per pair of the training stream, after a warm-up."""
    batches = iter(data.train(batch_size))
    for _ in range(20):
        next(batches)
    start, processor, count = time.perf_counter(), time.process_time(), 0
    while time.perf_counter() < start + seconds:
        next(batches)
        count += batch_size
    return count / (time.perf_counter() - start), (time.process_time() - processor) / count


def measure_model(data: PairsData, batch_size: int, steps: int = 10) -> float:
    """Images per second of the training step of the paper's configuration, without a data pipeline."""
    model = Pix2Pix(Pix2Pix.presets["paper"].model)
    model.compile(model.make_optimizers(2e-4))
    model.make_train_function()
    same = iter(data.train(batch_size).take(1).cache().repeat())
    model.train_function(same)
    start = time.perf_counter()
    for _ in range(steps):
        model.train_function(same)
    return steps * batch_size / (time.perf_counter() - start)


def measure_images(count: int = 60_000, batch_size: int = 128) -> None:
    """Print the time of one epoch of each source, after a tenth of an epoch as warm-up."""
    with tempfile.TemporaryDirectory() as scratch:
        file, folder = Path(scratch, "noise.npz"), Path(scratch, "files")
        pixels = np.random.default_rng(0).integers(0, 256, (count + 2, 28, 28), np.uint8)
        np.savez(file, x_train=pixels[:count], y_train=np.arange(count) % 10, x_test=pixels[count:])
        folder.mkdir()
        for number in range(2000):
            Image.fromarray(pixels[number]).save(folder / f"{number:04d}.png")
        ways = {
            "28x28 in memory": ImagesConfig(data=str(file)),
            "28x28 in memory, mirrored": ImagesConfig(data=str(file), mirror=True),
            "64x64 shapes, drawn": ImagesConfig(data="shapes"),
            "28x28 PNG files": ImagesConfig(data=str(folder), cache_gib=0, verify=False),
        }
        print(f"{count} images at batch {batch_size}\n{'':28}{'seconds':>10}{'CPU s':>10}{'images/s':>12}")
        for name, config in ways.items():
            data = config.open(seed=0)
            steps = count // batch_size
            batches = iter(data.train(batch_size))
            for _ in range(steps // 10):
                next(batches)
            start, processor = time.perf_counter(), time.process_time()
            for _ in range(steps):
                next(batches)
            seconds = time.perf_counter() - start
            print(f"{name:28}{seconds:10.2f}{time.process_time() - processor:10.2f}{count / seconds:12.0f}")


@app
def main(argv: Sequence[str] | None = None) -> None:
    flags = parse(Flags, argv, example="python -m benchmarks.data --batch-size 4")
    if flags.images:
        return measure_images()
    with tempfile.TemporaryDirectory() as scratch:
        folder, packed = Path(scratch, "pairs"), Path(scratch, "packed")
        folder.mkdir()
        draw(folder, flags.pairs)
        apps.pack_data.main([str(folder), "--out", str(packed), "--shards", "4"])
        ways = {
            "in memory": PairsConfig(data=str(folder)),
            "JPEG files": PairsConfig(data=str(folder), cache_gib=0, verify=False),
            "TFRecord": PairsConfig(data=str(packed), cache_gib=0, verify=False),
        }
        opened = {name: replace(config, image_size=SIZE).open() for name, config in ways.items()}
        rates = {name: measure(data, flags.batch_size, flags.seconds) for name, data in opened.items()}
        model = flags.model_images_per_second or measure_model(opened["in memory"], flags.batch_size)
    print(f"{SIZE}x{SIZE}, batch {flags.batch_size}; pix2pix (paper) trains on {model:.2f} images/s")
    print(f"{'':12}{'images/s':>10}{'times the model':>18}{'CPU ms':>10}{'of one core':>14}")
    for name, (rate, processor) in rates.items():
        print(f"{name:12}{rate:10.0f}{rate / model:18.0f}{processor * 1000:10.2f}{processor * model:14.2%}")


if __name__ == "__main__":
    sys.exit(main())
