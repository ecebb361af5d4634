"""Tiling: weights that sum to 1, smooth seams, order and batches; and refusals of MODELs."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_gen.errors import UserError
from keras_gen.export.metadata import Metadata
from keras_gen.export.saved_model import write_saved_model
from keras_gen.export.signature import Port, Served, label_map
from keras_gen.export.signature import image as image_port
from keras_gen.inference.tiling import Network, compiled, draw, draw_resized, load_export, load_network, tiles

HEIGHT, WIDTH = 32, 24


def of(*shape):
    """A port for images."""
    return Port("pictures", "image", shape, range=(-1, 1))


def network_of(function, channels=3, scale=1):
    """A function of tensors as a network for tiles of HEIGHT x WIDTH."""
    return compiled(function, of(HEIGHT, WIDTH, 3), of(scale * HEIGHT, scale * WIDTH, channels))


class Recorded(Network):
    """A network that returns its input, and stores it."""

    def __init__(self, batch=None, source=None):
        source = source or of(HEIGHT, WIDTH, 3)
        super().__init__(self.keep, source, source, batch)
        object.__setattr__(self, "batches", [])

    def keep(self, images):
        self.batches.append(images)
        return images


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
    network = network_of(lambda x: 0.5 - x)
    for seed in range(3):
        image = picture(*size, seed)
        (drawing,) = draw(network, [image], batch_size=batch_size)
        assert drawing.shape == image.shape
        assert drawing.dtype == np.float32
        np.testing.assert_allclose(drawing, 0.5 - image, atol=1e-6)


def test_the_number_of_channels_may_change():
    network = network_of(lambda x: x[..., :1], channels=1)
    image = picture(50, 60)
    np.testing.assert_allclose(next(draw(network, [image])), image[..., :1], atol=1e-6)


def test_seams_between_tiles_of_different_tone_are_smooth():
    tone = network_of(lambda x: x * 0 + tf.reduce_mean(x, [1, 2], keepdims=True))
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
    network = network_of(tf.tanh)
    image = 0.5 * picture(70, 70)
    (low,), (high,) = (draw(network, [np.arctanh(np.tanh(image) + shift)]) for shift in (0.0, 0.25))
    np.testing.assert_allclose(high - low, 0.25, atol=1e-6)


def test_tiles_go_row_by_row_in_full_batches_across_images_and_results_come_in_order():
    network = Recorded()
    sizes = [(HEIGHT, WIDTH), (50, 40), (10, 10), (33, 90), (HEIGHT, WIDTH)]
    images = [np.full((*size, 3), 0.1 * i, np.float32) for i, size in enumerate(sizes)]
    results = list(draw(network, images, batch_size=4))
    for image, result in zip(images, results, strict=True):
        np.testing.assert_allclose(result, image, atol=1e-6)
    lengths = [len(batch) for batch in network.batches]
    assert set(lengths[:-1]) == {4}
    assert 1 <= lengths[-1] <= 4

    ramp = np.broadcast_to(np.arange(50.0)[:, None, None] * 100 + np.arange(40.0)[:, None], (50, 40, 3))
    network = Recorded()
    list(draw(network, [ramp.astype(np.float32)]))
    corners = [float(batch[0, 0, 0, 0]) for batch in network.batches]
    assert corners == sorted(corners)


def test_images_are_read_as_they_are_needed():
    read = []

    def images():
        for number in range(5):
            read.append(number)
            yield picture(HEIGHT, WIDTH, number)

    next(draw(network_of(tf.identity), images(), batch_size=2))
    assert read == [0, 1]


def test_a_network_of_a_static_batch_of_1_gets_tiles_one_by_one():
    network = Recorded(batch=1)
    list(draw(network, [picture(60, 60)], batch_size=8))
    assert {len(batch) for batch in network.batches} == {1}


def test_small_images_are_padded_by_reflection_around_the_middle():
    network = Recorded()
    image = picture(20, 11)
    list(draw(network, [image]))
    np.testing.assert_array_equal(network.batches[0][0], np.pad(image, [(6, 6), (6, 7), (0, 0)], "reflect"))


@pytest.mark.parametrize("scale", [2, 3])
@pytest.mark.parametrize("size", [(1, 1), (5, 40), (33, 25), (64, 48), (101, 77)])
def test_an_enlarging_network_is_applied_exactly_at_any_size(size, scale):
    """A local operator that turns each pixel into a block of nine: tiles give the same result as the whole image."""
    mix = np.random.default_rng(0).normal(size=(3, 3 * scale**2)).astype(np.float32)

    def enlarge(x):
        return tf.nn.depth_to_space(tf.tanh(tf.tensordot(x, mix, 1)), scale)

    network = network_of(enlarge, scale=scale)
    assert network.scale == scale
    images = [picture(*size), picture(40, 30, 1)]
    for image, drawing in zip(images, draw(network, images, batch_size=3, overlap=0.3), strict=True):
        np.testing.assert_allclose(drawing, enlarge(image[np.newaxis])[0], atol=1e-6)


def test_seams_of_an_enlarging_network_are_as_smooth():
    tone = network_of(
        lambda x: tf.zeros((1, 2 * HEIGHT, 2 * WIDTH, 3)) + tf.reduce_mean(x, [1, 2], keepdims=True), scale=2
    )
    image = np.ones((HEIGHT, 3 * WIDTH, 3), np.float32)
    image[:, : 3 * WIDTH // 2] = -1
    (drawing,) = draw(tone, [image], overlap=0.5)
    assert drawing.shape == (2 * HEIGHT, 6 * WIDTH, 3)
    assert np.abs(np.diff(drawing, axis=1)).max() < 1.6 * 1.0 / WIDTH  # a ramp of twice as many pixels


def test_resized_drawings_are_as_much_larger_as_the_networks():
    network = network_of(lambda x: tf.repeat(tf.repeat(x, 2, 1), 2, 2), scale=2)
    (drawing,) = draw_resized(network, [np.full((50, 31, 3), 0.25, np.float32)])
    np.testing.assert_allclose(drawing, np.full((100, 62, 3), 0.25), atol=1e-6)


@pytest.mark.parametrize("sides", [(HEIGHT // 2, WIDTH // 2), (2 * HEIGHT, WIDTH), (48, 36)])
def test_a_network_that_changes_the_size_otherwise_is_refused(sides):
    network = Network(lambda images: images, of(HEIGHT, WIDTH, 3), of(*sides, 3))
    with pytest.raises(UserError, match=f"{sides[1]}x{sides[0]} from 24x32; accepted are models that keep the size"):
        list(draw(network, [picture(40, 40)]))


@pytest.mark.parametrize("size", [(HEIGHT, WIDTH), (7, 90), (100, 101)])
def test_resized_drawings_have_the_size_of_the_image_and_one_tile_each(size):
    network = Recorded()
    image = np.full((*size, 3), 0.25, np.float32)
    image[..., 1] = np.linspace(-1, 1, size[1])
    first, second = draw_resized(network, [image, picture(9, 9)])
    assert first.shape == image.shape
    assert second.shape == (9, 9, 3)
    assert len(network.batches) == 2
    np.testing.assert_allclose(first, image, atol=1e-6 if size == (HEIGHT, WIDTH) else 0.1)


def test_resized_label_maps_stay_one_hot():
    network = Recorded(source=label_map("labels", np.zeros((1, HEIGHT, WIDTH, 3))))
    ids = np.random.default_rng(0).integers(0, 3, (50, 70))
    one_hot = np.where(ids[..., None] == np.arange(3), 1, -1).astype(np.float32)
    next(draw_resized(network, [one_hot]))
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


def saved(path, network, source=image_port, described=True):
    served = Served(network, (source("source", network.input),), (image_port("generated", network.output),), "about")
    metadata = Metadata("net", served.inputs, served.outputs) if described else None
    write_saved_model(served, path, ios=["float"], metadata=metadata)
    return path


def test_an_export_without_a_fixed_size_is_refused(tmp_path):
    source = keras.Input((None, None, 3))
    with pytest.raises(UserError, match="accepted are models of a fixed size"):
        load_network(saved(tmp_path / "any", keras.Model(source, keras.layers.ReLU()(source))))


def test_an_export_without_metadata_is_refused_whatever_its_channels(tmp_path):
    source = keras.Input((8, 8, 3))
    path = saved(tmp_path / "bare", keras.Model(source, keras.layers.ReLU()(source)), described=False)
    with pytest.raises(UserError, match="bare has no metadata about its inputs and outputs"):
        load_network(path)


@pytest.mark.parametrize(("kind", "classes"), [(image_port, 0), (label_map, 4)])
def test_the_metadata_tell_a_picture_with_alpha_from_four_classes(tmp_path, kind, classes):
    source = keras.Input((8, 8, 4))
    network = load_network(saved(tmp_path / "four", keras.Model(source, keras.layers.ReLU()(source)), kind))
    assert (network.source.num_classes, network.size, network.scale, network.batch) == (classes, (8, 8), 1, None)
