"""Latent vectors to draw from."""

from __future__ import annotations

import tensorflow as tf


def latent_vectors(count: int, units: int, seed: int) -> tf.Tensor:
    """Vectors from N(0, 1), (count, units), the same for the same seed whatever draws from them."""
    return tf.random.stateless_normal((count, units), (seed, 0))
