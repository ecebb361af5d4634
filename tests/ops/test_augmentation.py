"""Augmentation against NumPy and SciPy, and the properties that make it safe for a discriminator."""

import numpy as np
import pytest
import tensorflow as tf
from scipy import ndimage, stats

from keras_gen.ops.augmentation import (
    ADAPTIVE,
    ADAPTIVE_UNIFORMS,
    DIFF_AUGMENT_UNIFORMS,
    adapted_probability,
    adaptive_augment,
    diff_augment,
)

SIZES = [(1, 1, 2), (5, 8, 1), (7, 7, 4), (12, 12, 3), (1, 6, 3)]
PLACES = dict(zip(ADAPTIVE, (0, 2, 4, 7, 9, 11, 13, 15, 17), strict=True))
"""Where the numbers of each kind begin: first whether it is on."""


def pictures(count=6, size=(12, 12, 3), seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, (count, *size)).astype(np.float32)


def chance(count, columns, seed=1):
    return np.random.default_rng(seed).random((count, columns), np.float32)


def adaptive(images, kind, seed=1):
    """Images changed by a single kind of augmentation, and the random numbers of each."""
    uniforms = chance(len(images), ADAPTIVE_UNIFORMS, seed)
    place = PLACES[kind]
    uniforms[:, list(PLACES.values())] = 0.9
    uniforms[:, place] = 0.1
    return adaptive_augment(images, uniforms, 0.5).numpy(), uniforms[:, place + 1 :]


def normal(value):
    """Normal random numbers truncated at 3."""
    return np.clip(stats.norm.ppf(value), -3, 3)


def from_places(image, matrix, shift=(0, 0)):
    """Each pixel is that of the image at matrix (row, column) + shift, relative to the centre, by SciPy."""
    middle = (np.array(image.shape[:2]) - 1) / 2
    offset = middle - np.array(matrix) @ middle + shift
    return np.stack(
        [ndimage.affine_transform(c, matrix, offset, order=1, mode="reflect") for c in np.moveaxis(image, 2, 0)], -1
    )


# -- DiffAugment -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(12, 12, 3), (5, 8, 1)])
def test_colour(size):
    images, u = pictures(size=size), chance(6, DIFF_AUGMENT_UNIFORMS)
    found = diff_augment(images, u, ["colour"]).numpy()
    for image, result, (brightness, saturation, contrast, *_) in zip(images, found, u, strict=True):
        expected = image + brightness - 0.5
        if size[2] == 3:
            grey = expected.mean(axis=2, keepdims=True)
            expected = grey + 2 * saturation * (expected - grey)
        expected = expected.mean() + (0.5 + contrast) * (expected - expected.mean())
        np.testing.assert_allclose(result, expected, atol=2e-6)


@pytest.mark.parametrize(("size", "most"), [((12, 12, 3), 2), ((5, 8, 1), 1), ((1, 1, 2), 0), ((32, 28, 1), 4)])
def test_translation(size, most):
    """At most int(side / 8 + 0.5) pixels, all shifts equally often, 0 where there is no image."""
    images, u = pictures(300, size), chance(300, DIFF_AUGMENT_UNIFORMS)
    found = diff_augment(images, u, ["translation"]).numpy()
    seen = set()
    for image, result, (down, right) in zip(images, found, u[:, 3:5], strict=True):
        shift = [int(v * (2 * m + 1)) - m for v, m in ((down, int(size[0] / 8 + 0.5)), (right, int(size[1] / 8 + 0.5)))]
        seen.add(shift[1])
        padded = np.pad(image, ((8, 8), (8, 8), (0, 0)))
        expected = padded[8 - shift[0] :, 8 - shift[1] :][: size[0], : size[1]]
        np.testing.assert_array_equal(result, expected)
    assert seen == set(range(-most, most + 1))


@pytest.mark.parametrize("size", [(12, 12, 3), (5, 8, 1), (1, 1, 2)])
def test_cutout(size):
    """A rectangle of half of each side. Its centre is uniformly distributed, and it is cropped at the edges."""
    images, u = 1 + pictures(400, size) ** 2, chance(400, DIFF_AUGMENT_UNIFORMS)
    found = diff_augment(images, u, ["cutout"]).numpy()
    height, width = size[0] // 2, size[1] // 2
    for image, result, (row, column) in zip(images, found, u[:, 5:7], strict=True):
        top = int(row * (size[0] + 1 - height % 2)) - height // 2
        left = int(column * (size[1] + 1 - width % 2)) - width // 2
        expected = image.copy()
        expected[max(top, 0) : max(top + height, 0), max(left, 0) : max(left + width, 0)] = 0
        np.testing.assert_array_equal(result, expected)
    if size == (12, 12, 3):
        assert ((found == 0).any(axis=0)).all()
        assert (found == 0).all(axis=3).sum(axis=(1, 2)).max() == 36


