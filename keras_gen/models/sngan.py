"""SNGAN: a discriminator with spectral normalisation, which divides each layer by its largest singular value.

This makes each layer 1-Lipschitz. With activations that are 1-Lipschitz too, the outputs for two images differ by no
more than the images do. There is no second derivative to compute, only one power iteration per layer and step.

    discriminator:  min  E max(0, 1 - D(x)) + E max(0, 1 + D(G(z)))
    generator:      min  -E D(G(z))

Miyato, Kataoka, Koyama, Yoshida: Spectral Normalization for Generative Adversarial Networks, ICLR 2018, arXiv
1802.05957.

Departures from the paper: the discriminator's 4x4 convolutions of stride 2 are those of DCGAN (kernels are normalised
as matrices, as in the paper); in the last of the n_critic steps both players are updated from the same forward pass.
"""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import keras

from keras_gen.engine.config import TINY_IMAGES, TINY_RUN, Preset, RunConfig
from keras_gen.flags import Positive, Rate
from keras_gen.layers.spectral import SpectralNormalization, power_iteration
from keras_gen.models.gan import DEMO_RUN, GAN, RESNET_RUN, Adversarial
from keras_gen.networks import gan as networks
from keras_gen.ops.adversarial import Objective


@dataclasses.dataclass(frozen=True)
class Config(Adversarial):
    """Architecture and objective of the model."""

    n_critic: Positive[int] = 5
    """Discriminator steps per generator step, each on fresh images and fresh noise [steps]; 5 in the paper. One step of
    the run includes all of them, so it takes n_critic batches."""
    beta_1: Rate = 0.0
    """Decay of Adam's first moment [0, 1); 0 in the paper."""
    beta_2: Rate = 0.9
    """Decay of Adam's second moment [0, 1); 0.9 in the paper."""
    discriminator_norm: networks.AnyNorm = "none"
    """Normalisation in the discriminator, in addition to spectral normalisation; default none, because others undo the
    bound."""

    objective: ClassVar[Objective] = "hinge"


class SNGAN(GAN):
    """A GAN with a spectrally normalised discriminator and the hinge objective.

    Examples:
        >>> model = keras_gen.SNGAN(image_size=8, latent_dim=4, filters=2)
        >>> model(np.zeros((2, 4), np.float32)).shape
        TensorShape([2, 8, 8, 1])
    """

    family = "sngan"
    Config = Config
    presets: ClassVar[dict[str, Preset]] = {
        "demo": Preset(Config(latent_dim=32, filters=32, n_critic=1), DEMO_RUN),
        # For folders with a few hundred images or more, with the Adam settings of DCGAN. Without augmentation, the
        # discriminator would memorise so few images.
        "pictures": Preset(
            Config(latent_dim=64, filters=32, n_critic=1, beta_1=0.5, beta_2=0.999, augment="diffaugment"),
            RunConfig(
                epochs=16,
                steps_per_epoch=500,
                batch_size=32,
                learning_rate=2e-4,
                ema=0.999,
                preview_every=500,
                checkpoint_every=2000,
                steps_per_execution=10,
            ),
            {"data": "facades", "image_size": 64, "channels": 3, "mirror": True},
        ),
        # Paper, section 4.1 and appendix: CIFAR-10 at 32x32 with residual networks, 100,000 steps of the generator.
        "paper": Preset(
            Config(architecture="resnet", latent_dim=128, filters=128),
            RESNET_RUN,
        ),
        "tiny": Preset(
            Config(architecture="mlp", latent_dim=4, hidden_units=(8,), generator_norm="none", n_critic=2),
            TINY_RUN,
            TINY_IMAGES,
        ),
    }

    def build_discriminator(self) -> keras.Model:
        """The discriminator of the other GANs, with every layer spectrally normalised, including that of the logit."""
        return networks.discriminator(self.config, wrap=SpectralNormalization)

    def before_discriminator(self) -> None:
        """One power iteration for each layer of the discriminator (paper, algorithm 1)."""
        power_iteration(self.discriminator)
