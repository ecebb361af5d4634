"""The residual generator and critic of WGAN-GP for 32x32 images. Networks for other sizes have fewer or more blocks.

Gulrajani et al.: Improved Training of Wasserstein GANs, NeurIPS 2017, arXiv 1704.00028, appendix F. A block has two 3x3
convolutions of 128 channels, each preceded by normalisation and ReLU. Upsampling is by nearest neighbours before the
first convolution, downsampling by average pooling after the second. The shortcut is a 1x1 convolution where the size or
the channels change. The critic ends with ReLU and global average pooling.
"""

from __future__ import annotations

import keras
from keras import layers

from keras_gen.layers.fast.convolutions import FastConv2D
from keras_gen.networks.normalisation import AnyNorm, Wrap, normalised, unwrapped


def resnet_generator(
    x: keras.KerasTensor, image_size: int, channels: int, *, doublings: int, filters: int, norm: AnyNorm
) -> keras.KerasTensor:
    """Latent vectors (batch, units) -> images (batch, S, S, channels), linear.

    Arguments are those of `dcgan_generator`, but all feature maps have `filters` channels.
    """
    side = image_size // 2**doublings
    x = layers.Dense(side * side * filters)(x)
    x = layers.Reshape((side, side, filters))(x)
    for _ in range(doublings):
        y = layers.UpSampling2D()(layers.ReLU()(normalised(x, norm)))
        y = _convolution(filters)(y)
        y = _convolution(filters)(layers.ReLU()(normalised(y, norm)))
        # A 1x1 convolution before nearest-neighbour upsampling equals one after it, at a quarter of the cost.
        x = layers.Add()([layers.UpSampling2D()(_convolution(filters, 1)(x)), y])
    x = layers.ReLU()(normalised(x, norm))
    return _convolution(channels)(x)


def resnet_features(
    x: keras.KerasTensor, *, halvings: int, filters: int, norm: AnyNorm, wrap: Wrap = unwrapped
) -> keras.KerasTensor:
    """Images (batch, S, S, channels) -> features (batch, filters): blocks that downsample, then two that do not.

    Arguments are those of `dcgan_features`. In the published critic for 32x32 images, two blocks downsample to 8x8.
    """
    # The first block is applied to the image itself, so no activation precedes it. Its shortcut is pooled first.
    y = wrap(_convolution(filters))(x)
    y = layers.AveragePooling2D(2)(wrap(_convolution(filters))(layers.ReLU()(y)))
    x = layers.Add()([wrap(_convolution(filters, 1))(layers.AveragePooling2D(2)(x)), y])
    for _ in range(halvings - 1):
        y = wrap(_convolution(filters))(layers.ReLU()(normalised(x, norm)))
        y = layers.AveragePooling2D(2)(wrap(_convolution(filters))(layers.ReLU()(normalised(y, norm))))
        x = layers.Add()([layers.AveragePooling2D(2)(wrap(_convolution(filters, 1))(x)), y])
    for _ in range(2):
        y = wrap(_convolution(filters))(layers.ReLU()(normalised(x, norm)))
        y = wrap(_convolution(filters))(layers.ReLU()(normalised(y, norm)))
        x = layers.Add()([x, y])
    return layers.GlobalAveragePooling2D()(layers.ReLU()(normalised(x, norm)))


def _convolution(filters: int, kernel: int = 3) -> keras.layers.Layer:
    return FastConv2D(filters, kernel, padding="same", kernel_initializer="he_normal")
