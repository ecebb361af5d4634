"""The generator and the discriminator of DCGAN.

Radford, Metz, Chintala: Unsupervised Representation Learning with Deep Convolutional GANs, ICLR 2016, arXiv 1511.06434.
Its five guidelines: strided and transposed convolutions instead of pooling; batch normalisation in both networks,
except at the generator's output and the discriminator's input; no hidden dense layers; ReLU in the generator and tanh
at its output; leaky ReLU of slope 0.2 in the discriminator. Weights are initialised from N(0, 0.02).

Convolutions are 4x4, which a stride of 2 covers evenly; the authors' code has 5x5.
"""

from __future__ import annotations

import keras
from keras import layers

from keras_gen.layers.fast.convolutions import FastConv2D, FastConv2DTranspose
from keras_gen.networks.normalisation import AnyNorm, Wrap, normalised, unwrapped
from keras_gen.networks.unet import gaussian


def dcgan_generator(
    x: keras.KerasTensor, image_size: int, channels: int, *, doublings: int, filters: int, norm: AnyNorm, dense: int = 0
) -> keras.KerasTensor:
    """Latent vectors (batch, units) -> images (batch, S, S, channels), linear.

    Args:
        x: the latent vectors.
        image_size: side S [pixels], a multiple of 2**doublings.
        channels: channels of the images.
        doublings: number of transposed convolutions.
        filters: channels of the last map before the image; each earlier map has twice as many.
        norm: normalisation after all convolutions except the last.
        dense: units of a dense layer before the first map; 0: none, as in DCGAN.
    """
    if dense:
        x = layers.Dense(dense, use_bias=norm == "none", kernel_initializer=gaussian())(x)
        x = layers.ReLU()(normalised(x, norm))
    side = image_size // 2**doublings
    x = layers.Dense(
        side * side * filters * 2 ** (doublings - 1), use_bias=norm == "none", kernel_initializer=gaussian()
    )(x)
    x = layers.Reshape((side, side, -1))(x)
    x = layers.ReLU()(normalised(x, norm))
    for level in reversed(range(doublings - 1)):
        x = FastConv2DTranspose(
            filters * 2**level, 4, 2, "same", use_bias=norm == "none", kernel_initializer=gaussian()
        )(x)
        x = layers.ReLU()(normalised(x, norm))
    return FastConv2DTranspose(channels, 4, 2, "same", kernel_initializer=gaussian())(x)


def dcgan_features(
    x: keras.KerasTensor, *, halvings: int, filters: int, norm: AnyNorm, dense: int = 0, wrap: Wrap = unwrapped
) -> keras.KerasTensor:
    """Images (batch, S, S, channels) -> features: the flattened last map, whose sides are S / 2**halvings.

    Args:
        x: the images.
        halvings: number of convolutions of stride 2.
        filters: channels of the first map; each later map has twice as many.
        norm: normalisation after all convolutions except the first.
        dense: units of a dense layer on the last map; 0: none, as in DCGAN.
        wrap: wrapper for each layer that has weights.
    """
    for level in range(halvings):
        level_norm = norm if level else "none"
        convolution = FastConv2D(
            filters * 2**level, 4, 2, "same", use_bias=level_norm == "none", kernel_initializer=gaussian()
        )
        x = layers.LeakyReLU(0.2)(normalised(wrap(convolution)(x), level_norm))
    x = layers.Flatten()(x)
    if not dense:
        return x
    x = wrap(layers.Dense(dense, use_bias=norm == "none", kernel_initializer=gaussian()))(x)
    return layers.LeakyReLU(0.2)(normalised(x, norm))
