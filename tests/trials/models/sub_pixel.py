"""Super-resolution from the small image itself, by a sub-pixel convolution.

Shi et al. 2016, arXiv 1609.05158, in small.
"""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import keras
import tensorflow as tf
from keras import layers

from keras_gen.engine.config import TINY_RUN, Preset
from keras_gen.engine.feeding import Part
from keras_gen.engine.model import GenerativeModel, Step
from keras_gen.export.signature import Served, image
from keras_gen.flags import BaseConfig, Hidden, Positive
from keras_gen.visual.views import Sheet


@dataclasses.dataclass(frozen=True)
class Config(BaseConfig):
    """Network."""

    filters: Positive[int] = 4
    """Channels [channels]."""
    image_size: Hidden[Positive[int]] = 8
    channels: Hidden[Positive[int]] = 1
    scale: Hidden[Positive[int]] = 2


class SubPixel(GenerativeModel):
    """One network. A batch is (small, sharp), whose sides are `scale` times as long."""

    family = "sub_pixel"
    Config = Config
    monitor = "mse"
    tasks = ("upscale", "translate")
    presets: ClassVar[dict[str, Preset]] = {"tiny": Preset(Config(), TINY_RUN, {"data": "digits"})}

    def make_networks(self, config):
        self.add_network("upscaler", self.build_upscaler())
        self.add_player("upscaler", "upscaler")
        self.log_terms(train=["mse"], test=["mse"])

    def build_upscaler(self):
        scale, side = self.config.scale, self.config.image_size // self.config.scale
        small = keras.Input((side, side, self.config.channels), name="small")
        x = layers.Conv2D(self.config.filters, 3, padding="same", activation="relu")(small)
        x = layers.Conv2DTranspose(self.config.channels, scale, scale)(x)
        x = layers.Activation("tanh", dtype="float32")(x)
        return keras.Model(small, x, name="upscaler")

    def batch_parts(self, training=True):
        sides = self.config.image_size // self.config.scale, self.config.image_size
        return tuple(
            Part(name, (side, side, self.config.channels)) for name, side in zip(("small", "sharp"), sides, strict=True)
        )

    def objective(self, batch):
        small, sharp = batch
        loss = tf.reduce_mean(tf.square(self.networks["upscaler"](small, training=True) - sharp))
        return Step({"upscaler": loss}, {"mse": loss})

    def validate(self, batch):
        return {"mse": tf.reduce_mean(tf.square(self.translate(batch[0]) - batch[1]), axis=(1, 2, 3))}

    def translate(self, source):
        return self.inference("upscaler")(source, training=False)

    def preview(self, batch):
        return {"samples": Sheet({"small": batch[0], "drawn": self.translate(batch[0]), "sharp": batch[1]})}

    def serving(self):
        network = self.for_serving("upscaler", self.build_upscaler)
        ports = (image("small", network.input),), (image("large", network.output),)
        return {"upscaler": Served(network, *ports, "images of more pixels", "translate")}
