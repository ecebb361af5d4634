"""A small segmentation network, trained on the real pairs of a data set.

It is trained at the first evaluation and stored in a file, together with everything that its weights depend on. So
all runs on the same data are evaluated by the same segmenter.
"""

from __future__ import annotations

import hashlib
import json
import logging
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from keras_gen.errors import UserError
from keras_gen.files import replacing, require_writable
from keras_gen.metrics.labels import IGNORED, LabelMaps, Pairs

_LOG = logging.getLogger("keras_gen")
_BATCH = 8  # training images per step
_LEARNING_RATE = 2e-3  # initial learning rate of Adam; it decays to 0 along half a cosine
_LEVELS, _FILTERS = 4, 16  # maximum number of halvings, and channels after the first


def segmenter_network(image_size: int, channels: int, classes: int) -> keras.Model:
    """A functional network from images (batch, S, S, channels) to the logits of every pixel, (batch, S, S, classes).

    The encoder halves the image up to four times. The decoder uses skip connections at every level down to stride 2
    (FCN-8s stops at stride 8), and the logits are then upsampled bilinearly. It has batch normalisation, because
    instance normalisation would remove an image's contrast, in which generated and real images differ.

    Args:
        image_size: side S of the images, even [pixels].
        channels: channels of the images.
        classes: number of classes.
    """
    levels = 1
    while levels < _LEVELS and image_size % 2 ** (levels + 1) == 0:
        levels += 1

    def block(x: keras.KerasTensor, width: int, kernel: int = 3, stride: int = 1) -> keras.KerasTensor:
        x = layers.Conv2D(width, kernel, stride, "same", use_bias=False)(x)
        return layers.ReLU()(layers.BatchNormalization(momentum=0.9)(x))

    images = keras.Input((image_size, image_size, channels), name="images")
    widths = [_FILTERS * min(2**level, 4) for level in range(levels)]
    encoded = [block(images, widths[0], kernel=4, stride=2)]
    for width in widths[1:]:
        encoded.append(block(block(encoded[-1], width, stride=2), width))
    x = encoded.pop()
    for skip in reversed(encoded):
        x = layers.Concatenate()([layers.UpSampling2D()(x), skip])
        x = block(x, max(skip.shape[-1], 2 * _FILTERS))
    x = layers.Conv2D(classes, 3, padding="same")(x)
    x = layers.UpSampling2D(interpolation="bilinear")(x)
    return keras.Model(images, x, name="segmenter")


