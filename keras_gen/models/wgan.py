"""WGAN: a critic instead of a discriminator, whose two means differ by the Wasserstein distance of drawn from real.

    critic:     max  E f(x) - E f(G(z))    over functions f of a bounded slope
    generator:  max  E f(G(z))

The maximum is the earth mover's distance (times the bound), which tells a generator the way also where its images have
nothing in common with the real ones. To bound the slope, each weight of the critic is clipped after every step; what
the critic then says is an estimate of the distance, and falls as the pictures get better.

Arjovsky, Chintala, Bottou: Wasserstein GAN, ICML 2017, arXiv 1701.07875.

Departures from the paper: in the last of the n_critic steps both players move, on one forward pass (the paper's
generator moves after it, on fresh noise).
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
    """What the model is."""

    n_critic: Positive[int] = 5
    """Steps of the critic for one of the generator, each on fresh images and fresh noise [steps]; 5 in the paper. A
    step of the run has all of them, so it takes n_critic batches."""
    beta_1: Rate = 0.0
    """Momentum of RMSProp [0, 1); 0 in the paper, which found a critic with momentum unstable."""
    beta_2: Rate = 0.99
    """Decay of RMSProp's mean square [0, 1); 0.99 in the authors' program."""
    clip: Positive[float] = 0.01
    """Largest absolute value of a weight of the critic, to which it is clipped after every step [1]; 0.01 in the
    paper."""

    objective: ClassVar[Objective] = "wasserstein"


class Clip(keras.constraints.Constraint):
    """Weights within a bound; optimizers apply a variable's constraint after each of their steps."""

    def __init__(self, bound: float) -> None:
        """Args:
        bound: largest absolute value.
        """
        self.bound = bound

    def __call__(self, weights: Any) -> Any:
        """The weights, each the nearest number within the bound."""
        return keras.ops.clip(weights, -self.bound, self.bound)


class WGAN(GAN):
    """A Wasserstein GAN with clipped weights.

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
        """The critic; all that an optimizer moves is clipped, scales and offsets of normalisations too."""
        network = super().build_discriminator()
        for variable in network.trainable_variables:
            variable.constraint = Clip(self.config.clip)
            variable.assign(variable.constraint(variable))  # it begins within the bound
        return network

    def make_optimizers(self, learning_rate: Any) -> dict[str, keras.optimizers.Optimizer]:
        """RMSProp for each player (paper, algorithm 1), with epsilon where the authors' program has it."""
        config = self.config
        return {
            player: TorchRMSprop(rate, rho=config.beta_2, momentum=config.beta_1, name=f"rmsprop_{player}")
            for player, rate in self.rates(learning_rate).items()
        }

    def discriminator_loss(self, real: DiscriminatorOutput, fake: DiscriminatorOutput) -> tuple[tf.Tensor, Values]:
        """The negative estimate of the distance (paper, eq. 3), in units of the critic's bound on the slope."""
        loss, terms = super().discriminator_loss(real, fake)
        return loss, terms | {"wasserstein_estimate": -loss}
