"""Views of a latent space: positions at quantiles, the order of units, and the drawings."""

import numpy as np
import pytest
from scipy.stats import norm

from keras_gen.visual.latent_space import LatentSpace
from keras_gen.visual.latent_views import Codes, encode_dataset, how_many, plane, views
from keras_gen.visual.views import Histogram, Picture, Scalar


def codes(size=3, divergence=(0.5, 2.0, 1.0), count=50):
    vectors = np.random.default_rng(0).normal(size=(count, size)).astype(np.float32) * [0.05, 3.0, 1.0][:size]
    thumbnails = np.zeros((count, 4, 4, 3), np.uint8)
    weights = None if divergence is None else np.array(divergence[:size])
    return Codes(vectors, np.zeros(count, np.int32), thumbnails, weights)


def test_units_are_ordered_by_their_divergence_or_their_spread():
    assert codes().order.tolist() == [1, 2, 0]
    assert codes(divergence=(1.0, 0.0, 1.0)).order.tolist() == [0, 2, 1]
    assert codes(divergence=None).order.tolist() == [1, 2, 0]


def test_active_units_are_those_whose_mean_varies():
    assert codes().active.tolist() == [False, True, True]  # variances of 0.0025, 9 and 1


def test_the_manifold_lies_at_quantiles_of_the_normal():
    places = plane(codes(), across=2, up=1)
    expected = norm.ppf((np.arange(20) + 0.5) / 20)
    np.testing.assert_allclose(places[7, :, 2], expected)
    np.testing.assert_allclose(places[:, 3, 1], expected[::-1])
    assert not places[:, :, 0].any()


def test_without_a_prior_it_lies_at_those_of_the_vectors():
    some = codes(divergence=None)
    places = plane(some, across=1, up=2)
    np.testing.assert_allclose(places[0, :, 1], np.quantile(some.vectors[:, 1], (np.arange(20) + 0.5) / 20))
    np.testing.assert_allclose(places[..., 0], np.median(some.vectors[:, 0]))


@pytest.mark.parametrize(("size", "channels", "count"), [(28, 1, 1000), (128, 3, 341), (2000, 3, 100)])
def test_fewer_large_images_are_surveyed(size, channels, count):
    assert how_many(size, channels) == count


def linear(size, prior):
    """A space in which the first `size` pixels are the latent vector."""
    rows = np.eye(size, 36, dtype=np.float32)
    return LatentSpace(
        size,
        encode=lambda images, labels: np.asarray(images).reshape(-1, 36) @ rows.T,
        decode=lambda vectors, labels: np.clip(vectors @ rows, -1, 1).reshape(-1, 6, 6, 1),
        divergence=(lambda images, labels: np.tile(np.arange(size, dtype=np.float32), (len(images), 1)))
        if prior
        else None,
    )


@pytest.mark.parametrize("prior", [True, False])
@pytest.mark.parametrize("size", [1, 2, 36])
def test_every_view_of_a_space(size, prior):
    space = linear(size, prior)
    images = np.random.default_rng(2).uniform(-1, 1, (300, 6, 6, 1)).astype(np.float32)
    labels = np.arange(300, dtype=np.int32) % 3
    found = encode_dataset(space, [(images[:200], labels[:200]), (images[200:], labels[200:])])
    np.testing.assert_allclose(found.vectors, images.reshape(300, 36)[:, :size], rtol=1e-6)
    np.testing.assert_array_equal(found.labels, labels)
    assert found.thumbnails.shape == (300, 6, 6, 3)
    if prior:
        np.testing.assert_allclose(found.divergence, np.arange(size))

    shown = views(space, found, images[:5], labels[:5])
    pictures = {title: view.draw() for title, view in shown.items() if isinstance(view, Picture)}
    assert all(picture.dtype == np.uint8 and picture.shape[2] == 3 for picture in pictures.values())
    assert set(pictures) == {"traversals", "interpolation", "units"} | ({"manifold"} if size == 2 else set())
    histograms = {title: np.shape(view.values) for title, view in shown.items() if isinstance(view, Histogram)}
    assert histograms == {"latents/kl" if prior else "latents/standard_deviation": (size,)}
    scalars = {title: view.value for title, view in shown.items() if isinstance(view, Scalar)}
    assert scalars == ({"latents/active_units": size} if prior else {})
    assert len(shown) == len(pictures) + len(histograms) + len(scalars)


def test_one_image_alone_has_no_way_to_go():
    space = linear(2, True)
    images, labels = np.zeros((1, 6, 6, 1), np.float32), np.zeros(1, np.int32)
    assert "interpolation" not in views(space, encode_dataset(space, [(images, labels)]), images, labels)
