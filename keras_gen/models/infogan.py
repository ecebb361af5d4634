"""InfoGAN: part of the generator's input are codes, which a recogniser must be able to recover from the image.

    min_{G, Q} max_D  V(D, G) - lambda L_I(G, Q)
    L_I = H(c) + E log Q(c|G(z, c))  <=  I(c; G(z, c))

There is one categorical code and several continuous ones. Without any labels the categorical code comes to represent
the class of an image, and the continuous codes its slant or width. The recogniser Q is a head on the discriminator's
features.

Chen, Duan, Houthooft, Schulman, Sutskever, Abbeel: InfoGAN: Interpretable Representation Learning by Information
Maximizing Generative Adversarial Nets, NeurIPS 2016, arXiv 1606.03657.

The updates follow the authors' code. The discriminator, with the recogniser, minimises the discriminator's loss minus
lambda L_I of the generated images; the generator minimises its own loss minus lambda L_I. The shared features therefore
serve both purposes, and Q needs no optimizer of its own. For a continuous code, Q is normal with standard deviation 1.

Departures from the paper: a single categorical code; continuous codes are from N(0, 1) instead of uniform, so that they
are part of the latent vector that a seed determines; by default no batch normalisation in discriminator and recogniser,
because batch statistics differ between real and generated images and the recogniser has to read both. Otherwise those
of `models.gan`.
"""

from __future__ import annotations

import dataclasses
from typing import Annotated, Any, ClassVar

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from keras_gen.diagnostics.gan_health import Health
from keras_gen.engine.config import TINY_IMAGES, TINY_RUN, Preset, RunConfig
from keras_gen.engine.feeding import Part
from keras_gen.engine.model import Values
from keras_gen.export.signature import Port, Served, indices, vector
from keras_gen.flags import NonNegative, Positive, Range
from keras_gen.models.cgan import Conditional
from keras_gen.models.gan import GAN, Adversarial, DiscriminatorOutput
from keras_gen.networks import gan as networks
from keras_gen.networks.normalisation import AnyNorm, normalised
from keras_gen.ops.information import categorical_information, normal_information
from keras_gen.ops.latents import hashed_vectors, latent_vectors
from keras_gen.visual.sheets import grid
from keras_gen.visual.views import Picture, View

_RANGE, _POSITIONS = 2.0, 9  # a traversal goes from -2 to 2 (paper, figure 2) in 9 images
_MAX_CATEGORIES = 10  # categories on the sheet of a traversal


