"""Restoration: maps a damaged image to the clean one of the same size.

One network predicts what has to be added to its input. The data determine the damage. With noise, the model is a
denoising autoencoder: it cannot simply copy its input, so it learns the structure of images. In the paper this serves
to learn features; here denoising itself is the goal, for images of any size. With images of low resolution that were
enlarged by bicubic interpolation, it is an autoencoder for super-resolution.

    min  E d(x, x~ + f(x~)),     x~ the damaged version of x

Both networks are convolutional encoder-decoders with skip connections, which pass clean detail around the bottleneck
and gradients to the first layers. The output is residual, because the damage is easier to predict than the image.

Denoising: Vincent, Larochelle, Bengio, Manzagol: Extracting and Composing Robust Features with Denoising Autoencoders,
ICML 2008; with Lajoie: Stacked Denoising Autoencoders, JMLR 11, 2010. Super-resolution, and the network "red": Mao,
Shen, Yang: Image Restoration Using Very Deep Convolutional Encoder-Decoder Networks with Symmetric Skip Connections
(RED-Net), NeurIPS 2016, arXiv 1603.09056.

Departures from the papers: "unet" has convolutions instead of dense layers, and no latent vector; skip connections
(Ronneberger et al. 2015, arXiv 1505.04597, here by addition) and a residual output (Zhang et al. 2017, arXiv
1608.03981); end-to-end training. In "red" the first convolution and the last, transposed one have the scale as stride,
since an enlarged image holds no more information than that. Transposed convolutions of stride 1 are written as the
equivalent ordinary ones. Colour instead of luma only; fewer layers.
"""

from __future__ import annotations

import dataclasses
import itertools
from typing import Any, ClassVar, Literal, NamedTuple

import keras
import tensorflow as tf
from keras import layers

from keras_gen.engine.config import TINY_RUN, Preset, RunConfig
from keras_gen.engine.feeding import Part
from keras_gen.engine.model import GenerativeModel, Step, Values
from keras_gen.engine.tasks import Task
from keras_gen.engine.terms import DISTANCES
from keras_gen.export.signature import Served, image
from keras_gen.flags import BaseConfig, Hidden, NonNegative, Positive
from keras_gen.layers.fast.convolutions import FastConv2D, FastConv2DTranspose
from keras_gen.ops import reconstruction
from keras_gen.visual.views import Sheet, View

_OF_NETWORK = {"levels": "unet", "depth": "red"}


@dataclasses.dataclass(frozen=True)
class Config(BaseConfig):
    """Architecture and objective of the model."""

    network: Literal["unet", "red"] = "unet"
    """unet halves the feature maps repeatedly, for a large receptive field; red (RED-Net) keeps them at one size, that
    of the image before it was enlarged."""
    filters: Positive[int] = 32
    """Channels at full resolution [channels]; unet doubles them at each halving, red has 64 in its paper."""
    levels: NonNegative[int] = 2
    """For unet: number of halvings; each doubles the receptive field [count]."""
    depth: Positive[int] = 4
    """For red: layers of the encoder, and as many of the decoder [count]; 5 to 15 in the paper."""
    distance: Literal["l2", "l1"] = "l2"
    """Reconstruction loss: mean squared error (l2), which maximises PSNR, or mean absolute error (l1), over pixels."""
    image_size: Hidden[Positive[int]] = 128
    channels: Hidden[Positive[int]] = 3
    scale: Hidden[Positive[int]] = 1
    """Factor by which the inputs were enlarged; 1 for noisy images."""

    def check_together(self) -> None:
        """Fields of the other network keep their defaults, and red needs a multiple of the scale."""
        super().check_together()
        defaults = {field.name: field.default for field in dataclasses.fields(self)}
        for field, network in _OF_NETWORK.items():
            if self.network != network and getattr(self, field) != defaults[field]:
                raise self.fault(f"<{field}=> is for <network> {network}.")
        if self.network == "red" and self.image_size % self.scale:
            raise self.fault("<network=> with <image_size=>; accepted are multiples of <scale=>.")


