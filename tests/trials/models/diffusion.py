"""Diffusion in small: a network that tells the image from a noisy one and its time, and a sampler that calls it often.

Ho et al. 2020, arXiv 2006.11239, with the image as what is predicted; sampling as Song et al. 2021, arXiv 2010.02502.
"""

from __future__ import annotations

import dataclasses
import math
from typing import ClassVar

import keras
import tensorflow as tf
from keras import layers

from keras_gen.engine.config import TINY_IMAGES, TINY_RUN, Preset
from keras_gen.engine.feeding import Part
from keras_gen.engine.model import GenerativeModel, Step
from keras_gen.export.signature import Served, feature_map, image, scalar
from keras_gen.flags import BaseConfig, Hidden, Positive
from keras_gen.ops.divergences import energy_score
from keras_gen.visual.views import Sheet


@dataclasses.dataclass(frozen=True)
class Config(BaseConfig):
    """Network and sampler."""

    steps: Positive[int] = 3
    """Steps of the sampler [steps]."""
    image_size: Hidden[Positive[int]] = 8
    channels: Hidden[Positive[int]] = 1


class Diffusion(GenerativeModel):
    """One network. A batch is (image, label)."""

    family = "diffusion"
    Config = Config
    monitor = "energy_score"
    tasks = ("generate",)
    presets: ClassVar[dict[str, Preset]] = {"tiny": Preset(Config(), TINY_RUN, TINY_IMAGES)}

    def make_networks(self, config):
        self.add_network("denoiser", self.build_denoiser())
        self.add_player("denoiser", "denoiser")
        self.noise = keras.random.SeedGenerator(name="noise")
        self.log_terms(train=["mse"], test=["energy_score"])

    def build_denoiser(self):
        noisy = keras.Input((self.config.image_size, self.config.image_size, self.config.channels), name="noisy")
        time = keras.Input((), name="time")
        shift = layers.Reshape((1, 1, 4))(layers.Dense(4)(layers.Reshape((1,))(time)))
        x = layers.Activation("relu")(layers.Add()([layers.Conv2D(4, 3, padding="same")(noisy), shift]))
        x = layers.Conv2D(self.config.channels, 3, padding="same")(x)
        return keras.Model([noisy, time], layers.Activation("tanh", dtype="float32")(x), name="denoiser")

    def batch_parts(self, training=True):
        size = self.config.image_size
        return Part("image", (size, size, self.config.channels)), Part("label", ())

    def objective(self, batch):
        images, _ = batch
        time = keras.random.uniform((tf.shape(images)[0],), seed=self.noise)
        noise = keras.random.normal(tf.shape(images), seed=self.noise)
        loss = tf.reduce_mean(tf.square(self.networks["denoiser"]([mixed(images, noise, time), time]) - images))
        return Step({"denoiser": loss}, {"mse": loss})

    def generate(self, count, seed=0, truncation=math.inf, network=None):
        run = network or (lambda *inputs: self.inference("denoiser")(list(inputs), training=False))
        shape = (count, self.config.image_size, self.config.image_size, self.config.channels)
        start = noise = tf.random.stateless_normal(shape, (seed, 0))
        for number in range(self.config.steps):
            now, later = (tf.fill((count,), 1.0 - n / self.config.steps) for n in (number, number + 1))
            found = tf.convert_to_tensor(run(start, now))
            start = mixed(found, noise, later)
        return found

    def validate(self, batch):
        return {"energy_score": energy_score(batch[0], self.generate(8))}

    def preview(self, batch):
        return {"samples": Sheet({"images": self.generate(8)})}

    def serving(self):
        network = self.for_serving("denoiser", self.build_denoiser)
        noisy, time = network.inputs
        return {
            "denoiser": Served(
                network,
                (feature_map("noisy", noisy, "an image and noise"), scalar("time", time, "0 to 1", range=(0, 1))),
                (image("image", network.output),),
                "the image in a noisy one",
                "generate",
                examples=lambda batch: (batch[0], tf.fill((len(batch[0]),), 0.5)),
            )
        }


def mixed(images, noise, time):
    """An image at time 0, noise at time 1, with weights whose squares add up to 1."""
    angle = 0.5 * math.pi * time[:, None, None, None]
    return tf.cos(angle) * images + tf.sin(angle) * noise
