"""Auxiliary-classifier GAN: the discriminator also predicts the class, which both players want to be correct.

    L_S = E log P(real|x) + E log P(fake|G(z, c))            L_C = E log P(c|x) + E log P(c|G(z, c))

The discriminator maximises L_S + L_C, the generator L_C - L_S.

Odena, Olah, Shlens: Conditional Image Synthesis with Auxiliary Classifier GANs, ICML 2017, arXiv 1610.09585, equations
2 and 3.

Departures from the paper: the generator minimises the nonsaturating loss instead of L_S. The discriminator has no
dropout and no batch normalisation: batch statistics differ between real and generated images, so the exported
classifier would not be the one that was trained. Otherwise those of `models.gan`.
"""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import keras
import tensorflow as tf

from keras_gen.engine.config import TINY_IMAGES, TINY_RUN, Preset, RunConfig
from keras_gen.engine.labels import Labelled
from keras_gen.engine.model import Values
from keras_gen.export.signature import Served
from keras_gen.flags import NonNegative
from keras_gen.models.cgan import Conditional
from keras_gen.models.gan import Adversarial, DiscriminatorOutput, correctly_classified
from keras_gen.networks import gan as networks
from keras_gen.networks.normalisation import AnyNorm


@dataclasses.dataclass(frozen=True)
class Config(Labelled, Adversarial):
    """Architecture and objective of the model."""

    discriminator_norm: AnyNorm = "none"
    """Normalisation in the discriminator, which is also the classifier."""
    class_weight: NonNegative[float] = 1.0
    """Weight of the class loss for both players [1]; 1 in the paper."""


class ACGAN(Conditional):
    """An auxiliary-classifier GAN: a GAN whose discriminator has a head for the class.

    Examples:
        >>> model = keras_gen.ACGAN(image_size=8, latent_dim=4, filters=2, num_classes=3)
        >>> model((np.zeros((2, 4), np.float32), np.array([0, 2]))).shape
        TensorShape([2, 8, 8, 1])
    """

    family = "acgan"
    Config = Config
    descriptions: ClassVar[dict[str, str]] = {
        "real_class_loss": "Cross-entropy of the classes of real images [nats].",
        "real_class_accuracy": "Fraction of real images whose class the discriminator predicts correctly.",
        "fake_class_loss": "Cross-entropy of the classes of generated images [nats].",
        "fake_class_accuracy": "Fraction of generated images whose class the discriminator predicts correctly.",
        "class_accuracy": "Fraction of images whose class the discriminator predicts correctly.",
    }
    presets: ClassVar[dict[str, Preset]] = {
        "demo": Preset(
            Config(latent_dim=64, filters=32),
            RunConfig(epochs=20, batch_size=64, ema=0.99, preview_every=500, checkpoint_every=2000),
        ),
        # Paper, appendix A: latent vectors of 110 units including the class, batches of 100; wider networks at 32x32.
        "paper": Preset(
            Config(latent_dim=100, filters=96),
            RunConfig(epochs=100, batch_size=100, ema=0.999, preview_every=3000, checkpoint_every=10000),
        ),
        "tiny": Preset(Config(latent_dim=4, filters=2), TINY_RUN, TINY_IMAGES),
    }

    def make_networks(self, config: Config) -> None:
        super().make_networks(config)
        self.log_terms(
            train=["real_class_loss", "real_class_accuracy", "fake_class_loss", "fake_class_accuracy"],
            test=["class_accuracy"],
        )

    def build_discriminator(self) -> keras.Model:
        """(batch, S, S, channels) -> "logit", (batch, 1), and "classes", one logit per class."""
        return networks.discriminator(self.config, {"logit": 1, "classes": self.config.num_classes})

    def discriminator_loss(self, real: DiscriminatorOutput, fake: DiscriminatorOutput) -> tuple[tf.Tensor, Values]:
        """-(L_S + L_C)."""
        loss, terms = super().discriminator_loss(real, fake)
        real_loss, real_accuracy = _classification(real)
        fake_loss, _ = _classification(fake)
        terms |= {"real_class_loss": real_loss, "real_class_accuracy": real_accuracy}
        return loss + self.config.class_weight * (real_loss + fake_loss), terms

    def generator_loss(self, real: DiscriminatorOutput, fake: DiscriminatorOutput) -> tuple[tf.Tensor, Values]:
        """-L_C of the generated images, plus the adversarial loss."""
        loss, terms = super().generator_loss(real, fake)
        fake_loss, fake_accuracy = _classification(fake)
        terms |= {"fake_class_loss": fake_loss, "fake_class_accuracy": fake_accuracy}
        return loss + self.config.class_weight * fake_loss, terms

    def validate(self, batch: tuple[tf.Tensor, tf.Tensor]) -> Values:
        """As for GAN, and whether the classifier predicts the right class for each image."""
        images, labels = batch
        logits = self.inference("discriminator")(images, training=False)["classes"]
        return super().validate(batch) | {"class_accuracy": correctly_classified(logits, labels)}

    def serving(self) -> dict[str, Served]:
        """The generator, and the classifier: image -> class probabilities."""
        return super().serving() | {"classifier": self.served_classifier()}


def _classification(images: DiscriminatorOutput) -> tuple[tf.Tensor, tf.Tensor]:
    """-E log P(c|x) [nats] and the accuracy, scalars."""
    logits, labels = images.outputs["classes"], images.labels
    loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits))
    return loss, tf.reduce_mean(correctly_classified(logits, labels))
