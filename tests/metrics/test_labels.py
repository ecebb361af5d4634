"""Reading label maps: one-hot channels, and the colours of a palette under noise."""

import numpy as np
import tensorflow as tf

from keras_gen.metrics.labels import IGNORED, labels_of_colours, labels_of_scores

PALETTE = np.array([(0, 0, 0), (100, 0, 0), (0, 200, 0)], np.uint8)  # the nearest two are 100 apart


def to_float(rgb):
    return tf.constant(np.asarray(rgb, np.float32) / 127.5 - 1.0)


def test_one_hot_channels_are_read_back():
    ids = np.random.default_rng(0).integers(0, 6, (2, 5, 5))
    np.testing.assert_array_equal(labels_of_scores(tf.one_hot(ids, 6, 1.0, -1.0)), ids)


def test_colours_are_read_back_under_noise_up_to_half_the_smallest_gap():
    rng = np.random.default_rng(0)
    ids = rng.integers(0, 3, (2, 9, 9))
    noise = rng.normal(size=(2, 9, 9, 3))
    noise *= 49.0 / np.linalg.norm(noise, axis=-1, keepdims=True)
    np.testing.assert_array_equal(labels_of_colours(to_float(PALETTE[ids]), PALETTE), ids)
    np.testing.assert_array_equal(labels_of_colours(to_float(PALETTE[ids] + noise), PALETTE), ids)


def test_blends_of_two_colours_and_foreign_colours_belong_to_no_class():
    colours = to_float([(50, 10, 0), (0, 100, 0), (255, 255, 255)])
    np.testing.assert_array_equal(labels_of_colours(colours, PALETTE), [IGNORED] * 3)
