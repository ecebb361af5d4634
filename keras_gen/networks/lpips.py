"""LPIPS: a perceptual distance between images, computed from the features of a network trained for classification.

Features are normalised to length 1 at every position. Their squared differences are weighted by channel, averaged over
positions and summed over layers:

    d(x, y) = sum_l 1/(H_l W_l) sum_hw |w_l (f_l(x)_hw - f_l(y)_hw)|^2                               (equation 1)

Zhang, Isola, Efros, Shechtman, Wang: The Unreasonable Effectiveness of Deep Features as a Perceptual Metric, CVPR 2018,
arXiv 1801.03924. The squares of w_l, which are learned from human judgements, are the arrays `lin` of version 0.1.
"""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
from keras import layers

from keras_gen.networks.pretrained.alexnet import alexnet
from keras_gen.networks.pretrained.squeezenet import squeezenet
from keras_gen.networks.pretrained.weights import read_arrays, set_weights

SMALLEST = {"alex": 31, "squeeze": 17}
"""Smallest image side that leaves a feature in every layer [pixels]."""

_MEAN, _DEVIATION = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)  # of ImageNet's channels in [-1, 1], as published
_TINY = 1e-10  # length of a feature below which it is not normalised, as published


def lpips(backbone: str) -> keras.Model:
    """A functional network from two batches of images, RGB in [-1, 1] and of any size, to distances (batch,).

    Args:
        backbone: "alex", the published metric, or "squeeze" (SqueezeNet 1.1), a quarter of its size.
    """
    features = {"alex": alexnet, "squeeze": squeezenet}[backbone]()
    pair = [keras.Input((None, None, 3), name=name) for name in ("images", "reference")]
    scale = layers.Normalization(mean=_MEAN, variance=np.square(_DEVIATION), name="scale")
    distances = []
    for level, (a, b) in enumerate(zip(*(features(scale(images)) for images in pair), strict=True)):
        a, b = (keras.ops.normalize(feature, axis=-1, epsilon=_TINY) for feature in (a, b))
        weighted = layers.Conv2D(1, 1, use_bias=False, name=f"lin{level}")(keras.ops.square(a - b))
        distances.append(keras.ops.mean(weighted, axis=(1, 2, 3)))
    network = keras.Model(pair, keras.ops.sum(keras.ops.stack(distances), axis=0), name=f"lpips_{backbone}")
    network.trainable = False
    return network


def load_lpips(file: Path) -> keras.Model:
    """The network with the weights of a file. The backbone follows from the arrays in it.

    Args:
        file: .npz of kernels NAME_w (HWIO), biases NAME_b and channel weights lin0, lin1, ...; NAME is conv1 to conv5
            for AlexNet, or conv1 and fire2_squeeze, fire2_expand1x1, fire2_expand3x3 to fire9 for SqueezeNet 1.1.

    Raises:
        UserError: naming `--weights`, if the file does not contain such weights.
    """
    arrays = read_arrays(file)
    network = lpips("squeeze" if "fire2_squeeze_w" in arrays else "alex")
    held = [layer for inner in network.layers for layer in getattr(inner, "layers", [inner]) if layer.weights]
    set_weights(held, arrays, file, "LPIPS")
    return network
