"""Images of which few have a label: what semi-supervised families train on.

Of every class some training images, chosen by the seed, keep their label; all training images are seen without theirs.
As 100 labelled images among 60,000 would hardly ever be met, they are a stream of their own, with an order of its own,
and each example of a batch is one of either: (seed, position) says which, as of any other data.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import tensorflow as tf

from keras_gen.data.builtin.points import POINT_SETS
from keras_gen.data.dataset import Stream
from keras_gen.data.files.folders import shown
from keras_gen.data.files.image_sources import Split
from keras_gen.data.kinds.images import ImagesConfig, ImagesData, split_of
from keras_gen.errors import UserError
from keras_gen.flags import Positive


@dataclass(frozen=True)
class SemiSupervisedConfig(ImagesConfig):
    """Which images to read, how, and how many of them have labels."""

    labels_per_class: Positive[int] = 10
    """Training images of each class whose label is known, chosen by --seed [images]; 10 of MNIST's 6,000 in Salimans et
    al. 2016. Validation images all have theirs."""

    def open(self, seed: int = 0, model: Any = None) -> SemiSupervisedData:
        """As `ImagesConfig.open`; which labels are known is of `seed` too."""
        return SemiSupervisedData(self, seed, split_of(self))

    def check_together(self) -> None:
        """Examples that come again can be labelled."""
        super().check_together()
        if self.data in POINT_SETS:
            raise self.fault(
                "<data=> has other points at each access, so that none can be labelled for good; accepted are images "
                "of classes."
            )


class SemiSupervisedData(ImagesData):
    """As `ImagesData`; a training batch is (image, label, unlabelled image), a validation batch (image, label).

    Attributes:
      labelled: numbers of the training images whose labels are known, those of a class together.
      label_count: number of the classes.
    """

    _config: SemiSupervisedConfig

    def __init__(self, config: SemiSupervisedConfig, seed: int, split: Split) -> None:
        super().__init__(config, seed, split)
        if not self.classes:
            raise UserError(
                f"--data {shown(config.data)} has images without labels, and a classifier needs classes; accepted are "
                "glyphs, digits, shapes, a folder of one subfolder per class, and arrays or tfds:NAME with labels."
            )
        self.labelled = self._choose(config.labels_per_class)

    def _choose(self, count: int) -> np.ndarray:
        """`count` training images of each class; for a larger count those of a smaller one are among them."""
        chosen = []
        for label, name in enumerate(self.classes):
            own = np.flatnonzero(self.train_labels == label)
            if len(own) < count:
                raise UserError(
                    f"--labels-per-class got {count}, but there are {len(own)} training images of class {shown(name)}; "
                    "accepted is at most that."
                )
            chosen.append(np.random.default_rng((self._seed, label)).permutation(own)[:count])
        return np.concatenate(chosen)

    def describe(self) -> str:
        """As that of the images, and how many labels are known."""
        return (
            f"{super().describe()}\nlabels known of {len(self.labelled)} training images, "
            f"{self._config.labels_per_class} of each class, chosen by the seed"
        )

    def _streams(self, training: bool) -> tuple[Stream, ...]:
        """Of training, the labelled images, as often as they go into an epoch, and all images without their labels.

        A batch is (image, label, unlabelled image): float32 in [-1, 1], (batch, size, size, channels), int32 (batch,),
        and float32 as the first; of validation (image, label).
        """
        (images,) = super()._streams(training)
        if not training:
            return (images,)
        with tf.device("CPU:0"):
            numbers = tf.constant(self.labelled)
        known = Stream(
            lambda places, keys: images.load(tf.gather(numbers, places), keys),
            images.finish,
            len(self.labelled),
            images.vectorised,
            number=1,
        )
        return known, replace(images, finish=lambda *loaded: images.finish(*loaded)[:1])
