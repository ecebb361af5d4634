"""Measure whether class-conditional GANs generate the requested class, and whether InfoGAN's categories are digits.

    python -m benchmarks.class_gans --data PATH_OF_MNIST --cgan RUN --acgan RUN --infogan RUN

A small convolutional classifier is trained on the training images and tested on the test images. For runs of CGAN and
ACGAN, it classifies 1,000 generated images of each class; the result is the fraction with the requested class. For runs
of InfoGAN, the recogniser predicts the category of each test image. Categories are matched one to one with digits, in
the best way for these images; the error is the fraction of images with another digit (Chen et al. 2016, section 7.2).
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from keras import layers
from scipy.optimize import linear_sum_assignment

from keras_gen import models
from keras_gen.cli.parsing import app, parse
from keras_gen.data.kinds.images import ImagesConfig, ImagesData
from keras_gen.engine.model import GenerativeModel
from keras_gen.flags import BaseConfig, NonNegative, Positive

_BATCH, _OF_EACH_CLASS = 500, 1000


def classifier(data: ImagesData, steps: int, seed: int) -> keras.Model:
    """Train a classifier on the training images: images -> a logit for each class."""
    keras.utils.set_random_seed(seed)
    network = keras.Sequential(
        [
            keras.Input((data.image_size, data.image_size, data.channels)),
            layers.Conv2D(32, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(64, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dropout(0.5),
            layers.Dense(data.num_classes),
        ]
    )
    network.compile(
        keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(2e-3, steps)),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        steps_per_execution=50,
    )
    network.fit(data.train(128), steps_per_epoch=steps, epochs=1, verbose=0)
    return network


def share_asked_for(model: GenerativeModel, network: keras.Model) -> float:
    """Fraction of generated images that `network` classifies as the requested class."""
    right = 0.0
    for label in range(model.config.num_classes):
        pictures = model.generate(_OF_EACH_CLASS, seed=label, label=label)
        read = np.argmax(network.predict(pictures, batch_size=_BATCH, verbose=0), axis=-1)
        right += np.mean(read == label)
    return right / model.config.num_classes


def matching_error(model: GenerativeModel, data: ImagesData) -> float:
    """Fraction of test images whose category is not the one matched with their class."""
    recogniser, continuous = model.serving()["recogniser"].network, model.config.continuous
    table = np.zeros((model.config.categories, data.num_classes), int)
    for images, labels in data.validation(_BATCH):
        category = tf.argmax(recogniser(images, training=False)[:, continuous:], axis=-1)
        np.add.at(table, (category.numpy(), np.asarray(labels)), 1)
    return 1.0 - table[linear_sum_assignment(-table)].sum() / table.sum()


@dataclass(frozen=True)
class Flags(BaseConfig):
    data: str
    """Folder with MNIST's idx files."""
    steps: Positive[int] = 3000
    """Training steps of the classifier, with batches of 128 [steps]."""
    seed: NonNegative[int] = 0
    """Random seed of the classifier [integer]."""
    classifier: Path | None = None
    """File of the classifier, .keras, which is trained and written if it does not exist."""
    cgan: tuple[Path, ...] = ()
    """Run folders of train_cgan."""
    acgan: tuple[Path, ...] = ()
    """Run folders of train_acgan."""
    infogan: tuple[Path, ...] = ()
    """Run folders of train_infogan."""


@app
def main(argv: Sequence[str] | None = None) -> None:
    """Train or load the classifier, and print a line for each run."""
    flags = parse(Flags, argv, example="python -m benchmarks.class_gans --data mnist --cgan RUN --infogan RUN")
    data = ImagesConfig(data=flags.data).open(flags.seed)
    if flags.cgan or flags.acgan:
        kept = flags.classifier
        network = keras.models.load_model(kept) if kept and kept.exists() else classifier(data, flags.steps, flags.seed)
        if kept and not kept.exists():
            network.save(kept)
        read = [
            np.argmax(network(images, training=False), axis=-1) == labels for images, labels in data.validation(_BATCH)
        ]
        print(f"classifier: {100 * np.mean(np.concatenate(read)):.2f} % of {data.val_size} test images", flush=True)
    for run in (*flags.cgan, *flags.acgan):
        model, step = models.load(run)
        share = share_asked_for(model, network)
        print(f"{run.name}, step {step}: {100 * share:.2f} % of images have the requested class", flush=True)
    for run in flags.infogan:
        model, step = models.load(run)
        error = matching_error(model, data)
        print(f"{run.name}, step {step}: {100 * error:.2f} % error of the categories on test images", flush=True)


if __name__ == "__main__":
    sys.exit(main())
