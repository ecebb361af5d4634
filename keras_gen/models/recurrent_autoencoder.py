"""Recurrent autoencoder: encodes a sequence to a short vector and decodes it again, to find anomalies.

An encoder reads a sequence step by step and outputs a vector. A decoder reconstructs the sequence from that vector
alone. Trained on normal sequences it can reconstruct only those, so a large reconstruction error marks an anomaly.

    min  E 1/T sum_t |(x_t - decoder(encoder(x))_t) / deviation|^2

The mean is over the sequence's own T steps. The same mean is its anomaly score.

Srivastava, Mansimov, Salakhutdinov: Unsupervised Learning of Video Representations using LSTMs, ICML 2015, arXiv
1502.04681. For anomalies: Malhotra et al.: LSTM-based Encoder-Decoder for Multi-sensor Anomaly Detection, 2016, arXiv
1607.00148. GRU: Cho et al. 2014, arXiv 1406.1078.

The decoder is the unconditioned one of Srivastava et al. (section 2.1): it does not see its own previous output, so it
has to use the vector. In both papers the decoder outputs the sequence in reverse order, starting with what the encoder
read last. Here the encoder reads the sequence in reverse instead, which has the same effect and gives an output in
order.

Departures from the papers: a dense layer makes the vector shorter than the recurrent state. As in Cho et al. (appendix
A), the vector sets the decoder's initial state, tanh(V c), and is its input at every step. The score is the mean
squared error instead of a Mahalanobis distance with a threshold chosen from known anomalies (Malhotra et al., section
2.2).
"""

from __future__ import annotations

import dataclasses
from typing import ClassVar, Literal

import keras
import tensorflow as tf
from keras import layers

from keras_gen.engine.config import TINY_RUN, Preset, RunConfig
from keras_gen.engine.feeding import Part
from keras_gen.engine.model import GenerativeModel, Step, chained
from keras_gen.export.signature import Served, sequence, vector
from keras_gen.flags import BaseConfig, Hidden, NonNegative, Positive
from keras_gen.layers.standardisation import InverseStandardisation, Standardisation
from keras_gen.ops.sequences import mean_over_steps, squared_errors
from keras_gen.visual.views import Curves, View

_CELLS = {"lstm": layers.LSTM, "gru": layers.GRU}
_STATES = {"lstm": 2, "gru": 1}  # vectors that a cell carries from step to step


@dataclasses.dataclass(frozen=True)
class Config(BaseConfig):
    """Architecture of the model."""

    cell: Literal["lstm", "gru"] = "lstm"
    """Recurrent cell of encoder and decoder."""
    units: Positive[int] = 64
    """Units of the recurrent state of encoder and decoder [units]."""
    latent_dim: Positive[int] = 16
    """Length of the latent vector [units]."""
    length: Hidden[NonNegative[int]] = 0
    columns: Hidden[tuple[str, ...]] = ()
    mean: Hidden[tuple[float, ...]] = ()
    deviation: Hidden[tuple[float, ...]] = ()

    @property
    def features(self) -> int:
        """Number of features at each step."""
        return len(self.columns)


