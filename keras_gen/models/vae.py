"""Variational autoencoder: an autoencoder whose latent vectors follow a normal distribution, so that it can be sampled.

The encoder outputs a normal distribution over latent vectors instead of a single vector. The decoder outputs a
distribution over images. Both are trained on a lower bound of the likelihood:

    log p(x)  >=  E_q(z|x) log p(x|z)  -  beta KL(q(z|x) || N(0, 1))                              (ELBO, beta = 1)
    log p(x)  >=  E log 1/K sum_k p(x|z_k) p(z_k) / q(z_k|x)                                      (IWAE bound)

Kingma, Welling: Auto-Encoding Variational Bayes, ICLR 2014, arXiv 1312.6114. beta: Higgins et al., ICLR 2017. IWAE:
Burda, Grosse, Salakhutdinov, ICLR 2016, arXiv 1509.00519. Free bits: Kingma et al. 2016, arXiv 1606.04934.

Departures from the papers: ReLU units, Adam instead of Adagrad.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any, ClassVar

import keras
import tensorflow as tf

from keras_gen.engine.config import TINY_IMAGES, TINY_RUN, Preset, RunConfig
from keras_gen.engine.feeding import Part
from keras_gen.engine.model import GenerativeModel, Step, chained
from keras_gen.export.signature import Port, Served, image, vector
from keras_gen.flags import NonNegative, Positive
from keras_gen.networks.autoencoders import Layout, decoder, encoder
from keras_gen.ops import reconstruction
from keras_gen.ops.divergences import kl_to_standard_normal, log_mean_exp, log_normal
from keras_gen.ops.latents import hashed_vectors, latent_vectors
from keras_gen.ops.likelihoods import Likelihood, log_likelihood, mean_image, parameters_per_channel
from keras_gen.visual.latent_space import LatentSpace
from keras_gen.visual.views import Sheet, View

_SAMPLES = 32  # images from the prior on a sheet


@dataclasses.dataclass(frozen=True)
class Variational(Layout):
    """Fields that all VAE families share."""

    likelihood: Likelihood = "bernoulli"
    """Likelihood of an image given its latent vector: bernoulli for nearly binary images, gaussian with a learned
    variance, or logistic, discretised to 256 levels."""
    warm_up: NonNegative[int] = 0
    """Steps over which the weight of the divergence rises from 0 to its full value [steps]."""
    importance_samples: ClassVar[int] = 1


@dataclasses.dataclass(frozen=True)
class Config(Variational):
    """Architecture and objective of the model."""

    beta: NonNegative[float] = 1.0
    """Weight of the KL divergence [1]; 1 gives the ELBO, larger values encourage disentanglement (Higgins et al.
    2017)."""
    free_bits: NonNegative[float] = 0.0
    """KL divergence of each latent unit that is not penalised, as a batch mean [nats] (Kingma et al. 2016)."""
    importance_samples: Positive[int] = 1
    """Latent samples per image [count]; 1 gives the ELBO, more the IWAE bound (Burda et al. 2016)."""

    def check_together(self) -> None:
        """The IWAE bound has no separate KL divergence to weight."""
        super().check_together()
        if self.importance_samples > 1 and (self.beta != 1 or self.warm_up or self.free_bits):
            raise self.fault(
                "<importance_samples got>, whose bound has no separate KL divergence: leave <beta>, <warm_up> and "
                "<free_bits> out."
            )


class VAE(GenerativeModel):
    """A variational autoencoder as a `GenerativeModel`.

    One player, which trains both networks. A batch is (image, label), float32 NHWC in [-1, 1] and int32; labels are not
    used.

    A variant overrides `divergence`, to replace the KL divergence by what its paper uses, or `conditioned`, to give its
    networks further inputs.

    Examples:
        >>> model = keras_gen.VAE(image_size=8, latent_dim=2, hidden_units=(8,), filters=2)
        >>> model.compile(learning_rate=1e-3)
        >>> images = np.random.default_rng(0).uniform(-1, 1, (8, 8, 8, 1))
        >>> history = model.fit(images, batch_size=4, validation_data=images[:4], verbose=0)
        >>> model(images).shape, model.generate(3, seed=1).shape
        (TensorShape([8, 8, 8, 1]), TensorShape([3, 8, 8, 1]))
    """

    family = "vae"
    Config: ClassVar[type] = Config
    monitor = "negative_elbo"
    tasks = ("reconstruct", "estimate_likelihood", "generate")
    next_commands = ("generate RUN --seeds 0-15 --out drawn", "explore_latent RUN")
    presets: ClassVar[dict[str, Preset]] = {
        "demo": Preset(
            Config(),
            RunConfig(epochs=15, batch_size=64, learning_rate=1e-3, preview_every=200, checkpoint_every=1000),
        ),
        # Burda et al. 2016, section 5: 784-200-200-50, batches of 20.
        "paper": Preset(
            Config(architecture="dense", latent_dim=50, hidden_units=(200, 200)),
            RunConfig(epochs=100, batch_size=20, learning_rate=1e-3, preview_every=3000, checkpoint_every=10000),
        ),
        "tiny": Preset(Config(hidden_units=(8,), filters=2, latent_dim=2), TINY_RUN, TINY_IMAGES),
    }

    def make_networks(self, config: Variational) -> None:
        self.encoder = self.add_network("encoder", self._encoder())
        self.decoder = self.add_network("decoder", self._decoder())
        self.add_player("vae", "encoder", "decoder")
        self.noise = keras.random.SeedGenerator(name="noise")
        self.log_terms(
            train=["negative_bound", "reconstruction", "kl"],
            test=["negative_elbo", "reconstruction", "kl", "psnr"],
        )

    def _encoder(self) -> keras.Model:
        return encoder(self.config, ("mean", "log_variance"))

    def _decoder(self) -> keras.Model:
        return decoder(self.config, channels=self.decoder_channels, activation=None)

    @property
    def decoder_channels(self) -> int:
        """Number of channels that the likelihood's parameters need."""
        return self.config.channels * parameters_per_channel(self.config.likelihood)

    def batch_parts(self, training: bool = True) -> tuple[Part, ...]:
        """(image, label); only variants use the labels."""
        size, channels = self.config.image_size, self.config.channels
        return Part("image", (size, size, channels)), Part("label", ())

    def call(self, images: tf.Tensor) -> tf.Tensor:
        """`reconstruct`."""
        return self.reconstruct(images)

    def objective(self, batch: tuple[tf.Tensor, tf.Tensor]) -> Step:
        """The negative bound and its parts, mean over examples [nats]."""
        images, labels = batch
        samples = self.config.importance_samples
        mean, log_variance = self.encoder(self.conditioned(images, labels), training=True)
        z = mean + tf.exp(0.5 * log_variance) * self.draw_noise(samples, tf.shape(mean)[0])
        log_p = self._log_likelihood(self.decoder, z, images, labels, training=True)
        kl = tf.reduce_sum(kl_to_standard_normal(mean, log_variance), axis=-1)
        terms = {"reconstruction": -tf.reduce_mean(log_p), "kl": tf.reduce_mean(kl)}
        if samples > 1:
            log_ratio = log_normal(z) - log_normal(z, mean, log_variance)
            losses = {"vae": -tf.reduce_mean(log_mean_exp(log_p + log_ratio))}
        else:
            losses, parts = self.divergence(z[0], mean, log_variance)
            losses["vae"] = terms["reconstruction"] + self._warm_up_factor() * losses["vae"]
            terms |= parts
        return Step(losses, terms | {"negative_bound": losses["vae"]})

    def divergence(
        self, z: tf.Tensor, mean: tf.Tensor, log_variance: tf.Tensor
    ) -> tuple[dict[str, tf.Tensor], dict[str, tf.Tensor]]:
        """The loss on the latent vectors: beta times the KL divergence, in closed form.

        Args:
            z: samples of the posteriors, (batch, latent_dim).
            mean, log_variance: parameters of the posteriors, (batch, latent_dim).

        Returns:
            player -> loss, where the loss of "vae" is added to the reconstruction loss; and further terms to log.
        """
        # Free bits apply to each unit: a divergence below them is not penalised and has no gradient.
        kl = tf.reduce_mean(kl_to_standard_normal(mean, log_variance), axis=0)
        return {"vae": self.config.beta * tf.reduce_sum(tf.maximum(kl, self.config.free_bits))}, {}

    def _warm_up_factor(self) -> tf.Tensor:
        """Fraction of the divergence's full weight at this step, in [0, 1]."""
        if not self.config.warm_up:
            return tf.constant(1.0)
        return tf.minimum(1.0, (tf.cast(self.step, tf.float32) + 1.0) / self.config.warm_up)

    def conditioned(self, inputs: tf.Tensor, labels: tf.Tensor | None) -> Any:
        """Inputs of the encoder or decoder, from images or latent vectors and labels: here without the labels."""
        return inputs

    def draw_noise(self, samples: int, count: tf.Tensor) -> tf.Tensor:
        """Standard normal noise of a training step, (samples, count, latent_dim)."""
        return keras.random.normal((samples, count, self.config.latent_dim), seed=self.noise)

    def _log_likelihood(
        self, decode: keras.Model, z: tf.Tensor, images: tf.Tensor, labels: tf.Tensor | None, training: bool
    ) -> tf.Tensor:
        """log p(x|z), (K, n), for K latent vectors of each of n images, (K, n, latent_dim)."""
        samples = tf.shape(z)[0]
        images = tf.tile(images, (samples, 1, 1, 1))
        labels = None if labels is None else tf.tile(labels, (samples,))
        parameters = decode(self.conditioned(tf.reshape(z, (-1, self.config.latent_dim)), labels), training=training)
        return tf.reshape(log_likelihood(self.config.likelihood, parameters, images), (samples, -1))

    def log_weights(self, images: tf.Tensor, noise: tf.Tensor, labels: tf.Tensor | None = None) -> tf.Tensor:
        """Log importance weights log p(x|z) + log p(z) - log q(z|x), computed with the networks used for inference.

        The logarithm of the mean weight (`ops.divergences.log_mean_exp`) is a lower bound of log p(x) in expectation.
        It converges to log p(x) with many samples (Burda et al. 2016, equation 8).

        Args:
            images: (n, S, S, channels) in [-1, 1].
            noise: standard normal, (K, n, latent_dim); each image gets K samples z = mean + standard deviation * noise.
            labels: int (n,), for class-conditional families.

        Returns:
            (K, n) [nats].
        """
        mean, log_variance = self.encode(images, labels)
        z = mean + tf.exp(0.5 * log_variance) * noise
        log_p = self._log_likelihood(self.inference("decoder"), z, images, labels, training=False)
        return log_p + log_normal(z) - log_normal(z, mean, log_variance)

    def encode(self, images: tf.Tensor, labels: tf.Tensor | None = None) -> tuple[tf.Tensor, tf.Tensor]:
        """Mean and log variance of the posterior, (batch, latent_dim) each, float32.

        Args:
            images: (batch, S, S, channels) in [-1, 1].
            labels: int (batch,), for class-conditional families.
        """
        return tuple(self.inference("encoder")(self.conditioned(images, labels), training=False))

    def decode(self, latents: tf.Tensor, labels: tf.Tensor | None = None) -> tf.Tensor:
        """Images for latent vectors: (batch, latent_dim) -> (batch, S, S, channels) in [-1, 1], float32.

        Labels are as in `encode`.
        """
        parameters = self.inference("decoder")(self.conditioned(latents, labels), training=False)
        return mean_image(self.config.likelihood, parameters)

    def reconstruct(self, images: tf.Tensor, labels: tf.Tensor | None = None) -> tf.Tensor:
        """Encodes images and decodes the posterior means: (batch, S, S, channels) in [-1, 1], float32. Labels are as in
        `encode`."""
        mean, _ = self.encode(images, labels)
        return self.decode(mean, labels)

    def validate(self, batch: tuple[tf.Tensor, tf.Tensor]) -> dict[str, tf.Tensor]:
        """Negative ELBO and its parts from one sample [nats], and PSNR of the decoded mean [dB], each (batch,).

        Equal images get equal noise, so repeated validation of the same weights gives the same result.
        """
        images, labels = batch
        mean, log_variance = self.encode(images, labels)
        z = mean + tf.exp(0.5 * log_variance) * hashed_vectors(images, self.config.latent_dim)
        log_p = self._log_likelihood(self.inference("decoder"), z[None], images, labels, training=False)[0]
        kl = tf.reduce_sum(kl_to_standard_normal(mean, log_variance), axis=-1)
        return {
            "negative_elbo": kl - log_p,
            "reconstruction": -log_p,
            "kl": kl,
            "psnr": reconstruction.psnr(self.decode(mean, labels), images),
        }

    def generate(
        self,
        count: int,
        seed: int = 0,
        truncation: float = math.inf,
        network: Callable[..., Any] | None = None,
    ) -> tf.Tensor:
        """Generates images from latent vectors z ~ N(0, 1). The same seed gives the same images.

        Args:
            count: number of images.
            seed: seed of the latent vectors.
            truncation: truncation of the latent vectors, see `ops.latents.truncated`.
            network: decoder to use instead of the model's own; see "decoder" of `serving`, or its export.
        """
        return (network or self.decode)(latent_vectors(count, self.config.latent_dim, seed, truncation))

    def preview(self, batch: tuple[tf.Tensor, tf.Tensor]) -> dict[str, View]:
        """original | reconstruction, and samples from the prior."""
        images, labels = batch
        return {
            "samples": Sheet({"original": images, "reconstruction": self.reconstruct(images, labels)}),
            "prior": Sheet(
                {"from the prior": self.generate(_SAMPLES)},
                "Images decoded from latent vectors sampled from the prior.",
            ),
        }

    def latent_space(self) -> LatentSpace:
        """The posterior means, which the KL divergence makes approximately normal."""

        def mean(images: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
            return self.encode(images, labels)[0]

        def divergence(images: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
            return kl_to_standard_normal(*self.encode(images, labels))

        conditional = type(self).conditioned is not VAE.conditioned
        return LatentSpace(self.config.latent_dim, mean, self.decode, divergence, conditional)

    def serving(self) -> dict[str, Served]:
        """The whole model with the mean latent vector, the encoder to that mean, and the decoder to images."""
        encode, decode = self._to_serve()
        return self._served(encode, decode, chained(encode, decode, name=self.family))

    def _to_serve(self) -> tuple[keras.Model, keras.Model]:
        """The encoder with the mean as its only output, and the decoder with images as its output."""
        down = self.for_serving("encoder", self._encoder)
        raw = self.for_serving("decoder", self._decoder)
        encode = keras.Model(down.input, down.outputs[0], name="encoder")
        images = _MeanImage(self.config.likelihood, name="picture")(raw.output)
        return encode, keras.Model(raw.input, images, name="decoder")

    def _served(
        self, encode: keras.Model, decode: keras.Model, whole: keras.Model, label: tuple[Port, ...] = ()
    ) -> dict[str, Served]:
        """Encoder, decoder and both together; `label` is the port of the class, if the networks take one."""
        images, latents = image("images", encode.inputs[0]), vector("latents", encode.output, "the mean")
        samples = vector("latents", decode.inputs[0], "from N(0, 1)")
        encoder = Served(encode, (images, *label), (latents,), "the latent vectors of images")

        def means(batch: tuple[Any, ...]) -> tuple[Any, ...]:
            inputs = batch[: len(encoder.inputs)]
            return encoder(*inputs), *inputs[1:]

        reconstruction = (dataclasses.replace(images, name="reconstruction"),)
        return {
            self.family: Served(whole, encoder.inputs, reconstruction, "reconstructions of images", "reconstruct"),
            "encoder": encoder,
            "decoder": Served(
                decode, (samples, *label), (images,), "images from latent vectors", "generate", examples=means
            ),
        }


class _MeanImage(keras.layers.Layer):
    """The mean of a likelihood as an image in [-1, 1], from its parameters."""

    def __init__(self, likelihood: Likelihood, **settings: Any) -> None:
        """Args:
        likelihood: see `ops.likelihoods`.
        settings: arguments of `keras.layers.Layer`.
        """
        super().__init__(**settings)
        self.likelihood = likelihood

    def call(self, parameters: tf.Tensor) -> tf.Tensor:
        """(batch, S, S, channels * parameters_per_channel) -> (batch, S, S, channels)."""
        return mean_image(self.likelihood, parameters)

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor."""
        return super().get_config() | {"likelihood": self.likelihood}
