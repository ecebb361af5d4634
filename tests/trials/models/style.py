"""Style transfer in small: a frozen encoder that losses compare by and that is served together with the decoder.

Huang and Belongie 2017, arXiv 1703.06868: the features of the content get the mean and deviation of those of the style.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import ClassVar

import keras
import numpy as np
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
    """Networks."""

    encoder: Path | None = None
    """File with the weights of the encoder, .npz."""
    image_size: Hidden[Positive[int]] = 16
    channels: Hidden[Positive[int]] = 3


def encoder(config):
    images = keras.Input((config.image_size, config.image_size, config.channels), name="images")
    return keras.Model(images, layers.Conv2D(4, 3, 2, "same", activation="relu", dtype="float32")(images))


def decoder(config):
    features = keras.Input((config.image_size // 2, config.image_size // 2, 4), name="features")
    x = layers.Conv2DTranspose(config.channels, 4, 2, "same")(features)
    return keras.Model(features, layers.Activation("tanh", dtype="float32")(x))


@keras.saving.register_keras_serializable("trials")
class Restyle(layers.Layer):
    """Normalises the first features over positions and gives them the mean and deviation of the second."""

    def call(self, inputs):
        (mean, variance), (wanted, wanted_variance) = (
            keras.ops.moments(features, axes=(1, 2), keepdims=True) for features in inputs
        )
        return (inputs[0] - mean) * keras.ops.sqrt((wanted_variance + 1e-3) / (variance + 1e-3)) + wanted


class Style(GenerativeModel):
    """A decoder that draws a content in a style. A batch is (content, style)."""

    family = "style"
    Config = Config
    monitor = "content"
    tasks = ("translate",)
    presets: ClassVar[dict[str, Preset]] = {"tiny": Preset(Config(), TINY_RUN)}
    descriptions: ClassVar[dict[str, str]] = {"content": "Distance of the features from the wanted ones."}

    def make_networks(self, config):
        network = encoder(config)
        if config.encoder:
            with np.load(config.encoder) as weights:
                network.set_weights([weights[name] for name in weights.files])
        self.features = self.add_frozen("encoder", network)
        self.add_network("decoder", decoder(config))
        self.add_player("decoder", "decoder")
        self.log_terms(train=["content"], test=["content"])

    def frozen_files(self):
        return {"encoder": self.config.encoder} if self.config.encoder else {}

    def batch_parts(self, training=True):
        shape = (self.config.image_size, self.config.image_size, self.config.channels)
        return Part("content", shape), Part("style", shape)

    def _distances(self, batch, decode):
        wanted = Restyle()([self.features(part) for part in batch])
        return tf.reduce_mean(tf.square(self.features(decode(wanted)) - wanted), axis=(1, 2, 3))

    def objective(self, batch):
        content = tf.reduce_mean(self._distances(batch, self.networks["decoder"]))
        return Step({"decoder": content}, {"content": content})

    def validate(self, batch):
        return {"content": self._distances(batch, self.inference("decoder"))}

    def translate(self, content, style):
        return self.inference("decoder")(Restyle()([self.features(content), self.features(style)]))

    def preview(self, batch):
        return {"samples": Sheet({"content": batch[0], "style": batch[1], "drawn": self.translate(*batch)})}

    def serving(self):
        down, up = (self.for_serving(name, lambda build=build: build(self.config)) for name, build in _NETWORKS.items())
        content, style = (keras.Input(down.input.shape[1:], name=name) for name in ("content", "style"))
        drawn = up.call(Restyle()([down.call(content), down.call(style)]))  # flat, so that it can be built at any size
        network = keras.Model([content, style], drawn, name="stylist")
        ports = (image("content", content), image("style", style)), (image("drawn", drawn),)
        return {"stylist": Served(network, *ports, "a content in a style", "translate")}


_NETWORKS = {"encoder": encoder, "decoder": decoder}
