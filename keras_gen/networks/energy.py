"""Autoencoders as discriminators, built from the networks of a GAN: a discriminator encodes, a generator decodes."""

from __future__ import annotations

import keras

from keras_gen.networks.gan import Layout, discriminator, generator


def autoencoder(layout: Layout, code: int) -> keras.Model:
    """A functional autoencoder: images (batch, S, S, channels) -> "reconstruction" in [-1, 1] and "code" (batch, code).

    Args:
        layout: architecture of the encoder (a discriminator) and of the decoder (a generator).
        code: length of the code, which is linear.
    """
    encoder = discriminator(layout, {"code": code}, name="encoder")
    decoder = generator(layout, code, name="decoder")
    middle = encoder.output["code"]
    return keras.Model(encoder.input, {"reconstruction": decoder(middle), "code": middle}, name="discriminator")