# -- adaptive augmentation ---------------------------------------------------------------------------------------------


def test_flip():
    images = pictures(40)
    found, values = adaptive(images, "flip")
    for image, result, value in zip(images, found, values[:, 0], strict=True):
        np.testing.assert_array_equal(result, image[:, ::-1] if value >= 0.5 else image)


@pytest.mark.parametrize("size", [(7, 7, 4), (12, 12, 3), (5, 8, 1)])
def test_quarter_turns(size):
    images = pictures(40, size)
    found, values = adaptive(images, "quarter-turns")
    for image, result, value in zip(images, found, values[:, 0], strict=True):
        turns = int(4 * value) if size[0] == size[1] else 2 * int(2 * value)
        np.testing.assert_array_equal(result, np.rot90(image, turns))


def test_mirrored_translation():
    images = pictures(40, (12, 16, 1))
    found, values = adaptive(images, "translation")
    for image, result, (down, right) in zip(images, found, values[:, :2], strict=True):
        down, right = int(5 * down) - 2, int(5 * right) - 2
        padded = np.pad(image, ((2, 2), (2, 2), (0, 0)), mode="symmetric")
        np.testing.assert_array_equal(result, padded[2 - down :, 2 - right :][:12, :16])


@pytest.mark.parametrize("size", [(12, 12, 3), (9, 6, 1)])
def test_scale(size):
    images = pictures(20, size)
    found, values = adaptive(images, "scale")
    for image, result, value in zip(images, found, values[:, 0], strict=True):
        factor = 2 ** (0.2 * normal(value))
        np.testing.assert_allclose(result, from_places(image, np.eye(2) / factor), atol=2e-5)


@pytest.mark.parametrize("size", [(12, 12, 3), (9, 6, 1)])
@pytest.mark.parametrize("kind", ["rotation", "tilt"])
def test_rotation_and_tilt(size, kind):
    images = pictures(20, size)
    found, values = adaptive(images, kind)
    for image, result, value in zip(images, found, values[:, 0], strict=True):
        angle = np.pi * (2 * value - 1) if kind == "rotation" else 0.15 * normal(value)
        cosine, sine = np.cos(angle), np.sin(angle)
        np.testing.assert_allclose(result, from_places(image, [[cosine, sine], [-sine, cosine]]), atol=2e-5)


def test_light_and_colour():
    images = pictures(20)
    for kind, change in {
        "brightness": lambda image, n: image + 0.2 * n,
        "contrast": lambda image, n: image * 2 ** (0.5 * n),
        "saturation": lambda image, n: image.mean(2, keepdims=True) + 2**n * (image - image.mean(2, keepdims=True)),
    }.items():
        found, values = adaptive(images, kind)
        for image, result, value in zip(images, found, values[:, 0], strict=True):
            np.testing.assert_allclose(result, change(image, normal(value)), rtol=1e-4, atol=1e-5)
    grey = pictures(5, (6, 6, 1))
    np.testing.assert_array_equal(adaptive(grey, "saturation")[0], grey)


def test_geometry_is_done_in_the_order_of_the_kinds():
    """Flip, turn, shift, scale and rotation together, as a single map from the pixels of the result to the image."""
    images = pictures(10, (16, 16, 1))
    u = chance(10, ADAPTIVE_UNIFORMS, 3)
    u[:, list(PLACES.values())] = 0.0
    found = adaptive_augment(images, u, 0.5, ADAPTIVE[:5]).numpy()
    for image, result, row in zip(images, found, u, strict=True):
        flip, turn, down, right, scale, angle = row[[1, 3, 5, 6, 8, 10]]
        angle, turn = np.pi * (2 * angle - 1), np.pi / 2 * int(4 * turn)
        back = [np.array([[np.cos(a), np.sin(a)], [-np.sin(a), np.cos(a)]]) for a in (turn, angle)]
        flipped = np.diag([1, -1 if flip >= 0.5 else 1])
        first = flipped @ back[0]
        shift = np.array([int(5 * down) - 2, int(5 * right) - 2])
        expected = from_places(image, first @ back[1] / 2 ** (0.2 * normal(scale)), -first @ shift)
        np.testing.assert_allclose(result, expected, atol=5e-5)


