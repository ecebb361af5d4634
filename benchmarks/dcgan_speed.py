"""Measure the training step of TensorFlow's DCGAN tutorial: in this suite, in the tutorial's code, and in PyTorch.

    python -m benchmarks.dcgan_speed

The data are 28x28 grey images in batches of 256. The generator has a dense layer and transposed 5x5 convolutions of
stride 1, 2 and 2 with batch normalisation. The discriminator has two 5x5 convolutions of stride 2 with dropout. Both
are trained by Adam with a learning rate of 1e-4. "keras_gen" is the step of `models.dcgan` with these networks, in
which the transposed convolution of stride 1 uses Fourier transforms (`layers.fast.fourier`). The tutorial's step is
compiled with tf.function, as in the tutorial. All sides have the same number of weights, which is checked.

Sides take turns, and figures are medians. Processor time of all threads (CPU) is given beside wall time, because other
programs affect it less.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from keras_gen.cli.parsing import app, parse
from keras_gen.engine.model import GenerativeModel
from keras_gen.flags import BaseConfig, Positive
from keras_gen.layers.fast.fourier import FourierConv2DTranspose
from keras_gen.models.dcgan import DCGAN, Config

BATCH, NOISE, RATE = 256, 100, 1e-4


def generator(first: type[layers.Layer]) -> keras.Model:
    """The tutorial's generator; `first` is the kind of its transposed convolution of stride 1."""
    latents = keras.Input((NOISE,), name="latents")
    x = layers.Dense(7 * 7 * 256, use_bias=False)(latents)
    x = layers.LeakyReLU(0.3)(layers.BatchNormalization()(x))
    x = layers.Reshape((7, 7, 256))(x)
    x = first(128, 5, padding="same", use_bias=False)(x)
    x = layers.LeakyReLU(0.3)(layers.BatchNormalization()(x))
    x = layers.Conv2DTranspose(64, 5, 2, padding="same", use_bias=False)(x)
    x = layers.LeakyReLU(0.3)(layers.BatchNormalization()(x))
    x = layers.Conv2DTranspose(1, 5, 2, padding="same", use_bias=False, activation="tanh")(x)
    return keras.Model(latents, x, name="generator")


def discriminator() -> keras.Model:
    """The tutorial's discriminator: images -> logit, (batch, 1)."""
    x = images = keras.Input((28, 28, 1), name="images")
    for filters in (64, 128):
        x = layers.LeakyReLU(0.3)(layers.Conv2D(filters, 5, 2, padding="same")(x))
        x = layers.Dropout(0.3)(x)
    return keras.Model(images, layers.Dense(1)(layers.Flatten()(x)), name="discriminator")


class Tutorial(DCGAN):
    """DCGAN on the tutorial's networks."""

    family = "tutorial"

    def build_generator(self) -> keras.Model:
        return generator(FourierConv2DTranspose)

    def build_discriminator(self) -> keras.Model:
        network = discriminator()
        return keras.Model(network.input, {"logit": network.output}, name="discriminator")


def ours() -> tuple[Callable[[tf.Tensor], object], GenerativeModel]:
    """The compiled step of the base class, with all logged terms."""
    model = Tutorial(Config(image_size=28, channels=1, latent_dim=NOISE))
    model.compile(model.make_optimizers(RATE))
    labels = tf.fill((BATCH,), -1)
    step = tf.function(lambda images: model.train_step((images, labels)))
    return step, model


