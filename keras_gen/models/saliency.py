"""Saliency: predicts where people look in a picture, as a map.

A convolutional encoder captures the picture as a whole in its innermost maps, and a decoder generates the map from
them. The skip connections of a U-Net give it sharper edges. Each pixel of the map is a probability, or the whole map is
a density of fixations:

    bce:  min  -E [ y log s + (1 - y) log(1 - s) ]          s = sigmoid of the logits, y the map in [0, 1]
    kl:   min  KL( y / sum y  ||  s / sum s )

bce: Pan, Canton, McGuinness, O'Connor, Torres, Sayrol, Giro-i-Nieto: SalGAN, 2017, arXiv 1701.01081, the loss of its
first stage. kl: Cornia, Baraldi, Serra, Cucchiara, IEEE TIP 2018, arXiv 1611.09571, one of its three terms.

Departures from the papers: the networks are those of pix2pix (`networks.unet`), trained from random weights, whereas
the papers start from a pretrained classifier. There is no adversarial loss.
"""

from __future__ import annotations

import dataclasses
from typing import ClassVar, Literal

import keras
import tensorflow as tf

from keras_gen.engine.config import Preset, RunConfig
from keras_gen.engine.feeding import Part
from keras_gen.engine.model import GenerativeModel, Step, Values
from keras_gen.export.signature import Served, image, label_map
from keras_gen.flags import Hidden, NonNegative, Positive, Rate
from keras_gen.networks.normalisation import Norm
from keras_gen.networks.unet import Levels, unet
from keras_gen.ops import saliency
from keras_gen.visual.sheets import ClassScores
from keras_gen.visual.views import Sheet, View


@dataclasses.dataclass(frozen=True)
class Config(Levels):
    """Architecture and objective of the model."""

    image_size: Hidden[Positive[int]] = 128
    network: Literal["unet", "encoder-decoder"] = "unet"
    """U-Net, or an encoder-decoder without skip connections."""
    filters: Positive[int] = 32
    """Channels of the first block; later ones have 2, 4, 8, 8 ... times as many [channels]."""
    norm: Norm = "instance"
    """Normalisation in the network."""
    dropout: Rate = 0.0
    """Dropout rate in the three innermost decoder blocks [0, 1)."""
    loss: Literal["bce", "kl"] = "bce"
    """bce: binary cross-entropy per pixel; kl: KL divergence between the maps as densities."""
    num_classes: Hidden[NonNegative[int]] = 0
    source_channels: Hidden[Positive[int]] = 3
    target_channels: Hidden[Positive[int]] = 1

    def check_together(self) -> None:
        """A saliency map has one channel."""
        super().check_together()
        if self.target_channels != 1:
            raise self.fault("<target_channels got>; accepted is 1, because saliency maps are grey.")