class RecurrentAutoencoder(GenerativeModel):
    """A recurrent autoencoder as a `GenerativeModel`.

    One player, which trains both networks. A batch is (sequences,), float32 (batch, length, features) in the units of
    the data, NaN after the end of each sequence.

    Examples:
        >>> model = keras_gen.RecurrentAutoencoder.for_data(keras_gen.data.sequences("waves"), units=4, latent_dim=2)
        >>> model(np.zeros((3, model.config.length, model.config.features), np.float32)).shape == (
        ...     3, model.config.length, model.config.features)
        True
    """

    family = "recurrent_autoencoder"
    Config = Config
    descriptions: ClassVar[dict[str, str]] = {
        "mse": "Mean squared error over a sequence's own steps, in units of the features' variances.",
    }
    monitor = "mse"
    tasks = ("detect_anomalies",)
    next_commands = ("detect_anomalies RUN DATA --out anomalies.csv",)
    presets: ClassVar[dict[str, Preset]] = {
        "demo": Preset(
            Config(),
            RunConfig(epochs=50, batch_size=64, learning_rate=1e-2, preview_every=310, checkpoint_every=1000),
        ),
        "tiny": Preset(Config(units=8, latent_dim=4), TINY_RUN),
    }

    def make_networks(self, config: Config) -> None:
        if not (config.length and config.columns):
            raise config.fault(
                "<length got> with <columns=>; accepted are those of the data; for_data(data) takes them."
            )
        self.encoder = self.add_network("encoder", self._encoder())
        self.decoder = self.add_network("decoder", self._decoder())
        self.add_player("autoencoder", "encoder", "decoder")
        self.log_terms(train=["mse"], test=["mse"])

    def _encoder(self) -> keras.Model:
        """(batch, length, features) -> (batch, latent_dim): the state after the sequence's first step, which is read
        last."""
        config = self.config
        sequences = keras.Input((config.length, config.features), name="sequences")
        x = Standardisation(config.mean, config.deviation, name="standardisation")(sequences)
        x = _CELLS[config.cell](config.units, go_backwards=True)(x)
        return keras.Model(
            sequences, layers.Dense(config.latent_dim, dtype="float32", name="latent")(x), name="encoder"
        )

    def _decoder(self) -> keras.Model:
        """(batch, latent_dim) -> (batch, length, features): always as many steps as the longest sequence has."""
        config = self.config
        x = latents = keras.Input((config.latent_dim,), name="latents")
        states = [layers.Dense(config.units, "tanh")(x) for _ in range(_STATES[config.cell])]
        x = layers.RepeatVector(config.length)(x)
        x = _CELLS[config.cell](config.units, return_sequences=True)(x, initial_state=states)
        x = layers.Dense(config.features, dtype="float32")(x)
        x = InverseStandardisation(config.mean, config.deviation, name="output")(x)
        return keras.Model(latents, x, name="decoder")

    def batch_parts(self, training: bool = True) -> tuple[Part, ...]:
        """(sequences,), in the units of the data, NaN after the end of each."""
        return (Part("sequence", (self.config.length, self.config.features), ranged=False),)

    def call(self, sequences: tf.Tensor) -> tf.Tensor:
        """`reconstruct`."""
        return self.reconstruct(sequences)

    def objective(self, batch: tuple[tf.Tensor]) -> Step:
        """Mean squared error over each sequence's own steps, mean over examples."""
        (sequences,) = batch
        drawn = self.decoder(self.encoder(sequences, training=True), training=True)
        loss = tf.reduce_mean(mean_over_steps(squared_errors(drawn, sequences, self.config.deviation), sequences))
        return Step({"autoencoder": loss}, {"mse": loss})

    def validate(self, batch: tuple[tf.Tensor]) -> dict[str, tf.Tensor]:
        """Mean squared error over a sequence's own steps, in units of the features' variances."""
        (sequences,) = batch
        return {"mse": mean_over_steps(self.errors(sequences), sequences)}

    def errors(self, sequences: tf.Tensor) -> tf.Tensor:
        """Squared error of the reconstruction at each step, in units of the features' variances, mean over features.

        Returns:
            (batch, length), 0 after the end; its `mean_over_steps` is the anomaly score.
        """
        return squared_errors(self.reconstruct(sequences), sequences, self.config.deviation)

    def reconstruct(self, sequences: tf.Tensor) -> tf.Tensor:
        """Encodes and decodes sequences: (batch, length, features) in the units of the data, finite also after the
        end."""
        return self.inference("decoder")(self.inference("encoder")(sequences, training=False), training=False)

    def preview(self, batch: tuple[tf.Tensor]) -> dict[str, View]:
        """original and reconstruction."""
        (sequences,) = batch
        return {"samples": Curves({"original": sequences, "reconstruction": self.reconstruct(sequences)})}

    def serving(self) -> dict[str, Served]:
        """The whole model, the encoder and the decoder."""
        down, up = self.for_serving("encoder", self._encoder), self.for_serving("decoder", self._decoder)
        whole = chained(down, up, name="recurrent_autoencoder")
        sequences = sequence("sequences", down.input, "in the data's units, NaN from the end of a shorter one on")
        latents = vector("latents", down.output)
        drawn = sequence("reconstruction", up.output, "in the data's units")
        return {
            "recurrent_autoencoder": Served(
                whole, (sequences,), (drawn,), "reconstructions of sequences", "reconstruct"
            ),
            "encoder": Served(down, (sequences,), (latents,), "the latent vectors of sequences"),
            "decoder": Served(
                up,
                (latents,),
                (drawn,),
                "sequences from latent vectors",
                examples=lambda batch: (down(batch[0], training=False),),
            ),
        }
