"""LSGAN: least squares instead of a cross-entropy, so that pictures on the right side of a decision pay for how far.

    discriminator:  min  E (D(x) - b)^2 + E (D(G(z)) - a)^2
    generator:      min  E (D(G(z)) - c)^2

The cross-entropy hardly moves a generated picture that the discriminator takes for real, however far from the data it
is; a square does. With b - c = 1 and b - a = 2 the generator minimises the Pearson chi^2 divergence between the
mixture's double and what it draws (section 3.3), as by --a -1 --b 1 --c 0; the default has the code 0 and 1 of section
3.4, by which the generator asks for what is said of real images.

Mao, Li, Xie, Lau, Wang, Smolley: Least Squares Generative Adversarial Networks, ICCV 2017, arXiv 1611.04076.

Departures from the paper: its factor 1/2 of both losses is left out, to which Adam is indifferent; both players move
on one forward pass.
"""

from __future__ import annotations

import dataclasses
from typing import ClassVar

from keras_gen.engine.config import TINY_IMAGES, TINY_RUN, Preset, RunConfig
from keras_gen.models.gan import DEMO_RUN, GAN, Adversarial
from keras_gen.ops.adversarial import AdversarialLoss


@dataclasses.dataclass(frozen=True)
class Config(Adversarial):
    """What the model is."""

    a: float = 0.0
    """What the discriminator is to say of generated images [1]."""
    b: float = 1.0
    """What it is to say of real images [1]; --label-smoothing takes from it."""
    c: float = 1.0
    """What the generator wants it to say of generated images [1]."""

    @property
    def adversarial_loss(self) -> AdversarialLoss:
        """Least squares with b, a and c."""
        return AdversarialLoss("lsgan", targets=(self.b - self.label_smoothing, self.a), generator_target=self.c)

    def check_together(self) -> None:
        """Real is more than generated."""
        super().check_together()
        if self.b - self.label_smoothing <= self.a:
            raise self.fault("<b got> with <label_smoothing=>; accepted are numbers that are greater by it than <a=>.")
        if self.c <= self.a:
            raise self.fault("<c got>; accepted are numbers greater than <a=>.")


class LSGAN(GAN):
    """A GAN of least squares.

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
