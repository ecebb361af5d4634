"""SqueezeNet 1.1 without its classifier (Iandola et al. 2016, arXiv 1602.07360)."""

from __future__ import annotations

import keras
from keras import layers


def squeezenet() -> keras.Model:
    """A functional network: normalised RGB images (batch, h, w, 3) -> the outputs of conv1, fire3, fire5 to fire9."""
    x = images = keras.Input((None, None, 3))
    x = layers.Conv2D(64, 3, 2, activation="relu", name="conv1")(x)
    features = [x]
    for fire, squeezed in enumerate((16, 16, 32, 32, 48, 48, 64, 64), start=2):
        if fire in (2, 4, 6):
            # The last pooling window may extend beyond the edge. Zeros there change nothing: features are not negative.
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
