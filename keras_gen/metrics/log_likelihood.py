"""The log-likelihood of images under a latent-variable model, estimated by importance sampling.

    log p(x)  ~  log 1/K sum_k p(x, z_k) / q(z_k|x),   z_k from q(z|x)

In expectation, the estimate is a lower bound that approaches log p(x) as K grows (Burda, Grosse, Salakhutdinov 2016,
arXiv 1509.00519, equation 8; they use K = 5000). The sum is computed in chunks, and only its logarithm is kept, so
memory does not depend on K.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

_CHUNK = 1000  # latent vectors decoded at a time: 3 MB per array of 28x28 pixels


class LogLikelihood:
    """Estimates log p(x) of each image [nats]."""

    def __init__(
        self,
        log_weights: Callable[[tf.Tensor, tf.Tensor, tf.Tensor | None], tf.Tensor],
        latent_dim: int,
        *,
        samples: int,
        images: str,
        seed: int = 0,
    ) -> None:
        """Args:
        log_weights: maps n images, standard normal noise (k, n, latent_dim) and labels to the log importance weights
            log p(x, z) - log q(z|x) [nats], (k, n), where z is the posterior sample that the noise gives.
        latent_dim: length of a latent vector.
        samples: number of samples K.
        images: description of the images for the protocol: whether and how they are binarised.
        seed: seed of the noise.
        """
        self._log_weights, self._latent, self._samples, self._seed = log_weights, latent_dim, samples, seed
        self._about = images
        self._values: list[np.ndarray] = []
        self._estimate = tf.function(self._estimates)

    def update(self, images: tf.Tensor, labels: tf.Tensor | None = None) -> None:
        """Adds a batch: images (n, H, W, channels) in [-1, 1], and labels int (n,) if the model needs them.

        1000 latent vectors are decoded at a time, and the images are encoded again for each of these chunks. With a
        batch of about 20 images, the encoder costs little.
        """
        key = tf.constant([self._seed, len(self._values)])
        self._values.append(self._estimate(images, labels, key).numpy())

    def _estimates(self, images: tf.Tensor, labels: tf.Tensor | None, key: tf.Tensor) -> tf.Tensor:
        count = images.shape[0]
        chunk = min(max(1, _CHUNK // count), self._samples)
        log_sum = tf.fill((count,), -np.inf)
        for number in tf.range(-(-self._samples // chunk)):
            noise = tf.random.stateless_normal((chunk, count, self._latent), tf.random.fold_in(key, number))
            weights = self._log_weights(images, noise, labels)
            needed = number * chunk + tf.range(chunk) < self._samples  # the last chunk may be too large
            weights = tf.where(needed[:, None], weights, -np.inf)
            log_sum = tf.reduce_logsumexp(tf.concat([log_sum[None], weights], axis=0), axis=0)
        return log_sum - tf.math.log(float(self._samples))

    def values(self) -> np.ndarray:
        """log p(x) of all images so far, in order [nats], float32 (n,)."""
        return np.concatenate(self._values)

    def result(self) -> dict[str, Any]:
        """The mean negative log-likelihood and its standard error [nats], and the protocol, as values for JSON."""
        values = self.values()
        return {
            "nats": float(-values.mean()),
            "standard_error": float(values.std() / np.sqrt(len(values))),
            "protocol": {"samples": self._samples, "images": len(values), "of": self._about, "seed": self._seed},
        }

    @staticmethod
    def lines(result: dict[str, Any]) -> list[str]:
        """A printable table of `result`, and the protocol as a paragraph."""
        protocol = result["protocol"]
        text = (
            f"Importance sampling (Burda et al. 2016) with K = {protocol['samples']} samples of q(z|x) for each of "
            f"{protocol['images']} images, seed {protocol['seed']}; {protocol['of']}. In expectation, -log p(x) is an "
            "upper bound. The standard error is that of the mean over images."
        )
        return [
            f"{'likelihood':<24}{'mean':>12}{'s.e.':>12}",
            f"{'-log p(x) [nats]':<24}{result['nats']:12.4f}{result['standard_error']:12.4f}",
            "",
            *textwrap.wrap(text, 100),
        ]
