"""Normalisation layers, by the names that flags use."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal, TypeAlias

import keras
from keras import layers

from keras_gen.errors import UserError
from keras_gen.flags import BaseConfig
from keras_gen.layers.fast.instance import FastInstanceNormalization

Norm = Literal["instance", "batch"]
AnyNorm = Literal["batch", "instance", "layer", "none"]
Wrap: TypeAlias = Callable[[keras.layers.Layer], keras.layers.Layer]
"""A function applied to every layer that has weights, such as spectral normalisation."""


def unwrapped(layer: keras.layers.Layer) -> keras.layers.Layer:
    """The `Wrap` that returns the layer itself."""
    return layer


def normalised(x: keras.KerasTensor, norm: AnyNorm, name: str | None = None) -> keras.KerasTensor:
    """Applies a normalisation layer with a trainable scale and offset to `x`.

    - instance: per example and channel, over all positions. With a batch size of 1 it equals batch normalisation with
      batch statistics. Vectors and feature maps of one pixel have only one position, at which every channel would
      become 0, so layer normalisation is used for them;
    - batch: per channel, over the batch and all positions;
    - layer: per example, over all channels and positions (Ba et al. 2016);
    - none: the identity.

    epsilon is 1e-5, as in the code of pix2pix and of DCGAN.

    Args:
        x: (batch, channels) or (batch, h, w, channels).
        norm: one of the names above.
        name: name of the layer.

    Raises:
        UserError: for layer normalisation of a single value, which would always become 0.
    """
    sides = x.shape[1:-1]
    positions = math.inf if None in sides else math.prod(sides)  # 1 for a vector
    if norm == "instance" and positions == 1:
        norm = "layer"
    if norm == "layer" and positions * x.shape[-1] == 1:
        raise UserError("normalisation got a layer of one unit, which would always be 0; accepted are 2 units or more.")
    if norm == "instance":
        return FastInstanceNormalization(epsilon=1e-5, name=name)(x)
    if norm == "layer":
        return layers.GroupNormalization(groups=1, epsilon=1e-5, name=name)(x)
    if norm == "batch":
        return layers.BatchNormalization(epsilon=1e-5, momentum=0.9, name=name)(x)
    return x


def normalises_vectors_over_batch(network: keras.Model) -> bool:
    """Whether a network applies batch normalisation to vectors. With a training batch of one example they become 0."""
    return any(
        normalises_vectors_over_batch(layer)
        if isinstance(layer, keras.Model)
        else isinstance(layer, layers.BatchNormalization) and len(layer.input.shape) == 2
        for layer in network.layers
    )


def require_independent_examples(config: BaseConfig, field: str, accepted: str = "layer, instance and none") -> None:
    """Refuses batch normalisation in a critic with a gradient penalty.

    Args:
        config: the configuration.
        field: the field with the critic's normalisation.
        accepted: what the message says is accepted.

    Raises:
        UserError: naming `field`, if its value is "batch".
    """
    if getattr(config, field) == "batch":
        raise config.fault(
            f"<{field} got>, which makes each example's gradient depend on the rest of the batch; accepted are "
            f"{accepted}."
        )
