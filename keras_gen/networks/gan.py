"""Generators and discriminators of images: fully connected, DCGAN or residual."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Literal

import keras
from keras import layers

from keras_gen.flags import BaseConfig, Hidden, NonNegative, Positive
from keras_gen.networks.dcgan import dcgan_features, dcgan_generator
from keras_gen.networks.mlp import mlp_features, mlp_generator
from keras_gen.networks.normalisation import AnyNorm, Wrap, unwrapped
from keras_gen.networks.resnet_gan import resnet_features, resnet_generator

Architecture = Literal["mlp", "dcgan", "resnet"]
_FIRST_MAP = range(4, 8)  # sides of the smallest map [pixels]


def doublings_of(image_size: int) -> int:
    """How often a feature map with a side of 4 to 7 pixels must be doubled to reach `image_size`; 0 if impossible."""
    found = [n for n in range(1, 12) if image_size % 2**n == 0 and image_size // 2**n in _FIRST_MAP]
    return found[0] if found else 0


@dataclasses.dataclass(frozen=True)
class Layout(BaseConfig):
    """Architecture of a generator and its discriminator. A family's `Config` inherits these fields."""

    architecture: Architecture = "dcgan"
    """mlp: dense layers only; dcgan: convolutions (Radford et al. 2016); resnet: residual blocks (Gulrajani et al.
    2017)."""
    latent_dim: Positive[int] = 100
    """Length of the latent vector z ~ N(0, 1) [units]; 100 in DCGAN, 128 in WGAN-GP."""
    hidden_units: tuple[Positive[int], ...] = (256, 512)
    """For mlp: units of the generator's layers [units]; the discriminator has the same in reverse order."""
    filters: Positive[int] = 64
    """For dcgan: channels of the discriminator's first map, doubled at every halving; the generator mirrors it (128 in
    the paper). For resnet: channels of all maps (128 in the paper) [channels]."""
    dense: NonNegative[int] = 0
    """For dcgan: units of an extra dense layer before the generator's first map and after the discriminator's last
    [units]; 0: none, as in DCGAN; 1024 in InfoGAN."""
    generator_norm: AnyNorm = "batch"
    """Normalisation in the generator; usually none for mlp. On vectors, as in mlp, instance acts as layer
    normalisation, because a channel with a single position has no statistics of its own."""
    discriminator_norm: AnyNorm = "batch"
    """Normalisation in the discriminator. Batch normalisation does not go with a gradient penalty, which needs a
    separate gradient for each example."""
    image_size: Hidden[Positive[int]] = 28
    channels: Hidden[Positive[int]] = 1

    def check_together(self) -> None:
        """The architecture must be able to produce images of this size."""
        super().check_together()
        if self.architecture == "mlp" and not self.hidden_units:
            raise self.fault("<hidden_units got> with <architecture=>; accepted are one or more numbers.")
        if self.architecture != "mlp" and not doublings_of(self.image_size):
            raise self.fault(
                "<image_size got>; <architecture=> can make 4, 5, 6 or 7 times a power of 2 (8, 16, 28, 32, 64 ...), "
                "and <architecture> mlp any size."
            )

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of an image."""
        return self.image_size, self.image_size, self.channels


def generator(layout: Layout, units: int | None = None, *, name: str = "generator") -> keras.Model:
    """A functional generator: (batch, units) -> (batch, S, S, channels) in [-1, 1].

    Args:
        layout: architecture of the network.
        units: length of the input; None: that of the latent vector.
        name: name of the network.
    """
    latents = keras.Input((units or layout.latent_dim,), name="latents")
    if layout.architecture == "mlp":
        x = mlp_generator(latents, layout.shape, layout.hidden_units, layout.generator_norm)
    else:
        settings = {
            "filters": layout.filters,
            "norm": layout.generator_norm,
            "doublings": doublings_of(layout.image_size),
        }
        if layout.architecture == "dcgan":
            x = dcgan_generator(latents, layout.image_size, layout.channels, dense=layout.dense, **settings)
        else:
            x = resnet_generator(latents, layout.image_size, layout.channels, **settings)
    x = layers.Activation("tanh", dtype="float32", name="images")(x)
    return keras.Model(latents, x, name=name)


def discriminator(
    layout: Layout,
    heads: Mapping[str, int] | None = None,
    *,
    channels: int | None = None,
    wrap: Wrap = unwrapped,
    name: str = "discriminator",
) -> keras.Model:
    """A functional discriminator: (batch, S, S, channels) -> a dictionary of linear float32 outputs, one per head.

    The output "features", (batch, n), is the input of all heads.

    Args:
        layout: architecture of the network, which mirrors the generator's.
        heads: units of each head, by name; None: one head, "logit", with one unit.
        channels: channels of the input; None: those of the images.
        wrap: wrapper for each layer that has weights.
        name: name of the network.
    """
    images = keras.Input((*layout.shape[:2], channels or layout.channels), name="images")
    if layout.architecture == "mlp":
        x = mlp_features(images, layout.hidden_units, layout.discriminator_norm, wrap)
    else:
        settings = {"filters": layout.filters, "norm": layout.discriminator_norm, "wrap": wrap}
        halvings = doublings_of(layout.image_size)
        if layout.architecture == "dcgan":
            x = dcgan_features(images, halvings=halvings, dense=layout.dense, **settings)
        else:
            x = resnet_features(images, halvings=max(1, halvings - 1), **settings)
    # Outputs are float32 in any precision of the layers, because the losses are.
    outputs = {"features": layers.Activation("linear", dtype="float32", name="features")(x)}
    for head, units in (heads or {"logit": 1}).items():
        y = wrap(layers.Dense(units, name=f"{head}_units"))(x)
        outputs[head] = layers.Activation("linear", dtype="float32", name=head)(y)
    return keras.Model(images, outputs, name=name)
