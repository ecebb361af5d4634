"""The built-in handwritten digits: deterministic, varied, and legible for a classifier of real scans."""

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.svm import SVC

from keras_gen.data.builtin.glyphs import CLASSES, SIZE, TRAIN, VALIDATION, glyphs
from keras_gen.data.kinds.images import ImagesConfig


def as_scans(images):
    """Glyphs in the form of scikit-learn's scans: the digit's bounding box, 8x8, from 0 to 16."""
    boxes = [Image.fromarray(image[3:25, 3:25, 0]).resize((8, 8), Image.Resampling.BOX) for image in images]
    return np.stack([np.asarray(box) for box in boxes]).reshape(len(images), 64) * (16 / 255)


def test_a_seed_gives_the_same_images_always():
    images, labels = glyphs(40, 3)
    again, _ = glyphs.__wrapped__(40, 3)
    np.testing.assert_array_equal(images, again)
    assert images.shape == (40, SIZE, SIZE, 1)
    assert images.dtype == np.uint8
    assert np.bincount(labels).tolist() == [4] * len(CLASSES)
    others, _ = glyphs(40, 4)
    assert min(np.abs(image.astype(int) - others).mean(axis=(1, 2, 3)).min() for image in images) > 2
    with pytest.raises(ValueError, match="read-only"):
        images[0] = 0


def test_they_lie_in_the_middle_within_the_box():
    images, _ = glyphs(200, 0)
    inked = images[..., 0] > 127
    rows, columns = inked.any(axis=2), inked.any(axis=1)
    for sides in (rows, columns):
        first, last = sides.argmax(axis=1), SIZE - 1 - sides[:, ::-1].argmax(axis=1)
        assert np.abs(first + last - (SIZE - 1)).max() <= 3
        assert (last - first).max() <= 22
    assert (rows.sum(axis=1) >= 14).mean() > 0.95


def test_a_classifier_that_learns_from_them_reads_handwriting():
    """It classifies nearly all unseen glyphs correctly, and most real scans of 43 people."""
    images, labels = glyphs(1500, 0)
    held, held_labels = glyphs(300, 1)
    classifier = SVC(C=5.0).fit(as_scans(images), labels)
    assert classifier.score(as_scans(held), held_labels) > 0.95
    scans = load_digits()
    assert classifier.score(scans.data, scans.target) > 0.7


def test_they_are_what_families_of_images_train_on_by_default():
    data = ImagesConfig().open(0)
    assert (data.train_size, data.val_size, data.image_size, data.channels) == (TRAIN, VALIDATION, SIZE, 1)
    assert data.classes == CLASSES
    images, labels = next(iter(data.validation(20)))
    assert images.shape == (20, 28, 28, 1)
    assert (float(np.min(images)), float(np.max(images))) == (-1.0, 1.0)
    assert np.asarray(labels).tolist() == [*range(10)] * 2
