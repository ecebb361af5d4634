"""Distances of images from references: their means, the worst values, and refusals."""

import numpy as np
import pytest
from lpips_file import arrays_of, random_lpips

from keras_gen.errors import UserError
from keras_gen.metrics.reconstruction import Reconstruction, measures


def test_means_over_images_and_the_worst_of_likenesses_and_distances():
    """For shifts by a constant s, L1 is s and PSNR is 20 log10(2 / s). Images have equal weights, whatever
    the batches."""
    shifts = np.array([0.2, 0.8, 0.1, 0.4], np.float32)
    reference = np.zeros((4, 12, 12, 3), np.float32)
    images = reference + shifts[:, None, None, None]
    compared = Reconstruction(measures(["psnr", "l1"]))
    for part in (slice(0, 3), slice(3, 4)):
        compared.update(images[part], reference[part])
    found = compared.result(["a", "b", "c", "d"])
    psnr = 20 * np.log10(2 / shifts)
    assert found["l1"]["mean"] == pytest.approx(shifts.mean(), rel=1e-5)
    assert found["l1"]["sd"] == pytest.approx(shifts.std(), rel=1e-5)
    assert found["psnr"]["mean"] == pytest.approx(psnr.mean(), rel=1e-5)
    assert found["psnr"]["worst"] == pytest.approx({"b": psnr[1], "d": psnr[3], "a": psnr[0]}, rel=1e-5)
    assert list(found["l1"]["worst"]) == ["b", "d", "a"]
    assert "worst" not in compared.result()["l1"]
    table = Reconstruction.lines(compared.result())
    assert [line.split()[0] for line in table[1:3]] == ["PSNR", "L1"]
    assert not any("worst" in line for line in table)


def test_lpips_takes_grey_and_no_alpha(tmp_path):
    np.savez(tmp_path / "weights.npz", **arrays_of(random_lpips("squeeze")))
    compared = Reconstruction(measures(["lpips"], tmp_path / "weights.npz"))
    grey = np.random.default_rng(0).uniform(-1, 1, (2, 20, 20, 1)).astype(np.float32)
    compared.update(grey, -grey)
    compared.update(np.repeat(grey, 3, axis=-1), np.repeat(-grey, 3, axis=-1))
    values = compared.values()["lpips"]
    np.testing.assert_allclose(values[:2], values[2:], rtol=1e-5)
    compared.require_suitable(17, 17, 1, "a.png")
    with pytest.raises(UserError, match=r"--metrics lpips needs sides of 17 pixels or more, but a\.png has 20x16"):
        compared.require_suitable(16, 20, 3, "a.png")
    with pytest.raises(UserError, match=r"--metrics lpips needs grey or RGB images, but a\.png has 4 channels"):
        compared.require_suitable(20, 20, 4, "a.png")


def test_what_does_not_take_the_images_may_be_left_out():
    compared = Reconstruction(measures(["l1", "ssim"]), as_fits=True)
    compared.require_suitable(10, 10, 1, "a.png")
    compared.update(np.zeros((1, 10, 10, 1)), np.ones((1, 10, 10, 1)))
    assert list(compared.result()) == ["l1"]
