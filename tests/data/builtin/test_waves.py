"""The built-in waves: anomalies are where the labels say, and nowhere else."""

import numpy as np
import pytest

from keras_gen.data.builtin.waves import KINDS, LONGEST, NOISE, SHORTEST, anomalous_waves, normal_waves
from keras_gen.data.kinds.sequences import waves_to_test

COUNT = 500


@pytest.fixture(scope="module")
def twins():
    """The same waves without and with anomalies."""
    return normal_waves(COUNT, seed=7), anomalous_waves(COUNT, seed=7)


def of_kind(waves, kind):
    return np.flatnonzero(waves.kinds == 1 + KINDS.index(kind))


def test_they_are_a_pure_function_of_the_seed_and_the_part():
    one, again = anomalous_waves(20, 3, part=1), anomalous_waves(20, 3, part=1)
    for field in ("values", "kinds", "places"):
        np.testing.assert_array_equal(getattr(one, field), getattr(again, field))
    for other in (anomalous_waves(20, 4, part=1), anomalous_waves(20, 3, part=2)):
        assert not np.array_equal(other.values, one.values, equal_nan=True)


def test_they_are_of_different_lengths_and_end_with_nan(twins):
    for waves in twins:
        assert waves.values.shape == (COUNT, LONGEST, 1)
        assert waves.values.dtype == np.float32
        there = np.isfinite(waves.values[..., 0])
        lengths = there.sum(axis=1)
        assert (there == (np.arange(LONGEST) < lengths[:, None])).all()
        assert set(lengths) == set(range(SHORTEST, LONGEST + 1))


def fitted(wave, lowest=1 / 24, highest=1 / 10):
    """Fits the fundamental and its harmonic by least squares on a fine grid: frequency, and variance of the rest."""
    x, steps = wave.astype(np.float64), np.arange(len(wave))
    frequencies, fits = np.linspace(lowest, highest, 400), []
    for frequency in frequencies:
        angles = 2 * np.pi * frequency * steps
        basis = np.stack([np.sin(angles), np.cos(angles), np.sin(2 * angles), np.cos(2 * angles)], axis=1)
        fits.append(np.sum((x - basis @ np.linalg.lstsq(basis, x, rcond=None)[0]) ** 2) / (len(x) - 5))
    return frequencies[np.argmin(fits)], min(fits)


def test_normal_ones_are_two_sines_and_noise(twins):
    left = [fitted(wave[np.isfinite(wave)])[1] for wave in twins[0].values[:20, :, 0]]
    assert 0.9 * NOISE < np.sqrt(np.mean(left)) < 1.1 * NOISE  # four deviations of its own: 0.1 / sqrt(2 * 900)


def test_every_anomaly_is_where_the_label_says(twins):
    normal, anomalous = twins
    np.testing.assert_array_equal(np.bincount(anomalous.kinds), [0, *[COUNT // len(KINDS)] * len(KINDS)])
    assert not normal.kinds.any()
    assert not normal.places.any()
    lengths = np.isfinite(normal.values[..., 0]).sum(axis=1)
    for one, other, (first, end), length in zip(
        normal.values[..., 0], anomalous.values[..., 0], anomalous.places, lengths, strict=True
    ):
        assert 1 <= first < end <= length
        changed = np.flatnonzero(np.nan_to_num(one) != np.nan_to_num(other))
        assert first <= changed.min()
        assert changed.max() < end
        assert len(changed) >= end - first - 2  # another frequency begins without a jump; a line may cross a wave


def test_every_kind_is_what_it_is_called(twins):
    normal, anomalous = (waves.values[..., 0].astype(np.float64) for waves in twins)
    difference = anomalous - normal
    for number, kind in enumerate(KINDS):
        chosen = of_kind(twins[1], kind)
        assert chosen[0] == number  # they take turns
        for n in chosen:
            first, end = twins[1].places[n]
            there = difference[n, first:end]
            if kind == "spike":
                assert end - first == 1
                assert 0.3 <= abs(there[0]) <= 1
            elif kind == "dropout":
                assert 4 <= end - first <= 12
                assert (anomalous[n, first:end] == anomalous[n, first - 1]).all()
            elif kind == "level shift":
                assert end == np.isfinite(normal[n]).sum()
                np.testing.assert_allclose(there, there[0], atol=1e-6)
                assert 0.15 <= abs(there[0]) <= 0.5
            elif kind == "noise burst":
                assert 4 <= end - first <= 12
            else:
                assert there[0] == 0  # no jump
                assert end == np.isfinite(normal[n]).sum()
    bursts = np.concatenate([difference[n, slice(*twins[1].places[n])] for n in of_kind(twins[1], "noise burst")])
    expected = np.sqrt((0.3**3 - 0.1**3) / (3 * 0.2))  # of a uniform deviation between 0.1 and 0.3
    assert abs(bursts.std() - expected) < 0.1 * expected


def test_another_frequency_is_between_a_tenth_and_a_half_more_or_less(twins):
    normal, anomalous = twins
    lengths = np.isfinite(normal.values[..., 0]).sum(axis=1)
    ratios = []
    for n in of_kind(anomalous, "frequency shift")[:40]:
        first, length = anomalous.places[n, 0], lengths[n]
        before, _ = fitted(normal.values[n, :length, 0])
        after, _ = fitted(anomalous.values[n, first:length, 0], before / 1.6, before * 1.6)
        ratios.append(after / before)
    ratios = np.array(ratios)
    factors = np.maximum(ratios, 1 / ratios)
    assert ((factors > 1.08) & (factors < 1.53)).mean() >= 0.9  # a short piece with noise tells no more
    assert 0.25 < (ratios > 1).mean() < 0.75  # three deviations


def test_those_to_test_on_are_half_normal_and_nobody_trained_on_them():
    test = waves_to_test(0)
    np.testing.assert_array_equal(np.bincount(test.kinds), [500, 100, 100, 100, 100, 100])
    seen = {wave.tobytes() for part in (0, 1) for wave in normal_waves(4000, 0, part).values}
    assert not seen & {wave.tobytes() for wave in test.values}
