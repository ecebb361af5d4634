"""Fully connected generator and discriminator, for images of any size and points in the plane (1x1 images)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import keras
from keras import layers

from keras_gen.networks.normalisation import AnyNorm, Wrap, normalised, unwrapped


def mlp_generator(
    x: keras.KerasTensor, shape: tuple[int, int, int], hidden_units: Sequence[int], norm: AnyNorm
) -> keras.KerasTensor:
    """Dense layers with ReLU: latent vectors (batch, units) -> images (batch, *shape), linear.

    Args:
        x: the latent vectors.
        shape: shape of an image.
        hidden_units: units of the hidden layers.
        norm: normalisation after each hidden layer.
    """
    for units in hidden_units:
        x = layers.Dense(units, kernel_initializer="he_normal")(x)
        x = layers.ReLU()(normalised(x, norm))
    return layers.Reshape(shape)(layers.Dense(math.prod(shape))(x))


def mlp_features(
    x: keras.KerasTensor, hidden_units: Sequence[int], norm: AnyNorm, wrap: Wrap = unwrapped
) -> keras.KerasTensor:
    """Dense layers with leaky ReLU of slope 0.2: images -> features (batch, units of the last layer).

    Args:
        x: the images.
        hidden_units: units of the generator's hidden layers; the discriminator has them in reverse order.
        norm: normalisation after all layers except the first.
        wrap: wrapper for each layer that has weights.
    """
    x = layers.Flatten()(x)
    for number, units in enumerate(reversed(hidden_units)):
        x = wrap(layers.Dense(units, kernel_initializer="he_normal"))(x)
        x = layers.LeakyReLU(0.2)(normalised(x, norm if number else "none"))
    return x
