"""Encoders and decoders between images and vectors, dense or convolutional, for images of any size."""

from __future__ import annotations

import dataclasses
from typing import Literal

import keras
from keras import layers

from keras_gen.flags import BaseConfig, Hidden, Positive
from keras_gen.layers.fast.convolutions import FastConv2D, FastConv2DTranspose

Architecture = Literal["conv", "dense"]
Upsampling = Literal["transposed", "resize"]
_FLATTENED = 4  # feature maps are halved until their sides are at most this, and then flattened [pixels]


def map_sizes(image_size: int) -> list[int]:
    """Side lengths of a convolutional encoder's feature maps [pixels]: halved, rounding up, until at most 4.

    Examples:
        >>> map_sizes(28)
        [28, 14, 7, 4]
    """
    sizes = [image_size]
    while sizes[-1] > _FLATTENED:
        sizes.append(-(-sizes[-1] // 2))
    return sizes


@dataclasses.dataclass(frozen=True)
class Layout(BaseConfig):
    """Architecture of an encoder and its decoder. A family's `Config` inherits these fields.

    "conv" applies 4x4 convolutions of stride 2 with 1, 2, 4, 8, 8 ... times `filters` channels until the map is at most
    4x4, then one dense layer. "dense" is fully connected.
    """

    architecture: Architecture = "conv"
    """conv: convolutions of stride 2; dense: dense layers only."""
    latent_dim: Positive[int] = 16
    """Length of the latent vector [units]."""
    hidden_units: tuple[Positive[int], ...] = (512, 256)
    """Units of the encoder's dense layers, mirrored in the decoder [units]; conv uses only the last one. None: image
    and latent vector are connected directly."""
    filters: Positive[int] = 32
    """Channels of the first convolution; later ones have 2, 4, 8, 8 ... times as many [channels]."""
    upsampling: Upsampling = "transposed"
    """For conv: transposed convolutions, or nearest-neighbour resizing and a convolution, which avoids checkerboard
    artefacts (Odena et al. 2016, distill.pub/2016/deconv-checkerboard)."""
    image_size: Hidden[Positive[int]] = 28
    channels: Hidden[Positive[int]] = 1

    def check_together(self) -> None:
        """Convolutional networks need a dense layer."""
        super().check_together()
        if not self.hidden_units and self.architecture == "conv":
            raise self.fault(
                "<hidden_units got> with <architecture=>; accepted are one or more numbers, and none with "
                "<architecture> dense."
            )


def encoder(
    layout: Layout, heads: tuple[str, ...] = ("latent",), *, activation: str | None = None, name: str = "encoder"
) -> keras.Model:
    """A functional encoder: (batch, S, S, channels) -> (batch, latent_dim), or a list of one output per head.

    Args:
        layout: architecture of the network.
        heads: names of the outputs.
        activation: activation of each output; None: linear.
        name: name of the network.
    """
    x = images = keras.Input((layout.image_size, layout.image_size, layout.channels), name="images")
    hidden_units = layout.hidden_units
    if layout.architecture == "conv":
        for level in range(len(map_sizes(layout.image_size)) - 1):
            width = layout.filters * min(2**level, 8)
            x = FastConv2D(width, 4, 2, "same", activation="relu", kernel_initializer="he_normal")(x)
        hidden_units = hidden_units[-1:]
    x = layers.Flatten()(x)
    for units in hidden_units:
        x = layers.Dense(units, activation="relu", kernel_initializer="he_normal")(x)
    outputs = [layers.Dense(layout.latent_dim, activation, dtype="float32", name=head)(x) for head in heads]
    return keras.Model(images, outputs if len(outputs) > 1 else outputs[0], name=name)


def decoder(
    layout: Layout, *, channels: int | None = None, activation: str | None = "tanh", name: str = "decoder"
) -> keras.Model:
    """A functional decoder: (batch, latent_dim) -> (batch, S, S, channels), the mirror image of `encoder`.

    Args:
        layout: the encoder's layout.
        channels: channels of the output; None: those of the images.
        activation: activation of the output; "tanh" for images in [-1, 1], None for logits.
        name: name of the network.
    """
    image_size, channels = layout.image_size, channels or layout.channels
    x = latents = keras.Input((layout.latent_dim,), name="latents")
    if layout.architecture == "dense":
        for units in reversed(layout.hidden_units):
            x = layers.Dense(units, activation="relu", kernel_initializer="he_normal")(x)
        x = layers.Dense(image_size * image_size * channels)(x)
        x = layers.Reshape((image_size, image_size, channels))(x)
    else:
        sizes = map_sizes(image_size)
        widths = [layout.filters * min(2**level, 8) for level in range(len(sizes) - 1)] or [layout.filters]
        x = layers.Dense(layout.hidden_units[-1], activation="relu", kernel_initializer="he_normal")(x)
        x = layers.Dense(sizes[-1] ** 2 * widths[-1], activation="relu", kernel_initializer="he_normal")(x)
        x = layers.Reshape((sizes[-1], sizes[-1], widths[-1]))(x)
        for level in reversed(range(len(sizes) - 1)):
            last = level == 0
            width = channels if last else widths[level - 1]
            settings = {} if last else {"activation": "relu", "kernel_initializer": "he_normal"}
            if layout.upsampling == "transposed":
                x = FastConv2DTranspose(width, 4, 2, "same", **settings)(x)
            else:
                x = FastConv2D(width, 3, padding="same", **settings)(layers.UpSampling2D()(x))
            if cut := x.shape[1] - sizes[level]:  # the side was odd before it was halved
                x = layers.Cropping2D(((0, cut), (0, cut)))(x)
        if len(sizes) == 1:
            x = FastConv2D(channels, 3, padding="same")(x)
    x = layers.Activation(activation or "linear", dtype="float32", name="output")(x)
    return keras.Model(latents, x, name=name)
