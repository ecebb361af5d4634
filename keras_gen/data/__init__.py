"""Data sets for `fit`: in Python, the data that `apps.train_...` reads with `--data`.

A data set has training and validation examples, with the same augmentation, order and checks as in a run:

    data = keras_gen.data.images("digits")
    model.fit(data, batch_size=32, epochs=3)              # validates on the held-out examples
    for images, labels in data.validation(32): ...        # tf.data: the validation examples once, in order
    data.train(32)                                        # tf.data: endless training batches, in random order

The first argument is a SPEC: the name of built-in data, or a path; docs/data.md lists the forms. Other arguments are
fields of the configuration in `keras_gen.data.kinds`; `apps.train_... -H` explains them.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keras_gen.errors import UserError
from keras_gen.flags import configured

if TYPE_CHECKING:
    from keras_gen.data.kinds.images import ImagesData
    from keras_gen.data.kinds.noisy import NoisyData
    from keras_gen.data.kinds.pairs import PairsData
    from keras_gen.data.kinds.semi_supervised import SemiSupervisedData
    from keras_gen.data.kinds.sequences import SequencesData
    from keras_gen.data.kinds.superres import SuperresData

__all__ = ["images", "noisy", "pairs", "semi_supervised", "sequences", "superres"]


def images(data: str | Path = "digits", *, seed: int = 0, **fields: Any) -> ImagesData:
    """Images and their labels, if any: batches of (image, label), float32 in [-1, 1] and int32.

    Args:
        data: glyphs, digits, shapes, facades, heads, points in the plane (ring, grid, swiss-roll), a folder of images
            or with one subfolder per class, idx files, a .npz or .npy file, tfds:NAME[:SPLIT].
        seed: seed of the order and of all randomness in training examples.
        fields: of `keras_gen.data.kinds.images.ImagesConfig`: `image_size`, `channels`, `mirror`, `binarise`,
            `val_every`, `cache_gib` and others.

    Raises:
        UserError: if the data cannot be used.

    Examples:
        >>> data = keras_gen.data.images("digits")
        >>> data.classes[:3], data.image_size, data.channels
        (('0', '1', '2'), 8, 1)
        >>> images, labels = next(iter(data.validation(4)))
        >>> images.shape, labels.shape
        (TensorShape([4, 8, 8, 1]), TensorShape([4]))
    """
    from keras_gen.data.kinds.images import ImagesConfig

    with _in_words_of_python():
        return configured(ImagesConfig, None, {"data": data, **fields}).open(seed)


def noisy(data: str | Path = "shapes", *, seed: int = 0, **fields: Any) -> NoisyData:
    """Images with added noise: batches of (noisy, clean), float32 in [-1, 1].

    Args:
        data: as for `images`.
        seed: seed of the order, the noise and all other randomness.
        fields: of `keras_gen.data.kinds.noisy.NoisyConfig`: those of `images`, `noise` and `strength`.

    Raises:
        UserError: if the data cannot be used.

    Examples:
        >>> data = keras_gen.data.noisy("digits", noise="gaussian", strength=(0.1, 0.1))
        >>> noisy, clean = next(iter(data.validation(4)))
        >>> float(np.std(noisy - clean)) > 0.05
        True
    """
    from keras_gen.data.kinds.noisy import NoisyConfig

    with _in_words_of_python():
        return configured(NoisyConfig, None, {"data": data, **fields}).open(seed)


def pairs(data: str | Path = "facades", image_size: int = 256, *, seed: int = 0, **fields: Any) -> PairsData:
    """Aligned pairs of images, for translation: batches of (source, target), float32 in [-1, 1].

    Args:
        data: facades or shapes-saliency (built in), a folder of side-by-side images, a folder with A/ and B/ or trainA/
            and trainB/, two folders "PATH_A,PATH_B", tfds:NAME[:SPLIT], tfrecord:GLOB[,GLOB], a packed folder.
        image_size: height and width of the images [pixels].
        seed: seed of the order, crops and flips.
        fields: of `keras_gen.data.kinds.pairs.PairsConfig`: `direction`, `num_classes`, `jitter`, `mirror`,
            `val_every`, `cache_gib` and others.

    Raises:
        UserError: if the data cannot be used.

    Examples:
        >>> for number in range(4):  # pictures side by side
        ...     keras.utils.save_img(folder / f"{number}.png", np.full((16, 32, 3), number), scale=False)
        >>> data = keras_gen.data.pairs(folder, image_size=16, val_every=4)
        >>> source, target = next(iter(data.train(2)))
        >>> data.train_size, source.shape, target.shape
        (3, TensorShape([2, 16, 16, 3]), TensorShape([2, 16, 16, 3]))
    """
    from keras_gen.data.kinds.pairs import PairsConfig

    with _in_words_of_python():
        return configured(PairsConfig, None, {"data": data, "image_size": image_size, **fields}).open(seed)


def semi_supervised(data: str | Path = "digits", *, seed: int = 0, **fields: Any) -> SemiSupervisedData:
    """Images of which only a few are labelled: training batches of (image, label, unlabelled image).

    Args:
        data: as for `images`.
        seed: seed of the order and of the choice of labelled images.
        fields: of `keras_gen.data.kinds.semi_supervised.SemiSupervisedConfig`: those of `images` and
            `labels_per_class`.

    Raises:
        UserError: if the data cannot be used.

    Examples:
        >>> data = keras_gen.data.semi_supervised("digits", labels_per_class=5)
        >>> len(data.labelled)
        50
    """
    from keras_gen.data.kinds.semi_supervised import SemiSupervisedConfig

    with _in_words_of_python():
        return configured(SemiSupervisedConfig, None, {"data": data, **fields}).open(seed)


def sequences(data: str | Path = "waves", *, seed: int = 0, **fields: Any) -> SequencesData:
    """Sequences of numbers: batches of (sequence,), float32 in the units of the data, NaN after the end of each.

    Args:
        data: waves or waves:SEED (built in), a .csv file, a folder of them, a .npy or .npz file.
        seed: seed of the order.
        fields: of `keras_gen.data.kinds.sequences.SequencesConfig`: `columns`, `missing`, `window` and others.

    Raises:
        UserError: if the data cannot be used.

    Examples:
        >>> data = keras_gen.data.sequences("waves")
        >>> len(data.columns) == next(iter(data.validation(1)))[0].shape[2]
        True
    """
    from keras_gen.data.kinds.sequences import SequencesConfig

    with _in_words_of_python():
        return configured(SequencesConfig, None, {"data": data, **fields}).open(seed)


def superres(data: str | Path = "facades", *, seed: int = 0, **fields: Any) -> SuperresData:
    """Patches of sharp images and of their enlarged low-resolution versions: batches of (enlarged, sharp), in [-1, 1].

    Args:
        data: facades (built in), a folder of images of any size, a .npz or .npy file.
        seed: seed of the order and the positions of the patches.
        fields: of `keras_gen.data.kinds.superres.SuperresConfig`: `scale`, `patch_size`, `channels` and others.

    Raises:
        UserError: if the data cannot be used.

    Examples:
        >>> for number in range(4):
        ...     keras.utils.save_img(folder / f"{number}.png", np.full((20, 30, 3), number), scale=False)
        >>> data = keras_gen.data.superres(folder, scale=2, patch_size=16, val_every=4)
        >>> enlarged, sharp = next(iter(data.train(2)))
        >>> enlarged.shape == sharp.shape == (2, 16, 16, 3)
        True
    """
    from keras_gen.data.kinds.superres import SuperresConfig

    with _in_words_of_python():
        return configured(SuperresConfig, None, {"data": data, **fields}).open(seed)


@contextlib.contextmanager
def _in_words_of_python() -> Iterator[None]:
    """Flags that an error of reading data names become fields: `--skip-bad`, `skip_bad`."""
    try:
        yield
    except UserError as error:
        told = re.sub(r"--([a-z][a-z-]*)", lambda flag: flag[1].replace("-", "_"), str(error))
        raise UserError(told, error.in_flags) from None
