"""VQ-VAE: an autoencoder with a map of discrete codes, and a prior over the codes, so that it can be sampled.

Each encoder output is replaced by the nearest code of a codebook, and the decoder reconstructs the image from the
codes; the gradient is copied past the replacement (straight-through). The codebook follows the encoder by moving
averages. An image is thus represented by a small map of integers, whose distribution a PixelCNN learns.

    min  d(x, decoder(e)) + beta ||z - sg(e)||^2      z = encoder(x), e = the nearest codes, sg: no gradient
    min  -log p(indices of e)                         the prior, which moves neither encoder nor codes

van den Oord, Vinyals, Kavukcuoglu: Neural Discrete Representation Learning, NeurIPS 2017, arXiv 1711.00937. Restart of
idle codes: `layers.quantisation`. Prior: `networks.pixelcnn`.

Departures from the paper: the prior is trained together with the codes instead of afterwards, so that a single command
produces samples. As the learning rate goes to 0, the codes settle and the prior catches up. Idle codes are restarted.
The two terms are means over pixels and over units of z. 64 channels instead of 256; tanh outputs.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any, ClassVar

import keras
import tensorflow as tf
from keras import layers

from keras_gen.engine.config import TINY_IMAGES, TINY_RUN, Preset, RunConfig
from keras_gen.engine.feeding import Part
from keras_gen.engine.model import GenerativeModel, Step, Values, chained
from keras_gen.errors import UserError
from keras_gen.export.signature import Served, feature_map, image, indices
from keras_gen.flags import BaseConfig, Hidden, NonNegative, Positive, Rate
from keras_gen.layers.fast.convolutions import FastConv2D, FastConv2DTranspose
from keras_gen.layers.quantisation import VectorQuantiser
from keras_gen.networks.pixelcnn import pixelcnn
from keras_gen.ops import autoregressive, reconstruction
from keras_gen.visual.views import Sheet, View

_SAMPLES = 32  # images from the prior on a sheet
_MAX_SIDE = 8  # largest side of the map of codes if `levels` is 0


@dataclasses.dataclass(frozen=True)
class Config(BaseConfig):
    """Architecture and objective of the model."""

    num_codes: Positive[int] = 512
    """Codes in the codebook [count]; 512 in the paper."""
    code_dim: Positive[int] = 64
    """Length of each code [units]."""
    commitment: NonNegative[float] = 0.25
    """Weight of the commitment loss, the distance of encoder outputs from their codes [1]; beta in the paper."""
    decay: Rate = 0.99
    """Decay per step of the moving averages that update the codebook [0, 1); 0.99 in the paper."""
    restart_after: NonNegative[int] = 100
    """Steps after which an unused code is reset to a random encoder output of the batch [steps]; 0: never."""
    levels: NonNegative[int] = 0
    """Number of halvings from the image to the map of codes, rounded up [count]; 2 in the paper; 0: until the map is at
    most 8x8, whose prior is quick to learn."""
    filters: Positive[int] = 64
    """Channels of encoder and decoder [channels]; 256 in the paper."""
    residual_filters: Positive[int] = 32
    """Channels inside a residual block [channels]; 256 in the paper."""
    prior_filters: Positive[int] = 64
    """Channels of each of the prior's two stacks [channels]."""
    prior_layers: Positive[int] = 6
    """Gated layers of the prior [count]; its receptive field reaches one more row and column of codes than that."""
    image_size: Hidden[Positive[int]] = 28
    channels: Hidden[Positive[int]] = 1

    @property
    def sizes(self) -> list[int]:
        """Side lengths of the maps, from the image to the codes, at least two."""
        sizes = [self.image_size, -(-self.image_size // 2)]
        while len(sizes) <= self.levels or (not self.levels and sizes[-1] > _MAX_SIDE):
            sizes.append(-(-sizes[-1] // 2))
        return sizes


class VQVAE(GenerativeModel):
    """A VQ-VAE and its prior as a `GenerativeModel`.

    Two players: "vq_vae" trains encoder and decoder, "prior" the prior. A batch is (image, label), float32 NHWC in [-1,
    1]; labels are not used.

    Examples:
        >>> model = keras_gen.VQVAE(image_size=8, num_codes=16, code_dim=4, filters=4, prior_filters=4)
        >>> images = np.zeros((3, 8, 8, 1), np.float32)
        >>> model(images).shape, model.encode(images).shape
        (TensorShape([3, 8, 8, 1]), TensorShape([3, 4, 4]))
    """

    family = "vq_vae"
    Config = Config
    descriptions: ClassVar[dict[str, str]] = {
        "commitment": "Mean squared distance of the encoder's vectors from their codes.",
        "prior_nats": "Negative log-likelihood of the codes under the prior [nats].",
        "perplexity": "Effective number of codes in use, the exponential of the entropy of their frequencies.",
        "used_codes": "Fraction of the codebook that is in use.",
    }
    monitor = "mse"
    tasks = ("reconstruct", "generate")
    next_commands = (
        "generate RUN --out drawn",
        "compress RUN FOLDER --out small",
        "evaluate RUN",
    )
    presets: ClassVar[dict[str, Preset]] = {
        "demo": Preset(
            Config(),
            # At 1e-3 the tanh saturates at black within 100 steps, and nothing is learnt.
            RunConfig(epochs=5, batch_size=64, learning_rate=3e-4, preview_every=250, checkpoint_every=1000),
        ),
        # Section 4.1: 256 channels, 250,000 steps of 128 at 2e-4.
        "paper": Preset(
            Config(filters=256, residual_filters=256, prior_filters=256, prior_layers=12),
            RunConfig(epochs=500, batch_size=128, learning_rate=2e-4, preview_every=5000, checkpoint_every=10000),
        ),
        "tiny": Preset(
            Config(num_codes=8, code_dim=4, filters=4, residual_filters=2, prior_filters=4, prior_layers=1),
            TINY_RUN,
            TINY_IMAGES,
        ),
    }

    def make_networks(self, config: Config) -> None:
        self.encoder = self.add_network("encoder", encoder(config))
        self.quantiser = self.add_network("quantiser", quantiser(config))
        self.decoder = self.add_network("decoder", decoder(config))
        self.prior = self.add_network("prior", self._prior())
        self.add_player("vq_vae", "encoder", "decoder")
        self.add_player("prior", "prior")
        self.log_terms(
            train=["mse", "commitment", "prior_nats", "perplexity", "used_codes"],
            test=["mse", "psnr", "prior_nats"],
        )

    def _prior(self) -> keras.Model:
        config = self.config
        side = config.sizes[-1]
        return pixelcnn(
            side, side, config.num_codes, filters=config.prior_filters, depth=config.prior_layers, name="prior"
        )

    def batch_parts(self, training: bool = True) -> tuple[Part, ...]:
        """(image, label); the labels are not used."""
        size, channels = self.config.image_size, self.config.channels
        return Part("image", (size, size, channels)), Part("label", ())

    def call(self, images: tf.Tensor) -> tf.Tensor:
        """`reconstruct`."""
        return self.reconstruct(images)

    def objective(self, batch: tuple[tf.Tensor, tf.Tensor]) -> Step:
        """Equation 3 of the paper without its second term, which the moving averages replace; and the prior's loss
        [nats]."""
        images, _ = batch
        layer = _layer(self.quantiser)
        vectors = self.encoder(images, training=True)
        indices, codes = self.quantiser(vectors, training=True)
        drawn = self.decoder(codes, training=True)
        distance = tf.reduce_mean(tf.square(drawn - images))
        commitment = tf.reduce_mean(tf.square(vectors - tf.stop_gradient(codes)))
        nats = tf.reduce_mean(autoregressive.negative_log_likelihood(self.prior(indices, training=True), indices))
        # Vectors that are not finite have indices too. Then the prior's loss must not be finite, so a step is skipped.
        nats *= 1.0 + 0.0 * tf.reduce_sum(vectors)
        losses = {"vq_vae": distance + self.config.commitment * commitment, "prior": nats}
        terms = {
            "mse": distance,
            "commitment": commitment,
            "prior_nats": nats,
            "perplexity": layer.perplexity(),
            "used_codes": layer.used(),
        }
        return Step(losses, terms, layer.statistics(vectors, indices, self.part()))

    def running_state(self, sums: Values, gathered: Values) -> list[tuple[keras.Variable, tf.Tensor]]:
        """Updates the codebook from the encoder outputs of the batch."""
        return _layer(self.quantiser).running_state(sums)

    def validate(self, batch: tuple[tf.Tensor, tf.Tensor]) -> Values:
        """Mean squared error in units of [-1, 1], PSNR [dB], and negative log-likelihood of the codes [nats], each
        (batch,)."""
        images, _ = batch
        indices = self.encode(images)
        drawn = self.decode(indices)
        return {
            "mse": tf.reduce_mean(tf.square(drawn - images), axis=(1, 2, 3)),
            "psnr": reconstruction.psnr(drawn, images),
            "prior_nats": autoregressive.negative_log_likelihood(
                self.inference("prior")(indices, training=False), indices
            ),
        }

    def encode(self, images: tf.Tensor) -> tf.Tensor:
        """Images -> maps of code indices, (batch, h, w) int32."""
        indices, _ = self.inference("quantiser")(self.inference("encoder")(images, training=False), training=False)
        return indices

    def decode(self, indices: tf.Tensor) -> tf.Tensor:
        """Maps of code indices -> images (batch, S, S, channels) in [-1, 1], float32."""
        codes = tf.gather(_layer(self.inference("quantiser")).codebook, indices)
        return self.inference("decoder")(codes, training=False)

    def reconstruct(self, images: tf.Tensor, labels: tf.Tensor | None = None) -> tf.Tensor:
        """Encodes and decodes images: (batch, S, S, channels) in [-1, 1], float32; labels are not used."""
        return self.decode(self.encode(images))

    def generate(
        self, count: int, seed: int = 0, truncation: float = math.inf, network: Callable[..., Any] | None = None
    ) -> tf.Tensor:
        """Generates images from code maps sampled from the prior. The same seed gives the same images.

        Args:
            count: number of images.
            seed: seed of the codes.
            truncation: must be infinite, because the prior samples no normal numbers.
            network: prior to use instead of the model's own; see "prior" of `serving`, or its export.

        Raises:
            UserError: for a finite truncation.
        """
        if math.isfinite(truncation):
            raise UserError(f"--truncation got {truncation}, but vq_vae does not sample normal numbers: leave it out.")
        seed = tf.constant((seed, 0), tf.int64)
        if network is None:
            return self._generate(count, seed)
        return self.decode(autoregressive.sample(network, self._map_shape(count), seed))

    @tf.function
    def _generate(self, count: int, seed: tf.Tensor) -> tf.Tensor:
        return self.decode(autoregressive.sample(self.inference("prior"), self._map_shape(count), seed))

    def _map_shape(self, count: int) -> tuple[int, int, int]:
        return count, self.config.sizes[-1], self.config.sizes[-1]

    def preview(self, batch: tuple[tf.Tensor, tf.Tensor]) -> dict[str, View]:
        """original | reconstruction, and samples from the prior."""
        images, _ = batch
        return {
            "samples": Sheet({"original": images, "reconstruction": self.reconstruct(images)}),
            "prior": Sheet(
                {"from the prior": self.generate(_SAMPLES)}, "Images decoded from codes sampled from the prior."
            ),
        }

    def serving(self) -> dict[str, Served]:
        """The whole model, the encoder to indices, the decoder from indices, and the prior."""
        config = self.config
        side = config.sizes[-1]
        down = self.for_serving("encoder", lambda: encoder(config))
        quantise = _layer(self.for_serving("quantiser", lambda: quantiser(config)))
        up = self.for_serving("decoder", lambda: decoder(config))
        prior = self.for_serving("prior", self._prior)
        chosen, codes = quantise(down.output)
        encode = keras.Model(down.input, chosen, name="encoder")
        whole = chained(keras.Model(down.input, codes), up, name="vq_vae")
        taken = keras.Input((side, side), dtype="int32", name="indices")
        lookup = layers.Embedding(config.num_codes, config.code_dim, name="codebook")
        decode = chained(keras.Model(taken, lookup(taken)), up, name="decoder")
        lookup.set_weights([quantise.codebook.numpy()])
        images = image("images", down.input)
        index = indices("indices", taken, config.num_codes, "one code per position")
        logits = feature_map("logits", prior.output, "of each code, given the codes before it in row order")

        def coded(batch: tuple[Any, ...]) -> tuple[Any]:
            return (encode(batch[0], training=False),)

        reconstruction = (dataclasses.replace(images, name="reconstruction"),)
        return {
            "vq_vae": Served(
                whole, (images,), reconstruction, "reconstructions of images", "reconstruct", chooses=True
            ),
            "encoder": Served(encode, (images,), (index,), "the codes of images", chooses=True),
            "decoder": Served(decode, (index,), (images,), "images from codes", examples=coded),
            "prior": Served(prior, (index,), (logits,), "the logits of the codes", "generate", examples=coded),
        }


def encoder(config: Config) -> keras.Model:
    """A functional encoder (batch, S, S, channels) -> (batch, s, s, code_dim).

    Section 4.1: 4x4 convolutions of stride 2, two residual blocks, and one more convolution to the length of a code.
    """
    x = images = keras.Input((config.image_size, config.image_size, config.channels), name="images")
    for _ in config.sizes[1:]:
        x = FastConv2D(config.filters, 4, 2, "same", activation="relu", kernel_initializer="he_normal")(x)
    x = FastConv2D(config.filters, 3, padding="same")(x)
    x = _residual_blocks(x, config)
    return keras.Model(images, layers.Conv2D(config.code_dim, 1, dtype="float32", name="vectors")(x), name="encoder")


def decoder(config: Config) -> keras.Model:
    """A functional decoder (batch, s, s, code_dim) -> (batch, S, S, channels): two residual blocks, then upsampling."""
    sizes = config.sizes
    x = codes = keras.Input((sizes[-1], sizes[-1], config.code_dim), name="codes")
    x = FastConv2D(config.filters, 3, padding="same")(x)
    x = _residual_blocks(x, config)
    for level in reversed(range(len(sizes) - 1)):
        settings = {"activation": "relu", "kernel_initializer": "he_normal"} if level else {}
        x = FastConv2DTranspose(config.filters if level else config.channels, 4, 2, "same", **settings)(x)
        if cut := x.shape[1] - sizes[level]:  # the side was odd
            x = layers.Cropping2D(((0, cut), (0, cut)))(x)
    return keras.Model(codes, layers.Activation("tanh", dtype="float32", name="output")(x), name="decoder")


def _residual_blocks(x: Any, config: Config) -> Any:
    """Two residual blocks (ReLU, 3x3 convolution, ReLU, 1x1 convolution), then a ReLU."""
    for _ in range(2):
        y = FastConv2D(config.residual_filters, 3, padding="same", activation="relu")(layers.ReLU()(x))
        x = layers.Add()([x, layers.Conv2D(config.filters, 1)(y)])
    return layers.ReLU()(x)


def quantiser(config: Config) -> keras.Model:
    """A functional quantiser (batch, s, s, code_dim) -> indices (batch, s, s) int32, and the codes in its input's
    shape."""
    side = config.sizes[-1]
    vectors = keras.Input((side, side, config.code_dim), name="vectors")
    layer = VectorQuantiser(config.num_codes, decay=config.decay, restart_after=config.restart_after, name="quantiser")
    return keras.Model(vectors, layer(vectors), name="quantiser")


def _layer(quantiser: keras.Model) -> VectorQuantiser:
    return quantiser.get_layer("quantiser")
