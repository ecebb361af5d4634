"""Images with noise on them, beside themselves: what denoising autoencoders train on.

The noise of a training example is a pure function of the seed, the epoch and the number of the image, that of a
validation example of its number alone: every validation is of the same pictures. What it draws beyond black and white
is cut off, as in the file of a picture.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from typing import Any, Literal

import tensorflow as tf

from keras_gen.data.kinds.images import ImagesConfig, ImagesData, split_of
from keras_gen.flags import Share
from keras_gen.ops.noise import NOISES

Noise = Literal["gaussian", "dropout", "salt-and-pepper", "poisson", "mixed"]


@dataclass(frozen=True)
class NoisyConfig(ImagesConfig):
    """Which images to read, how, and what noise to put on them."""

    noise: Noise = "mixed"
    """Kind of noise: normal; missing pixels, black; pixels black or white; counts of photons; mixed: one of these for
    each image, drawn at random."""
    strength: tuple[Share, Share] = (0.05, 0.3)
    """Lowest and highest strength, one for each image drawn from between [share, 0 to 1]: the standard deviation of
    gaussian, and of poisson at white, where black to white is 1; the lost pixels of dropout and salt-and-pepper."""

    def open(self, seed: int = 0, model: Any = None) -> NoisyData:
        """As `ImagesConfig.open`; the noise is of `seed` too."""
        return NoisyData(self, seed, split_of(self))

    def check_together(self) -> None:
        """The lowest strength is not above the highest."""
        super().check_together()
        if self.strength[0] > self.strength[1]:
            raise self.fault("<strength got>; accepted are a lowest and a highest share, from 0 to 1.")


class NoisyData(ImagesData):
    """As `ImagesData`; a batch is (noisy, clean), float32 in [-1, 1], (batch, size, size, channels) each."""

    _config: NoisyConfig

    @property
    def noise(self) -> Noise:
        """Kind of the noise."""
        return self._config.noise

    @property
    def strength(self) -> tuple[float, float]:
        """Its lowest and highest strength."""
        return self._config.strength

    def with_noise(self, noise: Noise) -> NoisyData:
        """The same images with another kind of noise of the same strengths."""
        other = copy.copy(self)
        other._config = replace(self._config, noise=noise)
        return other

    def describe(self) -> str:
        """As that of the images, and what noise there is."""
        low, high = self.strength
        return f"{super().describe()}\nnoise: {self.noise}, strength {low:g} to {high:g}"

    def _finish(self, image: tf.Tensor, label: tf.Tensor, keys: tf.Tensor, mirror: bool) -> tuple[tf.Tensor, tf.Tensor]:
        clean, _ = super()._finish(image, label, keys, mirror)
        drawn = noisy(clean, keys, self._config.noise, self._config.strength)
        return tf.clip_by_value(drawn, -1.0, 1.0), clean


def noisy(images: tf.Tensor, keys: tf.Tensor, noise: Noise, strength: tuple[float, float]) -> tf.Tensor:
    """A batch with noise on it.

    Args:
      images: float32 (n, height, width, channels) in [-1, 1].
      keys: integers (n, 2); the noise of an image depends on its own key alone.
      noise: one of `ops.noise.NOISES`.
      strength: lowest and highest; each image has its own, uniform between them.

    Returns:
      The same shape, not clipped.
    """

    def one(example: tuple[tf.Tensor, tf.Tensor]) -> tf.Tensor:
        image, key = example
        amount, draw = tf.unstack(tf.random.experimental.stateless_split(key))
        return NOISES[noise](image, tf.random.stateless_uniform((), amount, *strength), draw)

    return tf.map_fn(one, (images, keys), fn_output_signature=tf.TensorSpec(images.shape[1:], tf.float32))
