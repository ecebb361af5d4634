"""pix2pix: image-to-image translation with a conditional GAN.

A U-Net generates the target image from the source. A PatchGAN discriminator sees source and target together and learns
to tell generated targets from real ones. It teaches what an L1 distance cannot measure: whether texture and edges look
real.

    min_G max_D  E log D(x, y) + E log(1 - D(x, G(x)))  +  lambda E |y - G(x)|_1

Isola, Zhu, Zhou, Efros: Image-to-Image Translation with Conditional Adversarial Networks, CVPR 2017, arXiv 1611.07004.

Departures from the paper: both players are updated from the same forward pass, whereas the paper's code updates the
discriminator first. Normalisation is per instance, which equals the paper's batch normalisation with a batch size of 1.
By default there is no dropout at test time (`--noise-at-test` enables it).
"""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar, Literal

import keras
import tensorflow as tf

from keras_gen.diagnostics.gan_health import Health
from keras_gen.engine.config import Preset, RunConfig
from keras_gen.engine.feeding import Part
from keras_gen.engine.model import GenerativeModel, Step
from keras_gen.export.signature import Served, image, label_map
from keras_gen.flags import Hidden, NonNegative, Positive, Rate
from keras_gen.layers.spectral import SpectralNormalization, power_iteration
from keras_gen.networks.normalisation import Norm, require_independent_examples
from keras_gen.networks.patchgan import Patch, patchgan, smallest_image
from keras_gen.networks.unet import Levels, unet
from keras_gen.ops import reconstruction
from keras_gen.ops.adversarial import AdversarialLoss, Logits, by_discriminator
from keras_gen.ops.penalties import gradient_penalty
from keras_gen.visual.sheets import ClassScores
from keras_gen.visual.views import Sheet, View

DiscriminatorNorm = Literal["same", "instance", "batch", "none", "spectral"]


@dataclasses.dataclass(frozen=True)
class Config(Levels):
    """Architecture and objective of the model. "In the paper" gives the paper's value, which a preset may change."""

    min_levels: ClassVar[int] = 3

    generator: Literal["unet", "encoder-decoder"] = "unet"
    """U-Net, or an encoder-decoder without skip connections (paper, section 4.3)."""
    filters: Positive[int] = 64
    """Channels of the generator's first block [channels]; 64 in the paper."""
    discriminator_filters: Positive[int] = 64
    """Channels of the discriminator's first block [channels]; 64 in the paper."""
    patch: Patch = 70
    """Receptive field of the discriminator [pixels]; 70 in the paper (section 4.4)."""
    conditional: bool = True
    """Show the source to the discriminator too, as in the paper. --no-conditional gives the unconditional GAN of its
    Table 1."""
    norm: Norm = "instance"
    """Normalisation in the generator; instance equals batch normalisation with the paper's batch size of 1."""
    discriminator_norm: DiscriminatorNorm = "same"
    """Normalisation in the discriminator; the same as --norm in the paper. instance and batch hide differences that are
    uniform over an image, such as a regular pattern; none and spectral (of the weights) do not."""
    dropout: Rate = 0.5
    """Dropout rate in the three innermost decoder blocks [0, 1); 0.5 in the paper."""
    noise_at_test: bool = False
    """Keep dropout on in previews and validation, as in the paper. Exports never use dropout."""
    gan_loss: Literal["nonsaturating", "lsgan", "wgangp", "none"] = "nonsaturating"
    """Adversarial objective; nonsaturating in the paper; none trains with L1 only."""
    l1_weight: NonNegative[float] = 100.0
    """Weight of the L1 distance [1]; 100 in the paper."""
    penalty_weight: NonNegative[float] = 10.0
    """For wgangp: weight of the gradient penalty [1]; 10 in Gulrajani et al. 2017."""
    beta_1: Rate = 0.5
    """Decay of Adam's first moment [0, 1); 0.5 in the paper."""
    num_classes: Hidden[NonNegative[int]] = 0
    source_channels: Hidden[Positive[int]] = 3
    target_channels: Hidden[Positive[int]] = 3

    def check_together(self) -> None:
        """The image size must suit the discriminator, and at least one loss must be active."""
        super().check_together()
        if self.gan_loss != "none" and self.image_size < smallest_image(self.patch):
            raise self.fault(
                f"<patch got> with <image_size=>; sizes from {smallest_image(self.patch)} on are accepted."
            )
        if self.gan_loss == "wgangp" and self.discriminator_norm == "same":
            accepted = "instance, or another <discriminator_norm> (instance, none, spectral)"
            require_independent_examples(self, "norm", accepted)
        elif self.gan_loss == "wgangp":
            require_independent_examples(self, "discriminator_norm", "instance, none and spectral")
        if self.gan_loss == "none" and not self.l1_weight:
            raise self.fault("<gan_loss=> with <l1_weight=> leaves nothing to learn: set one of them.")

    @property
    def adversarial_loss(self) -> AdversarialLoss | None:
        """The adversarial loss of both players; None without a discriminator."""
        if self.gan_loss == "none":
            return None
        return AdversarialLoss("wasserstein" if self.gan_loss == "wgangp" else self.gan_loss)


