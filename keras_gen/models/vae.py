"""Variational autoencoder: an autoencoder whose latent vectors are spread as a normal distribution, so that it samples.

The encoder gives a normal distribution over latent vectors instead of one vector, the decoder a distribution over
images, and both are trained on a lower bound of the likelihood:

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
from keras_gen.ops.latents import latent_vectors, vectors_of
from keras_gen.ops.likelihoods import Likelihood, log_likelihood, parameters_per_channel, picture
from keras_gen.visual.latent_space import LatentSpace
from keras_gen.visual.views import Sheet, View

_SAMPLES = 32  # pictures from the prior on a sheet


@dataclasses.dataclass(frozen=True)
class Variational(Layout):
    """What the model is, of all variants."""

    likelihood: Likelihood = "bernoulli"
    """Of an image given its latent vector: bernoulli for nearly binary ones, gaussian with a learned variance, or
    logistic, the probabilities of 256 levels."""
    warm_up: NonNegative[int] = 0
    """Steps over which the weight of the divergence grows from 0 to its full value [steps]."""
    importance_samples: ClassVar[int] = 1


@dataclasses.dataclass(frozen=True)
class Config(Variational):
    """What the model is."""

    beta: NonNegative[float] = 1.0
    """Weight of the KL divergence [1]; 1 is the bound, more disentangles (Higgins et al. 2017)."""
    free_bits: NonNegative[float] = 0.0
    """KL divergence of a unit that costs nothing, mean over the batch [nats] (Kingma et al. 2016)."""
    importance_samples: Positive[int] = 1
    """Samples of the bound [count]; more than 1 is the IWAE bound (Burda et al. 2016)."""

    def check_together(self) -> None:
        """Only a bound of one sample has a KL divergence."""
        super().check_together()
        if self.importance_samples > 1 and (self.beta != 1 or self.warm_up or self.free_bits):
            raise self.fault(
                "<importance_samples got>, whose bound has no KL divergence to weigh: leave <beta>, <warm_up> and "
                "<free_bits> out."
            )


class VAE(GenerativeModel):
    """A variational autoencoder as a `GenerativeModel`.

    One player of both networks. A batch is (image, label), float32 NHWC in [-1, 1] and int32; labels are not used.

    A variant overrides `divergence`, what its paper puts in place of the KL divergence, or `conditioned`, what its
    networks take beside images and latent vectors.

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
        """Channels of the likelihood's parameters."""
        return self.config.channels * parameters_per_channel(self.config.likelihood)

    def batch_parts(self, training: bool = True) -> tuple[Part, ...]:
        """(image, label); only variants look at labels."""
        size, channels = self.config.image_size, self.config.channels
        return Part("image", (size, size, channels)), Part("label", ())

    def call(self, images: tf.Tensor) -> tf.Tensor:
        """`reconstruct`."""
        return self.reconstruct(images)

    def objective(self, batch: tuple[tf.Tensor, tf.Tensor]) -> Step:
        """The negative bound and its parts in nats, means over examples."""
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
            losses["vae"] = terms["reconstruction"] + self._warmth() * losses["vae"]
            terms |= parts
        return Step(losses, terms | {"negative_bound": losses["vae"]})

    def divergence(
        self, z: tf.Tensor, mean: tf.Tensor, log_variance: tf.Tensor
    ) -> tuple[dict[str, tf.Tensor], dict[str, tf.Tensor]]:
        """What the latent vectors cost: beta times the KL divergence, by its closed form.

        Args:
            z: samples of the posteriors, (batch, latent_dim).
            mean, log_variance: of the posteriors, (batch, latent_dim).

        Returns:
            player -> loss, of which that of "vae" is added to the reconstruction's, and further terms to log.
        """
        # By unit: what is below the free bits does not count, and gives no gradient.
        kl = tf.reduce_mean(kl_to_standard_normal(mean, log_variance), axis=0)
        return {"vae": self.config.beta * tf.reduce_sum(tf.maximum(kl, self.config.free_bits))}, {}

    def _warmth(self) -> tf.Tensor:
        """Of the divergence's weight, what this step has, [0, 1]."""
        if not self.config.warm_up:
            return tf.constant(1.0)
        return tf.minimum(1.0, (tf.cast(self.step, tf.float32) + 1.0) / self.config.warm_up)

    def conditioned(self, inputs: tf.Tensor, labels: tf.Tensor | None) -> Any:
        """What encoder and decoder take for images or latent vectors: these alone."""
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
        """log p(x|z) + log p(z) - log q(z|x): the weights of importance sampling, by the networks of inference.

        The logarithm of their mean (`ops.divergences.log_mean_exp`) is below log p(x) in expectation and reaches it
        with many samples (Burda et al. 2016, equation 8).

        Args:
            images: (n, S, S, channels) in [-1, 1].
            noise: standard normal, (K, n, latent_dim): K samples z = mean + deviation * noise for each image.
            labels: int (n,), of families that are conditioned on them.

        Returns:
            (K, n), nats.
        """
        mean, log_variance = self.encode(images, labels)
        z = mean + tf.exp(0.5 * log_variance) * noise
        log_p = self._log_likelihood(self.inference("decoder"), z, images, labels, training=False)
        return log_p + log_normal(z) - log_normal(z, mean, log_variance)

    def encode(self, images: tf.Tensor, labels: tf.Tensor | None = None) -> tuple[tf.Tensor, tf.Tensor]:
        """Mean and log variance of the posterior, (batch, latent_dim) each, float32.

        Args:
            images: (batch, S, S, channels) in [-1, 1].
            labels: int (batch,), of families that are conditioned on them.
        """
        return tuple(self.inference("encoder")(self.conditioned(images, labels), training=False))

    def decode(self, latents: tf.Tensor, labels: tf.Tensor | None = None) -> tf.Tensor:
        """The pictures of latent vectors: (batch, latent_dim) -> (batch, S, S, channels) in [-1, 1], float32.

        Labels are as those of `encode`.
        """
        parameters = self.inference("decoder")(self.conditioned(latents, labels), training=False)
        return picture(self.config.likelihood, parameters)

    def reconstruct(self, images: tf.Tensor, labels: tf.Tensor | None = None) -> tf.Tensor:
        """By the mean of the posterior and back: (batch, S, S, channels) in [-1, 1], float32; labels as of `encode`."""
        mean, _ = self.encode(images, labels)
        return self.decode(mean, labels)

    def validate(self, batch: tuple[tf.Tensor, tf.Tensor]) -> dict[str, tf.Tensor]:
        """Negative ELBO and its parts [nats] with one sample, and PSNR [dB] of the mean, each of shape (batch,).

        The noise is the same for equal images, so that two validations of the same weights agree.
        """
        images, labels = batch
        mean, log_variance = self.encode(images, labels)
        z = mean + tf.exp(0.5 * log_variance) * vectors_of(images, self.config.latent_dim)
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
        """Pictures of latent vectors from N(0, 1), the same for the same seed.

        Args:
            count: of pictures.
            seed: of the latent vectors.
            truncation: of the latent vectors, see `ops.latents.truncated`.
            network: draws instead of the model's own decoder; what `serving` calls "decoder", or an export of it.
        """
        return (network or self.decode)(latent_vectors(count, self.config.latent_dim, seed, truncation))

    def preview(self, batch: tuple[tf.Tensor, tf.Tensor]) -> dict[str, View]:
        """original | reconstruction, and samples from the prior."""
        images, labels = batch
        return {
            "samples": Sheet({"original": images, "reconstruction": self.reconstruct(images, labels)}),
            "prior": Sheet(
                {"from the prior": self.generate(_SAMPLES)}, "Images decoded from vectors that the prior draws."
            ),
        }

    def latent_space(self) -> LatentSpace:
        """The means of the posteriors, which the KL divergence makes normal."""

        def mean(images: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
            return self.encode(images, labels)[0]

        def divergence(images: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
            return kl_to_standard_normal(*self.encode(images, labels))

        conditional = type(self).conditioned is not VAE.conditioned
        return LatentSpace(self.config.latent_dim, mean, self.decode, divergence, conditional)

    def serving(self) -> dict[str, Served]:
        """The whole by the mean of the latent vector, the encoder to that mean, and the decoder to pictures."""
        encode, decode = self._to_serve()
        return self._served(encode, decode, chained(encode, decode, name=self.family))

    def _to_serve(self) -> tuple[keras.Model, keras.Model]:
        """The encoder to the mean, and the decoder to pictures, of what the trained ones take."""
        down = self.for_serving("encoder", self._encoder)
        raw = self.for_serving("decoder", self._decoder)
        encode = keras.Model(down.input, down.outputs[0], name="encoder")
        drawn = _Picture(self.config.likelihood, name="picture")(raw.output)
        return encode, keras.Model(raw.input, drawn, name="decoder")

    def _served(
        self, encode: keras.Model, decode: keras.Model, whole: keras.Model, label: tuple[Port, ...] = ()
    ) -> dict[str, Served]:
        """Encoder, decoder and both; `label` is the port of the class that they take too, if they do."""
        images, latents = image("images", encode.inputs[0]), vector("latents", encode.output, "the mean")
        drawn_from = vector("latents", decode.inputs[0], "from N(0, 1)")
        encoder = Served(encode, (images, *label), (latents,), "the vectors of pictures")

        def means(batch: tuple[Any, ...]) -> tuple[Any, ...]:
            taken = batch[: len(encoder.inputs)]
            return encoder(*taken), *taken[1:]

        reconstruction = (dataclasses.replace(images, name="reconstruction"),)
        return {
            self.family: Served(whole, encoder.inputs, reconstruction, "pictures through a vector", "reconstruct"),
            "encoder": encoder,
            "decoder": Served(
                decode, (drawn_from, *label), (images,), "pictures of vectors", "generate", examples=means
            ),
        }


class _Picture(keras.layers.Layer):
    """The mean of a likelihood as an image."""

    def __init__(self, likelihood: Likelihood, **settings: Any) -> None:
        super().__init__(**settings)
        self.likelihood = likelihood

    def call(self, parameters: tf.Tensor) -> tf.Tensor:
        return picture(self.likelihood, parameters)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"likelihood": self.likelihood}
