"""beta-TCVAE: a VAE that penalises dependence between latent units, so that each learns its own factor of variation.

The KL divergence of a VAE is the sum of three parts. Disentanglement requires only the second to be small:

    E log p(x|z)  -  alpha I(z; x)  -  beta KL(q(z) || prod_j q(z_j))  -  gamma sum_j KL(q(z_j) || p(z_j))

q(z) is the mean of the posteriors over all training examples, estimated from those of a batch. With alpha = beta =
gamma = 1 the objective is that of a VAE whose KL divergence is estimated from one sample.

Chen, Li, Grosse, Duvenaud: Isolating Sources of Disentanglement in VAEs, NeurIPS 2018, arXiv 1802.04942.

Departures from the paper: ReLU units. With several replicas or with `--accumulate`, q(z) is estimated within each part
of a batch, because only gradients are exchanged between them.
"""

from __future__ import annotations

import dataclasses
from typing import Annotated, ClassVar

import tensorflow as tf

from keras_gen.engine.config import TINY_RUN, Preset, RunConfig
from keras_gen.flags import OF_TRAINING, Hidden, NonNegative
from keras_gen.models.vae import VAE, Variational
from keras_gen.ops.divergences import Sampling, decomposed_kl

_PARTS = ("mutual_information", "total_correlation", "dimension_wise_kl")


@dataclasses.dataclass(frozen=True)
class Config(Variational):
    """Architecture and objective of the model."""

    alpha: NonNegative[float] = 1.0
    """Weight of the mutual information between image and code [1]; 1 in the paper."""
    beta: NonNegative[float] = 6.0
    """Weight of the total correlation [1]; 1 gives the VAE, larger values encourage disentanglement; up to 10 in the
    paper."""
    gamma: NonNegative[float] = 1.0
    """Weight of the dimension-wise KL divergence [1]; 1 in the paper."""
    sampling: Sampling = "weighted"
    """Estimator of q(z) from a batch: minibatch-weighted (paper), which shifts the logged parts by constants, or
    stratified, which does not (paper, appendix C)."""
    train_size: Annotated[Hidden[int], OF_TRAINING] = 1000


class BetaTCVAE(VAE):
    """A beta-TCVAE: a VAE that weights the three parts of the KL divergence separately.

    Examples:
        >>> model = keras_gen.BetaTCVAE(image_size=8, latent_dim=2, hidden_units=(8,), filters=2, beta=4)
        >>> model(np.zeros((3, 8, 8, 1), np.float32)).shape
        TensorShape([3, 8, 8, 1])
    """

    family = "beta_tcvae"
    Config = Config
    descriptions: ClassVar[dict[str, str]] = {
        "mutual_information": "Mutual information between image and latent vector [nats].",
        "dimension_wise_kl": "Sum of the KL divergences of the latent units from the prior [nats].",
    }
    min_examples_per_part = 2
    presets: ClassVar[dict[str, Preset]] = {
        "demo": Preset(
            Config(latent_dim=10, hidden_units=(256,), filters=8),
            RunConfig(
                epochs=8,
                steps_per_epoch=500,
                batch_size=64,
                learning_rate=1e-3,
                steps_per_execution=10,
                preview_every=500,
                checkpoint_every=2500,
            ),
        ),
        # Paper, appendix: two layers of 1200 for its shapes, Adam at 1e-3, batches of 2048.
        "paper": Preset(
            Config(architecture="dense", latent_dim=10, hidden_units=(1200, 1200)),
            RunConfig(epochs=50, batch_size=2048, learning_rate=1e-3, preview_every=500, checkpoint_every=5000),
        ),
        "tiny": Preset(Config(hidden_units=(8,), filters=2, latent_dim=2), TINY_RUN),
    }

    def make_networks(self, config: Config) -> None:
        super().make_networks(config)
        self.log_terms(train=_PARTS)

    def divergence(
        self, z: tf.Tensor, mean: tf.Tensor, log_variance: tf.Tensor
    ) -> tuple[dict[str, tf.Tensor], dict[str, tf.Tensor]]:
        """The three parts, weighted (paper, equation 4)."""
        config = self.config
        parts = decomposed_kl(z, mean, log_variance, config.train_size, config.sampling)
        weights = (config.alpha, config.beta, config.gamma)
        loss = tf.add_n([weight * part for weight, part in zip(weights, parts, strict=True)])
        return {"vae": loss}, dict(zip(_PARTS, parts, strict=True))