@pytest.mark.parametrize("size", SIZES)
def test_a_probability_of_0_leaves_images_to_the_last_bit(size):
    images, u = pictures(size=size), chance(6, ADAPTIVE_UNIFORMS)
    u[:, ::2] = 0.0
    np.testing.assert_array_equal(adaptive_augment(images, u, 0.0), images)
    np.testing.assert_array_equal(adaptive_augment(images, u, 1.0, []), images)
    np.testing.assert_array_equal(diff_augment(images, u[:, :DIFF_AUGMENT_UNIFORMS], []), images)


def test_the_probability_is_that_of_each_kind_and_image():
    images = np.tile(pictures(1), (4000, 1, 1, 1))
    for kind in ("translation", "saturation"):
        found = adaptive_augment(images, chance(4000, ADAPTIVE_UNIFORMS), 0.3, [kind]).numpy()
        changed = (found != images).any(axis=(1, 2, 3)).mean()
        expected = 0.3 * (24 / 25 if kind == "translation" else 1)  # of 25 shifts one is none
        assert changed == pytest.approx(expected, abs=4 * np.sqrt(0.3 * 0.7 / 4000))


# -- both --------------------------------------------------------------------------------------------------------------


def both(images, seed=1):
    u = chance(len(images), DIFF_AUGMENT_UNIFORMS + ADAPTIVE_UNIFORMS, seed)
    u[0], u[-1] = 0.0, 1 - 2.0**-24
    u = tf.constant(u)
    return (
        lambda x: diff_augment(x, u[:, :DIFF_AUGMENT_UNIFORMS]),
        lambda x: adaptive_augment(x, u[:, DIFF_AUGMENT_UNIFORMS:], 1.0),
    )


@pytest.mark.parametrize(
    ("size", "compiled"), [*((size, False) for size in SIZES), ((1, 1, 2), True), ((12, 12, 3), True)]
)
def test_any_size_gives_finite_images_in_a_graph(size, compiled):
    images = tf.constant(pictures(50, size))
    for augment in both(images):
        found = tf.function(augment, jit_compile=compiled)(images)
        assert found.shape == images.shape
        assert np.isfinite(found).all()
        assert np.abs(found).max() < 60  # a contrast of 2^1.5 and a saturation of 2^3
        np.testing.assert_allclose(found, augment(images), rtol=1e-4, atol=1e-4)


def test_the_gradient_is_that_of_differences():
    """Along a random direction. Colours and the weights of bilinear sampling are linear in the image."""
    images = tf.constant(pictures(8, (9, 9, 3)))
    towards, weights = (tf.constant(pictures(8, (9, 9, 3), seed)) for seed in (4, 5))
    for augment in both(images):
        with tf.GradientTape() as tape:
            tape.watch(images)
            loss = tf.reduce_sum(weights * augment(images), axis=(1, 2, 3))
        slope = tf.reduce_sum(tape.gradient(loss, images) * towards, axis=(1, 2, 3))
        expected = tf.reduce_sum(weights * (augment(images + towards) - augment(images)), axis=(1, 2, 3))
        assert (np.abs(slope) > 1e-3).all()
        np.testing.assert_allclose(slope, expected, rtol=1e-3, atol=1e-3)


def test_low_precision_images_come_out_in_float32():
    images = tf.cast(pictures(), tf.float16)
    for augment in both(images):
        assert augment(images).dtype == tf.float32


# -- the controller ----------------------------------------------------------------------------------------------------


def test_the_probability_goes_up_where_the_discriminator_overfits():
    assert float(adapted_probability(tf.constant(0.5), 0.9, 5000)) == pytest.approx(0.51)
    assert float(adapted_probability(tf.constant(0.5), 0.1, 5000)) == pytest.approx(0.49)
    assert float(adapted_probability(tf.constant(0.5), 0.6, 5000)) == pytest.approx(0.5)
    assert float(adapted_probability(tf.constant(0.0), 0.1, 5000)) == 0
    assert float(adapted_probability(tf.constant(0.999), 0.7, 5000)) == 1
    assert float(adapted_probability(tf.constant(0.2), 0.7, 100, target=0.5, span=1000)) == pytest.approx(0.3)


@pytest.mark.parametrize("start", [0.0, 1.0])
def test_it_comes_to_rest_where_the_sign_is_the_target(start):
    """For a discriminator whose r_t is 1 - p, the probability p settles at 0.4, within one step."""
    probability = tf.constant(start)
    for _ in range(1500):
        probability = adapted_probability(probability, 1.0 - probability, 500)
    assert float(probability) == pytest.approx(0.4, abs=500 / 500_000 + 1e-4)
