"""GAN: a generator learns to produce realistic images by fooling a discriminator trained to tell them from real ones.

    min_G max_D  E log D(x) + E log(1 - D(G(z))),    z ~ N(0, 1)

The generator's gradient of this objective ("minimax") vanishes when the discriminator is confident that its images are
generated. The paper therefore trains the generator on -E log D(G(z)) instead ("nonsaturating", the default here).

Goodfellow et al.: Generative Adversarial Nets, NeurIPS 2014, arXiv 1406.2661.

Departures from the paper: ReLU and leaky ReLU replace maxout and dropout; Adam replaces SGD with momentum. In the last
of the k discriminator steps both players are updated from the same forward pass, each seeing the other's weights from
before the update. In the paper the generator is updated afterwards, on fresh noise.

`GAN` is also the base class of the other GAN families. They override its losses and networks by name, never its step.
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
from keras_gen.ops.latents import hashed_vectors, latent_vectors, seeded_vectors
from keras_gen.ops.penalties import geometric_penalty
from keras_gen.visual.plots import plane
from keras_gen.visual.views import Histogram, Picture, Sheet, View

_SAMPLES = 64  # images from fixed noise, for previews and validation
_POINTS = 2500  # the same if images are points in the plane
_DIRECTIONS = 2  # latent directions per example for the geometric penalty


@dataclasses.dataclass(frozen=True)
class Adversarial(networks.Layout):
    """Fields that all GAN families share."""

    n_critic: Positive[int] = 1
    """Discriminator steps per generator step, each on fresh images and fresh noise [steps]; k in Goodfellow et al.
    2014, 5 in WGAN. One step of the run includes all of them, so it takes n_critic batches."""
    discriminator_rate: Positive[float] = 1.0
    """Learning rate of the discriminator, relative to --learning-rate of the generator [1] (two time scales: Heusel et
    al. 2017)."""
    beta_1: Rate = 0.5
    """Decay of Adam's first moment [0, 1); 0.5 in DCGAN, 0 in WGAN-GP."""
    beta_2: Rate = 0.999
    """Decay of Adam's second moment [0, 1); 0.9 in WGAN-GP."""
    label_smoothing: Annotated[float, Range(0, 0.5, open_high=True)] = 0.0
    """One-sided label smoothing: the discriminator's target for real images is 1 minus this value [0, 0.5); 0.1 in
    Salimans et al. 2016."""
    instance_noise: NonNegative[float] = 0.0
    """Initial standard deviation of Gaussian noise added to all images that the discriminator sees [in the range -1 to
    1] (Sønderby et al. 2017); 0: none."""
    instance_noise_steps: Positive[int] = 10000
    """Generator steps over which the instance noise falls linearly to 0 [steps]."""
    augment: Literal["none", "diffaugment", "ada"] = "none"
    """Augmentation of all images that the discriminator sees, for small data sets (a few thousand images or fewer):
    diffaugment transforms every image (Zhao et al. 2020); ada adapts the probability so that the discriminator does not
    overfit (Karras et al. 2020)."""
    augmentations: tuple[augment.Kind, ...] = ()
    """Transformations to use; default: all of diffaugment (colour, translation, cutout); for ada translation, scale,
    brightness, contrast and saturation, which keep digits and letters legible. Tilt does too; flip, quarter-turns and
    rotation do not."""
    ada_target: Share = 0.6
    """Target of ada: the fraction of real images that the discriminator calls real minus the fraction that it calls
    generated [0, 1]; 0.6 in the paper."""
    ada_span: Positive[int] = 500000
    """Real images over which the probability of ada can rise from 0 to 1, at the fastest [images]; 500,000 in the
    paper."""
    geometric_weight: NonNegative[float] = 0.0
    """Weight of the penalty on generators whose images change more along one latent direction than along another [1];
    costs two more forward passes of the generator."""

    objective: ClassVar[adversarial.Objective] = "nonsaturating"

    @property
    def adversarial_loss(self) -> adversarial.AdversarialLoss:
        """The loss of both players: the objective and the discriminator's targets."""
        return adversarial.AdversarialLoss(self.objective, targets=(1.0 - self.label_smoothing, 0.0))

    def check_together(self) -> None:
        """Augmentations must be of the chosen kind, and label smoothing needs an objective with targets."""
        super().check_together()
        known = augment.KINDS.get(self.augment, ())
        if set(self.augmentations) - set(known):
            raise self.fault(f"<augmentations got> with <augment=>; accepted are {', '.join(known) or 'none'}.")
        if self.label_smoothing and not self.adversarial_loss.has_targets:
            raise self.fault(
                "<label_smoothing got>; accepted is 0, because the objective has no targets for the discriminator."
            )
        if self.augment == "ada" and self.adversarial_loss.decision_boundary is None:
            raise self.fault(
                "<augment got>, which needs to know whether the discriminator calls an image real; accepted are none "
                "and diffaugment, because a critic has no decision boundary."
            )


