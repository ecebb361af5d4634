"""Conditional VAE: a VAE whose networks are given the class of an image, so that images of a chosen class can be
generated.

The label y is an input of encoder and decoder, so the latent vector only needs to encode what the class does not
determine, such as the slant and thickness of a digit:

    log p(x|y)  >=  E_q(z|x,y) log p(x|z, y) - beta KL(q(z|x, y) || N(0, 1))

Sohn, Lee, Yan: Learning Structured Output Representation using Deep Conditional Generative Models, NeurIPS 2015. With
this prior it is the generative model M2 of Kingma, Rezende, Mohamed, Welling, NeurIPS 2014, arXiv 1406.5298, where all
labels are known.

Departures from the papers: the prior of z does not depend on y (as in M2); the encoder gets the label as constant maps,
one channel per class; ReLU units, Adam.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any, ClassVar

import keras
import tensorflow as tf

from keras_gen.engine.config import TINY_IMAGES, TINY_RUN, Preset, RunConfig
from keras_gen.engine.labels import ClassConditional, Labelled
from keras_gen.export.signature import Served, class_label
from keras_gen.layers.conditioning import with_label
from keras_gen.models import vae
from keras_gen.networks.autoencoders import decoder, encoder
from keras_gen.ops.conditioning import conditioned
from keras_gen.ops.latents import latent_vectors
from keras_gen.visual.latent_space import LatentSpace
from keras_gen.visual.views import View

_ROWS = 4  # latent vectors on the sheet of classes


@dataclasses.dataclass(frozen=True)
class Config(Labelled, vae.Config):
    """Architecture and objective of the model."""


class CVAE(ClassConditional, vae.VAE):
    """A conditional VAE: a VAE whose networks also take the label. A batch is (image, label).

    Examples:
        >>> model = keras_gen.CVAE(image_size=8, latent_dim=2, hidden_units=(8,), filters=2, num_classes=4)
        >>> model((np.zeros((3, 8, 8, 1), np.float32), np.array([0, 1, 2]))).shape
        TensorShape([3, 8, 8, 1])
        >>> model.generate(4, label=3).shape
        TensorShape([4, 8, 8, 1])
    """

    family = "cvae"
    Config = Config
    tasks = (*vae.VAE.tasks, "generate_class")
    next_commands = (
        "generate RUN --seeds 0-15 --label 0 --out drawn",
        "explore_latent RUN",
    )
    presets: ClassVar[dict[str, Preset]] = {
        "demo": Preset(
            Config(),
            RunConfig(epochs=15, batch_size=64, learning_rate=1e-3, preview_every=200, checkpoint_every=1000),
        ),
        # Kingma et al. 2014, section 4: 50 latent units and layers of 500.
        "paper": Preset(
            Config(architecture="dense", latent_dim=50, hidden_units=(500, 500)),
            RunConfig(epochs=100, batch_size=100, learning_rate=3e-4, preview_every=3000, checkpoint_every=10000),
        ),
        "tiny": Preset(Config(hidden_units=(8,), filters=2, latent_dim=2), TINY_RUN, TINY_IMAGES),
    }

    def _encoder(self) -> keras.Model:
        config = self.config
        layout = dataclasses.replace(config, channels=config.channels + config.num_classes)
        return encoder(layout, ("mean", "log_variance"))

    def _decoder(self) -> keras.Model:
        config = self.config
        layout = dataclasses.replace(config, latent_dim=config.latent_dim + config.num_classes)
        return decoder(layout, channels=self.decoder_channels, activation=None)

    def call(self, images: tuple[tf.Tensor, tf.Tensor]) -> tf.Tensor:
        """`reconstruct` for (images, labels)."""
        return self.reconstruct(*images)

    def conditioned(self, inputs: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        """Images with one map per class, 1 for the image's own class and -1 for others; latent vectors with a one-hot
        class."""
        return conditioned(inputs, labels, self.config.num_classes)

    def generate(
        self,
        count: int,
        seed: int = 0,
        truncation: float = math.inf,
        label: int | None = None,
        network: Callable[..., Any] | None = None,
    ) -> tf.Tensor:
        """Generates images from latent vectors z ~ N(0, 1). The same seed gives the same images.

        Args:
            count: number of images.
            seed: seed of the latent vectors.
            truncation: truncation of the latent vectors, see `ops.latents.truncated`.
            label: class of all images; None: cycle through the classes.
            network: see `VAE.generate`.

        Raises:
            UserError: if there is no such class.
        """
        latents = latent_vectors(count, self.config.latent_dim, seed, truncation)
        return (network or self.decode)(latents, self.labels_to_generate(count, label))

    def preview(self, batch: tuple[tf.Tensor, tf.Tensor]) -> dict[str, View]:
        """original | reconstruction, and one column per class, where each row has the same latent vector."""
        return {
            "samples": super().preview(batch)["samples"],
            "classes": self.class_sheet(self.decode, _ROWS),
        }

    def latent_space(self) -> LatentSpace:
        """As for VAE, given the label."""
        return dataclasses.replace(super().latent_space(), conditional=True)

    def serving(self) -> dict[str, Served]:
        """As for VAE, with the class as a separate input."""
        count = self.config.num_classes
        encode, decode = self._to_serve()
        encode, decode = with_label(encode, count, "images"), with_label(decode, count, "latents")
        images, label = encode.inputs
        whole = keras.Model([images, label], decode.call([encode.output, label]), name=self.family)
        return self._served(encode, decode, whole, (class_label("label", label, count),))
