"""LPIPS: how different two pictures look, by the features of a network that was trained to tell what is in them.

The features of both are normalised to length 1 at every place, the squares of their differences weighted by channel,
averaged over places and summed over layers:

    d(x, y) = sum_l 1/(H_l W_l) sum_hw |w_l (f_l(x)_hw - f_l(y)_hw)|^2                               (equation 1)

Zhang, Isola, Efros, Shechtman, Wang: The Unreasonable Effectiveness of Deep Features as a Perceptual Metric, CVPR 2018,
arXiv 1801.03924. The squares of w_l, which are learned from people's judgements, are the arrays `lin` of version 0.1.
"""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path

import keras
import numpy as np
from keras import layers

from keras_gen.errors import UserError

SMALLEST = {"alex": 31, "squeeze": 17}
"""Smallest side of an image that leaves a feature in every layer [pixels]."""

_MEAN, _DEVIATION = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)  # of ImageNet's channels in [-1, 1], as published
_TINY = 1e-10  # length of a feature below which it is not normalised, as published


def lpips(backbone: str) -> keras.Model:
    """A functional network of two batches of images, RGB in [-1, 1] and of any size -> distances (batch,).

    Args:
        backbone: "alex", the published measure, or "squeeze" (SqueezeNet 1.1), a quarter of its size.
    """
    features = {"alex": _alexnet, "squeeze": _squeezenet}[backbone]()
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
    """The network of a file of weights; which backbone it is, its arrays tell.

    Args:
        file: .npz of kernels NAME_w (HWIO), biases NAME_b and channel weights lin0, lin1, ...; NAME is conv1 to conv5
            of AlexNet, or conv1 and fire2_squeeze, fire2_expand1x1, fire2_expand3x3 to fire9 of SqueezeNet 1.1.

    Raises:
        UserError: naming `--weights`, if the file holds no such weights.
    """
    try:
        with open(file, "rb") as raw:
            arrays = dict(np.load(raw, allow_pickle=False))
    except (OSError, ValueError, TypeError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise UserError(f"--weights {file} cannot be read as an .npz file ({error}).") from None
    network = lpips("squeeze" if "fire2_squeeze_w" in arrays else "alex")
    held = [layer for inner in network.layers for layer in getattr(inner, "layers", [inner]) if layer.weights]
    for layer in held:
        names = [f"{layer.name}_w", f"{layer.name}_b"] if layer.use_bias else [layer.name]
        values = []
        for name, variable in zip(names, layer.weights, strict=True):
            shape = tuple(variable.shape)
            accepted = shape if layer.use_bias else shape[2:3]
            if name not in arrays or arrays[name].shape != accepted:
                found = f"holds {name} {arrays[name].shape}" if name in arrays else f"holds no {name}"
                raise UserError(f"--weights {file} {found}; accepted are the weights of LPIPS, {name} {accepted}.")
            values.append(arrays[name].reshape(shape))
        layer.set_weights(values)
    return network


def _alexnet() -> keras.Model:
    """AlexNet's five convolutions: images -> features after each ReLU."""
    x = images = keras.Input((None, None, 3))
    features = []
    for level, (width, kernel, stride, border) in enumerate(
        ((64, 11, 4, 2), (192, 5, 1, 2), (384, 3, 1, 1), (256, 3, 1, 1), (256, 3, 1, 1)), start=1
    ):
        if level in (2, 3):
            x = layers.MaxPooling2D(3, 2)(x)
        x = layers.ZeroPadding2D(border)(x)
        x = layers.Conv2D(width, kernel, stride, activation="relu", name=f"conv{level}")(x)
        features.append(x)
    return keras.Model(images, features, name="alex")


def _squeezenet() -> keras.Model:
    """SqueezeNet 1.1 (Iandola et al. 2016, arXiv 1602.07360): images -> features after conv1, fire3 and fire5 to 9."""
    x = images = keras.Input((None, None, 3))
    x = layers.Conv2D(64, 3, 2, activation="relu", name="conv1")(x)
    features = [x]
    for fire, squeezed in enumerate((16, 16, 32, 32, 48, 48, 64, 64), start=2):
        if fire in (2, 4, 6):
            # The last window may hang over the edge. What it finds there does not count: no feature is below 0.
            x = layers.MaxPooling2D(3, 2)(layers.ZeroPadding2D(((0, 1), (0, 1)))(x))
        x = layers.Conv2D(squeezed, 1, activation="relu", name=f"fire{fire}_squeeze")(x)
        wide = [
            layers.Conv2D(
                4 * squeezed, kernel, 1, "same", activation="relu", name=f"fire{fire}_expand{kernel}x{kernel}"
            )
            for kernel in (1, 3)
        ]
        x = layers.Concatenate(name=f"fire{fire}")([layer(x) for layer in wide])
        if fire not in (2, 4):
            features.append(x)
    return keras.Model(images, features, name="squeeze")
