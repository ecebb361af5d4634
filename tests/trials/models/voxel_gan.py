"""A GAN of volumes, as 3D-GAN: the discriminator stands still while it is right about four of five volumes.

Wu et al. 2016, arXiv 1610.07584, in small, here with the R1 penalty.
"""

from __future__ import annotations

import dataclasses
from typing import ClassVar, Literal

import keras
import tensorflow as tf
from keras import layers

from keras_gen.engine.config import TINY_RUN, Preset
from keras_gen.export.signature import volume
from keras_gen.flags import Positive
from keras_gen.models.wgan_gp import WGANGP
from keras_gen.models.wgan_gp import Config as OfImages
from keras_gen.visual.views import Sheet


@dataclasses.dataclass(frozen=True)
class Config(OfImages):
    """Networks and losses."""

    n_critic: Positive[int] = 1
    penalty: Literal["dragan", "r1"] = "r1"
    image_size: Positive[int] = 8
    channels: Positive[int] = 1
    latent_dim: Positive[int] = 3

    @property
    def shape(self):
        return (self.image_size,) * 3 + (self.channels,)


def seen(volumes):
    """Volumes from above, as images."""
    return tf.reduce_max(volumes, axis=1)


class VoxelGAN(WGANGP):
    """Volumes of 8x8x8. A batch is (volume, label)."""

    family = "voxel_gan"
    Config = Config
    presets: ClassVar[dict[str, Preset]] = {"tiny": Preset(Config(), TINY_RUN)}

    def build_generator(self):
        latents = keras.Input((self.config.latent_dim,), name="latents")
        x = layers.Reshape((4, 4, 4, 2))(layers.Dense(128, activation="relu")(latents))
        x = layers.Conv3DTranspose(self.config.channels, 4, 2, "same")(x)
        return keras.Model(latents, layers.Activation("tanh", dtype="float32")(x), name="generator")

    def build_discriminator(self):
        volumes = keras.Input(self.config.shape, name="volumes")
        x = layers.LeakyReLU(0.2)(layers.Conv3D(4, 4, 2, "same")(volumes))
        logit = layers.Activation("linear", dtype="float32")(layers.Dense(1)(layers.Flatten()(x)))
        return keras.Model(volumes, {"logit": logit}, name="discriminator")

    def objective(self, batch):
        step = super().objective(batch)
        right = 0.5 * (step.terms["real_accuracy"] + step.terms["fake_accuracy"])
        return dataclasses.replace(step, apply={"discriminator": 0.8 - right})

    def image_port(self, name, tensor):
        return volume(name, tensor)

    def preview(self, batch):
        shown = {"from above": seen(self.draw(self.fixed_latents(8)))}
        return {**super().preview(batch), "samples": Sheet(shown)}

    def health(self):
        health = super().health()
        return dataclasses.replace(
            health,
            real=lambda batch: seen(health.real(batch)),
            draw=lambda batch, noise: seen(health.draw(batch, noise)),
        )
