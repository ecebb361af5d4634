"""Sparse autoencoder: many latent units, of which each image activates only a few.

The code is overcomplete: it has more units than the image has values, so its length does not force the networks to
learn structure. A penalty on the activities does. Each unit comes to represent a feature that is rarely present, such
as a stroke at one position.

    l1:  min  E d(x, decoder(h)) + weight E sum_j |h_j|
    kl:  min  E d(x, decoder(h)) + weight sum_j KL(target || E h_j)          h_j in (0, 1)

Both also have a weight decay on the decoder. Otherwise small activities and large weights would escape the penalty.

kl: Nair, Hinton: 3D Object Recognition with Deep Belief Nets, NeurIPS 2009; Ng: CS294A lecture notes, Sparse
Autoencoder, 2011. l1: Ranzato, Boureau, LeCun, NeurIPS 2007.

E h_j is the mean over all training images. As in Nair and Hinton (section 2.2), it is estimated by a moving average
over steps, and the penalty is linearised there. Every example then gets the same gradient, so gradient accumulation
does not change the result. With the mean of a batch alone, the penalty would depend on the size of the micro-batches.

Departures from the papers: the units of the l1 code are rectified; the reconstruction loss is a mean over pixels; Adam.
"""

from __future__ import annotations

import dataclasses
from typing import Annotated, ClassVar, Literal

import keras
import tensorflow as tf

from keras_gen.engine.config import TINY_IMAGES, TINY_RUN, Preset, RunConfig
from keras_gen.engine.model import Values
from keras_gen.flags import NonNegative, Positive, Range, Rate
from keras_gen.models import autoencoder
from keras_gen.networks.autoencoders import Architecture
from keras_gen.ops.divergences import kl_bernoulli, kl_bernoulli_slope
from keras_gen.visual.views import Histogram, Sheet, View

_FEATURES = 54  # features on a sheet
_ACTIVE = {"kl": 0.1, "l1": 0.0}  # activity above which a unit counts as active


@dataclasses.dataclass(frozen=True)
class Config(autoencoder.Config):
    """Architecture and objective of the model."""

    architecture: Architecture = "dense"
    latent_dim: Positive[int] = 256
    """Units of the code; overcomplete if more than the image has values [units]."""
    hidden_units: tuple[Positive[int], ...] = ()
    """Units of the encoder's dense layers, mirrored in the decoder [units]; conv uses only the last one. None: image
    and code are connected directly, as in the papers."""
    sparsity: Literal["kl", "l1"] = "kl"
    """Penalty: kl is the divergence of each unit's mean activity from the target (sigmoid units); l1 is the sum of all
    activities (rectified units)."""
    sparsity_weight: NonNegative[float] = 1e-3
    """Weight of the sparsity penalty [1]."""
    target_activity: Annotated[float, Range(0, 1, open_low=True, open_high=True)] = 0.05
    """For kl: target mean activity of each unit (0, 1); 0.05 in Ng's notes."""
    activity_decay: Rate = 0.9
    """For kl: decay per step of the moving average of the mean activities [0, 1); 0.9 to 0.99 in Hinton's guide (UTML
    TR 2010-003, section 11)."""
    weight_decay: NonNegative[float] = 1e-5
    """Weight of half the sum of the decoder's squared weights [1]."""


