"""SqueezeNet (Iandola et al. 2016, arXiv 1602.07360): the features of version 1.1, and version 1.0 with its classifier.

Version 1.1 has the same accuracy with 2.4 times less computation; the published weights of LPIPS are of it.
"""

from __future__ import annotations

from pathlib import Path

import keras
from keras import layers

from keras_gen.networks.pretrained.weights import read_arrays, set_weights

FEATURES, CLASSES = 512, 1000
"""Length of a feature vector of `load_squeezenet`, and number of classes of version 1.0."""
_SQUEEZED = (16, 16, 32, 32, 48, 48, 64, 64)  # channels of fire2 to fire9
_MEAN, _DEVIATION = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)  # of ImageNet's channels in [0, 255], RGB
_MEAN_OF_1_0 = (123.0, 117.0, 104.0)


def squeezenet() -> keras.Model:
    """Version 1.1, a functional network: normalised RGB images (batch, h, w, 3) -> features.

    They are the outputs of conv1, fire3 and fire5 to fire9.
    """
    x = images = keras.Input((None, None, 3))
    x = layers.Conv2D(64, 3, 2, activation="relu", name="conv1")(x)
    features = [x]
    for fire, squeezed in enumerate(_SQUEEZED, start=2):
        x = _fire(_pooled(x) if fire in (2, 4, 6) else x, fire, squeezed)
        if fire not in (2, 4):
            features.append(x)
    return keras.Model(images, features, name="squeeze")


def _pooled(x: keras.KerasTensor) -> keras.KerasTensor:
    # The last pooling window may extend beyond the edge. Zeros there change nothing: features are not negative.
    return layers.MaxPooling2D(3, 2)(layers.ZeroPadding2D(((0, 1), (0, 1)))(x))


def _fire(x: keras.KerasTensor, fire: int, squeezed: int) -> keras.KerasTensor:
    x = layers.Conv2D(squeezed, 1, activation="relu", name=f"fire{fire}_squeeze")(x)
    wide = [
        layers.Conv2D(4 * squeezed, kernel, 1, "same", activation="relu", name=f"fire{fire}_expand{kernel}x{kernel}")
        for kernel in (1, 3)
    ]
    return layers.Concatenate(name=f"fire{fire}")([layer(x) for layer in wide])


def squeezenet_1_0() -> keras.Model:
    """Version 1.0, a functional network: BGR images minus ImageNet's mean -> output of fire9, and logits."""
    x = images = keras.Input((None, None, 3))
    x = _pooled(layers.Conv2D(96, 7, 2, activation="relu", name="conv1")(x))
    for fire, squeezed in enumerate(_SQUEEZED, start=2):
        x = _fire(x, fire, squeezed)
        if fire in (4, 8):
            x = _pooled(x)
    classes = layers.Conv2D(CLASSES, 1, activation="relu", name="conv_final")(layers.ZeroPadding2D(1)(x))
    return keras.Model(images, [x, layers.GlobalAveragePooling2D()(classes)], name="squeeze_1_0")


def load_squeezenet(file: Path, flag: str = "--weights") -> keras.Model:
    """A network from images to one feature vector each, with the weights of a file, frozen.

    It maps RGB images in [0, 255], (batch, h, w, 3), to the mean of fire9 over positions, (batch, 512), and with
    version 1.0 also to logits, (batch, 1000). The version follows from the arrays.

    Args:
        file: .npz of kernels NAME_w (HWIO) and biases NAME_b. NAME is conv1, fire2_squeeze, fire2_expand1x1,
            fire2_expand3x3 and so on for version 1.1, also with other arrays as in the file of LPIPS; conv1,
            fire2__conv1x1_1, fire2__conv1x1_2, fire2__conv3x3_2 and so on, and conv_final, for version 1.0.
        flag: the flag that named the file, for errors.

    Raises:
        UserError: naming the flag, if the file does not contain such weights.
    """
    arrays = read_arrays(file, flag)
    images = keras.Input((None, None, 3), name="images")
    if "conv_final_w" in arrays:
        body = squeezenet_1_0()
        for of_file, of_layer in (("_conv1x1_1", "squeeze"), ("_conv1x1_2", "expand1x1"), ("_conv3x3_2", "expand3x3")):
            arrays = {name.replace(of_file, of_layer): array for name, array in arrays.items()}
        last, logits = body(layers.Rescaling(1.0, [-m for m in _MEAN_OF_1_0])(images)[..., ::-1])
        outputs = [last, logits]
    else:
        body = squeezenet()
        scaled = layers.Normalization(mean=_MEAN, variance=[d * d for d in _DEVIATION])(images)
        outputs = [body(scaled)[-1]]
    set_weights([layer for layer in body.layers if layer.weights], arrays, file, "SqueezeNet", flag)
    outputs[0] = layers.GlobalAveragePooling2D(name="features")(outputs[0])
    network = keras.Model(images, outputs, name="squeezenet")
    network.trainable = False
    return network
