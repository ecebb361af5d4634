"""L1, PSNR and SSIM against closed forms and numpy."""

import numpy as np
import pytest
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


@pytest.mark.parametrize("seed", [0, 1])
def test_ssim_equals_its_formula(seed):
    """Wang et al. 2004, eq. 13: Gaussian window 11x11 of sigma 1.5, only where it lies inside the image."""
    a = images(seed)
    b = np.clip(a + np.random.default_rng(seed + 10).normal(0, 0.3, a.shape), -1, 1).astype(np.float32)

    def local(values):
        return ndimage.gaussian_filter(values.astype(np.float64), 1.5, radius=5, axes=(1, 2))[:, 5:-5, 5:-5]

    mean_a, mean_b = local(a), local(b)
    var_a, var_b, cov = local(a * a) - mean_a**2, local(b * b) - mean_b**2, local(a * b) - mean_a * mean_b
    c1, c2 = (0.01 * 2) ** 2, (0.03 * 2) ** 2
    index = (2 * mean_a * mean_b + c1) * (2 * cov + c2) / ((mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2))
    np.testing.assert_allclose(reconstruction.ssim(a, b), index.mean((1, 2, 3)), atol=1e-5)


def test_half_precision_is_computed_in_float32():
    a, b = images(0).astype(np.float16), images(1).astype(np.float16)
    for distance in (reconstruction.l1, reconstruction.psnr, reconstruction.ssim):
        found = np.asarray(distance(a, b))
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, distance(a.astype(np.float32), b.astype(np.float32)), rtol=1e-5)