@dataclasses.dataclass(frozen=True)
class Config(Adversarial):
    """Architecture and objective of the model."""

    architecture: networks.Architecture = "mlp"
    """mlp: dense layers only, as in the paper; dcgan: convolutions (Radford et al. 2016); resnet: residual blocks
    (Gulrajani et al. 2017)."""
    generator_norm: networks.AnyNorm = "none"
    """Normalisation in the generator; usually none for mlp."""
    discriminator_norm: networks.AnyNorm = "none"
    """Normalisation in the discriminator."""
    objective: Literal["nonsaturating", "minimax"] = "nonsaturating"
    """Loss of the generator: nonsaturating is -E log D(G(z)); minimax is E log(1 - D(G(z))), whose gradient vanishes
    while the discriminator is confident."""


@dataclasses.dataclass(frozen=True)
class DiscriminatorOutput:
    """Images and the discriminator's outputs for them.

    Attributes:
        images: (batch, S, S, channels) in [-1, 1], before instance noise and augmentation.
        labels: int32 (batch,), -1 where there are none; for generated images, the labels given to the generator.
        outputs: outputs of the discriminator by head; "logit" is (batch, 1), or a list with one of several
            discriminators each.
        latents: inputs of the generator, (batch, units); None for real images.
    """

    images: tf.Tensor
    labels: tf.Tensor
    outputs: Values
    latents: tf.Tensor | None = None

    @property
    def logit(self) -> adversarial.Logits:
        """(batch, 1), or a list of them; larger means more likely real."""
        return self.outputs["logit"]


