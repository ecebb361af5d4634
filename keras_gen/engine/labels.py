"""Labels of class-conditional families: the fields of their configurations, batches, and the classes to generate."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Annotated

import tensorflow as tf

from keras_gen.engine.feeding import Part
from keras_gen.flags import OF_TRAINING, BaseConfig, Hidden, NonNegative, class_names, class_of, require_labels
from keras_gen.ops.latents import latent_vectors
from keras_gen.visual.views import Sheet


@dataclasses.dataclass(frozen=True)
class Labelled(BaseConfig):
    """Fields of the families that learn from labels."""

    num_classes: Hidden[NonNegative[int]] = 10
    classes: Annotated[Hidden[tuple[str, ...]], OF_TRAINING] = ()

    def check_together(self) -> None:
        """The data must have classes."""
        super().check_together()
        require_labels(self, "a class-conditional model")


class ClassConditional:
    """Methods of a `GenerativeModel` that generates images of a chosen class. Its configuration is `Labelled`."""

    def batch_parts(self, training: bool = True) -> tuple[Part, ...]:
        """(image, label)."""
        images, labels = super().batch_parts(training)
        return images, dataclasses.replace(labels, classes=self.config.num_classes)

    def labels_to_generate(self, count: int, label: int | str | None = None) -> tf.Tensor:
        """Labels of `count` images, int32 (count,): all of one class, or cycling through the classes.

        Args:
            count: number of images.
            label: number or name of a class; None: cycle.

        Raises:
            UserError: if there is no such class.
        """
        if label is None:
            return tf.range(count) % self.config.num_classes
        return tf.fill((count,), class_of(label, self.config.num_classes, self.config.classes))

    def class_sheet(self, generate: Callable[[tf.Tensor, tf.Tensor], tf.Tensor], rows: int) -> Sheet:
        """A sheet with one column per class and the same latent vector within each row.

        Args:
            generate: maps latent vectors (rows, latent_dim) and labels (rows,) to images.
            rows: number of latent vectors.
        """
        latents = latent_vectors(rows, self.config.latent_dim, seed=0)
        columns = {
            name: generate(latents, tf.fill((rows,), number)) for number, name in enumerate(class_names(self.config))
        }
        return Sheet(columns, "A column for each class; the latent vector is the same within a row.")
