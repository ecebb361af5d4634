"""A segmenter: a small network that tells the class of every pixel, trained on the real pairs of the data at hand.

It is trained at the first evaluation and kept in a file with all that its weights depend on, so that runs on the same
data are judged by the same one.
"""

from __future__ import annotations

import hashlib
import json
import sys
import zipfile
import zlib
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from keras_gen.errors import UserError
from keras_gen.files import replacing, require_writable
from keras_gen.metrics.labels import IGNORED, LabelMaps, Pairs

_BATCH = 8  # training images per step
_LEARNING_RATE = 2e-3  # Adam's first step size; it falls to 0 along half a cosine
_LEVELS, _FILTERS = 4, 16  # halvings of the image at most, and channels after the first


def segmenter_network(image_size: int, channels: int, classes: int) -> keras.Model:
    """Images -> class scores of every pixel, (batch, S, S, channels) -> (batch, S, S, classes) logits.

    An encoder of stride 2 to 16, whose levels the decoder takes up again one by one (the skips of FCN-8s, carried on to
    stride 2); from there the scores are interpolated. Batch normalisation: that of an instance would hide the contrast
    of an image, by which generated ones differ.
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
    """Tells the class of every pixel of an image, and what it was trained on."""

    def __init__(self, image_size: int, channels: int, classes: int, identity: dict[str, Any]) -> None:
        """Args:
        image_size: side of the images, even [pixels].
        channels: of the images.
        classes: number of classes.
        identity: what the weights depend on, as plain values: data, seed, length of training. Weights are stored
            with it and read back only for an equal one.
        """
        self.classes = classes
        self.network = segmenter_network(image_size, channels, classes)
        shape = {"image_size": image_size, "channels": channels, "classes": classes}
        network = f"convolutional encoder-decoder, {self.network.count_params():,} weights"
        # Through JSON and back, so that it equals itself when it is read from a file.
        self.identity = json.loads(json.dumps({"network": network, **shape, **identity}))

    @property
    def name(self) -> str:
        """A file name that equal identities share and others do not."""
        digest = hashlib.sha256(json.dumps(self.identity, sort_keys=True).encode()).hexdigest()
        return f"segmenter-{digest[:10]}.npz"

    def train(self, batches: tf.data.Dataset, steps_per_epoch: int, epochs: int, verbose: int = 0) -> None:
        """Train by Adam on the cross-entropy of the classes.

        Args:
            batches: endless (image, labels): float32 (batch, S, S, channels) in [-1, 1], int32 (batch, S, S).
            steps_per_epoch: batches that count as one epoch.
            epochs: their number.
            verbose: 1 shows Keras' progress bar.
        """
        rate = keras.optimizers.schedules.CosineDecay(_LEARNING_RATE, epochs * steps_per_epoch)
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=IGNORED)
        self.network.compile(keras.optimizers.Adam(rate), loss)
        self.network.fit(batches, epochs=epochs, steps_per_epoch=steps_per_epoch, shuffle=False, verbose=verbose)

    def __call__(self, images: tf.Tensor) -> tf.Tensor:
        """The classes of images: (batch, S, S, channels) in [-1, 1] -> int32 (batch, S, S)."""
        return tf.argmax(self.network(images, training=False), axis=-1, output_type=tf.int32)

    def save(self, path: Path) -> None:
        """Write weights and identity into one .npz file, complete or not at all."""
        weights = {f"weight{i:03d}": w for i, w in enumerate(self.network.get_weights())}
        try:
            with replacing(path) as temporary, open(temporary, "wb") as file:
                np.savez(file, identity=json.dumps(self.identity), **weights)
        except OSError as error:
            raise UserError(f"--segmenter {path} cannot be written: {error.strerror or error}.") from None

    def load(self, path: Path) -> None:
        """Read weights that `save` wrote for an equal identity.

        Raises:
            UserError: if the file is none of these, or was trained on or for something else.
        """
        try:
            with open(path, "rb") as raw, np.load(raw, allow_pickle=False) as file:
                identity = json.loads(str(file["identity"]))
                weights = [file[name] for name in sorted(file.files) if name.startswith("weight")]
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise UserError(f"--segmenter {path} is no segmenter that an evaluation wrote ({error}).") from None
        differing = [key for key in self.identity | identity if self.identity.get(key) != identity.get(key)]
        if differing:
            key = differing[0]
            raise UserError(
                f"--segmenter {path} was trained with {key} {identity.get(key)!r}, and here {key} is "
                f"{self.identity.get(key)!r}: name another file, which is then trained and written."
            )
        self.network.set_weights(weights)


def open_segmenter(
    data: Pairs, labels: LabelMaps, image_size: int, place: Path, *, epochs: int, seed: int
) -> Segmenter:
    """The segmenter of the data: read from its file, or trained on the real training pairs and written there.

    Args:
        data: whose targets it tells the classes of.
        labels: how its sources are read as label maps.
        image_size: side of the images [pixels].
        place: a file, or a folder in which the file is named by what the weights depend on.
        epochs: passes over the training pairs.
        seed: of the weights; the order is the data's.

    Raises:
        UserError: if the file cannot be read or written, or is of another training.
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
    file = place / segmenter.name if place.is_dir() else place
    if file.exists():
        segmenter.load(file)
    else:
        require_writable(file, "--segmenter")
        print(f"training a segmenter on the real pairs, kept in {file}", flush=True)
        pairs = data.train(_BATCH).map(lambda source, target: (target, labels.read(source)), tf.data.AUTOTUNE)
        segmenter.train(pairs, steps, epochs, verbose=1 if sys.stdout.isatty() else 0)
        segmenter.save(file)
    return segmenter
