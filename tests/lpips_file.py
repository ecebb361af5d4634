"""LPIPS with random weights, and its file, for tests that do not need published distances."""

import keras
import numpy as np

from keras_gen.networks.lpips import lpips


def random_lpips(backbone):
    """Random weights; those of the channels are positive, like trained ones."""
    keras.utils.set_random_seed(0)
    network = lpips(backbone)
    for layer in network.layers:
        if layer.name.startswith("lin"):
            layer.set_weights([np.abs(weights) for weights in layer.get_weights()])
    return network


def arrays_of(network):
    """The weights, with the names in their file."""
    held = [layer for inner in network.layers for layer in getattr(inner, "layers", [inner]) if layer.weights]
    arrays = {}
    for layer in held:
        kernel, *bias = layer.get_weights()
        arrays |= {f"{layer.name}_w": kernel, f"{layer.name}_b": bias[0]} if bias else {layer.name: kernel.ravel()}
    return arrays