class _Use(NamedTuple):
    """What a model of this family is for.

    Attributes:
        tasks, next_commands: see `GenerativeModel`.
        parts: names of the input, the target and the output.
        about: what the output is, for the documents of an export.
    """

    tasks: tuple[Task, ...]
    parts: tuple[str, str, str]
    about: str
    next_commands: tuple[str, ...]


_DENOISING = _Use(
    ("denoise",),
    ("noisy", "clean", "reconstruction"),
    "a denoised image",
    ("denoise RUN FOLDER --out cleaned", "evaluate RUN"),
)
_UPSCALING = _Use(
    ("upscale", "translate"),
    ("enlarged", "sharp", "sharpened"),
    "a sharpened image",
    ("translate RUN PICTURE_OR_FOLDER... --out enlarged", "evaluate RUN"),
)


def _use(config: Config) -> _Use:
    return _DENOISING if config.scale == 1 else _UPSCALING


def restorer(config: Config, activation: str = "linear") -> keras.Model:
    """A functional network: (batch, S, S, channels) in [-1, 1] -> the same shape, approximately in [-1, 1].

    Args:
        config: architecture of the network.
        activation: activation of the output; "linear", or "hard_tanh", which clips at -1 and 1.
    """
    damaged = keras.Input((config.image_size, config.image_size, config.channels), name="damaged")
    difference = {"unet": _unet, "red": _red}[config.network](damaged, config)
    x = layers.Add(dtype="float32")([damaged, difference])
    restored = layers.Activation(activation, dtype="float32", name="restored")(x)
    return keras.Model(damaged, restored, name=config.network)


def _unet(x: Any, config: Config) -> Any:
    """Each level has one 3x3 convolution on the way down and one on the way up. Strided 2x2 convolutions downsample,
    transposed ones upsample. Odd sides are rounded up when halved, and the excess is cropped on the way up."""

    def convolved(x: Any, width: int) -> Any:
        return FastConv2D(width, 3, padding="same", activation="relu", kernel_initializer="he_normal")(x)

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
    small = keras.initializers.RandomNormal(0.0, 0.01)  # training starts near the identity
    return FastConv2D(config.channels, 3, padding="same", kernel_initializer=small)(x)


def _red(x: Any, config: Config) -> Any:
    """Convolutions at the size before enlarging; skip connections link each encoder layer to the mirrored decoder
    layer."""
    scale, settings = config.scale, {"padding": "same", "kernel_initializer": "he_normal"}
    width = max(2 * scale, 3)
    x = FastConv2D(config.filters, width, scale, activation="relu", **settings)(x)
    encoded = [x]
    for _ in range(config.depth - 1):
        x = FastConv2D(config.filters, 3, activation="relu", **settings)(x)
        encoded.append(x)
    for skip in reversed(encoded):
        x = FastConv2D(config.filters, 3, **settings)(x)
        x = layers.ReLU()(layers.Add()([x, skip]))  # sum, then rectify: section 3.2
    # With larger weights, the output would start far from the bicubic image, and units would die in the first steps.
    small = keras.initializers.RandomNormal(0.0, 1e-3)
    return FastConv2DTranspose(config.channels, width, scale, "same", kernel_initializer=small)(x)


