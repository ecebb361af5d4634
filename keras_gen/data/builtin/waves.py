"""Waves: periodic sequences with one feature and different lengths, with or without known anomalies.

A normal wave is a fundamental and its first overtone with random frequency, amplitudes and phases, and noise:

    x(t) = a sin(2 pi f t + p) + b sin(4 pi f t + q) + e(t)

An anomaly changes a normal wave from some step on, for a while or until the end; all other steps stay the same. Waves
are a pure function of a seed.
"""

from dataclasses import dataclass

import numpy as np

LONGEST, SHORTEST = 64, 40  # steps
NOISE = 0.05  # standard deviation of e(t)
KINDS = ("spike", "dropout", "frequency shift", "level shift", "noise burst")

_FREQUENCY = (1 / 24, 1 / 10)  # of the fundamental [1/step]
_AMPLITUDE, _OVERTONE = (0.7, 1.3), (0.0, 0.5)
_NORMAL, _ANOMALOUS = 0, 1  # uses of a random generator


@dataclass(frozen=True, eq=False)
class Waves:
    """A set of waves.

    Attributes:
        values: float32 (n, LONGEST, 1), NaN after the end of each wave.
        kinds: int32 (n,), 0 for normal waves, otherwise 1 + the index in KINDS.
        places: int32 (n, 2), the first step of the anomaly and the step after its last; 0, 0 for normal waves.
    """

    values: np.ndarray
    kinds: np.ndarray
    places: np.ndarray


def normal_waves(count: int, seed: int, part: int = 0) -> Waves:
    """`count` normal waves. Other values of `seed` or `part`, both integers, give other waves."""
    values, lengths, _ = _drawn(count, np.random.default_rng([seed, part, _NORMAL]))
    return Waves(_ended(values, lengths), np.zeros(count, np.int32), np.zeros((count, 2), np.int32))


def anomalous_waves(count: int, seed: int, part: int = 0) -> Waves:
    """The `normal_waves` of the same arguments, each with an anomaly, whose kinds alternate."""
    values, lengths, altered = _drawn(count, np.random.default_rng([seed, part, _NORMAL]))
    generator = np.random.default_rng([seed, part, _ANOMALOUS])
    kinds, places = 1 + np.arange(count, dtype=np.int32) % len(KINDS), np.zeros((count, 2), np.int32)
    for number, kind in enumerate(kinds):
        places[number] = first, end = _place(KINDS[kind - 1], int(lengths[number]), generator)
        there = slice(first, end)
        if KINDS[kind - 1] == "frequency shift":
            factor = generator.uniform(1.1, 1.5) ** generator.choice([-1, 1])
            values[number, there] = altered(number, first, factor)[there]
        else:
            values[number, there] = _CHANGES[KINDS[kind - 1]](values[number], first, end, generator)
    return Waves(_ended(values, lengths), kinds, places)


def _drawn(count: int, generator: np.random.Generator):
    """Values (n, LONGEST), lengths (n,), and a function that redraws a wave with a new frequency from some step on."""
    lengths = generator.integers(SHORTEST, LONGEST + 1, count)
    frequency = generator.uniform(*_FREQUENCY, count)
    amplitudes = np.stack([generator.uniform(*_AMPLITUDE, count), generator.uniform(*_OVERTONE, count)])
    phases = generator.uniform(0, 2 * np.pi, (2, count))
    noise = NOISE * generator.standard_normal((count, LONGEST))
    steps = np.arange(LONGEST)

    def wave(numbers: np.ndarray, turns: np.ndarray) -> np.ndarray:
        parts = (
            amplitudes[n, numbers, None] * np.sin(2 * np.pi * (n + 1) * turns + phases[n, numbers, None])
            for n in (0, 1)
        )
        return sum(parts) + noise[numbers]

    def altered(number: int, first: int, factor: float) -> np.ndarray:
        # The phase is continuous, so only the frequency reveals the anomaly.
        turns = frequency[number] * (steps + (factor - 1) * np.maximum(steps - first, 0))
        return wave(np.array([number]), turns[None])[0]

    return wave(np.arange(count), frequency[:, None] * steps), lengths, altered


def _ended(values: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    return np.where(np.arange(LONGEST) < lengths[:, None], values, np.nan).astype(np.float32)[..., None]


def _place(kind: str, length: int, generator: np.random.Generator) -> tuple[int, int]:
    """First step of an anomaly and the step after its last; it never includes the first step of the wave."""
    if kind in ("frequency shift", "level shift"):
        return int(generator.integers(length // 4, length * 5 // 8)), length
    steps = 1 if kind == "spike" else int(generator.integers(4, 13))
    first = int(generator.integers(1, length - steps + 1))
    return first, first + steps


def _spike(wave: np.ndarray, first: int, end: int, generator: np.random.Generator) -> np.ndarray:
    return wave[first:end] + generator.choice([-1, 1]) * generator.uniform(0.3, 1.0)


def _dropout(wave: np.ndarray, first: int, end: int, generator: np.random.Generator) -> np.ndarray:
    """A stuck sensor, which repeats its last value."""
    return np.full(end - first, wave[first - 1])


def _level(wave: np.ndarray, first: int, end: int, generator: np.random.Generator) -> np.ndarray:
    return wave[first:end] + generator.choice([-1, 1]) * generator.uniform(0.15, 0.5)


def _burst(wave: np.ndarray, first: int, end: int, generator: np.random.Generator) -> np.ndarray:
    return wave[first:end] + generator.uniform(0.1, 0.3) * generator.standard_normal(end - first)


_CHANGES = {"spike": _spike, "dropout": _dropout, "level shift": _level, "noise burst": _burst}
