"""A small network with what the families' generators are made of, and images for it."""

import keras
import numpy as np
import pytest

from keras_gen.export.rewrite import in_keras_layers
from keras_gen.networks.unet import unet


@pytest.fixture(scope="session")
def network():
    """A U-Net of 32x32, 3 to 2 channels, not trained, as it is served."""
    keras.utils.set_random_seed(0)
    return in_keras_layers(unet(32, 3, 2, levels=3, filters=8))


@pytest.fixture(scope="session")
def images():
    """Eight smooth images in [-1, 1]."""
    coarse = np.random.default_rng(0).uniform(-1, 1, (8, 8, 8, 3))
    return np.repeat(np.repeat(coarse, 4, 1), 4, 2).astype(np.float32)
