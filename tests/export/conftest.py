"""A small network with what the families' generators are made of, and images for it."""

import keras
import numpy as np
import pytest

from keras_gen.export.rewrite import in_keras_layers
from keras_gen.export.signature import Served, image
from keras_gen.networks.unet import unet


@pytest.fixture(scope="session")
def network():
    """A U-Net of 32x32, colour to grey, not trained, as it is served."""
    keras.utils.set_random_seed(0)
    return in_keras_layers(unet(32, 3, 1, levels=3, filters=8))


@pytest.fixture(scope="session")
def serve():
    """Makes of a network of one input and one output what is exported, as if both were in [-1, 1]."""

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
