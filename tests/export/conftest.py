"""A small network with the layers of the families' generators, and images for it."""

import keras
import numpy as np
import pytest

from keras_gen.export.rewrite import in_keras_layers
from keras_gen.export.signature import Served, image
from keras_gen.networks.unet import unet


@pytest.fixture(scope="session")
def network():
    """An untrained U-Net at 32x32 from colour to grey, as it is exported."""
    keras.utils.set_random_seed(0)
    return in_keras_layers(unet(32, 3, 1, levels=3, filters=8))


@pytest.fixture(scope="session")
def serve():
    """Wraps a network with one input and one output as `Served`, with both as images in [-1, 1]."""

    def served(network, **settings):
        source, output = network.inputs[0], network.outputs[0]
        return Served(network, (image("source", source),), (image("drawn", output),), "about", **settings)

    return served


@pytest.fixture(scope="session")
def served(network, serve):
    """The network with its ports."""
    return serve(network)


@pytest.fixture(scope="session")
def images():
    """Eight smooth images in [-1, 1]."""
    coarse = np.random.default_rng(0).uniform(-1, 1, (8, 8, 8, 3))
    return np.repeat(np.repeat(coarse, 4, 1), 4, 2).astype(np.float32)
