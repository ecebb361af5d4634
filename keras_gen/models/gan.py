"""GAN: a generator learns to draw by a discriminator that learns to tell what it draws from the data.

    min_G max_D  E log D(x) + E log(1 - D(G(z))),    z ~ N(0, 1)

The gradient of this objective vanishes for a generator whose pictures the discriminator is sure of, so that the paper
trains it on -E log D(G(z)) instead ("nonsaturating", the default here; "minimax" is the objective above).

Goodfellow et al.: Generative Adversarial Nets, NeurIPS 2014, arXiv 1406.2661.

Departures from the paper: ReLU and leaky ReLU instead of maxout and dropout, Adam instead of SGD with momentum. In the
last of the k discriminator steps both players move, on one forward pass (the paper's generator moves after it, on fresh
noise): each sees the other as it was before.

`GAN` is also what the other members of this family inherit from: they override its losses and networks by name, never
its step.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Annotated, Any, ClassVar, Literal

import keras
import numpy as np
import tensorflow as tf

from keras_gen.diagnostics.gan_health import Health
from keras_gen.engine.config import TINY_IMAGES, TINY_RUN, Preset, RunConfig
from keras_gen.engine.feeding import Part
from keras_gen.engine.model import GenerativeModel, Step, Values
from keras_gen.engine.schedules import scaled
from keras_gen.export.signature import Port, Served, feature_map, image, vector
from keras_gen.flags import NonNegative, Positive, Range, Rate, Share
from keras_gen.networks import gan as networks
from keras_gen.networks.normalisation import normalises_vectors_over_batch
from keras_gen.ops import adversarial
from keras_gen.ops import augmentation as augment
from keras_gen.ops.divergences import energy_score
from keras_gen.ops.latents import latent_vectors, seeded_vectors, vectors_of
from keras_gen.ops.penalties import geometric_penalty
from keras_gen.visual.plots import plane
from keras_gen.visual.views import Histogram, Picture, Sheet, View

_SAMPLES = 64  # pictures of fixed noise that previews show and validation compares with
_POINTS = 2500  # where an image is a point of a plane, which says nothing alone
_DIRECTIONS = 2  # in which the geometric penalty looks from each latent vector


@dataclasses.dataclass(frozen=True)
class Adversarial(networks.Layout):
    """The flags that all members share."""

    n_critic: Positive[int] = 1
    """Steps of the discriminator for one of the generator, each on fresh images and fresh noise [steps]; k in
    Goodfellow et al. 2014, 5 in WGAN. A step of the run has all of them, so it takes n_critic batches."""
    discriminator_rate: Positive[float] = 1.0
    """The discriminator's learning rate, relative to --learning-rate of the generator [1] (two time scales: Heusel et
    al. 2017)."""
    beta_1: Rate = 0.5
    """Decay of Adam's first moment [0, 1); 0.5 in DCGAN, 0 in WGAN-GP."""
    beta_2: Rate = 0.999
    """Decay of Adam's second moment [0, 1); 0.9 in WGAN-GP."""
    label_smoothing: Annotated[float, Range(0, 0.5, open_high=True)] = 0.0
    """How far the discriminator's target for real images is below 1 [0, 0.5): one-sided label smoothing (Salimans et
    al. 2016); 0.1 there."""
    instance_noise: NonNegative[float] = 0.0
    """Deviation of normal noise that is added to all images the discriminator sees, at the beginning [of the range -1
    to 1] (Sønderby et al. 2017); 0: none."""
    instance_noise_steps: Positive[int] = 10000
    """Steps of the generator after which it is 0, falling linearly [steps]."""
    augment: Literal["none", "diffaugment", "ada"] = "none"
    """What all images undergo that the discriminator sees, for a few thousand training images or fewer: diffaugment, at
    each (Zhao et al. 2020), or ada, as often as keeps the discriminator from overfitting (Karras et al. 2020)."""
    augmentations: tuple[augment.Kind, ...] = ()
    """Which of them; none: all of diffaugment (colour, translation, cutout); of ada translation, scale, brightness,
    contrast and saturation, which leave digits and letters what they are (so does tilt, but not flip, quarter-turns and
    rotation)."""
    ada_target: Share = 0.6
    """Share by which the discriminator is to call more real images real than not [0, 1]; 0.6 in the paper."""
    ada_span: Positive[int] = 500000
    """Real images in which the probability of ada goes from 0 to 1 at the fastest [images]; 500,000 in the paper."""
    geometric_weight: NonNegative[float] = 0.0
    """Weight of the penalty on pictures that change more along one latent direction than along another [1]: two more
    passes through the generator."""

    objective: ClassVar[adversarial.Objective] = "nonsaturating"

    @property
    def adversarial_loss(self) -> adversarial.AdversarialLoss:
        """What the players minimise: the objective, with the targets of the discriminator."""
        return adversarial.AdversarialLoss(self.objective, targets=(1.0 - self.label_smoothing, 0.0))

    def check_together(self) -> None:
        """The augmentations are of their kind, and there are targets to smooth."""
        super().check_together()
        known = augment.KINDS.get(self.augment, ())
        if set(self.augmentations) - set(known):
            raise self.fault(f"<augmentations got> with <augment=>; accepted are {', '.join(known) or 'none'}.")
        if self.label_smoothing and not self.adversarial_loss.has_targets:
            raise self.fault(
                "<label_smoothing got>; accepted is 0 where the objective has no target for what the discriminator "
                "says."
            )
        if self.augment == "ada" and self.adversarial_loss.decision_boundary is None:
            raise self.fault(
                "<augment got>, which goes by how many real images the discriminator calls real; accepted for a "
                "critic, which only scores, are none and diffaugment."
            )


