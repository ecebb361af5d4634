"""Small networks whose features compare sets of images where the Inception network makes little sense.

They are trained by `apps.train_features`, on labelled images, and stored in one file each with a description of the
data and their accuracy. The file of MNIST is part of the package.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from keras_gen.errors import UserError
from keras_gen.files import replacing
from keras_gen.networks.pretrained.weights import read_arrays, set_weights

FEATURES = 64
"""Length of a feature vector."""
_STORED = Path(__file__).parent / "stored"
_RATE = 1e-3  # initial learning rate of Adam; it decays to 0 along half a cosine
_DROPOUT = 0.3  # of the features, in training
_SHIFT = 2  # largest random shift of a training image [pixels]


@dataclass(frozen=True)
class About:
    """What a network was trained on.

    Attributes:
        name: name of the network, which scores bear: frechet_NAME.
        side: height and width of the images [pixels].
        channels: 1 or 3.
        classes: names of the classes.
        data: what it was trained on, and the licence.
        accuracy: share of other images that it classifies correctly.
        images: number of these images.
    """

    name: str
    side: int
    channels: int
    classes: tuple[str, ...]
    data: str
    accuracy: float
    images: int


def small_network(side: int, channels: int, classes: int) -> keras.Model:
    """A functional network: images in [0, 255], (batch, side, side, channels) -> features and logits.

    Features are (batch, 64), logits (batch, classes). In training, features are dropped at random before the logits.

    Args:
        side: height and width of the images [pixels].
        channels: channels of the images.
        classes: number of classes.

    Examples:
        >>> [output.shape for output in small_network(28, 1, 10)(np.zeros((2, 28, 28, 1)))]
        [TensorShape([2, 64]), TensorShape([2, 10])]
    """
    images = keras.Input((side, side, channels), name="images")
    x = layers.Rescaling(1 / 127.5, -1.0, name="scale")(images)
    for number, (width, stride) in enumerate(((32, 2), (48, 1), (64, 2), (96, 1)), start=1):
        x = layers.Conv2D(width, 3, stride, "same", activation="relu", name=f"conv{number}")(x)
    # Means over quarters of the image, because what is where matters to clothes and digits.
    cells = layers.AveragePooling2D(max(1, x.shape[1] // 2))(x)
    features = layers.Dense(FEATURES, activation="relu", name="features")(layers.Flatten()(cells))
    logits = layers.Dense(classes, name="logits")(layers.Dropout(_DROPOUT)(features))
    return keras.Model(images, [features, logits], name="small_network")


def train(
    network: keras.Model, batches: tf.data.Dataset, steps_per_epoch: int, epochs: int, *, mirror: bool, verbose: int = 0
) -> None:
    """Trains a network with Adam on the cross-entropy of the classes.

    Args:
        network: the result of `small_network`.
        batches: an infinite data set of images in [-1, 1] and labels int32 (batch,).
        steps_per_epoch: batches per epoch.
        epochs: number of epochs.
        mirror: also train on mirrored images.
        verbose: 1 shows Keras' progress bar.
    """
    classifier = keras.Model(network.inputs, network.outputs[1])
    rate = keras.optimizers.schedules.CosineDecay(_RATE, epochs * steps_per_epoch)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    classifier.compile(keras.optimizers.Adam(rate), loss)

    def augmented(images: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        size = tf.shape(images)
        padded = tf.pad(images, [[0, 0], [_SHIFT, _SHIFT], [_SHIFT, _SHIFT], [0, 0]], constant_values=-1.0)
        images = tf.image.random_crop(padded, size)  # the whole batch is shifted alike
        if mirror:
            images = tf.image.random_flip_left_right(images)
        return (images + 1.0) * 127.5, labels

    classifier.fit(
        batches.map(augmented, tf.data.AUTOTUNE), epochs=epochs, steps_per_epoch=steps_per_epoch, verbose=verbose
    )


def accuracy(network: keras.Model, batches: Iterable[tuple[tf.Tensor, tf.Tensor]]) -> tuple[float, int]:
    """Share of images that are classified correctly, and their number.

    Args:
        network: the result of `small_network`.
        batches: images in [-1, 1] and labels int32 (batch,).
    """
    classify = tf.function(lambda images: tf.argmax(network((images + 1.0) * 127.5)[1], axis=-1), reduce_retracing=True)
    right = np.concatenate([np.asarray(classify(images)) == np.asarray(labels) for images, labels in batches])
    return float(right.mean()), len(right)


def save(path: Path, network: keras.Model, about: About) -> None:
    """Writes a network to an .npz file, atomically: float16 weights, and `about` as JSON."""
    arrays = {}
    for layer in network.layers:
        for suffix, values in zip("wb", layer.get_weights(), strict=False):
            arrays[f"{layer.name}_{suffix}"] = values.astype(np.float16)
    with replacing(path) as temporary, open(temporary, "wb") as file:
        np.savez_compressed(file, about=json.dumps(asdict(about)), **arrays)


def stored() -> dict[str, Path]:
    """Name -> file, of the networks in the package."""
    return {file.stem: file for file in sorted(_STORED.glob("*.npz"))}


def load(path: Path, flag: str = "--features") -> tuple[keras.Model, About]:
    """A network that `save` wrote, frozen.

    Args:
        path: the file.
        flag: the flag that named it, for errors.

    Raises:
        UserError: naming the flag, if it is not such a file.
    """
    arrays = read_arrays(path, flag)
    about = _about(arrays, path, flag)
    network = small_network(about.side, about.channels, len(about.classes))
    weights = {name: np.asarray(array, np.float32) for name, array in arrays.items() if name != "about"}
    set_weights([layer for layer in network.layers if layer.weights], weights, path, "a small network", flag)
    network.trainable = False
    return network, about


def _about(arrays: Mapping[str, np.ndarray], path: Path, flag: str) -> About:
    try:
        values = json.loads(str(arrays["about"]))
        return About(**{**values, "classes": tuple(values["classes"])})
    except (KeyError, TypeError, ValueError):
        raise UserError(f"{flag} {path} is not a file that apps.train_features wrote.") from None
