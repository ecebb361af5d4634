"""L1, PSNR, SSIM and MS-SSIM against closed forms, numpy, scipy and recorded values."""

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from scipy import ndimage

from keras_gen.ops import reconstruction


def images(seed, shape=(2, 24, 20, 3)):
    return np.random.default_rng(seed).uniform(-1, 1, shape).astype(np.float32)


@pytest.mark.parametrize("name", ["l1", "psnr", "ssim"])
def test_one_value_per_example_that_depends_on_that_example_alone(name):
    a, b = images(0), images(1)
    together = np.asarray(getattr(reconstruction, name)(a, b))
    alone = [np.asarray(getattr(reconstruction, name)(a[i : i + 1], b[i : i + 1]))[0] for i in range(2)]
    assert together.shape == (2,)
    np.testing.assert_allclose(together, alone, rtol=1e-6)


def test_a_constant_shift_of_a_fifth_of_the_range():
    a = images(0) * 0.5
    np.testing.assert_allclose(reconstruction.l1(a, a + 0.4), [0.4, 0.4], rtol=1e-5)
    # 10 log10(range^2 / shift^2) = 20 log10(2 / 0.4)
    np.testing.assert_allclose(reconstruction.psnr(a, a + 0.4), [13.9794, 13.9794], rtol=1e-4)


@pytest.mark.parametrize("seed", [0, 1])
def test_l1_and_psnr_equal_numpy(seed):
    a, b = images(seed), images(seed + 10)
    np.testing.assert_allclose(reconstruction.l1(a, b), np.abs(a - b).mean((1, 2, 3)), rtol=1e-5)
    expected = 10 * np.log10(4 / np.square(a - b).mean((1, 2, 3)))
    np.testing.assert_allclose(reconstruction.psnr(a, b), expected, rtol=1e-5)


def test_equal_images():
    a = images(0)
    np.testing.assert_array_equal(reconstruction.l1(a, a), [0, 0])
    np.testing.assert_allclose(reconstruction.psnr(a, a), [120, 120], rtol=1e-6)
    np.testing.assert_allclose(reconstruction.ssim(a, a), [1, 1], rtol=1e-6)


def terms(a, b):
    """Luminance and contrast times structure of every pixel (Wang et al. 2004, eqs. 6, 9 and 10), in float64."""
    a, b = ((images.astype(np.float64) + 1) / 2 for images in (a, b))

    def local(values):  # only where the window of 11x11 lies inside the image
        return ndimage.gaussian_filter(values, 1.5, radius=5, axes=(1, 2))[:, 5:-5, 5:-5]

    mean_a, mean_b = local(a), local(b)
    var_a, var_b, cov = local(a * a) - mean_a**2, local(b * b) - mean_b**2, local(a * b) - mean_a * mean_b
    c1, c2 = 0.01**2, 0.03**2
    return (2 * mean_a * mean_b + c1) / (mean_a**2 + mean_b**2 + c1), (2 * cov + c2) / (var_a + var_b + c2)


def noisy(a, seed, strength):
    return np.clip(a + np.random.default_rng(seed).normal(0, strength, a.shape), -1, 1).astype(np.float32)


@pytest.mark.parametrize("seed", [0, 1])
def test_ssim_equals_its_formula(seed):
    a = images(seed)
    b = noisy(a, seed + 10, 0.3)
    luminance, contrast = terms(a, b)
    np.testing.assert_allclose(reconstruction.ssim(a, b), (luminance * contrast).mean((1, 2, 3)), atol=1e-5)


def test_black_and_grey_have_nothing_in_common_but_the_constants():
    """Flat images: contrast and structure are 1, the luminance term is C1 / (0.5^2 + C1) with C1 = 0.01^2."""
    black, grey = -np.ones((1, 16, 16, 1), np.float32), np.zeros((1, 16, 16, 1), np.float32)
    # atol: the variances are differences of numbers near 1/4, which float32 holds to 3e-8.
    np.testing.assert_allclose(reconstruction.ssim(black, grey), [1e-4 / (0.25 + 1e-4)], rtol=1e-4, atol=1e-7)


