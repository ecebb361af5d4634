"""Denoising autoencoder: a spoilt image in, the clean one out.

An autoencoder that has to undo noise cannot copy its input: it learns what images are like. In the paper that is a way
to features; here it is the end, to clean pictures of any size. So the network is fully convolutional: an encoder and a
decoder with skips, which carry what was not spoilt around the narrow part, and what comes out is added to what went in,
since noise is easier to tell than the image.

    min  E d(x, f(x~)),     x~ ~ q(x~ | x), the noise of the data layer

Vincent, Larochelle, Bengio, Manzagol: Extracting and Composing Robust Features with Denoising Autoencoders, ICML 2008;
with Lajoie: Stacked Denoising Autoencoders, JMLR 11, 2010.

Departures from the papers: convolutions instead of dense layers, and no narrow vector; skips (Ronneberger et al. 2015,
arXiv 1505.04597, here as sums) and the sum with the input (Zhang et al. 2017, arXiv 1608.03981); trained as a whole.
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
    """What the model is."""

    filters: Positive[int] = 32
    """Channels of the maps of full size, doubled by each halving [channels]."""
    levels: NonNegative[int] = 2
    """Halvings on the way into the middle; each doubles how far the network sees [count]."""
    distance: Literal["l2", "l1"] = "l2"
    """Between clean image and reconstruction, the mean over pixels of its square, for PSNR, or its absolute value."""
    image_size: Hidden[Positive[int]] = 128
    channels: Hidden[Positive[int]] = 3


def denoiser(config: Config, activation: str = "linear", *, name: str = "denoiser") -> keras.Model:
    """A functional network: (batch, S, S, channels) -> the same, in [-1, 1] or near.

    At each level two 3x3 convolutions, one on the way down and one on the way up; 2x2 convolutions of stride 2 go down,
    transposed ones up. Where a side is odd, the half is rounded up and what is too much cut off.

    Args:
        config: its form.
        activation: of the output; "linear", or "hard_tanh", which clips at -1 and 1.
        name: of the network.
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
    """Restores images: one network from a damaged image to the whole one, both of the same size.

    One player of that network. A batch is (damaged, whole), float32 NHWC in [-1, 1], by the names of `parts`. A variant
    sets `parts`, `about` and `tasks`, and builds its network.
    """

    monitor = "mse"
    descriptions: ClassVar[dict[str, str]] = {
        "psnr_of_input": "PSNR of the damaged images, which the network has to beat [dB].",
    }
    parts: ClassVar[tuple[str, str, str]]
    """Names of what goes in, of what it should become, and of what comes out."""
    about: ClassVar[str]
    """What is drawn, for the documents of an export."""

    @property
    def damage(self) -> str:
        """What was done to the images that go in, for the documents of an export."""
        return ""

    def build_network(self, activation: str = "linear") -> keras.Model:
        """(batch, S, S, channels) -> the same, in [-1, 1] or near; "hard_tanh" as activation clips at -1 and 1."""
        raise NotImplementedError

    def make_networks(self, config: Any) -> None:
        self.network = self.add_network("network", self.build_network())
        self.add_player("network", "network")
        self.log_terms(train=[DISTANCES[config.distance]], test=["mse", "psnr", "psnr_of_input"])

    def batch_parts(self, training: bool = True) -> tuple[Part, ...]:
        """(damaged, whole)."""
        shape = (self.config.image_size, self.config.image_size, self.config.channels)
        return tuple(Part(name, shape) for name in self.parts[:2])

    def call(self, damaged: tf.Tensor) -> tf.Tensor:
        """`restore`."""
        return self.restore(damaged)

    def objective(self, batch: tuple[tf.Tensor, tf.Tensor]) -> Step:
        """The distance, mean over pixels and examples."""
        damaged, whole = batch
        difference = self.network(damaged, training=True) - whole
        loss = tf.reduce_mean(tf.square(difference) if self.config.distance == "l2" else tf.abs(difference))
        return Step({"network": loss}, {DISTANCES[self.config.distance]: loss})

    def validate(self, batch: tuple[tf.Tensor, tf.Tensor]) -> Values:
        """Mean squared error in units of [-1, 1], PSNR [dB], and that of the damaged images, each of shape (batch,)."""
        damaged, whole = batch
        restored = self.restore(damaged)
        return {
            "mse": tf.reduce_mean(tf.square(restored - whole), axis=(1, 2, 3)),
            "psnr": reconstruction.psnr(restored, whole),
            "psnr_of_input": reconstruction.psnr(damaged, whole),
        }

    def restore(self, damaged: tf.Tensor) -> tf.Tensor:
        """The whole images: (batch, S, S, channels) in [-1, 1], float32."""
        return tf.clip_by_value(self.inference("network")(damaged, training=False), -1.0, 1.0)

    def preview(self, batch: tuple[tf.Tensor, tf.Tensor]) -> dict[str, View]:
        """damaged | restored | whole."""
        damaged, whole = batch
        given, wanted, drawn = self.parts
        return {"samples": Sheet({given: damaged, drawn: self.restore(damaged), wanted: whole})}

    def serving(self) -> dict[str, Served]:
        """The network, clipped."""
        network = self.for_serving("network", lambda: self.build_network("hard_tanh"))
        given, _, drawn = self.parts
        ports = (image(given, network.input, self.damage),), (image(drawn, network.output),)
        return {"network": Served(network, *ports, self.about, self.tasks[-1])}


class DenoisingAutoencoder(Restoration):
    """A denoising autoencoder as a `GenerativeModel`.

    One player of one network. A batch is (noisy, clean), float32 NHWC in [-1, 1].

    Examples:
        >>> model = keras_gen.DenoisingAutoencoder(image_size=16, filters=4)
        >>> model(np.zeros((2, 16, 16, 3), np.float32)).shape
        TensorShape([2, 16, 16, 3])
    """

    family = "denoising_autoencoder"
    Config = Config
    parts = ("noisy", "clean", "reconstruction")
    about = "a picture without its noise"
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
        """`restore`: the clean images."""
        return self.restore(noisy)
