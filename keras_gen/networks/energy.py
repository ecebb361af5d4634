"""Autoencoders as discriminators (EBGAN, BEGAN), built from the networks of a GAN."""

from __future__ import annotations

import keras

from keras_gen.networks.gan import Layout, discriminator, generator


def autoencoder(layout: Layout, code: int) -> keras.Model:
    """A functional autoencoder: images (batch, S, S, channels) -> "reconstruction" in [-1, 1] and "code" (batch, code).

    Args:
        layout: architecture of a GAN. Its discriminator is the encoder, its generator the decoder.
        code: length of the code [units]; its units are linear.
    """
    encoder = discriminator(layout, {"code": code}, name="encoder")
    decoder = generator(layout, code, name="decoder")
    codes = encoder.output["code"]
    return keras.Model(encoder.input, {"reconstruction": decoder(codes), "code": codes}, name="discriminator")
