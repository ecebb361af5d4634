"""VGG's convolutional layers, the features of perceptual and style losses and the encoder of style transfer.

Simonyan, Zisserman: Very Deep Convolutional Networks for Large-Scale Image Recognition, ICLR 2015, arXiv 1409.1556,
configurations D (16 layers) and E (19 layers). There are three kinds of weights:

    original      those of the classifier, with zero padding; the first layer takes BGR in [0, 255] minus ImageNet's
                  mean
    normalised    scaled so that every feature has a mean of 1 over images and positions (Gatys et al. 2016), with
                  reflection padding; the encoder of style transfer (Li et al. 2017, arXiv 1705.08086; Huang and
                  Belongie 2017, arXiv 1703.06868)
    small         distilled from normalised to a quarter of the channels (Wang et al. 2020, arXiv 2003.08436); 1x1
                  convolutions map its features to the original number of channels
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import keras
import numpy as np
from keras import layers

from keras_gen.layers.padding import ReflectionPadding2D
from keras_gen.networks.pretrained.weights import read_arrays, set_weights

DEPTHS = {16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}
"""Convolutions of each of the five blocks."""
WIDTHS = (64, 128, 256, 512, 512)
"""Channels of each block."""
SMALL_WIDTHS = (16, 32, 64, 128, 128)
"""Channels of each block of the small kind."""

Kind = Literal["original", "normalised", "small"]

_MEAN = (103.939, 116.779, 123.68)  # of ImageNet's channels, BGR


def vgg(features: Sequence[str], *, depth: int = 19, kind: Kind = "original", pooling: str = "max") -> keras.Model:
    """A functional network that maps RGB images in [-1, 1], (batch, H, W, 3) of any size, to features.

    It ends with the deepest of the features. Its weights are random until they are loaded (`load_vgg`).

    Args:
        features: names of features. "relu3_1" is the output of the first convolution of the third block after its
            ReLU, "conv3_1" before it.
        depth: 16 or 19.
        kind: see the module. The small kind only has relu1_1, relu2_1, ..., relu5_1.
        pooling: "max", or "average", with which images synthesised from features are smoother (Gatys et al. 2016).

    Returns:
        The network. Its output is a list in the order of `features`. Its layers are named conv1_1 and so on, and
        preprocess: a 1x1 convolution from RGB in [0, 1] to the input of the first layer.

    Raises:
        ValueError: for a feature that the network does not have.

    Examples:
        >>> network = vgg(("relu1_2", "relu2_2"), depth=16)
        >>> [feature.shape[1:] for feature in network(np.zeros((1, 8, 8, 3), np.float32))]
        [TensorShape([8, 8, 64]), TensorShape([4, 4, 128])]
    """
    order = [f"{block}_{n}" for block, count in enumerate(DEPTHS[depth], start=1) for n in range(1, count + 1)]
    names = [f"{layer}{position}" for position in order for layer in ("conv", "relu")]
    if kind == "small":
        names = [f"relu{block}_1" for block in range(1, 6)]
    if wrong := [name for name in features if name not in names]:
        raise ValueError(
            f"features got {', '.join(wrong)}, which VGG{depth} ({kind}) does not have; accepted are "
            f"{', '.join(names)}."
        )
    widths = SMALL_WIDTHS if kind == "small" else WIDTHS
    pool = {"max": layers.MaxPooling2D, "average": layers.AveragePooling2D}[pooling]
    images = keras.Input((None, None, 3), name="images")
    x = layers.Rescaling(0.5, 0.5, name="from_0_to_1")(images)
    preprocess = layers.Conv2D(3, 1, name="preprocess")
    x = preprocess(x)
    preprocess.set_weights([255.0 * np.eye(3)[None, None, :, ::-1], -np.array(_MEAN)])
    outputs = {}
    for position in order[: max(order.index(name[4:]) for name in features) + 1]:
        block, number = map(int, position.split("_"))
        if number == 1 and block > 1:
            x = pool(2, name=f"pool{block - 1}")(x)
        pad = layers.ZeroPadding2D(1) if kind == "original" else ReflectionPadding2D(1)
        x = outputs[f"conv{position}"] = layers.Conv2D(widths[block - 1], 3, name=f"conv{position}")(pad(x))
        x = outputs[f"relu{position}"] = layers.ReLU(name=f"relu{position}")(x)
        if kind == "small" and f"relu{position}" in features:
            wide = layers.Conv2D(WIDTHS[block - 1], 1, activation="relu", name=f"conv{position}_aux")
            outputs[f"relu{position}"] = wide(x)
    return keras.Model(images, [outputs[name] for name in features], name=f"vgg{depth}")


def load_vgg(
    file: Path,
    features: Sequence[str],
    *,
    depth: int = 19,
    pooling: str = "max",
    sha256: str | None = None,
    flag: str = "--weights",
) -> keras.Model:
    """`vgg` with the weights of a file, frozen. The kind follows from the names of the arrays.

    Args:
        file: .npz of kernels conv1_1_w (HWIO), biases conv1_1_b and so on. A file with pre_w and pre_b, the
            preprocessing, has normalised weights. A file with conv0_w, conv11_w, conv11_aux_w and so on has small ones.
        features: see `vgg`. Layers beyond the deepest feature may be missing in the file.
        depth: 16 or 19.
        pooling: see `vgg`.
        sha256: the SHA-256 that the file must have; None: any.
        flag: the flag that named the file, for errors.

    Raises:
        UserError: naming the flag, if the file does not contain such weights.
    """
    arrays = read_arrays(file, flag, sha256)
    kind: Kind = "small" if "conv0_w" in arrays else "normalised" if "pre_w" in arrays else "original"
    network = vgg(features, depth=depth, kind=kind, pooling=pooling)
    known = {"pre": "preprocess", "conv0": "preprocess"}
    if kind == "small":
        known |= {f"conv{block}{n}": f"conv{block}_{n}" for block in range(1, 6) for n in range(1, 5)}
        known |= {f"conv{block}1_aux": f"conv{block}_1_aux" for block in range(1, 6)}
    named = {f"{known.get(key[:-2], key[:-2])}{key[-2:]}": array for key, array in arrays.items()}
    loaded = [layer for layer in network.layers if layer.weights and (layer.name != "preprocess" or kind != "original")]
    set_weights(loaded, named, file, f"VGG{depth}", flag)
    network.trainable = False
    return network
