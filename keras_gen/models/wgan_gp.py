"""WGAN-GP: a critic whose gradient is kept at norm 1 by a penalty, so that its scores estimate a distance.

    critic:     min  E f(G(z)) - E f(x) + 10 E (||grad f(x^)||_2 - 1)^2,    x^ on a line between x and G(z)
    generator:  min  -E f(G(z))

If f is 1-Lipschitz, the difference of its means estimates the Wasserstein distance (Arjovsky et al. 2017). The optimal
f has gradients of norm 1 almost everywhere on the straight lines between real and generated images. The penalty
enforces this at one point of each line, chosen uniformly. No weights are clipped, so the critic keeps its capacity.

Gulrajani, Ahmed, Arjovsky, Dumoulin, Courville: Improved Training of Wasserstein GANs, NeurIPS 2017, arXiv 1704.00028.

Two other gradient penalties are available. Their papers keep the cross-entropy of GAN ("nonsaturating") and take one
discriminator step per generator step (`--n-critic 1`). Their weight is 10 too:

    dragan      E (||grad D|| - 1)^2 around real images     Kodali et al. 2017, arXiv 1705.07215
    r1          E ||grad D||^2 / 2 at real images           Mescheder et al. 2018, arXiv 1801.04406; gamma is the weight

Departures from the paper: in the last of the n_critic steps both players are updated from the same forward pass (in the
paper the generator is updated afterwards, on fresh noise).
"""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar, Literal

import keras
import tensorflow as tf

from keras_gen.engine.config import TINY_IMAGES, TINY_RUN, Preset, RunConfig
from keras_gen.engine.model import Values
from keras_gen.flags import NonNegative, Positive, Rate
from keras_gen.models.gan import DEMO_RUN, GAN, RESNET_RUN, Adversarial, DiscriminatorOutput
from keras_gen.networks import gan as networks
from keras_gen.networks.normalisation import require_independent_examples
from keras_gen.ops import penalties
from keras_gen.ops.adversarial import Logits, Objective


@dataclasses.dataclass(frozen=True)
class Config(Adversarial):
    """Architecture and objective of the model."""

    n_critic: Positive[int] = 5
    """Critic steps per generator step, each on fresh images and fresh noise [steps]; 5 in the paper, 1 in those of
    dragan and r1. One step of the run includes all of them, so it takes n_critic batches."""
    beta_1: Rate = 0.0
    """Decay of Adam's first moment [0, 1); 0 in the paper."""
    beta_2: Rate = 0.9
    """Decay of Adam's second moment [0, 1); 0.9 in the paper."""
    discriminator_norm: networks.AnyNorm = "layer"
    """Normalisation in the critic: layer, instance or none. Batch normalisation is refused, because each example's
    gradient would depend on the others."""
    penalty: Literal["gradient", "dragan", "r1"] = "gradient"
    """Gradient penalty: gradient, on lines between real and generated images, with the Wasserstein objective; dragan,
    around real images, or r1, at real images, both with the cross-entropy."""
    penalty_weight: NonNegative[float] = 10.0
    """Weight of the gradient penalty [1]; 10 in all three papers."""

    @property
    def objective(self) -> Objective:
        """The objective of the penalty's paper."""
        return "wasserstein" if self.penalty == "gradient" else "nonsaturating"

    def check_together(self) -> None:
        """Each example must have its own gradient."""
        super().check_together()
        require_independent_examples(self, "discriminator_norm")


class WGANGP(GAN):
    """A GAN with a penalty on the critic's gradient: WGAN-GP, or one regularised by DRAGAN or R1.

    Examples:
        >>> model = keras_gen.WGANGP(image_size=8, latent_dim=4, filters=2, n_critic=2)
        >>> model(np.zeros((2, 4), np.float32)).shape
        TensorShape([2, 8, 8, 1])
    """

    family = "wgan_gp"
    Config = Config
    presets: ClassVar[dict[str, Preset]] = {
        "demo": Preset(Config(latent_dim=32, filters=32), dataclasses.replace(DEMO_RUN, epochs=3)),
        # Also for --data grid and swiss-roll. With a weight of 10, the discriminator could not become as steep as modes
        # with a standard deviation of 0.01 require.
        "points": Preset(
            Config(
                architecture="mlp",
                latent_dim=8,
                hidden_units=(128, 256, 256),
                generator_norm="none",
                discriminator_norm="none",
                n_critic=1,
                beta_1=0.5,
                beta_2=0.999,
                penalty="r1",
                penalty_weight=0.003,
            ),
            RunConfig(
                epochs=12,
                steps_per_epoch=1000,
                batch_size=256,
                learning_rate=1e-3,
                steps_per_execution=50,
                preview_every=1000,
                checkpoint_every=6000,
            ),
            {"data": "ring"},
        ),
        # Paper, section 5.3 and appendix F: CIFAR-10 at 32x32, 100,000 steps of the generator.
        "paper": Preset(
            Config(architecture="resnet", latent_dim=128, filters=128, discriminator_norm="none"),
            RESNET_RUN,
        ),
        "tiny": Preset(
            Config(architecture="mlp", latent_dim=4, hidden_units=(8,), generator_norm="none", n_critic=2),
            TINY_RUN,
            TINY_IMAGES,
        ),
    }

    def make_networks(self, config: Config) -> None:
        super().make_networks(config)
        self.log_terms(train=["gradient_penalty"])
        if self.config.objective == "wasserstein":
            self.log_terms(train=["wasserstein_estimate"])

    def discriminator_loss(self, real: DiscriminatorOutput, fake: DiscriminatorOutput) -> tuple[tf.Tensor, Values]:
        """The objective plus the gradient penalty (paper, eq. 3), each also as a term."""
        loss, terms = super().discriminator_loss(real, fake)
        if self.config.objective == "wasserstein":
            terms["wasserstein_estimate"] = -loss
        terms["gradient_penalty"] = self._penalty(real, fake)
        return loss + self.config.penalty_weight * terms["gradient_penalty"], terms

    def draw_uniform(self, shape: Any) -> tf.Tensor:
        """Uniform random numbers in [0, 1), which choose where the gradient is penalised."""
        return keras.random.uniform(shape, seed=self.noise)

    def _penalty(self, real: DiscriminatorOutput, fake: DiscriminatorOutput) -> tf.Tensor:
        def critic(images: tf.Tensor) -> Logits:
            return self.discriminate(self._discriminator_inputs(images), real.labels)["logit"]

        if self.config.penalty == "r1":
            return penalties.r1_penalty(critic, real.images)
        mix = self.draw_uniform((tf.shape(real.images)[0],))
        if self.config.penalty == "dragan":
            noise = self.draw_uniform(tf.shape(real.images))
            return penalties.dragan_penalty(critic, real.images, noise, mix)
        return penalties.gradient_penalty(critic, real.images, fake.images, mix)
