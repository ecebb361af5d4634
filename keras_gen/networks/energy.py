"""Autoencoders as discriminators: the halves are the discriminator and the generator of the same form."""

from __future__ import annotations

import keras

from keras_gen.networks.gan import Layout, discriminator, generator


def autoencoder(layout: Layout, code: int) -> keras.Model:
    """A functional autoencoder: images (batch, S, S, channels) -> "reconstruction" in [-1, 1] and "code" (batch, code).

    Args:
        layout: form of the encoder, which is that of a discriminator, and of the decoder, that of a generator.
        code: numbers between them, linear.
    """
    encoder = discriminator(layout, {"code": code}, name="encoder")
    decoder = generator(layout, code, name="decoder")
    middle = encoder.output["code"]
    return keras.Model(encoder.input, {"reconstruction": decoder(middle), "code": middle}, name="discriminator")
