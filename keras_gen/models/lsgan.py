"""LSGAN: least squares instead of cross-entropy, so that the generator is also trained on images that fool the
discriminator but are far from the data.

    discriminator:  min  E (D(x) - b)^2 + E (D(G(z)) - a)^2
    generator:      min  E (D(G(z)) - c)^2

With a cross-entropy, a generated image that the discriminator calls real gives almost no gradient, even if it is far
from the data. With least squares it still does. If b - c = 1 and b - a = 2, as with --a -1 --b 1 --c 0, the generator
minimises the Pearson chi^2 divergence between p_data + p_G and 2 p_G (section 3.3). The default is the 0-1 coding of
section 3.4, where the generator's target equals that of real images.

Mao, Li, Xie, Lau, Wang, Smolley: Least Squares Generative Adversarial Networks, ICCV 2017, arXiv 1611.04076.

Departures from the paper: the factor 1/2 of both losses is left out, which makes no difference to Adam; both players
are updated from the same forward pass.
"""

from __future__ import annotations

import dataclasses
from typing import ClassVar

from keras_gen.engine.config import TINY_IMAGES, TINY_RUN, Preset, RunConfig
from keras_gen.models.gan import DEMO_RUN, GAN, Adversarial
from keras_gen.ops.adversarial import AdversarialLoss


@dataclasses.dataclass(frozen=True)
class Config(Adversarial):
    """Architecture and objective of the model."""

    a: float = 0.0
    """Discriminator's target for generated images [1]."""
    b: float = 1.0
    """Discriminator's target for real images [1]; --label-smoothing is subtracted from it."""
    c: float = 1.0
    """Generator's target for generated images [1]."""

    @property
    def adversarial_loss(self) -> AdversarialLoss:
        """Least squares with b, a and c as targets."""
        return AdversarialLoss("lsgan", targets=(self.b - self.label_smoothing, self.a), generator_target=self.c)

    def check_together(self) -> None:
        """The target for real images must be above that for generated ones."""
        super().check_together()
        if self.b - self.label_smoothing <= self.a:
            raise self.fault("<b got>; accepted are numbers greater than <a=> plus <label_smoothing=>.")
        if self.c <= self.a:
            raise self.fault("<c got>; accepted are numbers greater than <a=>.")


class LSGAN(GAN):
    """A GAN with a least-squares objective.

    Examples:
        >>> model = keras_gen.LSGAN(image_size=8, latent_dim=4, filters=2)
        >>> model(np.zeros((2, 4), np.float32)).shape
        TensorShape([2, 8, 8, 1])
    """

    family = "lsgan"
    Config = Config
    presets: ClassVar[dict[str, Preset]] = {
        "demo": Preset(Config(latent_dim=32, filters=32), DEMO_RUN),
        # Paper, section 4.1: LSUN at 112x112, batches of 64, Adam at 1e-3 with beta_1 = 0.5.
        "paper": Preset(
            Config(latent_dim=1024),
            RunConfig(
                epochs=100,
                steps_per_epoch=1000,
                batch_size=64,
                learning_rate=1e-3,
                preview_every=1000,
                checkpoint_every=5000,
            ),
        ),
        "tiny": Preset(
            Config(
                architecture="mlp", latent_dim=4, hidden_units=(8,), generator_norm="none", discriminator_norm="none"
            ),
            TINY_RUN,
            TINY_IMAGES,
        ),
    }
