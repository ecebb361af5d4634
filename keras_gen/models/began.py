"""BEGAN: the discriminator is an autoencoder, and an adaptive weight balances its errors on real and generated images.

    discriminator:  min  L(x) - k L(G(z)),    L(x) = mean of |Dec(Enc(x)) - x|
    generator:      min  L(G(z))
    k <- clip(k + lambda (gamma L(x) - L(G(z))), 0, 1)

gamma is the target ratio of the two errors: smaller values give sharper but less diverse images. Convergence is
measured by M = L(x) + |gamma L(x) - L(G(z))|.

Berthelot, Schumm, Metz: BEGAN: Boundary Equilibrium Generative Adversarial Networks, 2017, arXiv 1703.10717.

Departures from the paper: noise from N(0, 1) instead of a uniform distribution; the networks are those of the other
GAN families here, without the paper's skip connections. Logits are negative errors. At equilibrium generated images
have the smaller error, so the logit is no decision.
"""

from __future__ import annotations

import dataclasses
from typing import Annotated, ClassVar

import keras
import tensorflow as tf

from keras_gen.diagnostics.gan_health import Health
from keras_gen.engine.config import TINY_IMAGES, TINY_RUN, Preset, RunConfig
from keras_gen.engine.model import Values
from keras_gen.flags import Positive, Range
from keras_gen.models.ebgan import Autoencoding, AutoencodingGAN
from keras_gen.models.gan import DEMO_RUN, DiscriminatorOutput
from keras_gen.networks import gan as networks
from keras_gen.ops.adversarial import Objective


@dataclasses.dataclass(frozen=True)
class Config(Autoencoding):
    """Architecture and objective of the model."""

    discriminator_norm: networks.AnyNorm = "none"
    """Normalisation in the encoder; the paper has none in either network."""
    generator_norm: networks.AnyNorm = "none"
    """Normalisation in the generator and the decoder."""
    gamma: Annotated[float, Range(0, 1, open_low=True)] = 0.5
    """Target ratio of the error on generated images to that on real images (0, 1]; 0.3 to 0.7 in the paper."""
    lambda_k: Positive[float] = 0.001
    """Step size of k [1]; 0.001 in the paper."""

    objective: ClassVar[Objective] = "wasserstein"


class BEGAN(AutoencodingGAN):
    """A boundary equilibrium GAN.

    Examples:
        >>> model = keras_gen.BEGAN(image_size=8, latent_dim=4, filters=2)
        >>> model(np.zeros((2, 4), np.float32)).shape
        TensorShape([2, 8, 8, 1])
    """

    family = "began"
    Config = Config
    error = staticmethod(tf.abs)
    descriptions: ClassVar[dict[str, str]] = {
        "real_error": "Error of the discriminator's reconstruction of real images.",
        "fake_error": "Error of the discriminator's reconstruction of generated images.",
        "k": "Weight of generated images in the discriminator's loss, which balances the players.",
        "convergence": "Error on real images plus the distance from equilibrium, the paper's measure; lower is better.",
    }
    presets: ClassVar[dict[str, Preset]] = {
        # Without normalisation the autoencoder stays at black images. See docs/results.md for what it draws.
        "demo": Preset(
            Config(
                latent_dim=16,
                code_dim=16,
                filters=32,
                gamma=0.9,
                lambda_k=0.02,
                generator_norm="layer",
                discriminator_norm="layer",
            ),
            DEMO_RUN,
        ),
        # Paper, section 4.1: Adam at 1e-4, batches of 16.
        "paper": Preset(
            Config(latent_dim=64, code_dim=64, filters=128),
            RunConfig(epochs=100, batch_size=16, learning_rate=1e-4, preview_every=1000, checkpoint_every=5000),
        ),
        "tiny": Preset(Config(architecture="mlp", latent_dim=4, hidden_units=(8,), code_dim=3), TINY_RUN, TINY_IMAGES),
    }

    def make_networks(self, config: Config) -> None:
        super().make_networks(config)
        self.k = self.add_weight(shape=(), initializer="zeros", trainable=False, name="k")
        self.log_terms(train=["real_error", "fake_error", "k", "convergence"])

    def health(self) -> Health:
        """As for GAN; at equilibrium the error on generated images is gamma times that on real ones."""
        return dataclasses.replace(super().health(), offset=True)

    def discriminator_loss(self, real: DiscriminatorOutput, fake: DiscriminatorOutput) -> tuple[tf.Tensor, Values]:
        """The loss of section 3.4 of the paper, and its measure of convergence M (section 3.4.1)."""
        real_error, fake_error = self.mean_errors(real, fake)
        k = tf.convert_to_tensor(self.k)
        terms = {
            "real_error": real_error,
            "fake_error": fake_error,
            "k": k,
            "convergence": real_error + tf.abs(self.config.gamma * real_error - fake_error),
        }
        return real_error - k * fake_error, terms

    def running_sums(self, real: DiscriminatorOutput, fake: DiscriminatorOutput) -> Values:
        """Also the errors of the batch, from which k is updated."""
        return super().running_sums(real, fake) | {
            "real_errors": -tf.reduce_sum(real.logit),
            "fake_errors": -tf.reduce_sum(fake.logit),
            "count": tf.cast(tf.size(real.logit), tf.float32),
        }

    def running_state(self, sums: Values, gathered: Values) -> list[tuple[keras.Variable, tf.Tensor]]:
        """k after the step."""
        balance = (self.config.gamma * sums["real_errors"] - sums["fake_errors"]) / sums["count"]
        k = tf.clip_by_value(tf.convert_to_tensor(self.k) + self.config.lambda_k * balance, 0.0, 1.0)
        return [*super().running_state(sums, gathered), (self.k, k)]
