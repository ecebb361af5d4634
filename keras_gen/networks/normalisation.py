"""Normalisation layers by their flags' names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeAlias

import keras
from keras import layers

from keras_gen.layers.fast.instance import FastInstanceNormalization

Norm = Literal["instance", "batch"]
AnyNorm = Literal["batch", "instance", "layer", "none"]
Wrap: TypeAlias = Callable[[keras.layers.Layer], keras.layers.Layer]
"""What is done with every layer of weights of a network: spectral normalisation, or nothing."""


def as_it_is(layer: keras.layers.Layer) -> keras.layers.Layer:
    """The `Wrap` that does nothing."""
    return layer


def normalisation(norm: AnyNorm, name: str | None = None) -> keras.layers.Layer:
    """A normalisation with scale and offset.

    - instance: per example and channel, group normalisation with one channel a group; at a batch of 1 it is what batch
      normalisation by the batch's own statistics computes;
    - batch: per channel over the batch;
    - layer: per example over all channels and places (Ba et al. 2016);
    - none: the identity.

    epsilon is 1e-5, the value of the code of pix2pix and of DCGAN.
    """
    if norm == "instance":
        return FastInstanceNormalization(epsilon=1e-5, name=name)
    if norm == "layer":
        return layers.GroupNormalization(groups=1, epsilon=1e-5, name=name)
    if norm == "batch":
        return layers.BatchNormalization(epsilon=1e-5, momentum=0.9, name=name)
    return layers.Identity(name=name)
