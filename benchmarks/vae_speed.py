"""Measure an epoch of a VAE on MNIST: in this suite, in plain Keras, and in PyTorch, with equal numbers of weights.

    python -m benchmarks.vae_speed --data PATH_OF_MNIST

The dense VAE is 784-200-200-50 (Burda et al. 2016); the convolutional one is that of the preset "demo". Training uses
shuffled batches of 128, Adam, and the Bernoulli likelihood of grey values. "keras_gen" is `fit` with the callbacks of a
run, which log every term of every step to TensorBoard. Sides take turns, one epoch each; figures are medians after one
epoch of warm-up. There is no validation.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from benchmarks.interleaved import medians
from keras_gen.cli.parsing import app, parse
from keras_gen.data.kinds.images import ImagesConfig, ImagesData
from keras_gen.engine import callbacks as on
from keras_gen.engine.checkpoints import Progress
from keras_gen.engine.config import RunConfig, Setup
from keras_gen.engine.event_files import EventWriters
from keras_gen.engine.progress_line import ProgressLine
from keras_gen.flags import BaseConfig, Positive
from keras_gen.models.vae import VAE, Config
from keras_gen.networks.autoencoders import decoder, encoder, map_sizes

BATCH = 128


def ours(config: Config, data: ImagesData, steps: int, at_once: int, jit: bool, logs: Path) -> Callable[[], object]:
    """An epoch with the callbacks of a run."""
    model = VAE(config)
    model.compile(model.make_optimizers(1e-3), steps_per_execution=at_once, jit_compile=jit)
    progress = Progress()
    setup = Setup("vae", "paper", config, ImagesConfig(), RunConfig(out=logs, batch_size=BATCH))
    watch = [
        on.Counter(progress),
        ProgressLine(progress, steps, epochs=1),
        on.TensorBoardLog(progress, EventWriters(logs), setup),
        on.StopOnRequest(progress),
    ]

    def epoch() -> None:
        with contextlib.redirect_stdout(io.StringIO()):
            model.fit(
                data.train(BATCH, start=progress.step * BATCH),
                steps_per_epoch=steps,
                callbacks=watch,
                shuffle=False,
                verbose=1,
            )

    return epoch


def plain(config: Config, images: np.ndarray) -> Callable[[], object]:
    """An epoch in the style of a Keras tutorial."""

    class Plain(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.encoder = encoder(config, ("mean", "log_variance"))
            self.decoder = decoder(config, activation=None)
            self.seed = keras.random.SeedGenerator(0)

        def train_step(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
            with tf.GradientTape() as tape:
                mean, log_variance = self.encoder(images, training=True)
                z = mean + tf.exp(0.5 * log_variance) * keras.random.normal(tf.shape(mean), seed=self.seed)
                logits = self.decoder(z, training=True)
                entropy = tf.nn.sigmoid_cross_entropy_with_logits(labels=(images + 1) / 2, logits=logits)
                kl = 0.5 * tf.reduce_sum(mean**2 + tf.exp(log_variance) - 1.0 - log_variance, -1)
                loss = tf.reduce_mean(tf.reduce_sum(entropy, (1, 2, 3)) + kl)
            self.optimizer.apply(tape.gradient(loss, self.trainable_variables), self.trainable_variables)
            return {"loss": loss}

    model = Plain()
    model.built = True
    model.compile(optimizer=keras.optimizers.Adam(1e-3))
    dataset = tf.data.Dataset.from_tensor_slices(images).shuffle(len(images)).batch(BATCH, drop_remainder=True)
    dataset = dataset.map(lambda x: tf.cast(x, tf.float32) / 127.5 - 1.0, tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)
    return lambda: model.fit(dataset, epochs=1, verbose=0)


def pytorch(config: Config, images: np.ndarray, weights: int, fused: bool) -> Callable[[], object]:
    """An epoch with equal networks in PyTorch; `fused` uses its fused Adam."""
    import torch
    from torch import nn

    size, latent_dim = config.image_size, config.latent_dim

    def dense(widths: list[int]) -> list[nn.Module]:
        return [m for a, b in itertools.pairwise(widths) for m in (nn.Linear(a, b), nn.ReLU())]

    if config.architecture == "dense":
        widths = [size * size, *config.hidden_units]
        down = nn.Sequential(nn.Flatten(), *dense(widths))
        up = nn.Sequential(
            *dense([latent_dim, *reversed(config.hidden_units)]), nn.Linear(config.hidden_units[0], size * size)
        )
        top = config.hidden_units[-1]
    else:
        sizes, top = map_sizes(size), config.hidden_units[-1]
        channels = [1, *(config.filters * min(2**level, 8) for level in range(len(sizes) - 1))]
        flat = channels[-1] * sizes[-1] ** 2
        downs: list[nn.Module] = []
        ups: list[nn.Module] = [*dense([latent_dim, top, flat]), nn.Unflatten(1, (channels[-1], sizes[-1], sizes[-1]))]
        for level, side in enumerate(sizes[:-1]):
            odd = side % 2
            downs += [nn.ZeroPad2d((1, 1 + odd, 1, 1 + odd)), nn.Conv2d(channels[level], channels[level + 1], 4, 2)]
            downs += [nn.ReLU()]
        for level in reversed(range(len(sizes) - 1)):
            ups += [nn.ConvTranspose2d(channels[level + 1], channels[level], 4, 2, 1)]
            ups += [nn.ZeroPad2d((0, -1, 0, -1))] * (sizes[level] % 2) + [nn.ReLU()] * (level > 0)
        down, up = nn.Sequential(*downs, nn.Flatten(), *dense([flat, top])), nn.Sequential(*ups)
    heads = nn.Linear(top, 2 * latent_dim)
    network = nn.ModuleList([down, heads, up])
    found = sum(parameter.numel() for parameter in network.parameters())
    if found != weights:
        raise AssertionError(f"PyTorch's networks have {found} weights, but ours have {weights}")
    optimizer = torch.optim.Adam(network.parameters(), 1e-3, fused=fused)
    held = torch.from_numpy(images.transpose(0, 3, 1, 2).copy())

    def epoch() -> None:
        order = torch.randperm(len(held))
        for start in range(0, len(held) - BATCH + 1, BATCH):
            x = held[order[start : start + BATCH]].float() / 127.5 - 1.0
            mean, log_variance = heads(down(x)).chunk(2, 1)
            logits = up(mean + torch.exp(0.5 * log_variance) * torch.randn_like(mean)).reshape(x.shape)
            entropy = nn.functional.binary_cross_entropy_with_logits(logits, (x + 1) / 2, reduction="sum")
            kl = 0.5 * (mean**2 + log_variance.exp() - 1 - log_variance).sum()
            optimizer.zero_grad()
            ((entropy + kl) / BATCH).backward()
            optimizer.step()

    return epoch


@dataclass(frozen=True)
class Flags(BaseConfig):
    data: str
    """Folder with MNIST's idx files."""
    images: Positive[int] = 60_000
    """Images per epoch [images]."""
    rounds: Positive[int] = 5
    """Timed epochs of each side [epochs]."""
    only: str = "dense,conv"
    """Networks, comma-separated: dense, conv."""
    at_once: Positive[int] = 64
    """Steps per call of keras_gen (--steps-per-execution) [steps]."""


