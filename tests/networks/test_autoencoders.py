"""Encoders and decoders of every architecture and size."""

import keras
import numpy as np
import pytest

from keras_gen.networks.autoencoders import Layout, decoder, encoder, map_sizes


@pytest.mark.parametrize(("size", "sides"), [(4, [4]), (8, [8, 4]), (28, [28, 14, 7, 4]), (65, [65, 33, 17, 9, 5, 3])])
def test_maps_are_halved_down_to_four(size, sides):
    assert map_sizes(size) == sides


@pytest.mark.parametrize("architecture", ["conv", "dense"])
@pytest.mark.parametrize("upsampling", ["transposed", "resize"])
@pytest.mark.parametrize("size", [3, 8, 28, 33])
def test_any_size_comes_back(architecture, upsampling, size):
    layout = Layout(architecture, 5, (8, 6), 2, upsampling, image_size=size, channels=3)
    down, up = encoder(layout), decoder(layout)
    images = np.random.default_rng(0).uniform(-1, 1, (2, size, size, 3)).astype(np.float32)
    latents = down(images)
    assert tuple(latents.shape) == (2, 5)
    drawn = np.asarray(up(latents))
    assert drawn.shape == images.shape
    assert np.abs(drawn).max() <= 1


def test_heads_are_outputs_of_their_own():
    network = encoder(Layout(latent_dim=3, image_size=8), ("mean", "log_variance"))
    mean, log_variance = network(np.zeros((2, 8, 8, 1), np.float32))
    assert tuple(mean.shape) == tuple(log_variance.shape) == (2, 3)
    assert [layer.name for layer in network.layers[-2:]] == ["mean", "log_variance"]


def test_the_dense_one_is_that_of_the_vae_literature():
    """784-200-200-50: Burda et al. 2015 (arXiv 1509.00519), section 5, with two outputs of 50."""
    network = encoder(Layout("dense", latent_dim=50, hidden_units=(200, 200)), ("mean", "log_variance"))
    assert network.count_params() == 785 * 200 + 201 * 200 + 2 * 201 * 50
    assert isinstance(network.layers[-1], keras.layers.Dense)
