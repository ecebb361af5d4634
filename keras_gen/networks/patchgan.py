"""PatchGAN, a discriminator that classifies overlapping patches (Isola et al. 2017, appendix 6.1.2)."""

from __future__ import annotations

from typing import Literal

import keras
from keras import layers

from keras_gen.layers.fast.convolutions import FastConv2D
from keras_gen.networks.normalisation import AnyNorm, Wrap, normalised, unwrapped
from keras_gen.networks.unet import gaussian

Patch = Literal[1, 16, 70, 286]
_HALVINGS: dict[int, int] = {1: 0, 16: 1, 70: 3, 286: 5}  # number of blocks of stride 2, before one of stride 1


def smallest_image(patch: Patch) -> int:
    """The smallest side of an image for which the discriminator has a logit [pixels].

    Each of the last two convolutions removes one row and column, so the feature map before them needs a side of 3.
    """
    return 1 if patch == 1 else 2 * 2 ** _HALVINGS[patch] + 1  # the smallest side that is halved, rounding up, to 3


def patchgan(
    image_size: int,
    channels: tuple[int, ...],
    *,
    patch: Patch = 70,
    filters: int = 64,
    norm: AnyNorm = "instance",
    wrap: Wrap = unwrapped,
    name: str = "discriminator",
) -> keras.Model:
    """A functional discriminator: a list of images (or one image) -> logits (batch, rows, columns, 1), one per patch.

    In the paper's notation, a patch of 70 is C64-C128-C256-C512, 16 is C64-C128, and 286 is C64-C128-C256-C512-C512-
    C512. All have 4x4 convolutions with a padding of 1 and stride 2, except for the last two, which have stride 1. A
    patch of 1 is C64-C128 with 1x1 convolutions (PixelGAN). The first block has no normalisation.

    Args:
        image_size: side of the images in pixels, at least `smallest_image(patch)`.
        channels: channels of each input image; the images are concatenated.
        patch: side of the receptive field of a logit, in pixels.
        filters: channels of the first block.
        norm: normalisation after each block except the first; with "none" their convolutions have a bias.
        wrap: wrapper for each convolution.
        name: name of the network.

    Examples:
        >>> discriminator = patchgan(256, (3, 3))
        >>> discriminator.output_shape, receptive_field(discriminator)
        ((None, 30, 30, 1), 70)
    """
    halvings = _HALVINGS[patch]
    kernel = 1 if patch == 1 else 4
    inputs = [keras.Input((image_size, image_size, c), name=f"image{i}") for i, c in enumerate(channels)]
    x = layers.Concatenate(name="images")(inputs) if len(inputs) > 1 else inputs[0]
    for block in range(halvings + 1):
        width = filters * min(2**block, 8) if patch != 1 else filters
        stride = 2 if block < halvings else 1
        x = _convolution(x, width, kernel, stride, bias=not block or norm == "none", wrap=wrap, name=f"block{block}")
        if block:
            x = normalised(x, norm, f"block{block}_norm")
        x = layers.LeakyReLU(0.2, name=f"block{block}_activation")(x)
    if patch == 1:
        x = _convolution(x, 2 * filters, 1, 1, bias=norm == "none", wrap=wrap, name="block1")
        x = normalised(x, norm, "block1_norm")
        x = layers.LeakyReLU(0.2, name="block1_activation")(x)
    x = _convolution(x, 1, kernel, 1, bias=True, wrap=wrap, name="logits")
    x = layers.Activation("linear", dtype=keras.config.floatx(), name="output")(x)
    return keras.Model(inputs if len(inputs) > 1 else inputs[0], x, name=name)


def _convolution(
    x: keras.KerasTensor, width: int, kernel: int, stride: int, bias: bool, wrap: Wrap, name: str
) -> keras.KerasTensor:
    # A border of 1 on every side, also at stride 1, where "same" would pad a 4x4 kernel unevenly.
    if kernel > 1 and stride == 1:
        x = layers.ZeroPadding2D(1, name=f"{name}_pad")(x)
    padding = "same" if stride == 2 else "valid"
    convolution = FastConv2D(
        width, kernel, stride, padding, use_bias=bias, kernel_initializer=gaussian(), name=f"{name}_conv"
    )
    return wrap(convolution)(x)


def receptive_field(discriminator: keras.Model) -> int:
    """Side in pixels of the image region that one logit depends on, from the kernels and strides of the layers."""
    field = 1
    for layer in reversed(discriminator.layers):
        layer = getattr(layer, "layer", layer)  # a wrapped layer
        if isinstance(layer, layers.Conv2D):
            field = (field - 1) * layer.strides[0] + layer.kernel_size[0]
    return field
