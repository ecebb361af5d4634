"""Autoencoder: encodes an image to a short vector and decodes it again.

The vector is too short to hold every pixel, so it has to represent what the training images have in common. With one
linear layer each, encoder and decoder span the same plane as principal component analysis. With more layers they can
follow curved manifolds.

    min  E d(x, decoder(encoder(x)))

Hinton, Salakhutdinov: Reducing the Dimensionality of Data with Neural Networks, Science 313, 2006. Convolutional:
Masci, Meier, Ciresan, Schmidhuber, ICANN 2011.

Departures from the papers: trained end to end by Adam from random weights, without layer-wise pretraining; ReLU units;
strided convolutions instead of max-pooling.
"""

from __future__ import annotations

import dataclasses
from typing import ClassVar, Literal

import keras
import tensorflow as tf

from keras_gen.engine.config import TINY_IMAGES, TINY_RUN, Preset, RunConfig
from keras_gen.engine.feeding import Part
from keras_gen.engine.model import GenerativeModel, Step, Values, chained
from keras_gen.engine.terms import DISTANCES
from keras_gen.export.signature import Served, image, vector
from keras_gen.networks.autoencoders import Layout, decoder, encoder
from keras_gen.ops import reconstruction
from keras_gen.visual.latent_space import LatentSpace
from keras_gen.visual.views import Sheet, View


@dataclasses.dataclass(frozen=True)
class Config(Layout):
    """Architecture and objective of the model."""

    distance: Literal["l2", "l1"] = "l2"
    """Reconstruction loss: mean squared (l2) or mean absolute (l1) error over pixels."""


class Autoencoder(GenerativeModel):
    """An autoencoder as a `GenerativeModel`.

    One player, which trains both networks. A batch is (image, label), float32 NHWC in [-1, 1]; labels are not used.

    A variant overrides `penalty`, to add a term to the reconstruction loss, or `code_activation`.

    Examples:
        >>> model = keras_gen.Autoencoder(image_size=8, latent_dim=2, hidden_units=(8,), filters=2)
        >>> model(np.zeros((3, 8, 8, 1), np.float32)).shape, model.encode(np.zeros((3, 8, 8, 1), np.float32)).shape
        (TensorShape([3, 8, 8, 1]), TensorShape([3, 2]))
    """

    family = "autoencoder"
    Config: ClassVar[type] = Config
    monitor = "mse"
    tasks = ("reconstruct",)
    next_commands = ("explore_latent RUN",)
    presets: ClassVar[dict[str, Preset]] = {
        "demo": Preset(
            Config(),
            RunConfig(epochs=10, batch_size=64, learning_rate=1e-3, preview_every=200, checkpoint_every=1000),
        ),
        "tiny": Preset(Config(hidden_units=(8,), filters=2, latent_dim=2), TINY_RUN, TINY_IMAGES),
    }

    def make_networks(self, config: Config) -> None:
        self.encoder = self.add_network("encoder", self._encoder())
        self.decoder = self.add_network("decoder", decoder(config))
        self.add_player("autoencoder", "encoder", "decoder")
        self.log_terms(train=[DISTANCES[config.distance]], test=["mse", "psnr"])

    @property
    def code_activation(self) -> str | None:
        """Activation of the latent units; None: linear."""
        return None

    def _encoder(self) -> keras.Model:
        return encoder(self.config, activation=self.code_activation)

    def batch_parts(self, training: bool = True) -> tuple[Part, ...]:
        """(image, label); the labels are not used."""
        size, channels = self.config.image_size, self.config.channels
        return Part("image", (size, size, channels)), Part("label", ())

    def call(self, images: tf.Tensor) -> tf.Tensor:
        """`reconstruct`."""
        return self.reconstruct(images)

    def objective(self, batch: tuple[tf.Tensor, tf.Tensor]) -> Step:
        """The reconstruction loss, mean over pixels and examples, plus the penalty."""
        images, _ = batch
        latents = self.encoder(images, training=True)
        difference = self.decoder(latents, training=True) - images
        distance = tf.reduce_mean(tf.square(difference) if self.config.distance == "l2" else tf.abs(difference))
        penalty, terms, sums = self.penalty(latents)
        return Step({"autoencoder": distance + penalty}, terms | {DISTANCES[self.config.distance]: distance}, sums)

    def penalty(self, latents: tf.Tensor) -> tuple[tf.Tensor | float, Values, Values]:
        """A loss to add, terms to log, and sums over examples for `running_state`: here none.

        Args:
            latents: (batch, latent_dim).
        """
        return 0.0, {}, {}

    def validate(self, batch: tuple[tf.Tensor, tf.Tensor]) -> dict[str, tf.Tensor]:
        """Mean squared error in units of [-1, 1] and PSNR [dB] of the reconstructions, each (batch,)."""
        images, _ = batch
        drawn = self.reconstruct(images)
        return {
            "mse": tf.reduce_mean(tf.square(drawn - images), axis=(1, 2, 3)),
            "psnr": reconstruction.psnr(drawn, images),
        }

    def reconstruct(self, images: tf.Tensor, labels: tf.Tensor | None = None) -> tf.Tensor:
        """Encodes and decodes images: (batch, S, S, channels) in [-1, 1], float32; labels are not used."""
        return self.decode(self.encode(images))

    def encode(self, images: tf.Tensor) -> tf.Tensor:
        """Images (batch, S, S, channels) in [-1, 1] -> latent vectors (batch, latent_dim), float32."""
        return self.inference("encoder")(images, training=False)

    def decode(self, latents: tf.Tensor) -> tf.Tensor:
        """Latent vectors (batch, latent_dim) -> images (batch, S, S, channels) in [-1, 1], float32."""
        return self.inference("decoder")(latents, training=False)

    def latent_space(self) -> LatentSpace:
        """The latent vectors, whose distribution is not constrained."""
        return LatentSpace(
            self.config.latent_dim,
            encode=lambda images, labels: self.encode(images),
            decode=lambda latents, labels: self.decode(latents),
        )

    def preview(self, batch: tuple[tf.Tensor, tf.Tensor]) -> dict[str, View]:
        """original | reconstruction."""
        images, _ = batch
        return {"samples": Sheet({"original": images, "reconstruction": self.reconstruct(images)})}

    def serving(self) -> dict[str, Served]:
        """The whole model, the encoder and the decoder."""
        config = self.config
        down = self.for_serving("encoder", self._encoder)
        up = self.for_serving("decoder", lambda: decoder(config))
        whole = chained(down, up, name=self.family)
        images, latents = image("images", down.input), vector("latents", down.output)
        reconstruction = (dataclasses.replace(images, name="reconstruction"),)
        return {
            self.family: Served(whole, (images,), reconstruction, "reconstructions of images", "reconstruct"),
            "encoder": Served(down, (images,), (latents,), "the latent vectors of images"),
            "decoder": Served(
                up,
                (latents,),
                (images,),
                "images from latent vectors",
                examples=lambda batch: (down(batch[0], training=False),),
            ),
        }
