"""Compare a super-resolution autoencoder to bicubic interpolation, with the usual protocol.

    python -m benchmarks.superres --data t91 --test set5/HR --scale 2

Training images come from one folder and test images from another. Each test image is cropped to a multiple of the
scale, reduced (bicubic, antialiased), rounded to 8 bits, enlarged (bicubic), and processed in blended tiles as in
`apps.translate`. PSNR is that of the luma Y (ITU-R BT.601, 16 to 235, not rounded) of 8-bit RGB images, without a
border of `scale` pixels on each side, averaged over the images.
"""

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import keras
import numpy as np
import tensorflow as tf

from keras_gen.cli.parsing import app, parse
from keras_gen.data.files import codecs as images
from keras_gen.data.files.folders import list_images
from keras_gen.data.kinds.superres import SuperresConfig, degraded
from keras_gen.engine.schedules import Schedule
from keras_gen.flags import BaseConfig, NonNegative, Positive
from keras_gen.inference.tiling import compiled, draw
from keras_gen.models.restoration import Config, Restoration
from keras_gen.ops.pixels import to_float, to_uint8
from keras_gen.ops.resampling import luma


@dataclass(frozen=True)
class Flags(BaseConfig):
    data: str
    """SPEC of the training pictures."""
    test: Path
    """Folder of the test pictures."""
    scale: Literal[2, 3, 4] = 2
    """Scale factor of the enlargement."""
    filters: Positive[int] = 32
    """Channels of the feature maps [channels]."""
    depth: Positive[int] = 4
    """Layers of the encoder [count]."""
    steps: Positive[int] = 4000
    """Training steps [steps]."""
    batch_size: Positive[int] = 16
    """Batch size [patches]."""
    learning_rate: Positive[float] = 1e-3
    """Learning rate, constant for the first half and then linear to 0 [1/step]."""
    seed: NonNegative[int] = 0
    """Random seed of weights, order and positions of patches [integer]."""

    def check_together(self) -> None:
        super().check_together()
        if not self.test.is_dir() or not list_images(self.test):
            raise self.fault("<test got>; accepted is a folder of images.")


@app
def main(argv: Sequence[str] | None = None) -> None:
    """Train, enlarge the test images and print the table."""
    flags = parse(Flags, argv, example="python -m benchmarks.superres --data t91 --test set5/HR")
    data = SuperresConfig(data=flags.data, scale=flags.scale).open(flags.seed)
    print(data.describe(), flush=True)
    keras.utils.set_random_seed(flags.seed)
    sizes = {"image_size": data.image_size, "scale": flags.scale}
    model = Restoration(Config("red", flags.filters, depth=flags.depth, **sizes))
    rate = Schedule(flags.learning_rate, flags.steps)
    model.compile(model.make_optimizers(rate))
    step, begun = tf.function(model.train_step), time.perf_counter()
    for number, batch in enumerate(data.train(flags.batch_size, stop=flags.steps * flags.batch_size), 1):
        step(batch)
        if number % 1000 == 0:
            print(f"{number} steps, {time.perf_counter() - begun:.0f} s", flush=True)
    print(f"\n{sum(v.numpy().size for v in model.network.weights):,} weights\n")

    (served,) = model.serving().values()
    network = compiled(model.translate, *served.inputs, *served.outputs)
    rows = []
    print(f"| x{flags.scale}, PSNR of Y [dB] | bicubic | sharpened |\n|---|---:|---:|")
    for path in list_images(flags.test):
        picture = images.read_image(path, 3)
        sharp = picture[tuple(slice(side // flags.scale * flags.scale) for side in picture.shape[:2])]
        enlarged = degraded(sharp, flags.scale)
        (drawn,) = draw(network, [to_float(enlarged)], batch_size=16)
        rows.append([_psnr(found, sharp, flags.scale) for found in (enlarged, to_uint8(drawn))])
        print(f"| {path.stem} | {rows[-1][0]:.2f} | {rows[-1][1]:.2f} |")
    print("| mean | {:.2f} | {:.2f} |".format(*np.mean(rows, axis=0)))


def _psnr(picture: np.ndarray, sharp: np.ndarray, border: int) -> float:
    one, other = (luma(tf.constant(x[None], tf.float32))[:, border:-border, border:-border] for x in (picture, sharp))
    return float(10 * np.log10(255**2 / np.mean(np.square(one - other))))


if __name__ == "__main__":
    sys.exit(main())
