"""Images of which only a few are labelled: the training data of semi-supervised models.

In each class the seed selects the training images that keep their labels. All training images are also used without
labels. Because 100 labelled images among 60,000 would rarely be sampled, they form a separate stream with its own
order, and each training example combines one image of each stream. As for all data, the example at a given position is
determined by the seed and that position.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import tensorflow as tf

from keras_gen.data.builtin.points import POINT_SETS
from keras_gen.data.dataset import Stream
from keras_gen.data.files.folders import shown
from keras_gen.data.kinds.images import ImagesConfig, ImagesData
from keras_gen.errors import UserError
from keras_gen.flags import Positive


@dataclass(frozen=True)
class SemiSupervisedConfig(ImagesConfig):
    """Which images to read, how, and how many of them are labelled."""

    labels_per_class: Positive[int] = 10
    """Labelled training images per class, selected by --seed [images]; 10 of MNIST's 6,000 in Salimans et al. 2016. All
    validation images are labelled."""

    def open(self, seed: int = 0, model: Any = None) -> SemiSupervisedData:
        """As `ImagesConfig.open`. `seed` also selects the labelled images."""
        return SemiSupervisedData(self, seed)

    def check_together(self) -> None:
        """Only a finite set of examples can be partly labelled."""
        super().check_together()
        if self.data in POINT_SETS:
            raise self.fault(
                "<data=> generates new points at each access, so none can keep a label; accepted are images with "
                "classes."
            )


class SemiSupervisedData(ImagesData):
    """Like `ImagesData`, with training batches (image, label, unlabelled image) and validation batches (image, label).

    Attributes:
        labelled: indices of the labelled training images, grouped by class.
    """

    _config: SemiSupervisedConfig

    def __init__(self, config: SemiSupervisedConfig, seed: int) -> None:
        super().__init__(config, seed)
        if not self.classes:
            raise UserError(
                f"--data {shown(config.data)} has no labels, but a classifier needs classes; accepted are "
                "glyphs, digits, shapes, a folder of one subfolder per class, and arrays or tfds:NAME with labels."
            )
        self.labelled = self._choose(config.labels_per_class)

    def _choose(self, count: int) -> np.ndarray:
        """Selects `count` training images per class; a smaller count selects a subset of a larger one."""
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
        """The summary of the images, and the number of labelled images."""
        return (
            f"{super().describe()}\n{len(self.labelled)} training images keep their labels, "
            f"{self._config.labels_per_class} per class, selected by the seed"
        )

    def streams(self, training: bool) -> tuple[Stream, ...]:
        """For training, a stream of the labelled images, repeated to fill an epoch, and one of all images.

        A batch is (image, label, unlabelled image): float32 in [-1, 1], (batch, size, size, channels), int32 (batch,),
        and float32 like the first. A validation batch is (image, label).
        """
        (images,) = super().streams(training)
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