def test_ssim_of_the_photographer_under_noise(shared):
    """The value of IPOL's imdiff and of scikit-image, as quoted in the latter's tests: 0.357959."""
    camera = np.asarray(Image.open(shared / "data/skimage_images/camera.png"))
    noise = 20 * np.random.RandomState(5).randn(*camera.shape)
    both = [camera, np.clip(camera + noise, 0, 255).astype(np.uint8)]
    a, b = (image[None, :, :, None].astype(np.float32) / 127.5 - 1 for image in both)
    assert float(reconstruction.ssim(a, b)[0]) == pytest.approx(0.35796, abs=1e-5)


@pytest.mark.parametrize("size", [(176, 192), (161, 173)])
def test_ms_ssim_equals_its_formula(size):
    """Wang et al. 2003, eq. 7. Odd sides repeat the last row or column before they are halved."""
    a = ndimage.zoom(images(0, (1, 12, 12, 2)), (1, size[0] / 12, size[1] / 12, 1), order=1)
    b = noisy(a, 1, 0.2)
    weights, factors, c, d = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333), [], a, b
    for scale, weight in enumerate(weights):
        luminance, contrast = terms(c, d)
        factors.append((contrast * (luminance if scale == 4 else 1)).mean((1, 2)) ** weight)
        c, d = (np.pad(x, [(0, 0), (0, x.shape[1] % 2), (0, x.shape[2] % 2), (0, 0)], "edge") for x in (c, d))
        c, d = (sum(x[:, i::2, j::2] for i in (0, 1) for j in (0, 1)) / 4 for x in (c, d))
    expected = np.prod(factors, axis=0).mean(-1)
    assert 0.3 < expected[0] < 0.95
    np.testing.assert_allclose(reconstruction.ms_ssim(a, b), expected, atol=1e-5)


def test_ms_ssim_takes_no_smaller_image_than_it_says():
    """With fewer scales it would be a different metric."""
    side = reconstruction.MS_SSIM_MIN_SIDE
    fits, small = np.zeros((1, side, side, 1), np.float32), np.zeros((1, side, side - 1, 1), np.float32)
    np.testing.assert_allclose(reconstruction.ms_ssim(fits, fits), [1], rtol=1e-6)
    with pytest.raises((ValueError, tf.errors.InvalidArgumentError)):
        reconstruction.ms_ssim(small, small)


def test_half_precision_is_computed_in_float32():
    a, b = images(0).astype(np.float16), images(1).astype(np.float16)
    for distance in (reconstruction.l1, reconstruction.psnr, reconstruction.ssim):
        found = np.asarray(distance(a, b))
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, distance(a.astype(np.float32), b.astype(np.float32)), rtol=1e-5)


def test_ms_ssim_of_fewer_scales_raises_their_weights_in_proportion():
    """One scale is SSIM. Two are contrast at the first and SSIM at the second, with exponents in the ratio 0.0448 to
    0.2856."""
    a, b = images(0, (2, 24, 24, 1)), images(1, (2, 24, 24, 1)) * 0.5
    b = 0.7 * a + 0.3 * b
    np.testing.assert_allclose(reconstruction.ms_ssim(a, b, 1), reconstruction.ssim(a, b), rtol=1e-5)
    halved = [sum(x[:, i::2, j::2] for i in (0, 1) for j in (0, 1)) / 4 for x in (a, b)]
    first, second = terms(a, b)[1].mean((1, 2, 3)), np.prod(terms(*halved), axis=0).mean((1, 2, 3))
    expected = first ** (0.0448 / 0.3304) * second ** (0.2856 / 0.3304)
    np.testing.assert_allclose(reconstruction.ms_ssim(a, b, 2), expected, rtol=1e-4)


@pytest.mark.parametrize(("side", "scales"), [(10, 0), (11, 1), (20, 1), (21, 2), (28, 2), (41, 3), (160, 4), (161, 5)])
def test_scales_that_fit(side, scales):
    assert reconstruction.scales_that_fit(side, 999) == scales
    assert reconstruction.scales_that_fit(999, side) == scales
    if scales:
        blank = np.zeros((1, side, side, 1), np.float32)
        np.testing.assert_allclose(reconstruction.ms_ssim(blank, blank, scales), [1], rtol=1e-6)
