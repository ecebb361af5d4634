"""Conditional GAN: generator and discriminator are given the class, so that images of a chosen class can be generated.

    min_G max_D  E log D(x|y) + E log(1 - D(G(z|y)|y))

The class is appended to the noise as a one-hot vector, and to the image as constant maps, one channel per class. With
`--projection` the discriminator processes the image alone, and its features are compared with the class at the end:
logit = psi(phi(x)) + v_y phi(x), a bilinear form, which models the logarithm of p(y|x) / q(y|x).

Mirza, Osindero: Conditional Generative Adversarial Nets, 2014, arXiv 1411.1784; projection: Miyato, Koyama: cGANs with
Projection Discriminator, ICLR 2018, arXiv 1802.05637, equation 11.

Departures from the papers: convolutions instead of maxout, unless `--architecture mlp`; the maps of other classes are
-1, not 0; each class has a bias in addition to v_y; projection comes without spectral normalisation and conditional
batch normalisation. Otherwise those of `models.gan`.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any, ClassVar, Literal

import keras
import tensorflow as tf

from keras_gen.engine.config import TINY_IMAGES, TINY_RUN, Preset, RunConfig
from keras_gen.engine.labels import ClassConditional, Labelled
from keras_gen.engine.model import Values
from keras_gen.export.signature import Port, Served, class_label, vector
from keras_gen.layers.conditioning import with_label
from keras_gen.models.gan import GAN, Adversarial
from keras_gen.networks import gan as networks
from keras_gen.ops.conditioning import conditioned
from keras_gen.ops.latents import hashed_vectors, latent_vectors
from keras_gen.visual.views import View

_ROWS = 8  # noise vectors on the sheet of classes


@dataclasses.dataclass(frozen=True)
class Config(Labelled, Adversarial):
    """Architecture and objective of the model."""

    objective: Literal["nonsaturating", "minimax", "hinge"] = "nonsaturating"
    """Objective of both players; hinge in Miyato and Koyama 2018."""
    projection: bool = False
    """Compare the discriminator's features with the class at its end (Miyato and Koyama 2018), instead of appending the
    class to the image."""


class Conditional(ClassConditional, GAN):
    """A GAN whose generator is given one of `config.num_classes` classes."""

    tasks = (*GAN.tasks, "generate_class")
    next_commands = ("generate RUN --seeds 0-15 --label 0 --sheet --out drawn",)

    def call(self, latents: tuple[tf.Tensor, tf.Tensor]) -> tf.Tensor:
        """Images for (latent vectors, labels), (batch, latent_dim) and (batch,)."""
        return self.draw(self.generator_inputs(*latents))

    def build_generator(self) -> keras.Model:
        """(batch, latent_dim + num_classes) -> (batch, S, S, channels) in [-1, 1]."""
        return networks.generator(self.config, self.config.latent_dim + self.config.num_classes)

    def generator_inputs(self, noise: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        """The noise, followed by the one-hot class."""
        return conditioned(noise, labels, self.config.num_classes)

    def _labels(self, count: int) -> tf.Tensor:
        """Labels that cycle through the classes."""
        return self.labels_to_generate(count)

    def generate(
        self,
        count: int,
        seed: int = 0,
        truncation: float = math.inf,
        label: int | None = None,
        network: Callable[..., Any] | None = None,
    ) -> tf.Tensor:
        """Generates images from noise z ~ N(0, 1). The same seed gives the same images.

        Args:
            count: number of images.
            seed: seed of the noise.
            truncation: truncation of the noise, see `ops.latents.truncated`.
            label: class of all images; None: cycle through the classes.
            network: see `GAN.generate`.

        Raises:
            UserError: if there is no such class.
        """
        labels = self.labels_to_generate(count, label)
        noise = latent_vectors(count, self.config.latent_dim, seed, truncation)
        return network(noise, labels) if network else self.draw(self.generator_inputs(noise, labels))

    def preview(self, batch: tuple[tf.Tensor, tf.Tensor]) -> dict[str, View]:
        """As for GAN, with one column per class; each row has the same noise."""
        if self.of_points:
            return super().preview(batch)

        def generate(noise: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
            return self.draw(self.generator_inputs(noise, labels))

        return super().preview(batch) | {"classes": self.class_sheet(generate, _ROWS)}

    def serving(self) -> dict[str, Served]:
        """As for GAN, with the class as a separate input."""
        count = self.config.num_classes
        network = with_label(self.for_serving("generator", self.build_generator), count, "latents")
        latents, label = network.inputs
        return {
            "generator": Served(
                network,
                (vector("latents", latents, "from N(0, 1)"), self.label_port(label)),
                (self.image_port("images", network.output),),
                "images from noise and a class",
                "generate",
                examples=lambda batch: (
                    hashed_vectors(batch[0], self.config.latent_dim),
                    self.example_labels(*batch),
                ),
            )
        }

    def label_port(self, tensor: Any) -> Port:
        """Port of the class that the generator takes."""
        return class_label("label", tensor, self.config.num_classes)

    def example_labels(self, images: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        """Labels (batch,) for verifying the exports: those of the data."""
        return labels


class CGAN(Conditional):
    """A conditional GAN: both networks are given the class.

    Examples:
        >>> model = keras_gen.CGAN(image_size=8, latent_dim=4, filters=2, num_classes=3)
        >>> model((np.zeros((2, 4), np.float32), np.array([0, 2]))).shape
        TensorShape([2, 8, 8, 1])
    """

    family = "cgan"
    Config = Config
    presets: ClassVar[dict[str, Preset]] = {
        "demo": Preset(
            Config(latent_dim=64, filters=32),
            RunConfig(epochs=20, batch_size=64, ema=0.99, preview_every=500, checkpoint_every=2000),
        ),
        # Mirza and Osindero 2014, section 4.1: dense layers, noise with 100 units, batches of 100.
        "paper": Preset(
            Config(architecture="mlp", hidden_units=(1200,), generator_norm="none", discriminator_norm="none"),
            RunConfig(epochs=100, batch_size=100, ema=0.999, preview_every=3000, checkpoint_every=10000),
        ),
        "tiny": Preset(Config(latent_dim=4, filters=2), TINY_RUN, TINY_IMAGES),
    }

    def build_discriminator(self) -> keras.Model:
        """Takes images with the maps of their classes. With projection it takes images only, and has one more output
        per class."""
        config = self.config
        if config.projection:
            return networks.discriminator(config, {"logit": 1, "classes": config.num_classes})
        return networks.discriminator(config, channels=config.channels + config.num_classes)

    def discriminate(self, images: tf.Tensor, labels: tf.Tensor, training: bool = True) -> Values:
        """The discriminator's outputs for images of these classes."""
        if not self.config.projection:
            return super().discriminate(conditioned(images, labels, self.config.num_classes), labels, training)
        outputs = super().discriminate(images, labels, training)
        projected = tf.gather(outputs["classes"], labels[:, None], batch_dims=1)
        return outputs | {"logit": outputs["logit"] + projected}
