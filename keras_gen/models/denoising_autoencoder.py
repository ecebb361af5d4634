"""Denoising autoencoder: maps a corrupted image to the clean one.

An autoencoder that has to remove noise cannot simply copy its input, so it learns the structure of images. In the paper
this serves to learn features. Here denoising itself is the goal, for images of any size. The network is therefore fully
convolutional: an encoder and a decoder with skip connections, which pass clean detail around the bottleneck. Its output
is added to its input, because noise is easier to predict than the image.

    min  E d(x, f(x~)),     x~ ~ q(x~ | x), the noise added by the data configuration

Vincent, Larochelle, Bengio, Manzagol: Extracting and Composing Robust Features with Denoising Autoencoders, ICML 2008;
with Lajoie: Stacked Denoising Autoencoders, JMLR 11, 2010.

Departures from the papers: convolutions instead of dense layers, and no latent vector; skip connections (Ronneberger et
al. 2015, arXiv 1505.04597, here by addition) and a residual output (Zhang et al. 2017, arXiv 1608.03981); end-to-end
training.
"""

from __future__ import annotations

import dataclasses
import itertools
from typing import Any, ClassVar, Literal

import keras
import tensorflow as tf
from keras import layers

from keras_gen.engine.config import TINY_RUN, Preset, RunConfig
from keras_gen.engine.feeding import Part
from keras_gen.engine.model import GenerativeModel, Step, Values
from keras_gen.engine.terms import DISTANCES
from keras_gen.export.signature import Served, image
from keras_gen.flags import BaseConfig, Hidden, NonNegative, Positive
from keras_gen.layers.fast.convolutions import FastConv2D, FastConv2DTranspose
from keras_gen.ops import reconstruction
from keras_gen.visual.views import Sheet, View


@dataclasses.dataclass(frozen=True)
class Config(BaseConfig):
    """Architecture and objective of the model."""

    filters: Positive[int] = 32
    """Channels at full resolution, doubled at each halving [channels]."""
    levels: NonNegative[int] = 2
    """Number of halvings; each doubles the receptive field [count]."""
    distance: Literal["l2", "l1"] = "l2"
    """Reconstruction loss: mean squared error (l2), which maximises PSNR, or mean absolute error (l1), over pixels."""
    image_size: Hidden[Positive[int]] = 128
    channels: Hidden[Positive[int]] = 3


def denoiser(config: Config, activation: str = "linear", *, name: str = "denoiser") -> keras.Model:
    """A functional network: (batch, S, S, channels) -> the same shape, approximately in [-1, 1].

    Each level has one 3x3 convolution on the way down and one on the way up. Strided 2x2 convolutions downsample,
    transposed ones upsample. Odd sides are rounded up when halved, and the excess is cropped on the way up.

    Args:
        config: architecture of the network.
        activation: activation of the output; "linear", or "hard_tanh", which clips at -1 and 1.
        name: name of the network.
    """

    def convolved(x: Any, width: int) -> Any:
        return FastConv2D(width, 3, padding="same", activation="relu", kernel_initializer="he_normal")(x)

    x = images = keras.Input((config.image_size, config.image_size, config.channels), name="noisy")
    widths = [config.filters * 2**level for level in range(config.levels + 1)]
    skips = []
    for width, next_width in itertools.pairwise(widths):
        x = convolved(x, width)
        skips.append(x)
        x = FastConv2D(next_width, 2, 2, "same")(x)
    x = convolved(convolved(x, widths[-1]), widths[-1])
    for width, skip in zip(reversed(widths[:-1]), reversed(skips), strict=True):
        x = FastConv2DTranspose(width, 2, 2, "same")(x)
        if cut := x.shape[1] - skip.shape[1]:
            x = layers.Cropping2D(((0, cut), (0, cut)))(x)
        x = convolved(layers.Add()([x, skip]), width)
    small = keras.initializers.RandomNormal(0.0, 0.01)  # training begins near the identity
    difference = FastConv2D(config.channels, 3, padding="same", kernel_initializer=small)(x)
    x = layers.Add(dtype="float32")([images, difference])
    return keras.Model(images, layers.Activation(activation, dtype="float32", name="reconstruction")(x), name=name)


