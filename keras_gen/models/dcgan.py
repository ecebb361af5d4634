"""DCGAN: a GAN of convolutions that trains reliably.

The objective is that of Goodfellow et al. 2014. New are the architecture (`networks.dcgan`, which follows the paper's
five guidelines), weights initialised from N(0, 0.02), and Adam with a learning rate of 2e-4 and beta1 0.5.

Radford, Metz, Chintala: Unsupervised Representation Learning with Deep Convolutional Generative Adversarial Networks,
ICLR 2016, arXiv 1511.06434.

Departures from the paper: noise from N(0, 1) instead of a uniform distribution; image sizes of 4 to 7 times any power
of 2. Otherwise those of `models.gan`.
"""

from __future__ import annotations

import dataclasses
from typing import ClassVar

from keras_gen.engine.config import TINY_IMAGES, TINY_RUN, Preset, RunConfig
from keras_gen.models import gan


@dataclasses.dataclass(frozen=True)
class Config(gan.Adversarial):
    """Architecture and objective of the model."""


class DCGAN(gan.GAN):
    """A deep convolutional GAN with the nonsaturating objective.

    Examples:
        >>> model = keras_gen.DCGAN(image_size=8, latent_dim=4, filters=2)
        >>> model(np.zeros((2, 4), np.float32)).shape
        TensorShape([2, 8, 8, 1])
    """

    family = "dcgan"
    Config = Config
    presets: ClassVar[dict[str, Preset]] = {
        "demo": Preset(
            Config(latent_dim=64, filters=32),
            RunConfig(epochs=20, batch_size=64, ema=0.99, preview_every=500, checkpoint_every=2000),
        ),
        # Paper, section 4: batches of 128, five passes over LSUN's three million pictures.
        "paper": Preset(
            Config(filters=128),
            RunConfig(epochs=25, batch_size=128, preview_every=500, checkpoint_every=2000),
        ),
        "tiny": Preset(Config(latent_dim=4, filters=2), TINY_RUN, TINY_IMAGES),
    }