@dataclasses.dataclass(frozen=True)
class Config(Adversarial):
    """What the model is."""

    architecture: networks.Architecture = "mlp"
    """mlp, as in the paper: dense layers alone; dcgan: Radford et al. 2016; resnet: blocks of Gulrajani et al. 2017."""
    generator_norm: networks.AnyNorm = "none"
    """Normalisation in the generator; mlp usually has none."""
    discriminator_norm: networks.AnyNorm = "none"
    """Normalisation in the discriminator."""
    objective: Literal["nonsaturating", "minimax"] = "nonsaturating"
    """What the generator minimises: -E log D, or E log(1 - D), which hardly moves while the discriminator is sure."""


@dataclasses.dataclass(frozen=True)
class DiscriminatorOutput:
    """Images that the discriminator was shown, and what it says of them.

    Attributes:
        images: (batch, S, S, channels) in [-1, 1], without the noise and the transformations that it was shown.
        labels: int32 (batch,), -1 where there are none: of generated ones those that were asked for.
        outputs: of the discriminator, by head; "logit" is (batch, 1).
        latents: what generated images were drawn from, (batch, units); None for real images.
    """

    images: tf.Tensor
    labels: tf.Tensor
    outputs: Values
    latents: tf.Tensor | None = None

    @property
    def logit(self) -> tf.Tensor:
        """(batch, 1), larger the more real an image seems."""
        return self.outputs["logit"]


