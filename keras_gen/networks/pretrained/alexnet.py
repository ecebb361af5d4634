"""AlexNet's convolutional layers (Krizhevsky 2014, arXiv 1404.5997, the single-GPU version)."""

from __future__ import annotations

import keras
from keras import layers


def alexnet() -> keras.Model:
    """A functional network: normalised RGB images (batch, h, w, 3) -> the outputs of conv1 to conv5 after ReLU."""
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
