"""EBGAN: the discriminator assigns an energy to each image, the reconstruction error of an autoencoder.

    discriminator:  min  E D(x) + E max(0, m - D(G(z))),    D(x) = mean square of Dec(Enc(x)) - x
    generator:      min  E D(G(z)) + w PT(Enc(G(z)))

The discriminator raises the energy of generated images up to the margin m, and no further. The pulling-away term PT
keeps the codes of the generated images in a batch from becoming alike.

Zhao, Mathieu, LeCun: Energy-based Generative Adversarial Networks, ICLR 2017, arXiv 1609.03126.

Departures from the paper: the energy is the mean square over pixels in [-1, 1] instead of the Euclidean norm, so that
the margin does not depend on the image size. Otherwise those of `models.gan`. Logits are negative energies.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import ClassVar

import keras
import tensorflow as tf

from keras_gen.engine.config import TINY_IMAGES, TINY_RUN, Preset, RunConfig
from keras_gen.engine.model import Values
from keras_gen.flags import NonNegative, Positive
from keras_gen.models.gan import DEMO_RUN, GAN, Adversarial, DiscriminatorOutput
from keras_gen.networks.energy import autoencoder
from keras_gen.ops.adversarial import AdversarialLoss
from keras_gen.ops.penalties import pulling_away


@dataclasses.dataclass(frozen=True)
class Autoencoding(Adversarial):
    """Fields of the GANs with an autoencoder as discriminator."""

    code_dim: Positive[int] = 32
    """Code length of the discriminator's autoencoder [units]; 64 in BEGAN."""


@dataclasses.dataclass(frozen=True)
class Config(Autoencoding):
    """Architecture and objective of the model."""

    margin: Positive[float] = 0.5
    """Energy above which generated images are no longer penalised [mean square in the range -1 to 1]."""
    pulling_away: NonNegative[float] = 0.1
    """Weight of the pulling-away term [1]; 0.1 in the paper, 0: none."""

    @property
    def adversarial_loss(self) -> AdversarialLoss:
        """Energies with a margin."""
        return AdversarialLoss("energy", margin=self.margin)


class AutoencodingGAN(GAN):
    """A GAN with an autoencoder as discriminator. The logit is the negative reconstruction error."""

    error: ClassVar[Callable[[tf.Tensor], tf.Tensor]]
    """The error of a pixel, given its difference. The error of an image is the mean over its pixels."""

    def build_discriminator(self) -> keras.Model:
        """(batch, S, S, channels) -> "reconstruction", of the same shape, and "code", (batch, code_dim)."""
        return autoencoder(self.config, self.config.code_dim)

    def discriminate(self, images: tf.Tensor, labels: tf.Tensor, training: bool = True) -> Values:
        """The negative reconstruction error as "logit", (batch, 1), and "code", (batch, code_dim)."""
        outputs = self.discriminator(images, training=training)
        error = tf.reduce_mean(self.error(outputs["reconstruction"] - tf.cast(images, tf.float32)), axis=(1, 2, 3))
        return {"logit": -error[:, None], "code": outputs["code"]}

    @staticmethod
    def mean_errors(real: DiscriminatorOutput, fake: DiscriminatorOutput) -> tuple[tf.Tensor, tf.Tensor]:
        """Mean reconstruction errors of real and of generated images."""
        return -tf.reduce_mean(real.logit), -tf.reduce_mean(fake.logit)


class EBGAN(AutoencodingGAN):
    """An energy-based GAN, whose discriminator is an autoencoder.

    Examples:
        >>> model = keras_gen.EBGAN(image_size=8, latent_dim=4, filters=2)
        >>> model(np.zeros((2, 4), np.float32)).shape
        TensorShape([2, 8, 8, 1])
    """

    family = "ebgan"
    Config = Config
    error = staticmethod(tf.square)
    descriptions: ClassVar[dict[str, str]] = {
        "real_energy": "The discriminator's energy of real images.",
        "fake_energy": "The discriminator's energy of generated images.",
        "pulling_away": "Similarity of the codes of generated images; lower is more diverse.",
    }
    min_examples_per_part = 2
    presets: ClassVar[dict[str, Preset]] = {
        # The default margin is above the energy of any image that is mostly black: the generator never catches up.
        "demo": Preset(Config(latent_dim=32, filters=32, margin=0.1), dataclasses.replace(DEMO_RUN, epochs=6)),
        # Paper, section 4.1 and appendix: batches of 128, DCGAN's Adam.
        "paper": Preset(
            Config(),
            RunConfig(epochs=25, batch_size=128, learning_rate=1e-3, preview_every=500, checkpoint_every=2000),
        ),
        "tiny": Preset(
            Config(
                architecture="mlp",
                latent_dim=4,
                hidden_units=(8,),
                code_dim=3,
                generator_norm="none",
                discriminator_norm="none",
            ),
            TINY_RUN,
            TINY_IMAGES,
        ),
    }

    def make_networks(self, config: Config) -> None:
        super().make_networks(config)
        self.log_terms(train=["real_energy", "fake_energy", "pulling_away"])

    def discriminator_loss(self, real: DiscriminatorOutput, fake: DiscriminatorOutput) -> tuple[tf.Tensor, Values]:
        """The energy of real images, and the margin minus the energy of generated ones, if positive (paper, eq. 1)."""
        loss, terms = super().discriminator_loss(real, fake)
        real_energy, fake_energy = self.mean_errors(real, fake)
        return loss, terms | {"real_energy": real_energy, "fake_energy": fake_energy}

    def generator_loss(self, real: DiscriminatorOutput, fake: DiscriminatorOutput) -> tuple[tf.Tensor, Values]:
        """The energy of generated images (paper, eq. 2), and the pulling-away term (eq. 7)."""
        loss, terms = super().generator_loss(real, fake)
        term = pulling_away(fake.outputs["code"])
        return loss + self.config.pulling_away * term, terms | {"pulling_away": term}
