"""The log-likelihood of images under a model with latent vectors, by importance sampling.

    log p(x)  ~  log 1/K sum_k p(x, z_k) / q(z_k|x),   z_k from q(z|x)

which is below log p(x) in expectation and grows towards it with K (Burda, Grosse, Salakhutdinov 2016, arXiv 1509.00519,
equation 8; their figures have K = 5000). The sum is taken in chunks, of which only the logarithm of the sum so far is
kept: memory does not depend on K.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

_AT_ONCE = 1000  # latent vectors that are decoded at a time: of 28x28 pixels, 3 MB for each array


class LogLikelihood:
    """Estimates of log p(x), one for each image, in nats."""

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
        log_weights: (images, noise, labels) -> log p(x, z) - log q(z|x) [nats], (k, n), of the z that standard normal
            noise (k, n, latent_dim) leads to.
        latent_dim: units of a latent vector.
        samples: K.
        images: what the likelihood is of, for the protocol: whether and how the images are binarised.
        seed: of the noise.
        """
        self._log_weights, self._latent, self._samples, self._seed = log_weights, latent_dim, samples, seed
        self._about = images
        self._values: list[np.ndarray] = []
        self._estimate = tf.function(self._estimates)

    def update(self, images: tf.Tensor, labels: tf.Tensor | None = None) -> None:
        """Estimate a batch: images (n, H, W, channels) in [-1, 1], and int labels (n,) where the model needs them.

        1000 latent vectors are decoded at a time, and for each of these chunks the images are encoded again: a batch of
        about 20 images costs the encoder little.
        """
        key = tf.constant([self._seed, len(self._values)])
        self._values.append(self._estimate(images, labels, key).numpy())

    def _estimates(self, images: tf.Tensor, labels: tf.Tensor | None, key: tf.Tensor) -> tf.Tensor:
        count = images.shape[0]
        chunk = min(max(1, _AT_ONCE // count), self._samples)
        log_sum = tf.fill((count,), -np.inf)
        for number in tf.range(-(-self._samples // chunk)):
            noise = tf.random.stateless_normal((chunk, count, self._latent), tf.random.fold_in(key, number))
            weights = self._log_weights(images, noise, labels)
            asked = number * chunk + tf.range(chunk) < self._samples  # of the last chunk perhaps not all
            weights = tf.where(asked[:, None], weights, -np.inf)
            log_sum = tf.reduce_logsumexp(tf.concat([log_sum[None], weights], axis=0), axis=0)
        return log_sum - tf.math.log(float(self._samples))

    def values(self) -> np.ndarray:
        """log p(x) of every image in order [nats], float32 (n,)."""
        return np.concatenate(self._values)

    def result(self) -> dict[str, Any]:
        """Mean of the negative log-likelihood [nats], its standard error, and the protocol, as plain values."""
        values = self.values()
        return {
            "nats": float(-values.mean()),
            "standard_error": float(values.std() / np.sqrt(len(values))),
            "protocol": {"samples": self._samples, "images": len(values), "of": self._about, "seed": self._seed},
        }

    @staticmethod
    def lines(result: dict[str, Any]) -> list[str]:
        """`result` for the screen, and the protocol as a paragraph."""
        protocol = result["protocol"]
        text = (
            f"Importance sampling (Burda et al. 2016) with K = {protocol['samples']} samples of q(z|x) for each of "
            f"{protocol['images']} images, seed {protocol['seed']}; {protocol['of']}. An upper bound in expectation; "
            "the standard error is that of the mean over images."
        )
        return [
            f"{'likelihood':<24}{'mean':>12}{'s.e.':>12}",
            f"{'-log p(x) [nats]':<24}{result['nats']:12.4f}{result['standard_error']:12.4f}",
            "",
            *textwrap.wrap(text, 100),
        ]
