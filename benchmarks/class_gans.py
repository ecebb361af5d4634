"""Do GANs of classes draw the class that they are asked for, and is a category of InfoGAN a digit?

    python -m benchmarks.class_gans --data PATH_OF_MNIST --cgan RUN --acgan RUN --infogan RUN

A small convolutional network learns the digits from the training images and is tested on the test images. Of runs of
CGAN and ACGAN it reads 1,000 pictures of each class: the share whose class is the one asked for. Of runs of InfoGAN the
recogniser reads the category of each test image; categories are matched with digits one to one, as well as that can be
done on the same images, and the error is the share of images of another digit (Chen et al. 2016, section 7.2).
"""

from __future__ import annotations

import argparse
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from keras import layers
from scipy.optimize import linear_sum_assignment

from keras_gen import models
from keras_gen.data.kinds.images import ImagesConfig, ImagesData
from keras_gen.engine.model import GenerativeModel

_BATCH, _OF_EACH_CLASS = 500, 1000


def classifier(data: ImagesData, steps: int, seed: int) -> keras.Model:
    """A network that was trained on the training images: images -> a logit for each class."""
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
    """Share of pictures whose class, read by `network`, is the one that was asked for."""
    right = 0.0
    for label in range(model.config.num_classes):
        pictures = model.generate(_OF_EACH_CLASS, seed=label, label=label)
        read = np.argmax(network.predict(pictures, batch_size=_BATCH, verbose=0), axis=-1)
        right += np.mean(read == label)
    return right / model.config.num_classes


def matching_error(model: GenerativeModel, data: ImagesData) -> float:
    """Share of test images whose category is not the one matched with their class."""
    recogniser, continuous = model.serving()["recogniser"].network, model.config.continuous
    table = np.zeros((model.config.categories, data.num_classes), int)
    for images, labels in data.validation(_BATCH):
        category = tf.argmax(recogniser(images, training=False)[:, continuous:], axis=-1)
        np.add.at(table, (category.numpy(), np.asarray(labels)), 1)
    return 1.0 - table[linear_sum_assignment(-table)].sum() / table.sum()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="folder with MNIST's idx files")
    parser.add_argument("--steps", type=int, default=3000, help="of 128, that train the classifier")
    parser.add_argument("--seed", type=int, default=0, help="of the classifier")
    parser.add_argument(
        "--classifier", type=Path, metavar="FILE.keras", help="file to read it from; written if it is not there"
    )
    for family in ("cgan", "acgan", "infogan"):
        parser.add_argument(f"--{family}", type=Path, nargs="*", default=[], help=f"runs of train_{family}")
    flags = parser.parse_args()

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
        print(f"{run.name}, step {step}: {100 * share:.2f} % of pictures are of the class asked for", flush=True)
    for run in flags.infogan:
        model, step = models.load(run)
        error = matching_error(model, data)
        print(f"{run.name}, step {step}: {100 * error:.2f} % error of the categories on test images", flush=True)


if __name__ == "__main__":
    main()