class Segmenter:
    """A segmentation network and a description of its training.

    Attributes:
        classes: number of classes.
        network: see `segmenter_network`.
        identity: what the weights depend on.

    Examples:
        >>> segmenter = Segmenter(16, 3, 2, {"seed": 0})
        >>> segmenter(tf.zeros((1, 16, 16, 3))).shape
        TensorShape([1, 16, 16])
    """

    def __init__(self, image_size: int, channels: int, classes: int, identity: dict[str, Any]) -> None:
        """Args:
        image_size: side of the images, even [pixels].
        channels: channels of the images.
        classes: number of classes.
        identity: what the weights depend on (data, seed, length of training), as values that JSON can hold. It is
            stored with the weights, and `load` requires it to be equal.
        """
        self.classes = classes
        self.network = segmenter_network(image_size, channels, classes)
        shape = {"image_size": image_size, "channels": channels, "classes": classes}
        network = f"convolutional encoder-decoder, {self.network.count_params():,} weights"
        # To JSON and back, so that it compares equal to an identity that was read from a file.
        self.identity = json.loads(json.dumps({"network": network, **shape, **identity}))

    @property
    def name(self) -> str:
        """A file name that depends on the identity."""
        digest = hashlib.sha256(json.dumps(self.identity, sort_keys=True).encode()).hexdigest()
        return f"segmenter-{digest[:10]}.npz"

    def train(self, batches: tf.data.Dataset, steps_per_epoch: int, epochs: int, verbose: int = 0) -> None:
        """Trains the network with Adam on the cross-entropy.

        Args:
            batches: an infinite data set of (images, labels): float32 (batch, S, S, channels) in [-1, 1] and int32
                (batch, S, S).
            steps_per_epoch: batches per epoch.
            epochs: number of epochs.
            verbose: 1 shows Keras' progress bar.
        """
        rate = keras.optimizers.schedules.CosineDecay(_LEARNING_RATE, epochs * steps_per_epoch)
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=IGNORED)
        self.network.compile(keras.optimizers.Adam(rate), loss)
        self.network.fit(batches, epochs=epochs, steps_per_epoch=steps_per_epoch, shuffle=False, verbose=verbose)

    def __call__(self, images: tf.Tensor) -> tf.Tensor:
        """Predicts the class of every pixel: (batch, S, S, channels) in [-1, 1] -> int32 (batch, S, S)."""
        return tf.argmax(self.network(images, training=False), axis=-1, output_type=tf.int32)

    def save(self, path: Path) -> None:
        """Writes weights and identity to an .npz file, atomically.

        Raises:
            UserError: if the file cannot be written.
        """
        weights = {f"weight{i:03d}": w for i, w in enumerate(self.network.get_weights())}
        try:
            with replacing(path) as temporary, open(temporary, "wb") as file:
                np.savez(file, identity=json.dumps(self.identity), **weights)
        except OSError as error:
            raise UserError(f"--segmenter {path} cannot be written: {error.strerror or error}.") from None

    def load(self, path: Path) -> None:
        """Reads weights that `save` wrote.

        Raises:
            UserError: if it is not such a file, or its identity is different.
        """
        try:
            with open(path, "rb") as raw, np.load(raw, allow_pickle=False) as file:
                identity = json.loads(str(file["identity"]))
                weights = [file[name] for name in sorted(file.files) if name.startswith("weight")]
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise UserError(f"--segmenter {path} is not a segmenter that an evaluation wrote ({error}).") from None
        differing = [key for key in self.identity | identity if self.identity.get(key) != identity.get(key)]
        if differing:
            key = differing[0]
            raise UserError(
                f"--segmenter {path} was trained with {key} {identity.get(key)!r}, but here {key} is "
                f"{self.identity.get(key)!r}; name a file that does not exist to train another segmenter."
            )
        self.network.set_weights(weights)


def open_segmenter(
    data: Pairs,
    labels: LabelMaps,
    image_size: int,
    path: Path,
    *,
    epochs: int,
    seed: int,
    say: Callable[[str], None] = _LOG.info,
    verbose: int = 0,
) -> Segmenter:
    """The segmenter of a data set: loaded from its file, or trained on the real training pairs and saved.

    Args:
        data: the pairs. The segmenter is trained on their targets.
        labels: how their sources are read as label maps.
        image_size: side of the images [pixels].
        path: a file, or a folder, in which the name of the file depends on the segmenter's identity.
        epochs: epochs of training.
        seed: seed of the initial weights.
        say: reports the start of training; by default to the logger "keras_gen".
        verbose: 1 shows Keras' progress bar.

    Raises:
        UserError: if the file cannot be read or written, or its segmenter was trained differently.
    """
    steps = max(1, data.train_size // _BATCH)
    digest = 0
    for source, target in data.validation(_BATCH):
        digest = zlib.crc32(np.asarray(target).tobytes(), zlib.crc32(np.asarray(labels.read(source)).tobytes(), digest))
    identity = {
        "pairs": data.describe().splitlines()[0],
        "validation_crc32": digest,
        "labels": labels.rule,
        "training": f"{epochs} epochs of {steps} steps of {_BATCH} augmented pairs by Adam from {_LEARNING_RATE}",
        "seed": seed,
    }
    keras.utils.set_random_seed(seed)
    segmenter = Segmenter(image_size, data.target_channels, len(labels.classes), identity)
    file = path / segmenter.name if path.is_dir() else path
    if file.exists():
        segmenter.load(file)
    else:
        require_writable(file, "--segmenter")
        say(f"training a segmenter on the real pairs, to be saved in {file}")
        pairs = data.train(_BATCH).map(lambda source, target: (target, labels.read(source)), tf.data.AUTOTUNE)
        segmenter.train(pairs, steps, epochs, verbose)
        segmenter.save(file)
    return segmenter
