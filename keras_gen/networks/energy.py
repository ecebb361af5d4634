"""Autoencoders as discriminators (EBGAN, BEGAN), built from the networks of a GAN."""

from __future__ import annotations

import keras

from keras_gen.networks.gan import Layout, discriminator, generator


def autoencoder(layout: Layout, code_dim: int) -> keras.Model:
    """A functional autoencoder: images (batch, S, S, channels) -> "reconstruction" and "code".

    The reconstruction has the shape of the images and values in [-1, 1], the code is (batch, code_dim).

    Args:
        layout: architecture of a GAN. Its discriminator is the encoder, its generator the decoder.
        code_dim: length of the code [units]; its units are linear.
    """
    encoder = discriminator(layout, {"code": code_dim}, name="encoder")
    decoder = generator(layout, code_dim, name="decoder")
    codes = encoder.output["code"]
    return keras.Model(encoder.input, {"reconstruction": decoder(codes), "code": codes}, name="discriminator")
