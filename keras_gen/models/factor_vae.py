"""FactorVAE: a VAE that penalises dependence between latent units, measured by a discriminator.

Latent vectors of images are samples of q(z). Shuffling each latent unit independently over the batch gives samples of
the product of its marginals. A discriminator trained to tell the two apart estimates their density ratio. The mean of
its logarithm is the total correlation, which the VAE adds to its loss:

    VAE:            min  -E log p(x|z) + KL(q(z|x) || p(z)) + gamma E_q(z) log D(z) / (1 - D(z))
    discriminator:  min  -1/2 E_q(z) log D(z) - 1/2 E_shuffled log(1 - D(z))

Kim, Mnih: Disentangling by Factorising, ICML 2018, arXiv 1802.05983.

Departures from the paper: the paper shuffles a second batch. Here the second half of the batch is shuffled and the
discriminator is trained on it and the first half, so the VAE sees as many images as before. The discriminator has one
logit instead of two, and both players are updated at the same time.
"""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import keras
import tensorflow as tf
from keras import layers

from keras_gen.engine.config import TINY_RUN, Preset, RunConfig
from keras_gen.engine.schedules import scaled
from keras_gen.flags import NonNegative, Positive
from keras_gen.models.vae import VAE, Variational
from keras_gen.ops.adversarial import AdversarialLoss
from keras_gen.ops.divergences import kl_to_standard_normal, permuted_units


@dataclasses.dataclass(frozen=True)
class Config(Variational):
    """Architecture and objective of the model."""

    gamma: NonNegative[float] = 35.0
    """Weight of the total correlation [1]; 35 was the best in the paper for its shapes data set."""
    discriminator_layers: Positive[int] = 6
    """Hidden dense layers of the discriminator [count]; 6 in the paper."""
    discriminator_units: Positive[int] = 1000
    """Units of each of these layers [units]; 1000 in the paper."""
    discriminator_rate: Positive[float] = 1.0
    """Learning rate of the discriminator, relative to --learning-rate of the VAE [1]; 1 in the paper. A discriminator
    that learns too slowly underestimates the total correlation."""


class FactorVAE(VAE):
    """A FactorVAE: a VAE with a penalty on total correlation, and the discriminator that estimates it.

    Examples:
        >>> model = keras_gen.FactorVAE(image_size=8, latent_dim=2, hidden_units=(8,), filters=2, gamma=10)
        >>> model(np.zeros((3, 8, 8, 1), np.float32)).shape
        TensorShape([3, 8, 8, 1])
    """

    family = "factor_vae"
    Config = Config
    descriptions: ClassVar[dict[str, str]] = {
        "discriminator_loss": "Loss of the discriminator that tells latent vectors from shuffled ones.",
    }
    min_examples_per_part = 2
    presets: ClassVar[dict[str, Preset]] = {
        "demo": Preset(
            Config(latent_dim=10, hidden_units=(256,), filters=8, discriminator_layers=4, discriminator_units=256),
            RunConfig(
                epochs=16,
                steps_per_epoch=500,
                batch_size=64,
                learning_rate=1e-3,
                steps_per_execution=10,
                preview_every=1000,
                checkpoint_every=4000,
            ),
            # At 64x64 the codes change faster than the discriminator can follow, and a step takes more than twice as
            # long.
            {"image_size": 32},
        ),
        # Paper, section 5 and appendix A: batches of 64, 300,000 steps, Adam at 1e-4.
        "paper": Preset(
            Config(latent_dim=10, hidden_units=(128,), filters=32),
            RunConfig(
                epochs=30,
                steps_per_epoch=10000,
                batch_size=64,
                learning_rate=1e-4,
                preview_every=5000,
                checkpoint_every=10000,
            ),
        ),
        "tiny": Preset(
            Config(hidden_units=(8,), filters=2, latent_dim=2, discriminator_layers=2, discriminator_units=8), TINY_RUN
        ),
    }

    def make_networks(self, config: Config) -> None:
        super().make_networks(config)
        self.discriminator = self.add_network("discriminator", _discriminator(config))
        self.add_player("discriminator", "discriminator")
        self.log_terms(train=["total_correlation", "discriminator_loss"])
        self.order = keras.random.SeedGenerator(name="order")

    def betas(self, player: str) -> tuple[float, float]:
        """Adam's usual decay rates for the VAE; 0.5 and 0.9 for the discriminator (paper, appendix A)."""
        return (0.5, 0.9) if player == "discriminator" else super().betas(player)

    def rates(self, learning_rate: Any) -> dict[str, Any]:
        """The learning rate of each player; the discriminator's is relative to the VAE's."""
        return super().rates(learning_rate) | {"discriminator": scaled(learning_rate, self.config.discriminator_rate)}

    def divergence(
        self, z: tf.Tensor, mean: tf.Tensor, log_variance: tf.Tensor
    ) -> tuple[dict[str, tf.Tensor], dict[str, tf.Tensor]]:
        """The KL divergence plus the total correlation, and the discriminator's loss (paper, algorithm 2)."""
        half, loss = tf.shape(z)[0] // 2, AdversarialLoss("nonsaturating")
        logits = self.discriminator(z, training=True)
        shuffled = permuted_units(z[half:], keras.random.uniform(tf.shape(z[half:]), seed=self.order))
        terms = {
            "total_correlation": tf.reduce_mean(logits),
            "discriminator_loss": 0.5 * loss.discriminator(logits[:half], self.discriminator(shuffled, training=True)),
        }
        kl = tf.reduce_mean(tf.reduce_sum(kl_to_standard_normal(mean, log_variance), axis=-1))
        losses = {
            "vae": kl + self.config.gamma * terms["total_correlation"],
            "discriminator": terms["discriminator_loss"],
        }
        return losses, terms


def _discriminator(config: Config) -> keras.Model:
    """(batch, latent_dim) -> (batch, 1): the logit of a latent vector not being shuffled."""
    x = latents = keras.Input((config.latent_dim,), name="latents")
    for _ in range(config.discriminator_layers):
        x = layers.Dense(config.discriminator_units, kernel_initializer="he_normal")(x)
        x = layers.LeakyReLU(0.2)(x)
    return keras.Model(latents, layers.Dense(1, dtype="float32", name="logit")(x), name="discriminator")
