"""Noisy images and their clean originals: the training data of denoising models.

The noise of a training example is a pure function of the seed, the epoch and the index of the image. The noise of a
validation example depends on its index only, so every validation uses the same noisy images. Noisy values are clipped
to the range of the image, as in an image file.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from typing import Any, Literal

import tensorflow as tf

from keras_gen.data.kinds.images import ImagesConfig, ImagesData
from keras_gen.flags import Share
from keras_gen.ops.noise import NOISES

Noise = Literal["gaussian", "dropout", "salt-and-pepper", "poisson", "mixed"]


@dataclass(frozen=True)
class NoisyConfig(ImagesConfig):
    """Which images to read, how, and what noise to add."""

    noise: Noise = "mixed"
    """Kind of noise: gaussian; dropout (random pixels set to black); salt-and-pepper (random pixels set to black or
    white); poisson (photon counts); mixed (one of these at random for each image)."""
    strength: tuple[Share, Share] = (0.05, 0.3)
    """Range of the noise strength, drawn uniformly for each image [0 to 1]. For gaussian the standard deviation, and
    for poisson that at white, as a fraction of the range from black to white; for dropout and salt-and-pepper the
    fraction of pixels affected."""

    def open(self, seed: int = 0, model: Any = None) -> NoisyData:
        """As `ImagesConfig.open`. `seed` also determines the noise."""
        return NoisyData(self, seed)

    def check_together(self) -> None:
        """The minimum strength must not exceed the maximum."""
        super().check_together()
        if self.strength[0] > self.strength[1]:
            raise self.fault("<strength got>; accepted are a minimum and a maximum, from 0 to 1.")


class NoisyData(ImagesData):
    """Like `ImagesData`, with batches (noisy, clean): float32 in [-1, 1], (batch, size, size, channels) each."""

    _config: NoisyConfig

    @property
    def noise(self) -> Noise:
        """Kind of noise."""
        return self._config.noise

    @property
    def strength(self) -> tuple[float, float]:
        """Minimum and maximum strength."""
        return self._config.strength

    def attributes(self) -> dict[str, Any]:
        """Those of `ImagesData`, and `scale`, which is 1 because the inputs are not enlarged."""
        return {**super().attributes(), "scale": 1}

    def with_noise(self, noise: Noise) -> NoisyData:
        """The same images with another kind of noise in the same range of strengths."""
        other = copy.copy(self)
        other._config = replace(self._config, noise=noise)
        return other

    def describe(self) -> str:
        """The summary of the images, and the kind and strength of the noise."""
        low, high = self.strength
        return f"{super().describe()}\nnoise: {self.noise}, strength {low:g} to {high:g}"

    def _finish(self, image: tf.Tensor, label: tf.Tensor, keys: tf.Tensor, mirror: bool) -> tuple[tf.Tensor, tf.Tensor]:
        clean, _ = super()._finish(image, label, keys, mirror)
        drawn = noisy(clean, keys, self._config.noise, self._config.strength)
        return tf.clip_by_value(drawn, -1.0, 1.0), clean


def noisy(images: tf.Tensor, keys: tf.Tensor, noise: Noise, strength: tuple[float, float]) -> tf.Tensor:
    """Adds noise to a batch.

    Args:
        images: float32 (n, height, width, channels) in [-1, 1].
        keys: integers (n, 2); the noise of an image depends only on its own key.
        noise: one of `ops.noise.NOISES`.
        strength: minimum and maximum; the strength for each image is drawn uniformly between them.

    Returns:
        Images of the same shape, not clipped.
    """

    def one(example: tuple[tf.Tensor, tf.Tensor]) -> tf.Tensor:
        image, key = example
        amount, draw = tf.unstack(tf.random.experimental.stateless_split(key))
        return NOISES[noise](image, tf.random.stateless_uniform((), amount, *strength), draw)

    return tf.map_fn(one, (images, keys), fn_output_signature=tf.TensorSpec(images.shape[1:], tf.float32))
