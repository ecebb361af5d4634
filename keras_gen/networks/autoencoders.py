"""Encoders of images to vectors and decoders back, dense or convolutional, for images of any size."""

from __future__ import annotations

from typing import Literal

import keras
from keras import layers

Architecture = Literal["conv", "dense"]
Upsampling = Literal["transposed", "resize"]
_SMALLEST = 4  # a map of at most this side is flattened [pixels]


def map_sizes(image_size: int) -> list[int]:
    """Sides of the maps of a convolutional encoder, each half of the one before, rounded up, down to at most 4."""
    sizes = [image_size]
    while sizes[-1] > _SMALLEST:
        sizes.append(-(-sizes[-1] // 2))
    return sizes


def encoder(
    image_size: int,
    channels: int,
    latent: int,
    *,
    architecture: Architecture = "conv",
    hidden: tuple[int, ...] = (512, 256),
    filters: int = 32,
    heads: tuple[str, ...] = ("latent",),
    name: str = "encoder",
) -> keras.Model:
    """A functional encoder: (batch, S, S, channels) -> (batch, latent), or one such output for each of `heads`.

    Args:
        image_size: side S of the images [pixels].
        channels: of the images.
        latent: width of an output.
        architecture: "conv", 4x4 convolutions of stride 2 with 1, 2, 4, 8, 8 ... times `filters` channels down to a map
            of at most 4x4, then dense; or "dense", fully connected layers of `hidden` units.
        hidden: units of the dense layers; of "conv", the last of them follows the map.
        filters: channels of the first convolution.
        heads: names of the outputs.
        name: of the network.
    """
    x = images = keras.Input((image_size, image_size, channels), name="images")
    if architecture == "conv":
        for level in range(len(map_sizes(image_size)) - 1):
            width = filters * min(2**level, 8)
            x = layers.Conv2D(width, 4, 2, "same", activation="relu", kernel_initializer="he_normal")(x)
        x = layers.Flatten()(x)
        hidden = hidden[-1:]
    else:
        x = layers.Flatten()(x)
    for units in hidden:
        x = layers.Dense(units, activation="relu", kernel_initializer="he_normal")(x)
    outputs = [layers.Dense(latent, dtype="float32", name=head)(x) for head in heads]
    return keras.Model(images, outputs if len(outputs) > 1 else outputs[0], name=name)


def decoder(
    image_size: int,
    channels: int,
    latent: int,
    *,
    architecture: Architecture = "conv",
    hidden: tuple[int, ...] = (512, 256),
    filters: int = 32,
    upsampling: Upsampling = "transposed",
    activation: str | None = "tanh",
    name: str = "decoder",
) -> keras.Model:
    """A functional decoder: (batch, latent) -> (batch, S, S, channels), the mirror image of `encoder`.

    Args:
        image_size: side S of the images [pixels].
        channels: of the images.
        latent: width of the input.
        architecture: as of the encoder.
        hidden: units of the encoder's dense layers; they are passed in the other direction.
        filters: channels of the encoder's first convolution.
        upsampling: "transposed" convolutions of 4x4, or "resize" to the nearest and a 3x3 convolution, which cannot
            leave a checkerboard (Odena et al. 2016, distill.pub/2016/deconv-checkerboard).
        activation: of the output; "tanh" for images in [-1, 1], None for logits.
        name: of the network.
    """
    x = latents = keras.Input((latent,), name="latents")
    if architecture == "dense":
        for units in reversed(hidden):
            x = layers.Dense(units, activation="relu", kernel_initializer="he_normal")(x)
        x = layers.Dense(image_size * image_size * channels)(x)
        x = layers.Reshape((image_size, image_size, channels))(x)
    else:
        sizes = map_sizes(image_size)
        widths = [filters * min(2**level, 8) for level in range(len(sizes) - 1)] or [filters]
        x = layers.Dense(hidden[-1], activation="relu", kernel_initializer="he_normal")(x)
        x = layers.Dense(sizes[-1] ** 2 * widths[-1], activation="relu", kernel_initializer="he_normal")(x)
        x = layers.Reshape((sizes[-1], sizes[-1], widths[-1]))(x)
        for level in reversed(range(len(sizes) - 1)):
            last = level == 0
            width = channels if last else widths[level - 1]
            settings = {} if last else {"activation": "relu", "kernel_initializer": "he_normal"}
            if upsampling == "transposed":
                x = layers.Conv2DTranspose(width, 4, 2, "same", **settings)(x)
            else:
                x = layers.Conv2D(width, 3, padding="same", **settings)(layers.UpSampling2D()(x))
            if cut := x.shape[1] - sizes[level]:  # the side was odd
                x = layers.Cropping2D(((0, cut), (0, cut)))(x)
        if len(sizes) == 1:
            x = layers.Conv2D(channels, 3, padding="same")(x)
    x = layers.Activation(activation or "linear", dtype="float32", name="output")(x)
    return keras.Model(latents, x, name=name)
