"""Super-resolution autoencoder: an enlarged picture in, what enlarging cannot bring back out.

A picture of low resolution is enlarged by bicubic interpolation, and an encoder-decoder of convolutions draws what is
missing, which is added to it. Long skips carry the maps of each layer of the encoder to the mirrored one of the
decoder, so that details pass and gradients reach the first layers.

    min  E d(y, x + decoder(encoder(x)))          x enlarged, y sharp

Mao, Shen, Yang: Image Restoration Using Very Deep Convolutional Encoder-Decoder Networks with Symmetric Skip
Connections (RED-Net), NeurIPS 2016, arXiv 1603.09056.

Departures from the paper: the first convolution has the scale as its stride, and the last, transposed one too, since an
enlarged picture holds no more than that; inside, transposed convolutions of stride 1 are written as the convolutions
that they are. Colours instead of luma alone; fewer layers.
"""

from __future__ import annotations

import dataclasses
from typing import ClassVar, Literal

import keras
import tensorflow as tf
from keras import layers

from keras_gen.engine.config import Preset, RunConfig
from keras_gen.engine.feeding import Part
from keras_gen.engine.model import GenerativeModel, Step, Values
from keras_gen.engine.terms import DISTANCES
from keras_gen.export.signature import Served, image
from keras_gen.flags import BaseConfig, Hidden, Positive
from keras_gen.layers.fast.convolutions import FastConv2D, FastConv2DTranspose
from keras_gen.ops import reconstruction
from keras_gen.visual.views import Sheet, View


@dataclasses.dataclass(frozen=True)
class Config(BaseConfig):
    """What the model is."""

    filters: Positive[int] = 32
    """Channels of the maps inside [channels]; 64 in the paper."""
    depth: Positive[int] = 4
    """Layers of the encoder, and of the decoder [count]; 5 to 15 in the paper."""
    distance: Literal["l2", "l1"] = "l2"
    """Between sharp picture and drawn one, the mean over pixels of its square, for PSNR, or its absolute value."""
    image_size: Hidden[Positive[int]] = 48
    scale: Hidden[Positive[int]] = 2
    channels: Hidden[Positive[int]] = 3

    @property
    def source_channels(self) -> int:
        """Channels of what is translated."""
        return self.channels


def red_net(config: Config, activation: str = "linear") -> keras.Model:
    """A functional network: (batch, S, S, channels) in [-1, 1] -> the same, S a multiple of the scale.

    Args:
        config: its form.
        activation: of the output; "linear", or "hard_tanh", which clips at -1 and 1.
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


class SuperresAutoencoder(GenerativeModel):
    """A super-resolution autoencoder as a `GenerativeModel`.

    One player of one network. A batch is (enlarged, sharp), float32 NHWC in [-1, 1], both of the size of the sharp one.

    Examples:
        >>> model = keras_gen.SuperresAutoencoder(image_size=16, filters=4)
        >>> model(np.zeros((2, 16, 16, 3), np.float32)).shape
        TensorShape([2, 16, 16, 3])
    """

    family = "superres_autoencoder"
    Config = Config
    descriptions: ClassVar[dict[str, str]] = {
        "psnr_of_bicubic": "PSNR of bicubic enlargement, which the network has to beat [dB].",
    }
    monitor = "mse"
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

    def make_networks(self, config: Config) -> None:
        self.network = self.add_network("red_net", red_net(config))
        self.add_player("red_net", "red_net")
        self.log_terms(train=[DISTANCES[config.distance]], test=["mse", "psnr", "psnr_of_bicubic"])

    def batch_parts(self, training: bool = True) -> tuple[Part, ...]:
        """(enlarged, sharp)."""
        shape = (self.config.image_size, self.config.image_size, self.config.channels)
        return Part("enlarged", shape), Part("sharp", shape)

    def call(self, enlarged: tf.Tensor) -> tf.Tensor:
        """`translate`."""
        return self.translate(enlarged)

    def objective(self, batch: tuple[tf.Tensor, tf.Tensor]) -> Step:
        """The distance, mean over pixels and examples."""
        enlarged, sharp = batch
        difference = self.network(enlarged, training=True) - sharp
        loss = tf.reduce_mean(tf.square(difference) if self.config.distance == "l2" else tf.abs(difference))
        return Step({"red_net": loss}, {DISTANCES[self.config.distance]: loss})

    def validate(self, batch: tuple[tf.Tensor, tf.Tensor]) -> Values:
        """Mean squared error in units of [-1, 1], PSNR [dB], and that of the enlarged pictures, (batch,) each."""
        enlarged, sharp = batch
        drawn = self.translate(enlarged)
        return {
            "mse": tf.reduce_mean(tf.square(drawn - sharp), axis=(1, 2, 3)),
            "psnr": reconstruction.psnr(drawn, sharp),
            "psnr_of_bicubic": reconstruction.psnr(enlarged, sharp),
        }

    def translate(self, enlarged: tf.Tensor) -> tf.Tensor:
        """Enlarged pictures, sharpened: (batch, S, S, channels) in [-1, 1], float32."""
        return tf.clip_by_value(self.inference("red_net")(enlarged, training=False), -1.0, 1.0)

    def preview(self, batch: tuple[tf.Tensor, tf.Tensor]) -> dict[str, View]:
        """bicubic | sharpened | original."""
        enlarged, sharp = batch
        return {"samples": Sheet({"bicubic": enlarged, "sharpened": self.translate(enlarged), "original": sharp})}

    def serving(self) -> dict[str, Served]:
        """The network, clipped."""
        network = self.for_serving("red_net", lambda: red_net(self.config, "hard_tanh"))
        enlarged = image("enlarged", network.input, f"bicubic, {self.config.scale} times")
        ports = (enlarged,), (image("sharpened", network.output),)
        return {"red_net": Served(network, *ports, "an enlarged picture, sharpened", "translate")}