class Restoration(GenerativeModel):
    """Restoration of images as a `GenerativeModel`: denoising if `scale` is 1, otherwise super-resolution.

    One player with one network. A batch is (damaged, clean), float32 NHWC of the same size; clean images are in
    [-1, 1], damaged ones may exceed it.

    Examples:
        >>> model = keras_gen.Restoration(image_size=16, filters=4)
        >>> noisy = np.zeros((2, 16, 16, 3), np.float32)
        >>> model.denoise(noisy).shape
        TensorShape([2, 16, 16, 3])
        >>> model = keras_gen.Restoration(network="red", scale=2, image_size=16, filters=4)
        >>> enlarged = np.zeros((2, 16, 16, 3), np.float32)
        >>> model.translate(enlarged).shape
        TensorShape([2, 16, 16, 3])
    """

    family = "restoration"
    Config = Config
    monitor = "mse"
    descriptions: ClassVar[dict[str, str]] = {
        "psnr_of_input": "PSNR of the damaged images, which the network has to beat [dB].",
    }
    tasks = (*_DENOISING.tasks, *_UPSCALING.tasks)
    presets: ClassVar[dict[str, Preset]] = {
        "denoise": Preset(
            Config(filters=16),
            RunConfig(epochs=20, batch_size=4, learning_rate=2e-3, preview_every=200, checkpoint_every=500),
        ),
        "superres": Preset(
            Config(network="red", image_size=48, scale=2),
            RunConfig(
                epochs=8, batch_size=16, learning_rate=5e-4, preview_every=200, previews=12, checkpoint_every=500
            ),
        ),
        "tiny": Preset(Config(filters=2), TINY_RUN),
    }

    @classmethod
    def tasks_of(cls, config: Config) -> tuple[Task, ...]:
        """Denoising or super-resolution, by the scale."""
        return _use(config).tasks

    @property
    def next_commands(self) -> tuple[str, ...]:
        """Denoising or super-resolution, by the scale."""
        return _use(self.config).next_commands

    def make_networks(self, config: Config) -> None:
        self.network = self.add_network("network", restorer(config))
        self.add_player("network", "network")
        self.log_terms(train=[DISTANCES[config.distance]], test=["mse", "psnr", "psnr_of_input"])

    def batch_parts(self, training: bool = True) -> tuple[Part, ...]:
        """(damaged, clean). Noise and interpolation may exceed [-1, 1]."""
        shape = (self.config.image_size, self.config.image_size, self.config.channels)
        damaged, clean, _ = _use(self.config).parts
        return Part(damaged, shape, ranged=False), Part(clean, shape)

    def call(self, damaged: tf.Tensor) -> tf.Tensor:
        """`restore`."""
        return self.restore(damaged)

    def objective(self, batch: tuple[tf.Tensor, tf.Tensor]) -> Step:
        """The reconstruction loss, mean over pixels and examples."""
        damaged, clean = batch
        difference = self.network(damaged, training=True) - clean
        loss = tf.reduce_mean(tf.square(difference) if self.config.distance == "l2" else tf.abs(difference))
        return Step({"network": loss}, {DISTANCES[self.config.distance]: loss})

    def validate(self, batch: tuple[tf.Tensor, tf.Tensor]) -> Values:
        """Mean squared error in units of [-1, 1], PSNR, and PSNR of the damaged images [dB], each (batch,)."""
        damaged, clean = batch
        restored = self.restore(damaged)
        return {
            "mse": tf.reduce_mean(tf.square(restored - clean), axis=(1, 2, 3)),
            "psnr": reconstruction.psnr(restored, clean),
            "psnr_of_input": reconstruction.psnr(damaged, clean),
        }

    def restore(self, damaged: tf.Tensor) -> tf.Tensor:
        """The restored images: (batch, S, S, channels) in [-1, 1], float32."""
        return tf.clip_by_value(self.inference("network")(damaged, training=False), -1.0, 1.0)

    def denoise(self, noisy: tf.Tensor) -> tf.Tensor:
        """The clean images; the same as `restore`."""
        return self.restore(noisy)

    def translate(self, source: tf.Tensor) -> tf.Tensor:
        """Sharpens enlarged images; the same as `restore`."""
        return self.restore(source)

    def preview(self, batch: tuple[tf.Tensor, tf.Tensor]) -> dict[str, View]:
        """damaged | restored | clean."""
        damaged, clean = batch
        given, wanted, drawn = _use(self.config).parts
        return {"samples": Sheet({given: damaged, drawn: self.restore(damaged), wanted: clean})}

    def serving(self) -> dict[str, Served]:
        """The network, with clipped output."""
        network = self.for_serving("network", lambda: restorer(self.config, "hard_tanh"))
        use, scale = _use(self.config), self.config.scale
        damage = f"bicubic, {scale} times" if scale > 1 else ""
        ports = (image(use.parts[0], network.input, damage),), (image(use.parts[2], network.output),)
        return {"network": Served(network, *ports, use.about, use.tasks[-1])}
