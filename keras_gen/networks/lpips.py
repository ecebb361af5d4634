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

MIN_SIDE = {"alex": 31, "squeeze": 17}
"""Smallest side of an image for which no layer's feature map is empty [pixels], by backbone."""

# Mean and standard deviation of ImageNet's channels in [-1, 1], as in the published code.
_MEAN, _DEVIATION = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)
_EPSILON = 1e-10  # smallest norm of a feature that is normalised, as in the published code


def lpips(backbone: str) -> keras.Model:
    """A functional network that maps two batches of images to their distances, (batch,).

    Both inputs are (batch, H, W, 3) RGB in [-1, 1] with sides of at least `MIN_SIDE`. The network is frozen, and its
    weights are random until they are loaded (`load_lpips`).

    Args:
        backbone: "alex" (AlexNet), the default of the published metric, or "squeeze" (SqueezeNet 1.1), which has a
            quarter of its size.

    Examples:
        >>> images = np.zeros((2, 32, 32, 3), np.float32)
        >>> lpips("squeeze")([images, images]).numpy().tolist()
        [0.0, 0.0]
    """
    features = {"alex": alexnet, "squeeze": squeezenet}[backbone]()
    pair = [keras.Input((None, None, 3), name=name) for name in ("images", "reference")]
    scale = layers.Normalization(mean=_MEAN, variance=np.square(_DEVIATION), name="scale")
    distances = []
    for level, (a, b) in enumerate(zip(*(features(scale(images)) for images in pair), strict=True)):
        a, b = (keras.ops.normalize(feature, axis=-1, epsilon=_EPSILON) for feature in (a, b))
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
    inner_layers = [layer for outer in network.layers for layer in getattr(outer, "layers", [outer])]
    set_weights([layer for layer in inner_layers if layer.weights], arrays, file, "LPIPS")
    return network