class Saliency(GenerativeModel):
    """A saliency model as a `GenerativeModel`.

    One player with one network, which outputs logits. A batch is (picture, map), float32 NHWC in [-1, 1]. A map has one
    channel, -1 where nobody looks.

    Examples:
        >>> model = keras_gen.Saliency(image_size=32, filters=4, levels=3)
        >>> model(np.zeros((2, 32, 32, 3), np.float32)).shape
        TensorShape([2, 32, 32, 1])
    """

    family = "saliency"
    Config = Config
    descriptions: ClassVar[dict[str, str]] = {
        "bce": "Binary cross-entropy of the maps, mean over pixels [nats].",
        "kl": "KL divergence of the maps from those of the data [nats]; lower is better.",
        "cc": "Linear correlation of the maps with those of the data, at most 1; higher is better.",
        "sim": "Intersection of the maps with those of the data as histograms, at most 1; higher is better.",
        "nss": "Normalised scanpath saliency: mean of the standardised map where people look; higher is better.",
    }
    monitor = "kl"
    tasks = ("translate",)
    next_commands = ("translate RUN PICTURE_OR_FOLDER... --out maps --sheet", "evaluate RUN --metrics cc,nss,kl,sim")
    presets: ClassVar[dict[str, Preset]] = {
        "demo": Preset(
            Config(filters=16),
            RunConfig(epochs=10, batch_size=4, learning_rate=1e-3, preview_every=200, checkpoint_every=1000),
            {"image_size": 128},
        ),
        "tiny": Preset(
            Config(image_size=32, filters=4, levels=3),
            RunConfig(epochs=2, steps_per_epoch=4, batch_size=4, preview_every=4, previews=4, checkpoint_every=4),
            {"image_size": 32},
        ),
    }

    def make_networks(self, config: Config) -> None:

        self.network = self.add_network("network", self._network())
        self.add_player("saliency", "network")
        self.log_terms(train=[config.loss], test=["kl", "cc", "sim", "nss"])

    def _network(self) -> keras.Model:
        config = self.config
        return unet(
            config.image_size,
            config.source_channels,
            1,
            levels=config.depth,
            filters=config.filters,
            norm=config.norm,
            dropout=config.dropout,
            skips=config.network == "unet",
            activation=None,
            name="saliency",
        )

    def batch_parts(self, training: bool = True) -> tuple[Part, ...]:
        """(picture, map)."""
        size = self.config.image_size
        return Part("picture", (size, size, self.config.source_channels)), Part("map", (size, size, 1))

    def call(self, picture: tf.Tensor) -> tf.Tensor:
        """`translate`."""
        return self.translate(picture)

    def objective(self, batch: tuple[tf.Tensor, tf.Tensor]) -> Step:
        """The cross-entropy, mean over pixels and examples, or the KL divergence, mean over examples [nats]."""
        picture, target = batch
        logits, expected = self.network(picture, training=True), 0.5 * (target + 1.0)
        if self.config.loss == "bce":
            loss = tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(expected, logits))
        else:
            loss = tf.reduce_mean(saliency.kl_divergence(tf.sigmoid(logits), expected))
        return Step({"saliency": loss}, {self.config.loss: loss})

    def validate(self, batch: tuple[tf.Tensor, tf.Tensor]) -> Values:
        """KL divergence [nats], correlation, similarity and NSS of the predicted maps, (batch,) each."""
        picture, target = batch
        drawn, expected = 0.5 * (self.translate(picture) + 1.0), 0.5 * (target + 1.0)
        return {
            "kl": saliency.kl_divergence(drawn, expected),
            "cc": saliency.correlation(drawn, expected),
            "sim": saliency.similarity(drawn, expected),
            "nss": saliency.normalised_scanpath(drawn, expected),
        }

    def translate(self, picture: tf.Tensor) -> tf.Tensor:
        """Predicts the maps of pictures: (batch, S, S, channels) -> (batch, S, S, 1) in [-1, 1], float32."""
        return _map(self.inference("network")(picture, training=False))

    def preview(self, batch: tuple[tf.Tensor, tf.Tensor]) -> dict[str, View]:
        """source | saliency | target."""
        picture, target = batch
        seen = ClassScores(picture) if self.config.num_classes else picture
        return {"samples": Sheet({"source": seen, "saliency": self.translate(picture), "target": target})}

    def serving(self) -> dict[str, Served]:
        """The network, with the output as a map in [-1, 1]."""
        logits = self.for_serving("network", self._network)
        drawn = keras.layers.Activation("tanh", name="map")(keras.layers.Rescaling(0.5, name="half")(logits.output))
        network = keras.Model(logits.input, drawn, name="saliency")
        source = (label_map if self.config.num_classes else image)("source", network.input)
        drawn = image("saliency", network.output, "-1 where nobody looks")
        return {"saliency": Served(network, (source,), (drawn,), "where people look on a picture", "translate")}


def _map(logits: tf.Tensor) -> tf.Tensor:
    """2 sigmoid(x) - 1."""
    return tf.tanh(0.5 * tf.cast(logits, tf.float32))