@dataclasses.dataclass(frozen=True)
class Config(Adversarial):
    """Architecture and objective of the model."""

    latent_dim: Positive[int] = 64
    """Length of the latent vector z ~ N(0, 1), including the continuous codes [units]; 62 and 2 codes in the paper."""
    categories: Annotated[int, Range(2)] = 10
    """Values of the categorical code [count]; 10 in the paper."""
    continuous: NonNegative[int] = 2
    """Number of continuous codes, the first entries of the latent vector [count]; 2 in the paper."""
    information_weight: NonNegative[float] = 1.0
    """Weight lambda of the lower bound on the mutual information between codes and images [1 / nat]; 1 in the paper."""
    recogniser_units: Positive[int] = 128
    """Units of the recogniser's hidden layer [units]; 128 in the paper."""
    discriminator_norm: AnyNorm = "none"
    """Normalisation in the discriminator, which shares its features with the recogniser."""

    def check_together(self) -> None:
        """The continuous codes must fit into the latent vector."""
        super().check_together()
        if self.continuous > self.latent_dim:
            raise self.fault(
                "<continuous got>; accepted are 0 to <latent_dim=>, because they are part of the latent vector."
            )

    @property
    def num_classes(self) -> int:
        """Number of categories, which `--label` chooses from."""
        return self.categories

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the categories: none, whatever the classes of the data are called."""
        return ()


class InfoGAN(Conditional):
    """An InfoGAN: a GAN with codes, and a recogniser for them on the discriminator's features.

    Examples:
        >>> model = keras_gen.InfoGAN(image_size=8, latent_dim=4, filters=2, categories=3)
        >>> model((np.zeros((2, 4), np.float32), np.array([0, 2]))).shape
        TensorShape([2, 8, 8, 1])
    """

    family = "infogan"
    Config = Config
    descriptions: ClassVar[dict[str, str]] = {
        "information": "Lower bound on the mutual information between images and codes [nats].",
        "categorical_information": "Mutual information of the categorical code [nats].",
        "continuous_information": "Mutual information of the continuous codes [nats].",
    }
    presets: ClassVar[dict[str, Preset]] = {
        "demo": Preset(
            Config(filters=32),
            RunConfig(epochs=20, batch_size=64, ema=0.99, preview_every=500, checkpoint_every=2000),
        ),
        # Appendix C.1, for MNIST: 64 filters, dense layers of 1024, batches of 128, learning rates of 1e-3 and 2e-4.
        "paper": Preset(
            Config(filters=64, dense=1024, discriminator_norm="batch", discriminator_rate=0.2),
            RunConfig(
                epochs=50, batch_size=128, learning_rate=1e-3, ema=0.999, preview_every=1000, checkpoint_every=5000
            ),
        ),
        "tiny": Preset(Config(latent_dim=4, filters=2, recogniser_units=4), TINY_RUN, TINY_IMAGES),
    }

    def make_networks(self, config: Config) -> None:
        super().make_networks(config)
        self.log_terms(train=["information", "categorical_information", "continuous_information"])

    def batch_parts(self, training: bool = True) -> tuple[Part, ...]:
        """(image, label); the labels are not used."""
        return GAN.batch_parts(self, training)

    def build_discriminator(self) -> keras.Model:
        """(batch, S, S, channels) -> "logit", (batch, 1), and "codes", (batch, continuous + categories): the means of
        the continuous codes, followed by one logit per category."""
        config = self.config
        network = networks.discriminator(config)
        norm = config.discriminator_norm
        x = layers.Dense(config.recogniser_units, use_bias=norm == "none", kernel_initializer="he_normal")(
            network.output["features"]
        )
        x = layers.LeakyReLU(0.2)(normalised(x, norm))
        x = layers.Dense(config.continuous + config.categories)(x)
        codes = layers.Activation("linear", dtype="float32", name="codes")(x)
        return keras.Model(network.input, network.output | {"codes": codes}, name="discriminator")

    def generator_labels(self, labels: tf.Tensor) -> tf.Tensor:
        """Categories, uniformly distributed; the data's labels are not used."""
        return keras.random.randint(tf.shape(labels), 0, self.config.categories, seed=self.noise)

    def information(self, fake: DiscriminatorOutput) -> Values:
        """Lower bound on the mutual information between generated images and their codes [nats], and its two parts."""
        count = self.config.continuous
        means, logits = fake.outputs["codes"][:, :count], fake.outputs["codes"][:, count:]
        categorical = categorical_information(logits, fake.labels)
        continuous = normal_information(means, fake.latents[:, :count])
        return {
            "information": categorical + continuous,
            "categorical_information": categorical,
            "continuous_information": continuous,
        }

    def discriminator_loss(self, real: DiscriminatorOutput, fake: DiscriminatorOutput) -> tuple[tf.Tensor, Values]:
        """The adversarial loss minus lambda L_I, which trains the recogniser."""
        loss, terms = super().discriminator_loss(real, fake)
        information = self.information(fake)
        return loss - self.config.information_weight * information["information"], terms | information

    def generator_loss(self, real: DiscriminatorOutput, fake: DiscriminatorOutput) -> tuple[tf.Tensor, Values]:
        """The adversarial loss minus lambda L_I, which makes the codes readable in the images."""
        loss, terms = super().generator_loss(real, fake)
        return loss - self.config.information_weight * self.information(fake)["information"], terms

    def preview(self, batch: tuple[tf.Tensor, tf.Tensor]) -> dict[str, View]:
        """As for a class-conditional GAN, with categories as classes, and one traversal per continuous code."""
        config = self.config
        if self.of_points:
            return super().preview(batch)
        count = min(config.categories, _MAX_CATEGORIES)
        noise = np.tile(latent_vectors(1, config.latent_dim, seed=0), (count, _POSITIONS, 1))
        labels = np.repeat(np.arange(count), _POSITIONS)
        positions = np.linspace(-_RANGE, _RANGE, _POSITIONS)
        traversals = {}
        for code in range(config.continuous):
            latents = noise.copy()
            latents[:, :, code] = positions
            drawn = self.draw(self.generator_inputs(tf.reshape(latents, (-1, config.latent_dim)), tf.constant(labels)))
            table = grid(
                np.reshape(drawn, (count, _POSITIONS, *config.shape)),
                [f"category {label}" for label in range(count)],
                [f"{position:g}" for position in positions],
                corner=f"continuous code {code}",
            )
            traversals[f"code_{code}"] = Picture(table, f"The effect of continuous code {code} on each category.")
        return super().preview(batch) | traversals

    def health(self) -> Health:
        """As for GAN, with the categories in turn, because the data's labels are not used."""
        health = super().health()

        def draw(batch: tuple[tf.Tensor, tf.Tensor], noise: tf.Tensor) -> tf.Tensor:
            return health.draw((batch[0], self._labels(len(noise))), noise)

        return dataclasses.replace(health, draw=draw)

    def example_labels(self, images: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        """Categories computed from the pixels, independent of the labels."""
        return tf.argmax(hashed_vectors(images, self.config.categories), axis=-1, output_type=tf.int32)

    def label_port(self, tensor: Any) -> Port:
        """Port of the category, which is not a class of the data."""
        return indices("label", tensor, self.config.categories, "the category")

    def serving(self) -> dict[str, Served]:
        """The generator, and the recogniser: image -> codes."""
        served, config = super().serving(), self.config
        generator = served["generator"]
        network = self.for_serving("discriminator", self.build_discriminator)
        codes, count = network.output["codes"], config.continuous
        probabilities = layers.Softmax(name="probabilities")(codes[:, count:])
        outputs = {"probabilities": vector("probabilities", probabilities, "of the categories", range=(0, 1))}
        tensors = [probabilities]
        if count:
            tensors.append(layers.Activation("linear", name="means")(codes[:, :count]))
            outputs["means"] = vector("means", tensors[-1], "of the continuous codes")
        return served | {
            "recogniser": Served(
                keras.Model(network.input, tensors, name="recogniser"),
                (self.image_port("images", network.input),),
                tuple(outputs.values()),
                "the codes of generated images",
                examples=lambda batch: (generator(*generator.examples(batch)),),
            )
        }