class SparseAutoencoder(autoencoder.Autoencoder):
    """A sparse autoencoder, with the networks, player and batches of `Autoencoder`.

    Examples:
        >>> model = keras_gen.SparseAutoencoder(image_size=8, latent_dim=80, sparsity="l1")
        >>> model.encode(np.zeros((3, 8, 8, 1), np.float32)).shape
        TensorShape([3, 80])
    """

    family = "sparse_autoencoder"
    descriptions: ClassVar[dict[str, str]] = {
        "sparsity": "The sparsity penalty, before its weight.",
        "mean_activity": "Mean activity of the latent units.",
        "active_share": "Fraction of latent units that are active.",
    }
    Config: ClassVar[type] = Config
    presets: ClassVar[dict[str, Preset]] = {
        "demo": Preset(
            Config(),
            RunConfig(
                epochs=60,
                batch_size=64,
                learning_rate=1e-3,
                steps_per_execution=20,
                preview_every=500,
                previews=15,
                checkpoint_every=2000,
            ),
        ),
        "tiny": Preset(Config(latent_dim=80, sparsity="l1"), TINY_RUN, TINY_IMAGES),
    }

    def make_networks(self, config: Config) -> None:
        super().make_networks(config)
        if config.sparsity == "kl":
            # Initialised to the target, so that the penalty has no gradient before activities have been measured.
            start = keras.initializers.Constant(config.target_activity)
            self.activity = self.add_weight(
                name="activity", shape=(config.latent_dim,), initializer=start, trainable=False, dtype="float32"
            )
        self.log_terms(train=["sparsity", "mean_activity"], test=["mse", "psnr", "active_share", "mean_activity"])

    @property
    def code_activation(self) -> str:
        """Activities are positive, and for kl they are probabilities."""
        return "sigmoid" if self.config.sparsity == "kl" else "relu"

    def penalty(self, latents: tf.Tensor) -> tuple[tf.Tensor, Values, Values]:
        """The weighted sparsity penalty, and the weight decay of the decoder."""
        config = self.config
        kernels = [v for v in self.decoder.trainable_variables if v.name == "kernel"]
        decay = 0.5 * config.weight_decay * tf.add_n([tf.reduce_sum(tf.square(kernel)) for kernel in kernels])
        mean = tf.reduce_mean(latents)
        if config.sparsity == "l1":
            total = tf.reduce_mean(tf.reduce_sum(latents, axis=1))
            return config.sparsity_weight * total + decay, {"sparsity": total, "mean_activity": mean}, {}
        expected = tf.convert_to_tensor(self.activity)
        divergence = tf.reduce_sum(kl_bernoulli(config.target_activity, expected))
        deviation = tf.reduce_mean(latents, axis=0) - expected
        tangent = divergence + tf.reduce_sum(kl_bernoulli_slope(config.target_activity, expected) * deviation)
        sums = {"activity": tf.reduce_sum(latents, axis=0), "examples": tf.cast(tf.shape(latents)[0], tf.float32)}
        return config.sparsity_weight * tangent + decay, {"sparsity": divergence, "mean_activity": mean}, sums

    def running_state(self, sums: Values, gathered: Values) -> list[tuple[keras.Variable, tf.Tensor]]:
        """Updates the moving average from the activities of the batch (Nair and Hinton 2009)."""
        decay = self.config.activity_decay
        return [(self.activity, decay * self.activity + (1.0 - decay) * sums["activity"] / sums["examples"])]

    def validate(self, batch: tuple[tf.Tensor, tf.Tensor]) -> Values:
        """Also the fraction of active units (above 0.1; l1: above 0) and the mean activity, (batch,) each."""
        latents = self.encode(batch[0])
        active = latents > _ACTIVE[self.config.sparsity]
        return super().validate(batch) | {
            "active_share": tf.reduce_mean(tf.cast(active, tf.float32), axis=1),
            "mean_activity": tf.reduce_mean(latents, axis=1),
        }

    def preview(self, batch: tuple[tf.Tensor, tf.Tensor]) -> dict[str, View]:
        """original | reconstruction, the feature of each unit, and a histogram of activities."""
        latents = self.encode(batch[0])
        return super().preview(batch) | {
            "features": Sheet(
                {f"features of units 0 to {_FEATURES - 1}": self.features(latents)[:_FEATURES]},
                "The change of the image when a unit goes from 0 to 1.",
            ),
            "latents/activities": Histogram(latents, "Activities of all units for the images of the preview."),
        }

    def features(self, latents: tf.Tensor) -> tf.Tensor:
        """How the image changes when one unit goes from 0 to 1 and all others keep their means.

        Args:
            latents: (batch, latent_dim), from which the means are computed.

        Returns:
            (latent_dim, S, S, channels) in [-1, 1]; each unit's largest change is scaled to 1 or -1; 0 is no change.
        """
        others = tf.reduce_mean(latents, axis=0) * (1.0 - tf.eye(self.config.latent_dim))
        change = self.decode(others + tf.eye(self.config.latent_dim)) - self.decode(others)
        return change / tf.maximum(tf.reduce_max(tf.abs(change), axis=(1, 2, 3), keepdims=True), 1e-6)
