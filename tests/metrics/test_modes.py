"""Counting modes: examples by hand, and samples of the mixtures with known statistics."""

import json
import math

import numpy as np
import pytest

from keras_gen.data.builtin.points import GRID, RING
from keras_gen.metrics.modes import SAMPLES, Modes

CENTRES = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])


def judged(samples, centres=CENTRES, deviation=0.1):
    modes = Modes(centres, deviation)
    modes.update(samples)
    return modes.result()


def test_samples_by_hand():
    """Seven samples: four at the first mode, one of them just outside its radius, two at the second, one far away."""
    samples = [[0, 0], [0.2999, 0], [0.21, -0.21], [0.22, -0.22], [1, 0.1], [0.8, 0], [0.5, 0.5]]
    result = judged(np.array(samples))
    assert (result["found"], result["of"], result["counts"]) == (2, 4, [3, 2, 0, 0])
    assert result["high_quality"] == 5 / 7
    assert result["kl_from_uniform"] == pytest.approx(0.6 * math.log(0.6 * 4) + 0.4 * math.log(0.4 * 4))


def test_a_mode_counts_if_it_is_the_nearest_alone():
    """Between two modes that are closer than three standard deviations."""
    assert judged(np.array([[0.45, 0]]), deviation=0.2)["counts"] == [1, 0, 0, 0]


def test_one_mode_and_all_alike():
    assert judged(np.zeros((9, 2)))["kl_from_uniform"] == pytest.approx(math.log(4))
    assert judged(np.repeat(CENTRES, 5, axis=0))["kl_from_uniform"] == pytest.approx(0)


def test_no_sample_of_high_quality():
    result = judged(np.array([[5.0, 5.0], [np.nan, 0.0], [np.inf, 0.0]]))
    assert (result["found"], result["high_quality"], result["kl_from_uniform"]) == (0, 0, None)
    json.dumps(result, allow_nan=False)
    assert "none" in "\n".join(Modes.lines(result))


def test_batches_add_up_and_may_be_images():
    samples = np.random.default_rng(0).uniform(-0.2, 1.2, (100, 2)).astype(np.float32)
    modes = Modes(CENTRES, 0.1)
    modes.update(samples[:30, None, None])
    modes.update(samples[30:])
    assert modes.result() == judged(samples)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("mixture", [RING, GRID], ids=["ring", "grid"])
def test_samples_of_the_mixture_itself(mixture, seed):
    """1 - exp(-4.5) of them lie within three deviations, 4.5 binomial deviations being a false alarm in 150,000; a
    mode of 2,500/25 is missed once in 10^43; 2n KL is a chi-squared with modes - 1 degrees of freedom."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, len(mixture.centres), SAMPLES)
    samples = mixture.centres[labels] + mixture.deviation * rng.normal(size=(SAMPLES, 2))
    result = judged(samples, mixture.centres, mixture.deviation)
    expected = 1 - math.exp(-4.5)
    assert abs(result["high_quality"] - expected) < 4.5 * math.sqrt(expected * (1 - expected) / SAMPLES)
    assert result["found"] == result["of"] == len(mixture.centres)
    freedom = len(mixture.centres) - 1
    assert abs(2 * sum(result["counts"]) * result["kl_from_uniform"] - freedom) < 5 * math.sqrt(2 * freedom)


def test_the_protocol_is_said():
    lines = "\n".join(Modes.lines(judged(np.repeat(CENTRES, 625, axis=0))))
    assert "modes found                        4 of 4" in lines
    assert "high quality [%]              100.00" in lines
    assert "2500 samples; high quality means within 3 standard deviations" in lines
    assert "The paper uses" not in lines
    assert "The paper uses 2500 samples" in " ".join(Modes.lines(judged(CENTRES)))
