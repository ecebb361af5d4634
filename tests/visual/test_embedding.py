"""Maps of latent vectors, and the projector's files as served by TensorBoard's own plugin."""

import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from sklearn.decomposition import PCA
from tensorboard.backend.event_processing.data_provider import MultiplexerDataProvider
from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
from tensorboard.plugins.base_plugin import TBContext
from tensorboard.plugins.projector.projector_plugin import ProjectorPlugin
from werkzeug.test import Client

from keras_gen.visual.embedding import maps, principal_components, sprites, tsne, write_projector
from keras_gen.visual.latent_views import Codes

CLASSES = ("boot", "coat\tlong", "hat")


def codes(count=12, size=3, seed=0):
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(count, size)).astype(np.float32)
    thumbnails = rng.integers(0, 256, (count, 6, 8, 3), np.uint8)
    return Codes(vectors, np.arange(count, dtype=np.int32) % 3, thumbnails, None)


def test_principal_components_are_scikit_learns():
    vectors = np.random.default_rng(0).normal(size=(40, 5)) * [3, 0.1, 1, 2, 0.5]
    places, shares = principal_components(vectors, 2)
    other = PCA(2).fit(vectors)
    np.testing.assert_allclose(shares, other.explained_variance_ratio_, rtol=1e-9)
    np.testing.assert_allclose(np.abs(places), np.abs(other.transform(vectors)), atol=1e-9)
    np.testing.assert_allclose(principal_components(vectors, 2)[0], places)


def test_tsne_keeps_groups_together_and_is_the_same_again():
    """Three distant groups in ten dimensions: the nearest neighbour on the map belongs to the same group."""
    rng = np.random.default_rng(0)
    group = np.repeat(np.arange(3), 20)
    vectors = rng.normal(size=(60, 10)) + 20 * rng.normal(size=(3, 10))[group]
    places = tsne(vectors)
    distances = np.linalg.norm(places[:, None] - places[None], axis=-1) + 1e9 * np.eye(60)
    assert (group[distances.argmin(axis=1)] == group).all()
    np.testing.assert_array_equal(tsne(vectors), places)


@pytest.mark.parametrize(
    ("count", "size", "titles"),
    [(12, 3, {"pca", "tsne"}), (5, 3, {"pca"}), (12, 2, {"plane"}), (12, 1, set()), (1, 4, set())],
)
def test_maps_are_drawn_where_they_say_something(count, size, titles):
    drawn = maps(codes(count, size), CLASSES)
    assert set(drawn) == titles
    assert all(picture.pixels.dtype == np.uint8 and picture.pixels.shape[2] == 3 for picture in drawn.values())


def test_the_classes_have_colours_of_their_own():
    """As many colours of points as classes; one colour without labels."""
    some = codes(30, 2)
    with_classes, without = (maps(some, names)["plane"].pixels for names in (CLASSES, ()))
    for colour in ((31, 119, 180), (255, 127, 14), (44, 160, 44)):  # tab10's first three
        assert (with_classes == colour).all(axis=-1).any()
        assert not (without == colour).all(axis=-1).any()


@pytest.mark.parametrize("name", ["_hidden", "a $b$ $\\frac", "\N{CJK UNIFIED IDEOGRAPH-72AC}", "x" * 300, " "])
def test_a_class_may_have_any_name(name):
    assert (
        maps(codes(12, 2), (name, "b", "c"))["plane"].pixels.shape == maps(codes(12, 2), CLASSES)["plane"].pixels.shape
    )


def test_vectors_that_are_all_the_same_are_a_point():
    some = codes()
    same = Codes(np.ones_like(some.vectors), some.labels, some.thumbnails, None)
    assert set(maps(same, ())) == {"pca", "tsne"}


def test_sprites_lie_row_by_row_in_a_square():
    thumbnails = codes(5).thumbnails
    picture = sprites(thumbnails)
    assert picture.shape == (18, 24, 3)
    np.testing.assert_array_equal(picture[6:12, 8:16], thumbnails[4])
    assert (picture[12:] == 255).all()


def test_the_projector_serves_vectors_labels_and_pictures(tmp_path):
    some = codes()
    write_projector(tmp_path, some, CLASSES)
    with tf.summary.create_file_writer(str(tmp_path)).as_default():
        tf.summary.scalar("loss", 1.0, 0)
    multiplexer = EventMultiplexer().AddRunsFromDirectory(str(tmp_path)).Reload()
    data = MultiplexerDataProvider(multiplexer, str(tmp_path))
    plugin = ProjectorPlugin(TBContext(logdir=str(tmp_path), multiplexer=multiplexer, data_provider=data))
    served = {route: Client(page) for route, page in plugin.get_plugin_apps().items()}

    def get(route):
        answer = served[route].get(f"{route}?run=.&name=latents&num_rows=100")
        assert answer.status_code == 200, answer.get_data()
        return answer

    assert get("/runs").get_json() == ["."]
    (embedding,) = get("/info").get_json()["embeddings"]
    assert embedding["tensorShape"] == [12, 3]
    assert embedding["sprite"]["singleImageDim"] == [8, 6]
    vectors = np.frombuffer(get("/tensor").get_data(), np.float32).reshape(12, 3)
    np.testing.assert_allclose(vectors, some.vectors, rtol=1e-5)
    lines = get("/metadata").get_data(as_text=True).splitlines()
    assert lines[:3] == ["label\timage", "boot\t0", "coat long\t1"]
    assert len(lines) == 13
    with Image.open(io.BytesIO(get("/sprite_image").get_data())) as picture:
        np.testing.assert_array_equal(np.asarray(picture), sprites(some.thumbnails))
