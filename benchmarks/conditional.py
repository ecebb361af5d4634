"""Measure whether a conditional VAE generates the requested class, with a classifier trained on real images.

The classifier is scikit-learn's logistic regression on the pixels of the training images. Its accuracy on generated
images, with equal numbers of each class, is printed beside that on real validation images. The latter is a practical
upper bound, because a good image can be misclassified.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro
from sklearn.linear_model import LogisticRegression

from apps._data import reopen
from keras_gen import models
from keras_gen.cli.parsing import app, parse
from keras_gen.engine.config import read_config
from keras_gen.errors import UserError
from keras_gen.flags import BaseConfig, NonNegative, Positive

EXAMPLE = "python -m benchmarks.conditional savedmodels/cvae/RUN"


@dataclass(frozen=True)
class Flags(BaseConfig):
    run: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]
    """Run folder of train_cvae."""
    per_class: Positive[int] = 200
    """Generated images per class [images]."""
    train_images: Positive[int] = 10_000
    """Training images for the classifier, at most [images]."""
    seed: NonNegative[int] = 0
    """Random seed of the generated images [integer]."""


@app
def main(argv: Sequence[str] | None = None) -> None:
    """Train the classifier, generate and classify images, and print the accuracies."""
    flags = parse(Flags, argv, example=EXAMPLE)
    if (family := read_config(flags.run)["family"]) != "cvae":
        raise UserError(f"{flags.run} is a run of {family}; accepted are runs of cvae.")
    (model, step), data = models.load(flags.run), reopen(flags.run)
    count = min(flags.train_images, data.train_size)
    classifier = LogisticRegression(max_iter=1000).fit(*_flat(data.train(count).take(1)))
    real = classifier.score(*_flat(data.validation(1000)))
    classes = range(model.config.num_classes)
    drawn = [_read(classifier, model.generate(flags.per_class, flags.seed, label)) for label in classes]
    accuracies = [float(np.mean(found == label)) for label, found in zip(classes, drawn, strict=True)]
    print(
        f"{flags.run}, step {step}: accuracy of logistic regression on {count} training images\n"
        f"  real validation images ({data.val_size}): {real:.1%}\n"
        f"  {flags.per_class} generated images per class (seed {flags.seed}): {np.mean(accuracies):.1%}, worst class "
        f"{data.classes[int(np.argmin(accuracies))]} {min(accuracies):.1%}"
    )


def _flat(batches: object) -> tuple[np.ndarray, np.ndarray]:
    images, labels = zip(*batches, strict=True)
    return np.concatenate(images).reshape(sum(map(len, labels)), -1), np.concatenate(labels)


def _read(classifier: LogisticRegression, pictures: object) -> np.ndarray:
    return classifier.predict(np.asarray(pictures).reshape(len(pictures), -1))


if __name__ == "__main__":
    sys.exit(main())
