"""GAN: the common questions, and the gradients of its two objectives."""

import numpy as np
import tensorflow as tf
from conformance import Case, Conformance

from keras_gen.models.gan import GAN, Config

TINY = Config(image_size=8, channels=2, latent=3, hidden=(6, 5))
PLAYERS = {"generator": ("generator",), "discriminator": ("discriminator",)}


def batch(seed, count):
    rng = np.random.default_rng(seed)
    images = rng.uniform(-1, 1, (count, 8, 8, 2)).astype(np.float32)
    return tf.constant(images), tf.constant(rng.integers(0, 4, count), tf.int32)


class Calm(GAN):
    """Without its noise: replicas draw their own, so that two of them take another step than one device."""

    family = "GAN without noise"

    def draw_noise(self, count):
        return 0.0 * super().draw_noise(count) + 0.5


class TestGAN(Conformance):
    case = Case(
        GAN,
        TINY,
        TINY,
        batch,
        lambda b: GAN(TINY).fixed(len(b[0])),
        PLAYERS,
        calm_family=Calm,
        reached=("discriminator",),
    )
