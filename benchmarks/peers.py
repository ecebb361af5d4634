"""The training step of pix2pix in the style of other programs, with networks that are equal layer by layer.

`tutorial_step` follows TensorFlow's own pix2pix tutorial: batch normalisation and one tape for each player.
`pytorch_step` follows the paper's PyTorch code: the discriminator is updated on detached images, then judges them again
for the generator. Both are implemented here from the description of those programs. The numbers of weights are checked
to be equal.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from keras_gen.errors import UserError
from keras_gen.models.pix2pix import Config, Pix2Pix


def tutorial_step(config: Config) -> Callable[[tuple[tf.Tensor, tf.Tensor]], object]:
    """A compiled step on (source, target), with two tapes and binary cross-entropies of logits."""
    model = Pix2Pix(dataclasses.replace(config, norm="batch"))
    # What is served is written in Keras' own layers.
    generator, discriminator = model.serving()["generator"].network, model.networks["discriminator"]
    optimizers = [keras.optimizers.Adam(2e-4, beta_1=0.5) for _ in range(2)]
    cross_entropy = keras.losses.BinaryCrossentropy(from_logits=True)

    @tf.function
    def step(batch: tuple[tf.Tensor, tf.Tensor]) -> tuple[tf.Tensor, ...]:
        source, target = batch
        with tf.GradientTape() as generator_tape, tf.GradientTape() as discriminator_tape:
            fake = generator(source, training=True)
            real_logits = discriminator([source, target], training=True)
            fake_logits = discriminator([source, fake], training=True)
            gan = cross_entropy(tf.ones_like(fake_logits), fake_logits)
            l1 = tf.reduce_mean(tf.abs(target - fake))
            generator_loss = gan + 100.0 * l1
            discriminator_loss = cross_entropy(tf.ones_like(real_logits), real_logits)
            discriminator_loss += cross_entropy(tf.zeros_like(fake_logits), fake_logits)
        pairs = (generator_tape, generator_loss, generator), (discriminator_tape, discriminator_loss, discriminator)
        for (tape, loss, network), optimizer in zip(pairs, optimizers, strict=True):
            variables = network.trainable_variables
            optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
        return gan, l1, discriminator_loss

    for optimizer, network in zip(optimizers, (generator, discriminator), strict=True):
        optimizer.build(network.trainable_variables)
    return step


def pytorch_step(
    config: Config, channels_last: bool, threads: int = 0
) -> Callable[[tuple[np.ndarray, np.ndarray]], object]:
    """A step on (source, target), NHWC arrays, which are taken to PyTorch's layout outside of the measurement.

    Args:
        config: of the networks.
        channels_last: PyTorch's memory format.
        threads: for its operations; 0 leaves their number to PyTorch.

    Raises:
        UserError: if PyTorch is not installed.
    """
    try:
        import torch
        from torch import nn
    except ImportError:
        raise UserError("PyTorch is not installed; pip install -e '.[bench]' installs it.") from None

    if threads:
        torch.set_num_threads(threads)
    widths = [config.filters * min(2**level, 8) for level in range(config.depth)]

    class UNet(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            depth, sources = len(widths), [config.source_channels, *widths[:-1]]
            self.down, self.down_norm, self.up, self.up_norm = (nn.ModuleList() for _ in range(4))
            for level, (taken, given) in enumerate(zip(sources, widths, strict=True)):
                normed = 0 < level < depth - 1
                self.down.append(nn.Conv2d(taken, given, 4, 2, 1, bias=not normed))
                self.down_norm.append(nn.InstanceNorm2d(given, affine=True) if normed else nn.Identity())
            for level in range(depth - 1):
                taken = widths[level + 1] * (1 if level == depth - 2 else 2)
                self.up.append(nn.ConvTranspose2d(taken, widths[level], 4, 2, 1, bias=False))
                self.up_norm.append(nn.InstanceNorm2d(widths[level], affine=True))
            self.output = nn.ConvTranspose2d(2 * widths[0], config.target_channels, 4, 2, 1)
            self.dropout = nn.Dropout(config.dropout)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            encoded, depth = [], len(self.down)
            for level in range(depth):
                x = nn.functional.leaky_relu(x, 0.2) if level else x
                x = self.down_norm[level](self.down[level](x))
                encoded.append(x)
            for level in reversed(range(depth - 1)):
                x = self.up_norm[level](self.up[level](torch.relu(x)))
                x = self.dropout(x) if level >= depth - 4 else x
                x = torch.cat([x, encoded[level]], 1)
            return torch.tanh(self.output(torch.relu(x)))

    width = config.discriminator_filters
    discriminator = nn.Sequential(
        nn.Conv2d(config.source_channels + config.target_channels, width, 4, 2, 1), nn.LeakyReLU(0.2),
        nn.Conv2d(width, 2 * width, 4, 2, 1, bias=False), nn.InstanceNorm2d(2 * width, affine=True), nn.LeakyReLU(0.2),
        nn.Conv2d(2 * width, 4 * width, 4, 2, 1, bias=False), nn.InstanceNorm2d(4 * width, affine=True),
        nn.LeakyReLU(0.2),
        nn.Conv2d(4 * width, 8 * width, 4, 1, 1, bias=False), nn.InstanceNorm2d(8 * width, affine=True),
        nn.LeakyReLU(0.2), nn.Conv2d(8 * width, 1, 4, 1, 1),
    )  # fmt: skip
    generator = UNet()
    ours = Pix2Pix(config).networks
    for name, network in (("generator", generator), ("discriminator", discriminator)):
        weights = sum(parameter.numel() for parameter in network.parameters())
        if weights != ours[name].count_params():
            raise AssertionError(f"PyTorch's {name} has {weights} weights, but ours has {ours[name].count_params()}")
    layout = torch.channels_last if channels_last else torch.contiguous_format
    generator, discriminator = generator.to(memory_format=layout), discriminator.to(memory_format=layout)
    optimizers = [torch.optim.Adam(n.parameters(), 2e-4, betas=(0.5, 0.999)) for n in (generator, discriminator)]
    cross_entropy = nn.BCEWithLogitsLoss()

    def judge(source: torch.Tensor, image: torch.Tensor, real: bool) -> torch.Tensor:
        logits = discriminator(torch.cat([source, image], 1))
        return cross_entropy(logits, torch.ones_like(logits) if real else torch.zeros_like(logits))

    def step(batch: tuple[torch.Tensor, torch.Tensor]) -> float:
        source, target = batch
        fake = generator(source)
        discriminator.requires_grad_(True)
        optimizers[1].zero_grad()
        (0.5 * (judge(source, target, True) + judge(source, fake.detach(), False))).backward()
        optimizers[1].step()
        discriminator.requires_grad_(False)
        optimizers[0].zero_grad()
        loss = judge(source, fake, True) + 100.0 * nn.functional.l1_loss(fake, target)
        loss.backward()
        optimizers[0].step()
        return float(loss.detach())

    def taken(batch: tuple[np.ndarray, np.ndarray]) -> tuple[torch.Tensor, torch.Tensor]:
        return tuple(torch.from_numpy(x.transpose(0, 3, 1, 2).copy()).contiguous(memory_format=layout) for x in batch)

    step.taken = taken  # type: ignore[attr-defined]
    return step
