"""Tiling: an exact partition of unity, smooth seams, order and batches; and what is refused as a MODEL."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_gen.errors import UserError
from keras_gen.export.saved_model import write_saved_model
from keras_gen.inference.tiling import compiled, draw, draw_resized, labels_of, load_export, tiles

HEIGHT, WIDTH = 32, 24


class Recorded:
    """A network that keeps what it was given."""

    def __init__(self, function, batch=None):
        self.input_shape = (batch, HEIGHT, WIDTH, 3)
        self.batches = []
        self._function = function

    def __call__(self, images):
        self.batches.append(images)
        return self._function(images)


def picture(height, width, seed=0, channels=3):
    return np.random.default_rng(seed).uniform(-1, 1, (height, width, channels)).astype(np.float32)


@pytest.mark.parametrize("overlap", [0.0, 0.1, 0.25, 0.5, 0.9])
@pytest.mark.parametrize(("length", "tile"), [(32, 32), (33, 32), (47, 32), (64, 32), (1001, 32), (9, 7), (5, 1)])
def test_weights_are_a_partition_of_unity_over_as_few_tiles_as_overlap_enough(length, tile, overlap):
    starts, weights = tiles(length, tile, overlap)
    total, shared = np.zeros(length), min(round(overlap * tile), tile - 1)
    for start, weight in zip(starts, weights, strict=True):
        total[start : start + tile] += weight
    np.testing.assert_allclose(total, 1, atol=1e-12)
    assert weights.min() > 0
    assert (starts[0], starts[-1]) == (0, length - tile)
    assert np.diff(starts).max(initial=0) <= tile - shared
    fewer = len(starts) - 2  # steps of one tile less would have to be longer than is allowed
    assert fewer < 0 or (length - tile) > fewer * (tile - shared)


@pytest.mark.parametrize("batch_size", [1, 3])
@pytest.mark.parametrize(
    "size", [(1, 1), (1, 50), (5, 40), (31, 23), (32, 24), (33, 25), (64, 48), (101, 77), (200, 10)]
)
def test_a_pointwise_network_is_applied_exactly_at_any_size(size, batch_size):
    network = compiled(lambda x: 0.5 - x, (None, HEIGHT, WIDTH, 3))
    for seed in range(3):
        image = picture(*size, seed)
        (drawing,) = draw(network, [image], batch_size=batch_size)
        assert drawing.shape == image.shape
        assert drawing.dtype == np.float32
        np.testing.assert_allclose(drawing, 0.5 - image, atol=1e-6)


def test_the_number_of_channels_may_change():
    network = compiled(lambda x: x[..., :1], (None, HEIGHT, WIDTH, 3))
    image = picture(50, 60)
    np.testing.assert_allclose(next(draw(network, [image])), image[..., :1], atol=1e-6)


def test_seams_between_tiles_of_different_tone_are_smooth():
    tone = compiled(lambda x: x * 0 + tf.reduce_mean(x, [1, 2], keepdims=True), (None, HEIGHT, WIDTH, 3))
    image = np.ones((HEIGHT, 3 * WIDTH, 3), np.float32)
    image[:, : 3 * WIDTH // 2] = -1
    (drawing,) = draw(tone, [image], overlap=0.5)
    jumps = np.abs(np.diff(drawing, axis=1)).max()
    assert drawing.max() > 0.99  # the outermost tiles keep their tone: the blend averages nothing beyond the overlap
    assert drawing.min() < -0.99
    assert jumps < 1.6 * 1.0 / (WIDTH // 2)  # sin^2 over a ramp of r pixels rises by at most pi / 2r, of a step of 1
    (hard,) = draw(tone, [image], overlap=0.0)
    assert np.abs(np.diff(hard, axis=1)).max() > 3 * jumps


def test_a_shift_of_the_input_shifts_the_drawing():
    network = compiled(tf.tanh, (None, HEIGHT, WIDTH, 3))
    image = 0.5 * picture(70, 70)
    (low,), (high,) = (draw(network, [np.arctanh(np.tanh(image) + shift)]) for shift in (0.0, 0.25))
    np.testing.assert_allclose(high - low, 0.25, atol=1e-6)


def test_tiles_go_row_by_row_in_full_batches_across_images_and_results_come_in_order():
    network = Recorded(lambda x: x)
    sizes = [(HEIGHT, WIDTH), (50, 40), (10, 10), (33, 90), (HEIGHT, WIDTH)]
    images = [np.full((*size, 3), 0.1 * i, np.float32) for i, size in enumerate(sizes)]
    results = list(draw(network, images, batch_size=4))
    for image, result in zip(images, results, strict=True):
        np.testing.assert_allclose(result, image, atol=1e-6)
    lengths = [len(batch) for batch in network.batches]
    assert set(lengths[:-1]) == {4}
    assert 1 <= lengths[-1] <= 4

    ramp = np.broadcast_to(np.arange(50.0)[:, None, None] * 100 + np.arange(40.0)[:, None], (50, 40, 3))
    network = Recorded(lambda x: x)
    list(draw(network, [ramp.astype(np.float32)]))
    corners = [float(batch[0, 0, 0, 0]) for batch in network.batches]
    assert corners == sorted(corners)


def test_images_are_read_as_they_are_needed():
    read = []

    def images():
        for number in range(5):
            read.append(number)
            yield picture(HEIGHT, WIDTH, number)

    next(draw(compiled(tf.identity, (None, HEIGHT, WIDTH, 3)), images(), batch_size=2))
    assert read == [0, 1]


def test_a_network_of_a_static_batch_of_1_gets_tiles_one_by_one():
    network = Recorded(lambda x: x, batch=1)
    list(draw(network, [picture(60, 60)], batch_size=8))
    assert {len(batch) for batch in network.batches} == {1}


def test_small_images_are_padded_by_reflection_around_the_middle():
    network = Recorded(lambda x: x)
    image = picture(20, 11)
    list(draw(network, [image]))
    np.testing.assert_array_equal(network.batches[0][0], np.pad(image, [(6, 6), (6, 7), (0, 0)], "reflect"))


def test_a_network_that_changes_the_size_is_refused():
    with pytest.raises(UserError, match="12x16 from 24x32"):
        list(draw(compiled(lambda x: x[:, ::2, ::2], (None, HEIGHT, WIDTH, 3)), [picture(40, 40)]))


@pytest.mark.parametrize("size", [(HEIGHT, WIDTH), (7, 90), (100, 101)])
def test_resized_drawings_have_the_size_of_the_image_and_one_tile_each(size):
    network = Recorded(lambda x: x)
    image = np.full((*size, 3), 0.25, np.float32)
    image[..., 1] = np.linspace(-1, 1, size[1])
    first, second = draw_resized(network, [image, picture(9, 9)])
    assert first.shape == image.shape
    assert second.shape == (9, 9, 3)
    assert len(network.batches) == 2
    np.testing.assert_allclose(first, image, atol=1e-6 if size == (HEIGHT, WIDTH) else 0.1)


def test_resized_label_maps_stay_one_hot():
    network = Recorded(lambda x: x)
    ids = np.random.default_rng(0).integers(0, 3, (50, 70))
    one_hot = np.where(ids[..., None] == np.arange(3), 1, -1).astype(np.float32)
    next(draw_resized(network, [one_hot], labels=True))
    assert set(np.unique(network.batches[0])) == {-1.0, 1.0}
    np.testing.assert_array_equal(network.batches[0].sum(-1), -1)


def test_what_is_no_export_is_refused(tmp_path):
    (tmp_path / "text.tflite").write_text("no model")
    for path, found in (
        (tmp_path / "absent", "does not exist"),
        (tmp_path, "holds no model"),
        (tmp_path / "text.tflite", "cannot be run"),
    ):
        with pytest.raises(UserError, match=found):
            load_export(path)


def test_an_export_without_a_fixed_size_is_refused(tmp_path):
    source = keras.Input((None, None, 3))
    write_saved_model(keras.Model(source, keras.layers.ReLU()(source)), "source", "generated", tmp_path / "any")
    with pytest.raises(UserError, match="height, width"):
        load_export(tmp_path / "any")


@pytest.mark.parametrize(("channels", "labels"), [(1, 0), (3, 0), (4, 0), (5, 5), (12, 12)])
def test_without_metadata_the_channels_tell_whether_labels_are_taken(tmp_path, channels, labels):
    source = keras.Input((8, 8, channels))
    write_saved_model(keras.Model(source, keras.layers.ReLU()(source)), "source", "generated", tmp_path / "bare")
    assert labels_of(tmp_path / "bare", load_export(tmp_path / "bare")) == labels
