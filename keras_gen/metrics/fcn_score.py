"""The FCN score: do a segmenter's labels of the generated images agree with the label maps they were drawn from?

A segmenter that was trained on real images recognises in a generated one what it would recognise in a photograph, if
the generated one looks real and shows each thing where the label map has it. The score is how well its classes agree
with the label map, by the three figures of semantic segmentation (Long, Shelhamer, Darrell 2015, arXiv 1411.4038,
section 5), which Isola et al. 2017 (arXiv 1611.07004, section 4.1, Table 1) report for pix2pix. Those of real images
beside it say how far the segmenter itself can be trusted.

Departures from the paper: its segmenter is FCN-8s with the weights of VGG-16, trained on Cityscapes; this one is a
small network trained from random weights on the training pairs of the data at hand. Scores compare runs that share one
segmenter, and are not comparable with the paper's.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import zipfile
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from keras_gen.errors import UserError
from keras_gen.files import replacing

IGNORED = -1
"""The label of a pixel that is left out of training and of the figures."""
BATCH = 8
"""Training images per step of the segmenter [images]."""
LEARNING_RATE = 2e-3
"""Adam's first step size for the segmenter; it falls to 0 along half a cosine."""
_LEVELS, _FILTERS = 4, 16  # halvings of the image at most, and channels after the first


# -- labels --------------------------------------------------------------------------------------------------------


def labels_of_scores(source: tf.Tensor) -> tf.Tensor:
    """Class ids of label maps that are one-hot channels: (..., classes) -> (...) int32."""
    return tf.argmax(source, axis=-1, output_type=tf.int32)


def labels_of_colours(source: tf.Tensor, palette: np.ndarray) -> tf.Tensor:
    """Class ids of label maps that are pictures in the colours of `palette`.

    A pixel takes the class of the nearest colour if it is nearer to it than half the smallest distance between two
    colours of the palette. Others are ambiguous (blends at the edge of two classes, strong JPEG noise) and `IGNORED`.

    Args:
        source: RGB in [-1, 1], shape (..., 3).
        palette: RGB in [0, 255], shape (classes, 3).

    Returns:
        int32 of shape (...).
    """
    palette = np.asarray(palette, np.float32)
    between = np.linalg.norm(palette[:, None] - palette, axis=-1)
    radius = between[~np.eye(len(palette), dtype=bool)].min() / 2.0
    distances = tf.norm((source[..., None, :] + 1.0) * 127.5 - palette, axis=-1)
    nearest = tf.argmin(distances, axis=-1, output_type=tf.int32)
    return tf.where(tf.reduce_min(distances, axis=-1) < radius, nearest, IGNORED)


# -- figures -------------------------------------------------------------------------------------------------------


def confusion_matrix(labels: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """How many pixels of class i were taken for class j: int64 (classes, classes), without the `IGNORED` ones.

    Args:
        labels: true class ids, any shape.
        predicted: class ids of the same shape, 0 to classes - 1.
        classes: their number.
    """
    labels, predicted = np.asarray(labels), np.asarray(predicted)
    counted = labels != IGNORED
    cells = labels[counted].astype(np.int64) * classes + predicted[counted]
    return np.bincount(cells, minlength=classes**2).reshape(classes, classes)


@dataclasses.dataclass(frozen=True)
class Scores:
    """Agreement of predicted with true classes, each in [0, 1] (Long et al. 2015, section 5)."""

    pixel_accuracy: float
    """Share of all pixels whose class is right."""
    class_accuracy: float
    """Share of a class's pixels that are right, mean over classes."""
    class_iou: float
    """Intersection over union of a class's true and predicted pixels, mean over classes."""


def scores(confusion: np.ndarray) -> Scores:
    """The figures of a confusion matrix; classes without a true pixel are left out of the means over classes."""
    true, predicted, right = confusion.sum(1), confusion.sum(0), np.diag(confusion)
    if not true.sum():
        raise ValueError("confusion got a matrix without a pixel; accepted is one with at least one.")
    occurs = true > 0
    union = true + predicted - right
    return Scores(
        pixel_accuracy=float(right.sum() / true.sum()),
        class_accuracy=float(np.mean(right[occurs] / true[occurs])),
        class_iou=float(np.mean(right[occurs] / union[occurs])),
    )


# -- the segmenter -------------------------------------------------------------------------------------------------


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
        rate = keras.optimizers.schedules.CosineDecay(LEARNING_RATE, epochs * steps_per_epoch)
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