class GAN(GenerativeModel):
    """A generative adversarial network as a `GenerativeModel`.

    Players: "generator" and "discriminator". A batch is (image, label), float32 NHWC in [-1, 1] and int32.

    A variant says in its `Config` what the `adversarial_loss` is, and overrides what its paper changes:
        generator_loss, discriminator_loss: losses and further terms, which its `__init__` declares by `log_terms`;
        build_generator, build_discriminator: the networks;
        asked, vectors, judge: where labels enter;
        draw_noise: the distribution of the noise;
        make_optimizers.

    Examples:
        >>> model = keras_gen.GAN(image_size=8, latent_dim=4, hidden_units=(8,))
        >>> model.compile()
        >>> images = np.random.default_rng(0).uniform(-1, 1, (8, 8, 8, 1))
        >>> history = model.fit(images, batch_size=4, verbose=0)
        >>> model(np.zeros((2, 4), np.float32)).shape, model.generate(3, seed=1).shape
        (TensorShape([2, 8, 8, 1]), TensorShape([3, 8, 8, 1]))
    """

    family = "gan"
    Config: ClassVar[type] = Config
    monitor = "energy_score"
    tasks = ("generate",)
    next_commands = ("generate RUN --seeds 0-63 --sheet --out drawn",)
    presets: ClassVar[dict[str, Preset]] = {
        "demo": Preset(
            Config(),
            RunConfig(
                epochs=80,
                batch_size=64,
                ema=0.999,
                steps_per_execution=25,
                preview_every=1000,
                checkpoint_every=5000,
            ),
        ),
        # For --data grid and swiss-roll too.
        "points": Preset(
            Config(latent_dim=8, hidden_units=(128, 128, 128)),
            RunConfig(
                epochs=10,
                steps_per_epoch=1000,
                batch_size=256,
                learning_rate=1e-3,
                steps_per_execution=50,
                preview_every=500,
                checkpoint_every=5000,
            ),
            {"data": "ring"},
        ),
        "tiny": Preset(Config(latent_dim=4, hidden_units=(8,)), TINY_RUN, TINY_IMAGES),
    }

    @property
    def preview_examples(self) -> int:
        """As many real examples as there are pictures of fixed noise."""
        return _POINTS if self.of_points else _SAMPLES

    @property
    def of_points(self) -> bool:
        """Whether the images are points of a plane."""
        return self.config.shape == (1, 1, 2)

    def make_networks(self, config: Adversarial) -> None:
        self.adversarial_loss = config.adversarial_loss
        self.batches_per_step = config.n_critic
        self.generator = self.add_network("generator", self.build_generator())
        self.discriminator = self.add_network("discriminator", self.build_discriminator())
        if any(normalises_vectors_over_batch(network) for network in self.networks.values()):
            self.min_examples_per_part = max(2, self.min_examples_per_part)
        self.add_player("generator", "generator")
        self.add_player("discriminator", "discriminator")
        self.noise = keras.random.SeedGenerator(name="noise")
        self.log_terms(
            train=["generator_loss", "discriminator_loss", *self.adversarial_loss.terms],
            test=["energy_score"],
        )
        if config.augment == "ada":
            self.augmentation = self.add_weight(shape=(), initializer="zeros", trainable=False, name="augmentation")
            self.log_terms(train=["augmentation"])
        if config.geometric_weight:
            self.log_terms(train=["geometric_penalty"])

    # -- what a variant may change ---------------------------------------------------------------------------------

    def batch_parts(self, training: bool = True) -> tuple[Part, ...]:
        """(image, label); only GANs of classes look at labels."""
        return Part("image", self.config.shape), Part("label", ())

    def call(self, latents: tf.Tensor) -> tf.Tensor:
        """Pictures of latent vectors from N(0, 1), (batch, latent_dim) -> (batch, S, S, channels) in [-1, 1]."""
        return self.draw(latents)

    def build_generator(self) -> keras.Model:
        """(batch, units) -> (batch, S, S, channels) in [-1, 1]."""
        return networks.generator(self.config)

    def build_discriminator(self) -> keras.Model:
        """(batch, S, S, channels) -> "logit", (batch, 1), and what else its heads say."""
        return networks.discriminator(self.config)

    def betas(self, player: str) -> tuple[float, float]:
        """Those of the configuration, for each player."""
        return self.config.beta_1, self.config.beta_2

    def rates(self, learning_rate: Any) -> dict[str, Any]:
        """The learning rate of each player, of the run's: the discriminator's schedule is as long in its own steps."""
        config = self.config
        return {
            "generator": learning_rate,
            "discriminator": scaled(learning_rate, config.discriminator_rate, steps=config.n_critic),
        }

    def draw_noise(self, count: tf.Tensor) -> tf.Tensor:
        """Noise of a training step, (count, latent_dim), from N(0, 1)."""
        return keras.random.normal((count, self.config.latent_dim), seed=self.noise)

    def generator_labels(self, labels: tf.Tensor) -> tf.Tensor:
        """The labels that a step asks the generator for, of those of its real images: the same."""
        return labels

    def generator_inputs(self, noise: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        """What the generator takes, of noise and the labels asked for: the noise alone."""
        return noise

    def discriminate(self, images: tf.Tensor, labels: tf.Tensor, training: bool = True) -> Values:
        """What the discriminator says of images (batch, S, S, channels) and their labels, by head."""
        return self.discriminator(images, training=training)

    def before_discriminator(self) -> None:
        """What is done before each step of the discriminator: nothing."""
        return

    def discriminator_loss(self, real: DiscriminatorOutput, fake: DiscriminatorOutput) -> tuple[tf.Tensor, Values]:
        """What the discriminator minimises, and further terms to log."""
        return self.adversarial_loss.discriminator(real.logit, fake.logit), {}

    def generator_loss(self, real: DiscriminatorOutput, fake: DiscriminatorOutput) -> tuple[tf.Tensor, Values]:
        """What the generator minimises, and further terms to log."""
        return self.adversarial_loss.generator(fake.logit), {}

    # -- the step --------------------------------------------------------------------------------------------------

    def train_step(self, batch: tuple[tf.Tensor, tf.Tensor]) -> Values:
        """n_critic steps of the discriminator, and one of the generator on the last one's forward pass."""
        *earlier, last = self.batches_of(batch)
        for part in earlier:
            self.before_discriminator()
            self.minimise(self._of_discriminator, part)
        self.before_discriminator()
        return self.report(self.minimise(self._of_both, last))

    def _of_discriminator(self, batch: tuple[tf.Tensor, tf.Tensor]) -> Step:
        real, fake = self._forward(batch)
        loss, _ = self.discriminator_loss(real, fake)
        return Step({"discriminator": loss}, {}, self.running_sums(real, fake))

    def _of_both(self, batch: tuple[tf.Tensor, tf.Tensor]) -> Step:
        real, fake = self._forward(batch)
        terms = self.adversarial_loss.decisions(real.logit, fake.logit)
        losses = {}
        for player, loss in (("discriminator", self.discriminator_loss), ("generator", self.generator_loss)):
            losses[player], own = loss(real, fake)
            terms |= own | {f"{player}_loss": losses[player]}
        if self.config.geometric_weight:
            terms["geometric_penalty"] = self._geometric_penalty(fake)
            losses["generator"] += self.config.geometric_weight * terms["geometric_penalty"]
        if self.config.augment == "ada":
            terms["augmentation"] = tf.convert_to_tensor(self.augmentation)
        return Step(losses, terms, self.running_sums(real, fake))

    def _forward(self, batch: tuple[tf.Tensor, tf.Tensor]) -> tuple[DiscriminatorOutput, DiscriminatorOutput]:
        """Real images of a batch, and as many generated ones, judged."""
        images, labels = batch
        asked = self.generator_labels(labels)
        vectors = self.generator_inputs(self.draw_noise(tf.shape(images)[0]), asked)
        drawn = self.generator(vectors, training=True)
        real = DiscriminatorOutput(images, labels, self.discriminate(self._discriminator_inputs(images), labels))
        return real, DiscriminatorOutput(
            drawn, asked, self.discriminate(self._discriminator_inputs(drawn), asked), vectors
        )

    def _discriminator_inputs(self, images: tf.Tensor) -> tf.Tensor:
        """Images as the discriminator sees them in training."""
        config, count = self.config, tf.shape(images)[0]
        if config.augment == "diffaugment":
            draws = keras.random.uniform((count, augment.DIFF_AUGMENT_UNIFORMS), seed=self.noise)
            images = augment.diff_augment(images, draws, config.augmentations or augment.DIFF_AUGMENT)
        elif config.augment == "ada":
            draws = keras.random.uniform((count, augment.ADAPTIVE_UNIFORMS), seed=self.noise)
            kinds = config.augmentations or augment.UPRIGHT
            images = augment.adaptive_augment(images, draws, tf.convert_to_tensor(self.augmentation), kinds)
        if config.instance_noise:
            done = tf.cast(self.step, tf.float32)
            deviation = config.instance_noise * tf.maximum(0.0, 1.0 - done / config.instance_noise_steps)
            images += deviation * keras.random.normal(tf.shape(images), seed=self.noise)
        return images

    def _geometric_penalty(self, fake: DiscriminatorOutput) -> tf.Tensor:
        """The geometric penalty over the noise alone: labels and codes stay as they are."""
        units = self.config.latent_dim
        noise, rest = fake.latents[:, :units], fake.latents[:, units:]
        directions = keras.random.normal((_DIRECTIONS, tf.shape(noise)[0], units), seed=self.noise)
        return geometric_penalty(
            lambda z: self.generator(tf.concat([z, rest], axis=1), training=True), noise, fake.images, directions
        )

    def running_sums(self, real: DiscriminatorOutput, fake: DiscriminatorOutput) -> Values:
        """What `running_state` needs, added up over the examples."""
        if self.config.augment != "ada":
            return {}
        count = tf.cast(tf.shape(real.images)[0], tf.float32)
        return {"signs": count * self.adversarial_loss.mean_sign(real.logit), "images": count}

    def running_state(self, sums: Values, gathered: Values) -> list[tuple[keras.Variable, tf.Tensor]]:
        """The probability of adaptive augmentation, by how many real images the discriminator calls real."""
        if self.config.augment != "ada":
            return []
        mean, config = sums["signs"] / sums["images"], self.config
        probability = tf.convert_to_tensor(self.augmentation)
        following = augment.adapted_probability(probability, mean, sums["images"], config.ada_target, config.ada_span)
        return [(self.augmentation, following)]

    # -- drawing ---------------------------------------------------------------------------------------------------

    def draw(self, vectors: tf.Tensor) -> tf.Tensor:
        """The pictures of vectors, as the exports draw them: (batch, S, S, channels) in [-1, 1], float32."""
        return self.inference("generator")(vectors, training=False)

    def generate(
        self,
        count: int,
        seed: int = 0,
        truncation: float = math.inf,
        network: Callable[..., Any] | None = None,
    ) -> tf.Tensor:
        """Pictures of noise from N(0, 1), the same for the same seed.

        Args:
            count: of pictures.
            seed: of the noise.
            truncation: of the noise, see `ops.latents.truncated`.
            network: draws instead of the model's own generator; what `serving` calls "generator", or an export of it.
        """
        return (network or self.draw)(latent_vectors(count, self.config.latent_dim, seed, truncation))

    def fixed_latents(self, count: int = _SAMPLES) -> tf.Tensor:
        """What the generator takes for the seeds 0, 1, ... of `apps.generate`: (count, units)."""
        return self.generator_inputs(seeded_vectors(tf.range(count), self.config.latent_dim), self._labels(count))

    def _labels(self, count: int) -> tf.Tensor:
        """Placeholder labels (-1) for unconditional sampling."""
        return tf.fill((count,), -1)

    def validate(self, batch: tuple[tf.Tensor, tf.Tensor]) -> Values:
        """The energy score of 64 pictures, always of the same noise, at each validation image, (batch,)."""
        return {"energy_score": energy_score(batch[0], self.draw(self.fixed_latents()))}

    def preview(self, batch: tuple[tf.Tensor, tf.Tensor]) -> dict[str, View]:
        """Pictures of the seeds 0 to 63, so that a step's sheet shows what became of each of the sheet before, and how
        the discriminator's logits are spread. Points: their density beside the data's, with lines of equal logits.
        """
        images, labels = batch
        drawn = self.draw(self.fixed_latents(self.preview_examples))
        said = {"real": self._logits(images, labels), "fake": self._logits(drawn, self._labels(len(drawn)))}
        shown = {
            f"logits/{name}": Histogram(
                logits, f"The discriminator's logits of {name} images; 0 is undecided, higher is more real."
            )
            for name, logits in said.items()
        }
        if not self.of_points:
            return {"samples": Sheet({"images": drawn}, "Images of the same latent vectors at every preview."), **shown}

        def levels(points: np.ndarray) -> tf.Tensor:
            return self._logits(tf.convert_to_tensor(points), self._labels(len(points)))

        return {"samples": Picture(plane({"real": images, "generated": drawn}, levels=levels)), **shown}

    def _logits(self, images: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        """(batch,), with 0 for what counts as real as well as generated; a critic's scores as they are."""
        logits = self.discriminate(images, labels, training=False)["logit"][:, 0]
        return logits - (self.adversarial_loss.decision_boundary or 0.0)

    def health(self) -> Health:
        """Pictures of the labels of a batch, by the generator that is training."""

        def draw(batch: tuple[tf.Tensor, tf.Tensor], noise: tf.Tensor) -> tf.Tensor:
            return self.generator(self.generator_inputs(noise, batch[1]), training=False)

        return Health(
            real=lambda batch: batch[0],
            draw=draw,
            latents=lambda count, seed: latent_vectors(count, self.config.latent_dim, seed),
            critic=self.adversarial_loss.decision_boundary is None,
        )

    def serving(self) -> dict[str, Served]:
        """The generator, of averaged weights if the run has them."""
        network = self.for_serving("generator", self.build_generator)
        return {
            "generator": Served(
                network,
                (vector("latents", network.input, "from N(0, 1)"),),
                (self._port("images", network.output),),
                "pictures of random numbers",
                "generate",
                examples=lambda batch: (vectors_of(batch[0], self.config.latent_dim),),
            )
        }

    def _port(self, name: str, tensor: Any) -> Port:
        """Of pictures, or of points of the plane."""
        return (
            feature_map(name, tensor, "points of the plane", range=(-1, 1)) if self.of_points else image(name, tensor)
        )


DEMO_RUN = RunConfig(
    epochs=10,
    steps_per_epoch=400,
    batch_size=64,
    learning_rate=5e-4,
    ema=0.999,
    steps_per_execution=10,
    preview_every=400,
    checkpoint_every=2000,
)
"""How the demos of most convolutional members train."""
RESNET_RUN = RunConfig(
    epochs=100, steps_per_epoch=1000, batch_size=64, learning_rate=2e-4, preview_every=1000, checkpoint_every=5000
)
"""How WGAN-GP's and SNGAN's papers train residual networks on CIFAR-10: 100,000 steps of the generator."""
