"""Continuity and completeness of decoders with known answers."""

import numpy as np
import pytest

from keras_gen.metrics.latent_regularity import completeness, continuity


def as_images(values):
    return np.tile(values[:, :1, None, None], (1, 8, 8, 1))


def codes(seed=0, count=100):
    return np.random.default_rng(seed).normal(size=(count, 2))


def test_a_linear_decoder_is_continuous():
    assert continuity(as_images, codes(), pairs=20) == pytest.approx(1.0, abs=1e-5)


def test_a_decoder_that_jumps_is_not():
    """Along a line the image is either black or white."""
    assert continuity(lambda z: as_images(np.sign(z)), codes(), pairs=40) == 0.0


def test_a_decoder_that_draws_one_image_is_refused():
    with pytest.raises(ValueError, match="the same image"):
        continuity(lambda z: as_images(0 * z), codes(), pairs=5)


def test_a_space_without_holes_is_complete_and_one_with_holes_is_not():
    """The decoder draws what it is told. Codes of two clusters far from 0 leave the middle of N(0, 1) empty."""
    rng = np.random.default_rng(1)
    prior, apart = codes(2), 0.1 * codes(3) + np.where(rng.uniform(size=(100, 1)) < 0.5, -9.0, 9.0)

    def decode(z):
        return np.tanh(z[:, [0, 1], None, None] / 3).repeat(8, axis=1).repeat(16, axis=2)

    assert completeness(decode, codes(), prior) > 0.85
    assert completeness(decode, apart, prior) < 0.05