class Pix2Pix(GenerativeModel):
    """pix2pix as a `GenerativeModel`.

    Players: "generator" and, unless `gan_loss` is "none", "discriminator". A batch is (source, target), float32 NHWC in
    [-1, 1].

    A variant overrides `build_generator`, `build_discriminator`, or `discriminate`, which applies the discriminator.

    Examples:
        >>> model = keras_gen.Pix2Pix(image_size=32, filters=4, discriminator_filters=4, patch=16)
        >>> model.compile(learning_rate=2e-4)
        >>> source = target = np.random.default_rng(0).uniform(-1, 1, (4, 32, 32, 3))
        >>> history = model.fit(source, target, batch_size=2, verbose=0)
        >>> model(source).shape
        TensorShape([4, 32, 32, 3])
    """

    family = "pix2pix"
    Config = Config
    descriptions: ClassVar[dict[str, str]] = {
        "generator_gan": "Adversarial part of the generator's loss.",
        "discriminator_penalty": "Mean squared distance of the critic's gradient norm from 1.",
    }
    monitor = "l1"
    tasks = ("translate",)
    next_commands = ("translate RUN PICTURE_OR_FOLDER... --out translated", "evaluate RUN")
    presets: ClassVar[dict[str, Preset]] = {
        # Ten minutes on two cores: small patches and a larger step sharpen soonest (docs/results.md).
        "demo": Preset(
            Config(image_size=128, filters=32, discriminator_filters=32, patch=16, dropout=0.0),
            RunConfig(epochs=11, learning_rate=1e-3, preview_every=400, checkpoint_every=1000),
            {"image_size": 128},
        ),
        "paper": Preset(Config(), RunConfig(epochs=200, preview_every=1000, checkpoint_every=2000)),
        "tiny": Preset(
            Config(image_size=32, filters=8, discriminator_filters=8, patch=16),
            RunConfig(epochs=2, steps_per_epoch=10, preview_every=5, previews=4, checkpoint_every=5),
            {"image_size": 32},
        ),
    }

    def make_networks(self, config: Config) -> None:
        self.generator = self.add_network("generator", self.build_generator(config.noise_at_test))
        self.add_player("generator", "generator")
        self.adversarial_loss = config.adversarial_loss
        terms = ["l1"]
        if self.adversarial_loss:
            self.discriminator = self.add_network("discriminator", self.build_discriminator())
            self.add_player("discriminator", "discriminator")
            terms += ["generator_gan", "discriminator_loss", *self.adversarial_loss.terms]
            if config.gan_loss == "wgangp":
                self.mix = keras.random.SeedGenerator(name="mix")
                terms += ["discriminator_penalty"]
        self.log_terms(train=terms, test=["l1", "psnr", "ssim"])

    def build_generator(self, noise_at_test: bool = False) -> keras.Model:
        """(batch, S, S, source channels) -> (batch, S, S, target channels) in [-1, 1]."""
        config = self.config
        return unet(
            config.image_size,
            config.source_channels,
            config.target_channels,
            levels=config.depth,
            filters=config.filters,
            norm=config.norm,
            dropout=config.dropout,
            skips=config.generator == "unet",
            noise_at_test=noise_at_test,
            name="generator",
        )

    def build_discriminator(self) -> keras.Model:
        """[source, image], or the image alone without `conditional` -> logits, see `discriminate`."""
        config = self.config
        channels = (config.source_channels,) * config.conditional + (config.target_channels,)
        return patchgan(
            config.image_size,
            channels,
            patch=config.patch,
            filters=config.discriminator_filters,
            **self._discriminator_norm(),
        )

    def _discriminator_norm(self) -> dict[str, Any]:
        norm = self.config.discriminator_norm
        if norm == "spectral":
            return {"norm": "none", "wrap": SpectralNormalization}
        return {"norm": self.config.norm if norm == "same" else norm}

    def betas(self, player: str) -> tuple[float, float]:
        """beta1 0.5 for each player (paper, section 3.3)."""
        return self.config.beta_1, 0.999

    def discriminate(self, source: tf.Tensor, image: tf.Tensor, training: bool) -> Logits:
        """The discriminator's logits, one per patch: (batch, rows, columns, 1), or a list with one for each scale."""
        return self.discriminator([source, image] if self.config.conditional else image, training=training)

    def train_step(self, batch: tuple[tf.Tensor, tf.Tensor]) -> dict[str, tf.Tensor]:
        """One step of both players from the same forward pass (paper, section 3.3)."""
        if self.adversarial_loss:
            power_iteration(self.discriminator)
        return super().train_step(batch)

    def batch_parts(self, training: bool = True) -> tuple[Part, ...]:
        """(source, target)."""
        size, config = self.config.image_size, self.config
        return Part("source", (size, size, config.source_channels)), Part(
            "target", (size, size, config.target_channels)
        )

    def call(self, source: tf.Tensor) -> tf.Tensor:
        """`translate`."""
        return self.translate(source)

    def objective(self, batch: tuple[tf.Tensor, tf.Tensor]) -> Step:
        """The players' losses (paper, equations 1 to 4) and the terms to log."""
        config = self.config
        source, target = batch
        fake = self.generator(source, training=True)
        terms = {"l1": tf.reduce_mean(tf.abs(target - fake))}
        losses = {"generator": config.l1_weight * terms["l1"]}
        if self.adversarial_loss:
            real_logits = self.discriminate(source, target, training=True)
            fake_logits = self.discriminate(source, fake, training=True)
            terms |= self.adversarial_loss.decisions(real_logits, fake_logits)
            terms["generator_gan"] = self.adversarial_loss.generator(fake_logits)
            losses["generator"] += terms["generator_gan"]
            objective = self.adversarial_loss.discriminator(real_logits, fake_logits)
            # The paper halves the discriminator's objective to slow it down; a critic should be close to optimal.
            losses["discriminator"] = objective if config.gan_loss == "wgangp" else 0.5 * objective
            if config.gan_loss == "wgangp":
                terms["discriminator_penalty"] = self._penalty(source, target, fake)
                losses["discriminator"] += config.penalty_weight * terms["discriminator_penalty"]
            terms["discriminator_loss"] = losses["discriminator"]
        return Step(losses, terms)

    def _penalty(self, source: tf.Tensor, target: tf.Tensor, fake: tf.Tensor) -> tf.Tensor:
        mix = keras.random.uniform((tf.shape(target)[0],), seed=self.mix)
        return gradient_penalty(
            lambda image: self.discriminate(source, image, True), target, tf.stop_gradient(fake), mix
        )

    def validate(self, batch: tuple[tf.Tensor, tf.Tensor]) -> dict[str, tf.Tensor]:
        """L1, PSNR [dB] and SSIM of the generated images, each (batch,)."""
        source, target = batch
        fake = self.translate(source)
        return {
            "l1": reconstruction.l1(fake, target),
            "psnr": reconstruction.psnr(fake, target),
            "ssim": reconstruction.ssim(fake, target),
        }

    def translate(self, source: tf.Tensor) -> tf.Tensor:
        """Generates the targets for `source`: (batch, S, S, channels) in [-1, 1], float32."""
        return self.inference("generator")(source, training=False)

    def preview(self, batch: tuple[tf.Tensor, tf.Tensor]) -> dict[str, View]:
        """source | generated | target, and the discriminator's score for each patch of the generated and target
        images."""
        source, target = batch
        fake = self.translate(source)
        seen = ClassScores(source) if self.config.num_classes else source
        shown: dict[str, View] = {"samples": Sheet({"source": seen, "generated": fake, "target": target})}
        if self.adversarial_loss and self.adversarial_loss.decision_boundary is not None:
            maps = {}
            for name, image in (("generated", fake), ("target", target)):
                for scale, logits in enumerate(by_discriminator(self.discriminate(source, image, False)), start=1):
                    title = f"of {name}" if scale == 1 else f"of {name}, scale {scale}"
                    maps[title] = self.adversarial_loss.score_map(logits)
            shown["discriminator_patches"] = Sheet(
                maps, "The discriminator's score for each patch: white is real, black generated, grey undecided."
            )
        return shown

    def health(self) -> Health | None:
        """Translations of the sources of a batch, and its targets. There is no noise to vary."""
        if not self.adversarial_loss:
            return None
        return Health(
            real=lambda batch: batch[1],
            draw=lambda batch, _: self.generator(batch[0], training=False),
            critic=self.adversarial_loss.decision_boundary is None,
        )

    def serving(self) -> dict[str, Served]:
        """The generator without dropout, in float32 regardless of the training precision."""
        network = self.for_serving("generator", self.build_generator)
        source = (label_map if self.config.num_classes else image)("source", network.input)
        generated = image("generated", network.output)
        return {"generator": Served(network, (source,), (generated,), "an image translated into another", "translate")}
