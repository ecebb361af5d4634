"""The U-Net of pix2pix: an encoder-decoder with skip connections between mirrored levels (Isola et al. 2017, appendix
6.1.1)."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import keras
from keras import layers

from keras_gen.flags import BaseConfig, Hidden, NonNegative, Positive
from keras_gen.layers.dropout import PermanentDropout
from keras_gen.layers.fast.convolutions import FastConv2D, FastConv2DTranspose
from keras_gen.networks.normalisation import Norm, normalised


@dataclasses.dataclass(frozen=True)
class Levels(BaseConfig):
    """Image size and depth of a U-Net. A family's `Config` inherits these fields."""

    min_levels: ClassVar[int] = 2
    """Minimum number of halvings that the size must allow if `levels` is 0."""

    image_size: Hidden[Positive[int]] = 256
    levels: NonNegative[int] = 0
    """Number of halvings in the generator [count]; 0: as many as the image size allows, at most 8 (8 at 256 in
    pix2pix)."""

    def check_together(self) -> None:
        """The image size must be divisible often enough."""
        super().check_together()
        if self.levels == 1:
            raise self.fault("<levels got>; accepted are 2 or more, and 0 for as many as the image size allows.")
        levels = self.levels or max(self.depth, self.min_levels)
        if self.image_size % 2**levels:
            raise self.fault(f"<image_size got>; accepted are multiples of 2^levels = {2**levels} ({levels} levels).")

    @property
    def depth(self) -> int:
        """Number of halvings: `levels`, or as many as the image size allows."""
        return self.levels or levels_of(self.image_size)


def gaussian() -> keras.initializers.Initializer:
    """Initializer N(0, 0.02) of DCGAN and pix2pix (Isola et al. 2017, section 3.3)."""
    return keras.initializers.RandomNormal(0.0, 0.02)


def unet(
    image_size: int,
    source_channels: int,
    target_channels: int,
    *,
    levels: int,
    filters: int = 64,
    norm: Norm = "instance",
    dropout: float = 0.5,
    skips: bool = True,
    noise_at_test: bool = False,
    activation: str | None = "tanh",
    name: str = "unet",
) -> keras.Model:
    """A functional U-Net: (batch, S, S, source_channels) -> (batch, S, S, target_channels).

    Each level of the encoder halves the side by a 4x4 convolution of stride 2 and has 1, 2, 4, 8, 8 ... times `filters`
    channels. The decoder mirrors it with 4x4 transposed convolutions. The output and the first and the innermost
    encoder block have no normalisation. (At 256, the innermost feature map is a single pixel, which normalisation would
    set to 0.) Convolutions before a normalisation have no bias, because the normalisation would remove it.

    Args:
        image_size: side S of the images [pixels], a multiple of 2**levels.
        source_channels: channels of the input.
        target_channels: channels of the output.
        levels: number of halvings, at least 2.
        filters: channels of the first block.
        norm: "instance" or "batch".
        dropout: dropout rate in the three innermost decoder blocks, the only source of noise in the paper.
        skips: whether there are skip connections; without them, it is the paper's encoder-decoder.
        noise_at_test: whether dropout stays on in inference, as in the paper's experiments.
        activation: activation of the output; "tanh" for images in [-1, 1], None for logits.
        name: name of the network.

    Raises:
        ValueError: if the image size is not a multiple of 2**levels, or there is only one level.

    Examples:
        >>> unet(32, 3, 1, levels=3, filters=4).output_shape
        (None, 32, 32, 1)
    """
    if levels < 2:
        raise ValueError(f"levels got {levels}; accepted are 2 or more.")
    if image_size % 2**levels:
        raise ValueError(f"image_size got {image_size}; accepted are multiples of 2**levels = {2**levels}.")
    widths = [filters * min(2**level, 8) for level in range(levels)]
    x = source = keras.Input((image_size, image_size, source_channels), name="source")
    encoded = []
    for level, width in enumerate(widths):
        normed = 0 < level < levels - 1
        if level:
            x = layers.LeakyReLU(0.2, name=f"down{level}_activation")(x)
        x = FastConv2D(
            width, 4, 2, "same", use_bias=not normed, kernel_initializer=gaussian(), name=f"down{level}_conv"
        )(x)
        if normed:
            x = normalised(x, norm, f"down{level}_norm")
        encoded.append(x)
    for level in reversed(range(levels - 1)):
        x = layers.ReLU(name=f"up{level}_activation")(x)
        x = FastConv2DTranspose(
            widths[level], 4, 2, "same", use_bias=False, kernel_initializer=gaussian(), name=f"up{level}_conv"
        )(x)
        x = normalised(x, norm, f"up{level}_norm")
        if dropout and level >= levels - 4:
            x = (PermanentDropout if noise_at_test else layers.Dropout)(dropout, name=f"up{level}_dropout")(x)
        if skips:
            x = layers.Concatenate(name=f"up{level}_skip")([x, encoded[level]])
    x = layers.ReLU(name="output_activation")(x)
    x = FastConv2DTranspose(target_channels, 4, 2, "same", kernel_initializer=gaussian(), name="output_conv")(x)
    x = layers.Activation(activation or "linear", dtype=keras.config.floatx(), name="output")(x)
    return keras.Model(source, x, name=name)


def levels_of(image_size: int, at_most: int = 8) -> int:
    """How often the side can be halved without remainder, at most `at_most` times (8 times at 256 in the paper)."""
    halvings = 0
    while halvings < at_most and image_size > 0 and image_size % 2 ** (halvings + 1) == 0:
        halvings += 1
    return halvings
