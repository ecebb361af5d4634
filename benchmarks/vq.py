"""Compare VQ-VAEs with and without restarts of idle codes, and measure the bits per pixel of codes and prior.

    python -m benchmarks.vq --data fashion_mnist --seeds 0 1

VQ-VAEs are trained by their app with and without restarts. For each, over all validation images: the PSNR of the
reconstructions; the number of codes in use, and the perplexity of their use, both at most the size of the codebook; the
bits per pixel of the codes, at log2 of the codebook's size each, and with the prior, its nats divided by ln 2. With
--afterwards, also for a prior of the same form that was trained for as many steps on the finished codes, as in the
paper. Existing runs in --out are measured without training them again.
"""

import math
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from apps import train_vq_vae
from apps._data import reopen
from keras_gen import models
from keras_gen.cli.parsing import app, parse
from keras_gen.engine.config import CONFIG_FILE
from keras_gen.engine.data import Data
from keras_gen.engine.model import Step
from keras_gen.engine.schedules import Schedule
from keras_gen.flags import BaseConfig, NonNegative, Positive
from keras_gen.models.vq_vae import VQVAE
from keras_gen.ops.autoregressive import negative_log_likelihood

RESTARTS = {"restarted after 100 steps": 100, "never restarted": 0}
_BATCH = 500  # images per call


@dataclass(frozen=True)
class Flags(BaseConfig):
    data: str = "digits"
    """SPEC of the images, as for --data of train_vq_vae."""
    seeds: tuple[NonNegative[int], ...] = (0, 1)
    """Random seeds; each variant is trained once per seed [integers]."""
    epochs: Positive[int] = 1
    """Epochs [epochs]."""
    batch_size: Positive[int] = 64
    """Batch size [images]."""
    num_codes: Positive[int] = 512
    """Vectors in the codebook [count]."""
    afterwards: bool = False
    """Also train a prior on the finished codes."""
    out: Path = Path("savedmodels/vq")
    """Folder of the runs."""


@app
def main(argv: Sequence[str] | None = None) -> None:
    """Train missing runs, measure all, and print a row for each."""
    flags = parse(Flags, argv, example="python -m benchmarks.vq --data fashion_mnist --seeds 0 1")
    rows = []
    for seed in flags.seeds:
        for name, after in RESTARTS.items():
            run = flags.out / f"restart{after}-seed{seed}"
            if not (run / CONFIG_FILE).exists():
                settings = {"data": flags.data, "epochs": flags.epochs, "batch-size": flags.batch_size, "seed": seed}
                settings |= {"num-codes": flags.num_codes, "restart-after": after, "out": run, "preview-every": 10**6}
                begun = time.perf_counter()
                if code := train_vq_vae.main([f"--{flag}={value}" for flag, value in settings.items()]):
                    sys.exit(code)
                print(f"{run.name}: {time.perf_counter() - begun:.0f} s", flush=True)
            rows.append(f"| {name} | {seed} | {_measured(run, flags, seed)} |")
    columns = [
        "PSNR [dB]",
        "codes used",
        "perplexity",
        "bpp of codes",
        "by prior",
        *["prior afterwards"] * flags.afterwards,
    ]
    print(
        f"\n| idle codes | seed | {' | '.join(columns)} |", "|---" + "|---:" * (1 + len(columns)) + "|", *rows, sep="\n"
    )


def _measured(run: Path, flags: Flags, seed: int) -> str:
    model, steps = models.load(run)
    config, data = model.config, reopen(run)
    terms = _over(data, model.validate)
    used = np.bincount(_over(data, lambda batch: {"indices": model.encode(batch[0])})["indices"].ravel())
    share = used[used > 0] / used.sum()
    pixels = config.image_size**2 * config.channels
    raw = config.sizes[-1] ** 2 * math.log2(config.num_codes) / pixels
    bits = [f"{raw:.3f}", f"{terms['prior_nats'].mean() / math.log(2) / pixels:.3f}"]
    if flags.afterwards:
        bits.append(f"{_afterwards(model, data, steps, flags, seed) / math.log(2) / pixels:.3f}")
    perplexity = math.exp(-np.sum(share * np.log(share)))
    return " | ".join([f"{terms['psnr'].mean():.2f}", str(len(share)), f"{perplexity:.0f}", *bits])


def _over(data: Data, measure: Callable[[tuple[tf.Tensor, tf.Tensor]], dict[str, tf.Tensor]]) -> dict[str, np.ndarray]:
    """The results of a function of batches for all validation images."""
    measure = tf.function(measure, reduce_retracing=True)
    parts = [measure(batch) for batch in data.validation(_BATCH)]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _afterwards(trained: VQVAE, data: Data, steps: int, flags: Flags, seed: int) -> float:
    """Nats per image of a new prior, trained alone on the codes of a finished model for as many steps."""
    keras.utils.set_random_seed(seed)
    model = VQVAE(trained.config)
    for name in ("encoder", "quantiser", "decoder"):
        model.networks[name].set_weights(trained.networks[name].get_weights())
    model.compile(model.make_optimizers(Schedule(1e-3, steps)))

    def alone(batch: tuple[tf.Tensor, tf.Tensor]) -> Step:
        indices = model.encode(batch[0])
        nats = tf.reduce_mean(negative_log_likelihood(model.prior(indices, training=True), indices))
        return Step({"prior": nats}, {})

    step = tf.function(lambda batch: model.minimise(alone, batch))
    for batch in data.train(flags.batch_size, stop=steps * flags.batch_size):
        step(batch)
    return float(_over(data, model.validate)["prior_nats"].mean())


if __name__ == "__main__":
    sys.exit(main())
