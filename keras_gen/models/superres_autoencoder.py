"""Super-resolution autoencoder: restores detail in images that were enlarged by bicubic interpolation.

A convolutional encoder-decoder predicts the missing detail, which is added to the enlarged image. Long skip connections
link each encoder layer to the mirrored decoder layer, so that details pass through and gradients reach the first
layers.

    min  E d(y, x + decoder(encoder(x)))          x enlarged, y sharp

Mao, Shen, Yang: Image Restoration Using Very Deep Convolutional Encoder-Decoder Networks with Symmetric Skip
Connections (RED-Net), NeurIPS 2016, arXiv 1603.09056.

Departures from the paper: the first convolution and the last, transposed one have the scale as stride, since an
enlarged image holds no more information than that. Transposed convolutions of stride 1 are written as the equivalent
ordinary ones. Colour instead of luma only; fewer layers.
"""

from __future__ import annotations

import dataclasses
from typing import ClassVar, Literal

import keras
import tensorflow as tf
from keras import layers

from keras_gen.engine.config import Preset, RunConfig
from keras_gen.flags import BaseConfig, Hidden, Positive
from keras_gen.layers.fast.convolutions import FastConv2D, FastConv2DTranspose
from keras_gen.models.denoising_autoencoder import Restoration


@dataclasses.dataclass(frozen=True)
class Config(BaseConfig):
    """Architecture and objective of the model."""

    filters: Positive[int] = 32
    """Channels of the hidden layers [channels]; 64 in the paper."""
    depth: Positive[int] = 4
    """Layers of the encoder, and as many of the decoder [count]; 5 to 15 in the paper."""
    distance: Literal["l2", "l1"] = "l2"
    """Reconstruction loss: mean squared error (l2), which maximises PSNR, or mean absolute error (l1), over pixels."""
    image_size: Hidden[Positive[int]] = 48
    scale: Hidden[Positive[int]] = 2
    channels: Hidden[Positive[int]] = 3

    @property
    def source_channels(self) -> int:
        """Channels of the network's input."""
        return self.channels


def red_net(config: Config, activation: str = "linear") -> keras.Model:
    """A functional network: (batch, S, S, channels) in [-1, 1] -> the same shape; S is a multiple of the scale.

    Args:
        config: architecture of the network.
        activation: activation of the output; "linear", or "hard_tanh", which clips at -1 and 1.
    """
    scale, settings = config.scale, {"padding": "same", "kernel_initializer": "he_normal"}
    x = enlarged = keras.Input((config.image_size, config.image_size, config.channels), name="enlarged")
    x = FastConv2D(config.filters, 2 * scale, scale, activation="relu", **settings)(x)
    encoded = [x]
    for _ in range(config.depth - 1):
        x = FastConv2D(config.filters, 3, activation="relu", **settings)(x)
        encoded.append(x)
    for skip in reversed(encoded):
        x = FastConv2D(config.filters, 3, **settings)(x)
        x = layers.ReLU()(layers.Add()([x, skip]))  # sum, then rectify: section 3.2
    small = keras.initializers.RandomNormal(0.0, 1e-3)  # far from the bicubic picture, units would die at first
    x = FastConv2DTranspose(config.channels, 2 * scale, scale, "same", kernel_initializer=small)(x)
    x = layers.Add(dtype="float32")([enlarged, x])
    return keras.Model(enlarged, layers.Activation(activation, dtype="float32", name="sharpened")(x), name="red_net")


class SuperresAutoencoder(Restoration):
    """A super-resolution autoencoder as a `GenerativeModel`.

    One player with one network. A batch is (enlarged, sharp), float32 NHWC in [-1, 1], both of the size of the sharp
    image.

    Examples:
        >>> model = keras_gen.SuperresAutoencoder(image_size=16, filters=4)
        >>> model(np.zeros((2, 16, 16, 3), np.float32)).shape
        TensorShape([2, 16, 16, 3])
    """

    family = "superres_autoencoder"
    Config = Config
    parts = ("enlarged", "sharp", "sharpened")
    about = "a sharpened image"
    tasks = ("upscale", "translate")
    next_commands = ("translate RUN PICTURE_OR_FOLDER... --out enlarged",)
    presets: ClassVar[dict[str, Preset]] = {
        "demo": Preset(
            Config(),
            RunConfig(
                epochs=8, batch_size=16, learning_rate=5e-4, preview_every=200, previews=12, checkpoint_every=500
            ),
        ),
        "tiny": Preset(
            Config(filters=4, depth=2),
            RunConfig(epochs=2, steps_per_epoch=4, batch_size=4, preview_every=4, previews=4, checkpoint_every=4),
        ),
    }

    @property
    def damage(self) -> str:
        """The enlargement."""
        return f"bicubic, {self.config.scale} times"

    def build_network(self, activation: str = "linear") -> keras.Model:
        """RED-Net."""
        return red_net(self.config, activation)

    def translate(self, enlarged: tf.Tensor) -> tf.Tensor:
        """Sharpens enlarged images: (batch, S, S, channels) in [-1, 1], float32."""
        return self.restore(enlarged)