class Restoration(GenerativeModel):
    """A model that restores images: one network maps a damaged image to the clean one of the same size.

    One player with that network. A batch is (damaged, clean), float32 NHWC in [-1, 1], with the names in `parts`. A
    variant sets `parts`, `about` and `tasks`, and builds its network.
    """

    monitor = "mse"
    descriptions: ClassVar[dict[str, str]] = {
        "psnr_of_input": "PSNR of the damaged images, which the network has to beat [dB].",
    }
    parts: ClassVar[tuple[str, str, str]]
    """Names of the input, the target and the output."""
    about: ClassVar[str]
    """What the output is, for the documents of an export."""

    @property
    def damage(self) -> str:
        """What was done to the input images, for the documents of an export."""
        return ""

    def build_network(self, activation: str = "linear") -> keras.Model:
        """(batch, S, S, channels) -> the same shape, approximately in [-1, 1]; the activation "hard_tanh" clips at -1
        and 1."""
        raise NotImplementedError

    def make_networks(self, config: Any) -> None:
        self.network = self.add_network("network", self.build_network())
        self.add_player("network", "network")
        self.log_terms(train=[DISTANCES[config.distance]], test=["mse", "psnr", "psnr_of_input"])

    def batch_parts(self, training: bool = True) -> tuple[Part, ...]:
        """(damaged, clean)."""
        shape = (self.config.image_size, self.config.image_size, self.config.channels)
        return tuple(Part(name, shape) for name in self.parts[:2])

    def call(self, damaged: tf.Tensor) -> tf.Tensor:
        """`restore`."""
        return self.restore(damaged)

    def objective(self, batch: tuple[tf.Tensor, tf.Tensor]) -> Step:
        """The reconstruction loss, mean over pixels and examples."""
        damaged, whole = batch
        difference = self.network(damaged, training=True) - whole
        loss = tf.reduce_mean(tf.square(difference) if self.config.distance == "l2" else tf.abs(difference))
        return Step({"network": loss}, {DISTANCES[self.config.distance]: loss})

    def validate(self, batch: tuple[tf.Tensor, tf.Tensor]) -> Values:
        """Mean squared error in units of [-1, 1], PSNR, and PSNR of the damaged images [dB], each (batch,)."""
        damaged, whole = batch
        restored = self.restore(damaged)
        return {
            "mse": tf.reduce_mean(tf.square(restored - whole), axis=(1, 2, 3)),
            "psnr": reconstruction.psnr(restored, whole),
            "psnr_of_input": reconstruction.psnr(damaged, whole),
        }

    def restore(self, damaged: tf.Tensor) -> tf.Tensor:
        """The restored images: (batch, S, S, channels) in [-1, 1], float32."""
        return tf.clip_by_value(self.inference("network")(damaged, training=False), -1.0, 1.0)

    def preview(self, batch: tuple[tf.Tensor, tf.Tensor]) -> dict[str, View]:
        """damaged | restored | clean."""
        damaged, whole = batch
        given, wanted, drawn = self.parts
        return {"samples": Sheet({given: damaged, drawn: self.restore(damaged), wanted: whole})}

    def serving(self) -> dict[str, Served]:
        """The network, with clipped output."""
        network = self.for_serving("network", lambda: self.build_network("hard_tanh"))
        given, _, drawn = self.parts
        ports = (image(given, network.input, self.damage),), (image(drawn, network.output),)
        return {"network": Served(network, *ports, self.about, self.tasks[-1])}


class DenoisingAutoencoder(Restoration):
    """A denoising autoencoder as a `GenerativeModel`.

    One player with one network. A batch is (noisy, clean), float32 NHWC in [-1, 1].

    Examples:
        >>> model = keras_gen.DenoisingAutoencoder(image_size=16, filters=4)
        >>> model(np.zeros((2, 16, 16, 3), np.float32)).shape
        TensorShape([2, 16, 16, 3])
    """

    family = "denoising_autoencoder"
    Config = Config
    parts = ("noisy", "clean", "reconstruction")
    about = "a denoised image"
    tasks = ("denoise",)
    next_commands = ("denoise RUN FOLDER --out cleaned", "evaluate RUN")
    presets: ClassVar[dict[str, Preset]] = {
        "demo": Preset(
            Config(filters=16),
            RunConfig(epochs=20, batch_size=4, learning_rate=2e-3, preview_every=200, checkpoint_every=500),
        ),
        "tiny": Preset(Config(filters=2, levels=1), TINY_RUN),
    }

    def build_network(self, activation: str = "linear") -> keras.Model:
        """The denoiser."""
        return denoiser(self.config, activation)

    def denoise(self, noisy: tf.Tensor) -> tf.Tensor:
        """The clean images; the same as `restore`."""
        return self.restore(noisy)