def tutorial() -> Callable[[tf.Tensor], object]:
    """The step of the tutorial: one tape for each player, and Keras' Adam."""
    made, judged = generator(layers.Conv2DTranspose), discriminator()
    optimizers = [keras.optimizers.Adam(RATE) for _ in range(2)]
    for optimizer, network in zip(optimizers, (made, judged), strict=True):
        optimizer.build(network.trainable_variables)
    cross_entropy = keras.losses.BinaryCrossentropy(from_logits=True)

    @tf.function
    def step(images: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        noise = tf.random.normal([BATCH, NOISE])
        with tf.GradientTape() as of_generator, tf.GradientTape() as of_discriminator:
            real, fake = judged(images, training=True), judged(made(noise, training=True), training=True)
            generator_loss = cross_entropy(tf.ones_like(fake), fake)
            discriminator_loss = cross_entropy(tf.ones_like(real), real) + cross_entropy(tf.zeros_like(fake), fake)
        for tape, loss, network, optimizer in (
            (of_generator, generator_loss, made, optimizers[0]),
            (of_discriminator, discriminator_loss, judged, optimizers[1]),
        ):
            variables = network.trainable_variables
            optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
        return generator_loss, discriminator_loss

    return step


def pytorch(weights: dict[str, int], threads: int, channels_last: bool) -> Callable[[Any], object]:
    """The step in PyTorch: the discriminator learns from detached images, then judges them again for the generator."""
    import torch
    from torch import nn

    if threads:
        torch.set_num_threads(threads)
    made = nn.Sequential(
        nn.Linear(NOISE, 7 * 7 * 256, bias=False), nn.BatchNorm1d(7 * 7 * 256), nn.LeakyReLU(0.3),
        nn.Unflatten(1, (256, 7, 7)),
        nn.ConvTranspose2d(256, 128, 5, 1, 2, bias=False), nn.BatchNorm2d(128), nn.LeakyReLU(0.3),
        nn.ConvTranspose2d(128, 64, 5, 2, 2, 1, bias=False), nn.BatchNorm2d(64), nn.LeakyReLU(0.3),
        nn.ConvTranspose2d(64, 1, 5, 2, 2, 1, bias=False), nn.Tanh(),
    )  # fmt: skip
    judged = nn.Sequential(
        nn.Conv2d(1, 64, 5, 2, 2), nn.LeakyReLU(0.3), nn.Dropout(0.3),
        nn.Conv2d(64, 128, 5, 2, 2), nn.LeakyReLU(0.3), nn.Dropout(0.3), nn.Flatten(), nn.Linear(7 * 7 * 128, 1),
    )  # fmt: skip
    for name, network in (("generator", made), ("discriminator", judged)):
        found = sum(parameter.numel() for parameter in network.parameters())
        if found != weights[name]:
            raise AssertionError(f"PyTorch's {name} has {found} weights, but the tutorial's has {weights[name]}")
    layout = torch.channels_last if channels_last else torch.contiguous_format
    made, judged = made.to(memory_format=layout), judged.to(memory_format=layout)
    optimizers = [torch.optim.Adam(network.parameters(), RATE) for network in (made, judged)]
    cross_entropy, ones, zeros = nn.BCEWithLogitsLoss(), torch.ones(BATCH, 1), torch.zeros(BATCH, 1)

    def step(images: torch.Tensor) -> None:
        fake = made(torch.randn(BATCH, NOISE))
        optimizers[1].zero_grad()
        (cross_entropy(judged(images), ones) + cross_entropy(judged(fake.detach()), zeros)).backward()
        optimizers[1].step()
        judged.requires_grad_(False)
        optimizers[0].zero_grad()
        cross_entropy(judged(fake), ones).backward()
        optimizers[0].step()
        judged.requires_grad_(True)

    return step


@dataclass(frozen=True)
class Flags(BaseConfig):
    threads: Positive[int] = 2
    """Threads of each side [threads]."""
    rounds: Positive[int] = 9
    """Timed rounds of one step of each side, after two rounds of warm-up [rounds]."""


@app
def main(argv: Sequence[str] | None = None) -> None:
    """Measure and print the table."""
    flags = parse(Flags, argv, example="python -m benchmarks.dcgan_speed --threads 2")
    tf.config.threading.set_intra_op_parallelism_threads(flags.threads)
    images = np.random.default_rng(0).uniform(-1, 1, (BATCH, 28, 28, 1)).astype(np.float32)
    held = tf.constant(images)
    step, model = ours()
    weights = {
        name: sum(int(np.prod(variable.shape)) for variable in network.trainable_variables)
        for name, network in model.networks.items()
    }
    sides: dict[str, Callable[[], object]] = {"keras_gen": lambda: step(held)}
    theirs = tutorial()
    sides["TensorFlow's tutorial"] = lambda: theirs(held)
    try:
        import torch
    except ImportError:
        print("PyTorch is not installed; pip install -e '.[bench]' installs it.")
    else:
        first = torch.from_numpy(images.transpose(0, 3, 1, 2).copy())
        for name, last in (("PyTorch, channels first", False), ("PyTorch, channels last", True)):
            sides[name] = _of(pytorch(weights, flags.threads, last), first)
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in sides}
    for number in range(flags.rounds + 2):
        for name, call in sides.items():
            clock, processor = time.perf_counter(), time.process_time()
            call()
            if number >= 2:
                seconds[name].append((time.perf_counter() - clock, time.process_time() - processor))
    print("| step | images/s | times keras_gen's time | CPU s | times keras_gen's CPU |\n|---|---:|---:|---:|---:|")
    mine = seconds["keras_gen"]
    for name, found in seconds.items():
        clock, processor = (statistics.median(values) for values in zip(*found, strict=True))
        ratios = (statistics.median(a[k] / b[k] for a, b in zip(found, mine, strict=True)) for k in range(2))
        by_clock, by_processor = ratios
        print(f"| {name} | {BATCH / clock:.0f} | {by_clock:.2f} | {processor:.3f} | {by_processor:.2f} |")


def _of(step: Callable[[Any], object], images: Any) -> Callable[[], object]:
    return lambda: step(images)


if __name__ == "__main__":
    sys.exit(main())
