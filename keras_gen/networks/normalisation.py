"""Normalisation layers by their flags' names."""

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
"""What is done with every layer of weights of a network: spectral normalisation, or nothing."""


def as_it_is(layer: keras.layers.Layer) -> keras.layers.Layer:
    """The `Wrap` that does nothing."""
    return layer


def normalised(x: keras.KerasTensor, norm: AnyNorm, name: str | None = None) -> keras.KerasTensor:
    """`x` after a normalisation with scale and offset.

    - instance: per example and channel over all places, group normalisation with one channel a group; at a batch of 1
      it is what batch normalisation by the batch's own statistics computes. Vectors and maps of a single pixel have
      one place, over which every channel would be 0: for them it is layer normalisation;
    - batch: per channel over the batch and all places;
    - layer: per example over all channels and places (Ba et al. 2016);
    - none: the identity.

    epsilon is 1e-5, the value of the code of pix2pix and of DCGAN.

    Args:
        x: (batch, channels) or (batch, h, w, channels).
        norm: one of the names above.
        name: of the layer.

    Raises:
        UserError: if a single value is all that a statistic would be taken over, as it would always become 0.
    """
    sides = x.shape[1:-1]
    places = math.inf if None in sides else math.prod(sides)  # of a vector 1
    if norm == "instance" and places == 1:
        norm = "layer"
    if norm == "layer" and places * x.shape[-1] == 1:
        raise UserError("normalisation got a layer of a single unit, which it would make 0; accepted are 2 and more.")
    if norm == "instance":
        return FastInstanceNormalization(epsilon=1e-5, name=name)(x)
    if norm == "layer":
        return layers.GroupNormalization(groups=1, epsilon=1e-5, name=name)(x)
    if norm == "batch":
        return layers.BatchNormalization(epsilon=1e-5, momentum=0.9, name=name)(x)
    return x


def normalises_vectors_over_batch(network: keras.Model) -> bool:
    """Whether there is a batch normalisation of vectors, which makes a batch of one example 0 in training."""
    return any(
        normalises_vectors_over_batch(layer)
        if isinstance(layer, keras.Model)
        else isinstance(layer, layers.BatchNormalization) and len(layer.input.shape) == 2
        for layer in network.layers
    )


def require_independent_examples(config: BaseConfig, field: str, accepted: str = "layer, instance and none") -> None:
    """Raise a UserError that names `field` if a critic with a penalty on the gradient normalises batches."""
    if getattr(config, field) == "batch":
        raise config.fault(
            f"<{field} got>, which makes each example's gradient depend on the rest of the batch; accepted are "
            f"{accepted}."
        )