@app
def main(argv: Sequence[str] | None = None) -> None:
    """Measure and print the tables."""
    flags = parse(Flags, argv, example="python -m benchmarks.vae_speed --data mnist --only dense")
    data = ImagesConfig(data=flags.data).open(0)
    steps = min(flags.images, data.train_size) // BATCH
    (batch,) = data.train(steps * BATCH, stop=steps * BATCH).take(1)
    images = np.round((batch[0].numpy() + 1) * 127.5).astype(np.uint8)
    presets = {"dense": VAE.presets["paper"].model, "conv": VAE.presets["demo"].model}
    for name in flags.only.split(","):
        config = presets[name]
        weights = sum(network.count_params() for network in VAE(config).networks.values())
        with tempfile.TemporaryDirectory() as logs:
            times = medians(
                {
                    "keras_gen": ours(config, data, steps, flags.at_once, False, Path(logs, "plain")),
                    "keras_gen, --jit": ours(config, data, steps, flags.at_once, True, Path(logs, "jit")),
                    "keras_gen, one step per call": ours(config, data, steps, 1, False, Path(logs, "one")),
                    "plain Keras": plain(config, images),
                    "PyTorch": pytorch(config, images, weights, fused=False),
                    "PyTorch, fused Adam": pytorch(config, images, weights, fused=True),
                },
                runs=flags.rounds,
                warm_up=1,
            )
        best = min(times["PyTorch"], times["PyTorch, fused Adam"])
        mine = min(times["keras_gen"], times["keras_gen, --jit"])
        print(f"\n{name}: {weights} weights, {steps} steps of {BATCH}, median seconds of {flags.rounds} epochs")
        for side, seconds in times.items():
            print(f"  {side:28s} {seconds:6.2f} s")
        print(f"  PyTorch's better / ours: {best / mine:.2f}; plain Keras / ours: {times['plain Keras'] / mine:.2f}")


if __name__ == "__main__":
    sys.exit(main())
