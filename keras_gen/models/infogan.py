"""InfoGAN: some of the numbers that a picture is drawn from are codes, which have to be readable from the picture.

    min_{G, Q} max_D  V(D, G) - lambda L_I(G, Q)
    L_I = H(c) + E log Q(c|G(z, c))  <=  I(c; G(z, c))

The codes are a category and continuous numbers; without any label the category comes to mean the class of an image, the
numbers slant or width. Q, the recogniser, is a head on the discriminator's features.

Chen, Duan, Houthooft, Schulman, Sutskever, Abbeel: InfoGAN: Interpretable Representation Learning by Information
Maximizing Generative Adversarial Nets, NeurIPS 2016, arXiv 1606.03657.

Who moves what is as in the authors' code: the recogniser and all that it shares with the discriminator minimise the
discriminator's loss minus lambda L_I of generated images, the generator its own minus lambda L_I. So the discriminator
has features that serve both, and Q no optimizer of its own. Of a continuous code Q is normal with deviation 1.

Departures from the paper: one category; continuous codes from N(0, 1), not uniform, so that they are among the numbers
that a seed stands for; by default no batch normalisation in the discriminator and the recogniser, whose statistics of
real and of generated images differ, while the recogniser is to read both; otherwise those of `models.gan`.
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
from keras_gen.ops.latents import latent_vectors, vectors_of
from keras_gen.visual.sheets import grid
from keras_gen.visual.views import Picture, View

_REACH, _POSITIONS = 2.0, 9  # of the traversals: how far from 0 they go (paper, figure 2), and pictures of each
_MOST = 10  # categories on a traversal


@dataclasses.dataclass(frozen=True)
class Config(Adversarial):
    """What the model is."""

    latent_dim: Positive[int] = 64
    """Numbers from N(0, 1) that a picture is drawn from, the continuous codes among them [count]; 62 and 2 codes in the
    paper."""
    categories: Annotated[int, Range(2)] = 10
    """Values of the categorical code [count]; 10 in the paper."""
    continuous: NonNegative[int] = 2
    """Continuous codes: the first so many of the latent numbers [count]; 2 in the paper."""
    information_weight: NonNegative[float] = 1.0
    """lambda, weight of the bound of the mutual information of codes and pictures [1 / nat]; 1 in the paper."""
    recogniser_units: Positive[int] = 128
    """Units of the recogniser's layer between the discriminator's features and the codes [units]; 128 in the paper."""
    discriminator_norm: AnyNorm = "none"
    """Normalisation in the discriminator, which is most of the recogniser too."""

    def check_together(self) -> None:
        """Continuous codes are latent units."""
        super().check_together()
        if self.continuous > self.latent_dim:
            raise self.fault("<continuous got>; accepted are 0 to <latent_dim=>, which they are part of.")

    @property
    def num_classes(self) -> int:
        """What can be asked for by `--label`: the categories."""
        return self.categories


class InfoGAN(Conditional):
    """An InfoGAN: a GAN with codes, and a recogniser of them on the discriminator's features.

    Examples:
        >>> model = keras_gen.InfoGAN(image_size=8, latent_dim=4, filters=2, categories=3)
        >>> model((np.zeros((2, 4), np.float32), np.array([0, 2]))).shape
        TensorShape([2, 8, 8, 1])
    """

    family = "infogan"
    Config = Config
    descriptions: ClassVar[dict[str, str]] = {
        "information": "Lower bound of what the images tell about the codes [nats].",
        "categorical_information": "The part of the categories [nats].",
        "continuous_information": "The part of the continuous codes [nats].",
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
        """(image, label); the labels are not looked at."""
        return GAN.batch_parts(self, training)

    def build_discriminator(self) -> keras.Model:
        """(batch, S, S, channels) -> "logit", (batch, 1), and "codes", (batch, continuous + categories): the means of
        the continuous ones, then a logit for each category."""
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
        """Categories, each as often as any other; the labels are not looked at."""
        return keras.random.randint(tf.shape(labels), 0, self.config.categories, seed=self.noise)

    def information(self, fake: DiscriminatorOutput) -> Values:
        """The lower bound of the mutual information of generated images and their codes [nats], and its parts."""
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
        """The adversarial loss minus lambda L_I, by which the recogniser learns."""
        loss, terms = super().discriminator_loss(real, fake)
        found = self.information(fake)
        return loss - self.config.information_weight * found["information"], terms | found

    def generator_loss(self, real: DiscriminatorOutput, fake: DiscriminatorOutput) -> tuple[tf.Tensor, Values]:
        """The adversarial loss minus lambda L_I, by which pictures become readable."""
        loss, terms = super().generator_loss(real, fake)
        return loss - self.config.information_weight * self.information(fake)["information"], terms

    def preview(self, batch: tuple[tf.Tensor, tf.Tensor]) -> dict[str, View]:
        """As of a GAN of classes, of which each is a category here, and what each continuous code does to them."""
        config = self.config
        if self.of_points:
            return super().preview(batch)
        shown = min(config.categories, _MOST)
        noise = np.tile(latent_vectors(1, config.latent_dim, seed=0), (shown, _POSITIONS, 1))
        labels = np.repeat(np.arange(shown), _POSITIONS)
        positions = np.linspace(-_REACH, _REACH, _POSITIONS)
        traversals = {}
        for code in range(config.continuous):
            places = noise.copy()
            places[:, :, code] = positions
            drawn = self.draw(self.generator_inputs(tf.reshape(places, (-1, config.latent_dim)), tf.constant(labels)))
            table = grid(
                np.reshape(drawn, (shown, _POSITIONS, *config.shape)),
                [f"category {label}" for label in range(shown)],
                [f"{position:g}" for position in positions],
                corner=f"continuous code {code}",
            )
            traversals[f"code_{code}"] = Picture(table, f"What continuous code {code} does to each category.")
        return super().preview(batch) | traversals

    def health(self) -> Health:
        """As of a GAN, but of each category in turn, as the data's labels are not looked at."""
        labelled = super().health()

        def draw(batch: tuple[tf.Tensor, tf.Tensor], noise: tf.Tensor) -> tf.Tensor:
            return labelled.draw((batch[0], self._labels(len(noise))), noise)

        return dataclasses.replace(labelled, draw=draw)

    def example_labels(self, images: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        """Categories that follow the pixels, whatever the labels are."""
        return tf.argmax(vectors_of(images, self.config.categories), axis=-1, output_type=tf.int32)

    def label_port(self, tensor: Any) -> Port:
        """Of the category, which is no class of the data."""
        return indices("label", tensor, self.config.categories, "the category")

    def serving(self) -> dict[str, Served]:
        """The generator, and the recogniser: image -> the codes that it was drawn from."""
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
                (self._port("images", network.input),),
                tuple(outputs.values()),
                "the codes that pictures were drawn from",
                examples=lambda batch: (generator(*generator.examples(batch)),),
            )
        }