def correctly_classified(logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
    """1.0 for each example whose label has the largest of the class logits (batch, K), otherwise 0.0: (batch,)."""
    return tf.cast(tf.argmax(logits, axis=-1, output_type=tf.int32) == labels, tf.float32)


class GAN(GenerativeModel):
    """A generative adversarial network as a `GenerativeModel`.

    Players: "generator" and "discriminator". A batch is (image, label), float32 NHWC in [-1, 1] and int32.

    A variant defines `adversarial_loss` in its `Config` and overrides what its paper changes:
        generator_loss, discriminator_loss: losses and further terms, declared with `log_terms` in `make_networks`;
        build_generator, build_discriminator: the networks;
        generator_labels, generator_inputs, discriminate: the use of labels;
        draw_noise: the distribution of the noise;
        image_port: the kind of what is generated, where it is not images;
        make_optimizers: the optimizers.

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
        """As many real examples as there are images generated from fixed noise."""
        return _POINTS if self.of_points else _SAMPLES

    @property
    def of_points(self) -> bool:
        """Whether the images are points in the plane."""
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

    # -- methods that variants override ----------------------------------------------------------------------------

    def batch_parts(self, training: bool = True) -> tuple[Part, ...]:
        """(image, label); only class-conditional GANs use the labels."""
        return Part("image", self.config.shape), Part("label", ())

    def call(self, latents: tf.Tensor) -> tf.Tensor:
        """Images for latent vectors from N(0, 1): (batch, latent_dim) -> (batch, S, S, channels) in [-1, 1]."""
        return self.draw(latents)

    def build_generator(self) -> keras.Model:
        """(batch, units) -> (batch, S, S, channels) in [-1, 1]."""
        return networks.generator(self.config)

    def build_discriminator(self) -> keras.Model:
        """(batch, S, S, channels) -> "logit", (batch, 1), and the outputs of any further heads."""
        return networks.discriminator(self.config)

    def betas(self, player: str) -> tuple[float, float]:
        """The configured decay rates, the same for both players."""
        return self.config.beta_1, self.config.beta_2

    def rates(self, learning_rate: Any) -> dict[str, Any]:
        """The learning rate of each player. The discriminator's schedule is stretched to its own number of steps."""
        config = self.config
        return {
            "generator": learning_rate,
            "discriminator": scaled(learning_rate, config.discriminator_rate, steps=config.n_critic),
        }

    def draw_noise(self, count: tf.Tensor) -> tf.Tensor:
        """Noise for a training step, (count, latent_dim), from N(0, 1)."""
        return keras.random.normal((count, self.config.latent_dim), seed=self.noise)

    def generator_labels(self, labels: tf.Tensor) -> tf.Tensor:
        """Labels to generate in a training step: here those of the real images."""
        return labels

    def generator_inputs(self, noise: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        """The generator's input, from noise and labels: here the noise alone."""
        return noise

    def discriminate(self, images: tf.Tensor, labels: tf.Tensor, training: bool = True) -> Values:
        """The discriminator's outputs by head, for images (batch, S, S, channels) and their labels."""
        return self.discriminator(images, training=training)

    def before_discriminator(self) -> None:
        """Hook that runs before each discriminator step; does nothing here."""
        return

    def discriminator_loss(self, real: DiscriminatorOutput, fake: DiscriminatorOutput) -> tuple[tf.Tensor, Values]:
        """The discriminator's loss, and further terms to log."""
        return self.adversarial_loss.discriminator(real.logit, fake.logit), {}

    def generator_loss(self, real: DiscriminatorOutput, fake: DiscriminatorOutput) -> tuple[tf.Tensor, Values]:
        """The generator's loss, and further terms to log."""
        return self.adversarial_loss.generator(fake.logit), {}

    # -- the step --------------------------------------------------------------------------------------------------

    def train_step(self, batch: tuple[tf.Tensor, tf.Tensor]) -> Values:
        """n_critic discriminator steps, and one generator step on the forward pass of the last one."""
        *earlier, last = self.batches_of(batch)
        for part in earlier:
            self.before_discriminator()
            self.minimise(self.discriminator_objective, part)
        self.before_discriminator()
        return self.report(self.minimise(self.objective, last))

    def discriminator_objective(self, batch: tuple[tf.Tensor, tf.Tensor]) -> Step:
        """The discriminator's loss alone, for all steps but the last of `n_critic`."""
        real, fake = self._forward(batch)
        loss, _ = self.discriminator_loss(real, fake)
        return Step({"discriminator": loss}, {}, self.running_sums(real, fake))

    def objective(self, batch: tuple[tf.Tensor, tf.Tensor]) -> Step:
        """The losses of both players and the terms to log."""
        real, fake = self._forward(batch)
        terms = self.adversarial_loss.decisions(real.logit, fake.logit)
        losses = {}
        for player, loss in (("discriminator", self.discriminator_loss), ("generator", self.generator_loss)):
            losses[player], further = loss(real, fake)
            terms |= further | {f"{player}_loss": losses[player]}
        if self.config.geometric_weight:
            terms["geometric_penalty"] = self._geometric_penalty(fake)
            losses["generator"] += self.config.geometric_weight * terms["geometric_penalty"]
        if self.config.augment == "ada":
            terms["augmentation"] = tf.convert_to_tensor(self.augmentation)
        return Step(losses, terms, self.running_sums(real, fake))

    def _forward(self, batch: tuple[tf.Tensor, tf.Tensor]) -> tuple[DiscriminatorOutput, DiscriminatorOutput]:
        """The real images of a batch and as many generated ones, with the discriminator's outputs."""
        images, labels = batch
        fake_labels = self.generator_labels(labels)
        latents = self.generator_inputs(self.draw_noise(tf.shape(images)[0]), fake_labels)
        fake_images = self.generator(latents, training=True)
        real_outputs = self.discriminate(self._discriminator_inputs(images), labels)
        fake_outputs = self.discriminate(self._discriminator_inputs(fake_images), fake_labels)
        return (
            DiscriminatorOutput(images, labels, real_outputs),
            DiscriminatorOutput(fake_images, fake_labels, fake_outputs, latents),
        )

    def _discriminator_inputs(self, images: tf.Tensor) -> tf.Tensor:
        """Images as the discriminator sees them in training: with noise and augmentation."""
        config, count = self.config, tf.shape(images)[0]
        if config.augment == "diffaugment":
            uniforms = keras.random.uniform((count, augment.DIFF_AUGMENT_UNIFORMS), seed=self.noise)
            images = augment.diff_augment(images, uniforms, config.augmentations or augment.DIFF_AUGMENT)
        elif config.augment == "ada":
            uniforms = keras.random.uniform((count, augment.ADAPTIVE_UNIFORMS), seed=self.noise)
            kinds = config.augmentations or augment.UPRIGHT
            images = augment.adaptive_augment(images, uniforms, tf.convert_to_tensor(self.augmentation), kinds)
        if config.instance_noise:
            step = tf.cast(self.step, tf.float32)
            deviation = config.instance_noise * tf.maximum(0.0, 1.0 - step / config.instance_noise_steps)
            images += deviation * keras.random.normal(tf.shape(images), seed=self.noise)
        return images

    def _geometric_penalty(self, fake: DiscriminatorOutput) -> tf.Tensor:
        """The geometric penalty with respect to the noise only; labels and codes stay fixed."""
        units = self.config.latent_dim
        noise, rest = fake.latents[:, :units], fake.latents[:, units:]
        directions = keras.random.normal((_DIRECTIONS, tf.shape(noise)[0], units), seed=self.noise)
        return geometric_penalty(
            lambda z: self.generator(tf.concat([z, rest], axis=1), training=True), noise, fake.images, directions
        )

    def running_sums(self, real: DiscriminatorOutput, fake: DiscriminatorOutput) -> Values:
        """Sums over examples that `running_state` needs."""
        if self.config.augment != "ada":
            return {}
        count = tf.cast(tf.shape(real.images)[0], tf.float32)
        return {"signs": count * self.adversarial_loss.mean_sign(real.logit), "images": count}

    def running_state(self, sums: Values, gathered: Values) -> list[tuple[keras.Variable, tf.Tensor]]:
        """Updates the probability of adaptive augmentation from the fraction of real images that the discriminator
        calls real."""
        if self.config.augment != "ada":
            return []
        mean_sign, config = sums["signs"] / sums["images"], self.config
        probability = augment.adapted_probability(
            tf.convert_to_tensor(self.augmentation), mean_sign, sums["images"], config.ada_target, config.ada_span
        )
        return [(self.augmentation, probability)]

    # -- generation ------------------------------------------------------------------------------------------------

    def draw(self, vectors: tf.Tensor) -> tf.Tensor:
        """Images for generator inputs, as the exports compute them: (batch, S, S, channels) in [-1, 1], float32."""
        return self.inference("generator")(vectors, training=False)

    def generate(
        self,
        count: int,
        seed: int = 0,
        truncation: float = math.inf,
        network: Callable[..., Any] | None = None,
    ) -> tf.Tensor:
        """Generates images from noise z ~ N(0, 1). The same seed gives the same images.

        Args:
            count: number of images.
            seed: seed of the noise.
            truncation: truncation of the noise, see `ops.latents.truncated`.
            network: generator to use instead of the model's own; see "generator" of `serving`, or its export.
        """
        return (network or self.draw)(latent_vectors(count, self.config.latent_dim, seed, truncation))

    def fixed_latents(self, count: int = _SAMPLES) -> tf.Tensor:
        """Generator inputs for the seeds 0, 1, ... of `apps.generate`: (count, units)."""
        return self.generator_inputs(seeded_vectors(tf.range(count), self.config.latent_dim), self._labels(count))

    def _labels(self, count: int) -> tf.Tensor:
        """Placeholder labels (-1) for unconditional sampling."""
        return tf.fill((count,), -1)

    def validate(self, batch: tuple[tf.Tensor, tf.Tensor]) -> Values:
        """Energy score (batch,): each validation image against 64 images generated from fixed noise."""
        return {"energy_score": energy_score(batch[0], self.draw(self.fixed_latents()))}

    def preview(self, batch: tuple[tf.Tensor, tf.Tensor]) -> dict[str, View]:
        """Images for the seeds 0 to 63, the same seeds at every preview, and the distribution of the discriminator's
        logits. For points, their density beside the data's, with contour lines of the logit."""
        images, labels = batch
        drawn = self.draw(self.fixed_latents(self.preview_examples))
        logits = {"real": self._logits(images, labels), "fake": self._logits(drawn, self._labels(len(drawn)))}
        shown = {
            f"logits/{name}": Histogram(
                values, f"The discriminator's logits of {name} images; 0 is undecided, higher is more real."
            )
            for name, values in logits.items()
        }
        if not self.of_points:
            return {"samples": Sheet({"images": drawn}, "Images of the same latent vectors at every preview."), **shown}

        def levels(points: np.ndarray) -> tf.Tensor:
            return self._logits(tf.convert_to_tensor(points), self._labels(len(points)))

        return {"samples": Picture(plane({"real": images, "generated": drawn}, levels=levels)), **shown}

    def _logits(self, images: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        """(batch,), shifted so that 0 is the decision boundary; a critic's scores are not shifted."""
        logits = self.discriminate(images, labels, training=False)["logit"]
        return adversarial.example_scores(logits) - (self.adversarial_loss.decision_boundary or 0.0)

    def health(self) -> Health:
        """Images for the labels of a batch, generated with the current weights rather than their average."""

        def draw(batch: tuple[tf.Tensor, tf.Tensor], noise: tf.Tensor) -> tf.Tensor:
            return self.generator(self.generator_inputs(noise, batch[1]), training=False)

        return Health(
            real=lambda batch: batch[0],
            draw=draw,
            latents=lambda count, seed: latent_vectors(count, self.config.latent_dim, seed),
            critic=self.adversarial_loss.decision_boundary is None,
        )

    def serving(self) -> dict[str, Served]:
        """The generator, with averaged weights if the run has them."""
        network = self.for_serving("generator", self.build_generator)
        return {
            "generator": Served(
                network,
                (vector("latents", network.input, "from N(0, 1)"),),
                (self.image_port("images", network.output),),
                "images from noise",
                "generate",
                examples=lambda batch: (hashed_vectors(batch[0], self.config.latent_dim),),
            )
        }

    def served_classifier(self) -> Served:
        """The discriminator's head "classes" as a classifier: images -> class probabilities."""
        network = self.for_serving("discriminator", self.build_discriminator)
        probabilities = keras.layers.Softmax(dtype="float32", name="probabilities")(network.output["classes"])
        return Served(
            keras.Model(network.input, probabilities, name="classifier"),
            (self.image_port("images", network.input),),
            (vector("probabilities", probabilities, range=(0, 1), num_classes=self.config.num_classes),),
            "the classes of images",
        )

    def image_port(self, name: str, tensor: Any) -> Port:
        """Port for images, or for points in the plane."""
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
"""Training settings for the demos of most convolutional GANs."""
RESNET_RUN = RunConfig(
    epochs=100, steps_per_epoch=1000, batch_size=64, learning_rate=2e-4, preview_every=1000, checkpoint_every=5000
)
"""Training settings for residual networks on CIFAR-10 in the WGAN-GP and SNGAN papers: 100,000 generator steps."""
