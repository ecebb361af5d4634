"""WGAN: a critic instead of a discriminator, whose mean scores estimate the Wasserstein distance of generated from real
images.

    critic:     max  E f(x) - E f(G(z))    over functions f of bounded slope
    generator:  max  E f(G(z))

The maximum is the Wasserstein-1 (earth mover's) distance times the bound. It has a useful gradient even where generated
and real images have nothing in common. To bound the slope, each weight of the critic is clipped after every step. The
critic's loss then estimates the distance, which falls as the images improve.

Arjovsky, Chintala, Bottou: Wasserstein GAN, ICML 2017, arXiv 1701.07875.

Departures from the paper: in the last of the n_critic steps both players are updated from the same forward pass (in the
paper the generator is updated afterwards, on fresh noise).
"""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import keras
import tensorflow as tf

from keras_gen.engine.config import TINY_IMAGES, TINY_RUN, Preset, RunConfig
from keras_gen.engine.model import Values
from keras_gen.flags import Positive, Rate
from keras_gen.layers.rmsprop import TorchRMSprop
from keras_gen.models.gan import DEMO_RUN, GAN, Adversarial, DiscriminatorOutput
from keras_gen.ops.adversarial import Objective


@dataclasses.dataclass(frozen=True)
class Config(Adversarial):
    """Architecture and objective of the model."""

    n_critic: Positive[int] = 5
    """Critic steps per generator step, each on fresh images and fresh noise [steps]; 5 in the paper. One step of the
    run includes all of them, so it takes n_critic batches."""
    beta_1: Rate = 0.0
    """Momentum of RMSProp [0, 1); 0 in the paper, which found training a critic with momentum unstable."""
    beta_2: Rate = 0.99
    """Decay of RMSProp's mean square [0, 1); 0.99 in the authors' code."""
    clip: Positive[float] = 0.01
    """Largest absolute value of the critic's weights, enforced after every step [1]; 0.01 in the paper."""

    objective: ClassVar[Objective] = "wasserstein"


class Clip(keras.constraints.Constraint):
    """Clips weights to a bound. Optimizers apply a variable's constraint after each of their steps."""

    def __init__(self, bound: float) -> None:
        """Args:
        bound: largest absolute value.
        """
        self.bound = bound

    def __call__(self, weights: Any) -> Any:
        """The weights, clipped to the bound."""
        return keras.ops.clip(weights, -self.bound, self.bound)


class WGAN(GAN):
    """A Wasserstein GAN with weight clipping.

    Examples:
        >>> model = keras_gen.WGAN(image_size=8, latent_dim=4, filters=2, clip=0.02)
        >>> model(np.zeros((2, 4), np.float32)).shape
        TensorShape([2, 8, 8, 1])
    """

    family = "wgan"
    Config = Config
    presets: ClassVar[dict[str, Preset]] = {
        "demo": Preset(Config(latent_dim=32, filters=32), dataclasses.replace(DEMO_RUN, epochs=5)),
        # Paper, algorithm 1 and section 4.1: DCGAN at 64x64, batches of 64, some 200,000 steps of the generator.
        "paper": Preset(
            Config(),
            RunConfig(
                epochs=200,
                steps_per_epoch=1000,
                batch_size=64,
                learning_rate=5e-5,
                preview_every=1000,
                checkpoint_every=5000,
            ),
        ),
        "tiny": Preset(Config(architecture="mlp", latent_dim=4, hidden_units=(8,), n_critic=2), TINY_RUN, TINY_IMAGES),
    }

    def make_networks(self, config: Config) -> None:
        super().make_networks(config)
        self.log_terms(train=["wasserstein_estimate"])

    def build_discriminator(self) -> keras.Model:
        """The critic, with all trainable variables clipped, including the scales and offsets of normalisations."""
        network = super().build_discriminator()
        for variable in network.trainable_variables:
            variable.constraint = Clip(self.config.clip)
            variable.assign(variable.constraint(variable))  # initial weights may exceed the bound
        return network

    def make_optimizers(self, learning_rate: Any) -> dict[str, keras.optimizers.Optimizer]:
        """RMSProp for each player (paper, algorithm 1), with epsilon placed as in the authors' code."""
        config = self.config
        return {
            player: TorchRMSprop(rate, rho=config.beta_2, momentum=config.beta_1, name=f"rmsprop_{player}")
            for player, rate in self.rates(learning_rate).items()
        }

    def discriminator_loss(self, real: DiscriminatorOutput, fake: DiscriminatorOutput) -> tuple[tf.Tensor, Values]:
        """The negative estimate of the distance (paper, eq. 3), in units of the critic's bound on the slope."""
        loss, terms = super().discriminator_loss(real, fake)
        return loss, terms | {"wasserstein_estimate": -loss}
