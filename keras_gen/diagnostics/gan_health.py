"""The health rules of GANs: one verdict in words, from the logged terms and the diversity of the samples.

A family provides a `Health` (`GenerativeModel.health`), and `engine.gan_monitor` measures and reports at each preview.
This module holds the rules: pure functions of series and measurements, with their constants. All memory is in a
`Record`, which is part of every checkpoint, so a resumed run gets the same verdicts as an uninterrupted one.
docs/health.md lists the formulas, advice, and false alarms.

A series consists of means over `BIN` steps. The "gap" is the discriminator's mean output on real images minus that on
generated images.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

TERMS = ("real_logit", "fake_logit", "real_accuracy", "fake_accuracy")
"""The terms that a family with a `Health` logs at every step."""

BIN = 10
"""Steps per value of a series. Fewer would show the noise of small batches; oscillations take tens of steps."""
BINS = 128
"""Values kept of a series: 1280 steps, enough for four periods of 320 steps, the slowest oscillation detected."""
SMOOTH = 10
"""Values averaged to decide which player is winning: 100 steps, or 6400 images with batches of 64."""
WARM_UP = 1000
"""Steps before the first verdict. At first all samples are grey and the discriminator is always right."""
HOLD = 500
"""Steps that a problem must last before it is reported. In good runs, too, one player wins for shorter times."""
LOOKS = 3
"""Consecutive previews, after warm-up, that must fail before an alarm; each draws new samples."""

SURE = 0.99
"""Accuracy on real and on generated images from which the discriminator has won: one generated image in a hundred
passes."""
SURE_GAP = 10.0
"""Gap from which the discriminator has won even if a few images fool it: odds of e^10. The hinge loss and LSGAN never
need such a gap."""
LOST_GAP = 0.1
"""The discriminator has lost if it prefers generated images by this fraction of its widest gap. If it merely cannot
tell them apart, the gap is smaller and of either sign."""
SWING = 0.1
"""Distance of the accuracy from chance, on both sides, that counts as an oscillation: five standard deviations of the
mean over 10 steps with 32 images of each kind. For a critic, which has no accuracy, a fraction of its widest gap."""
TURNS = 8
"""Crossings within the series that make an oscillation: four periods."""
LESS_DISTANCE = 0.5
"""Mode collapse below this mean distance between samples, relative to the data."""
LESS_KINDS = 0.25
"""Mode collapse below this effective number of modes, relative to the data. Good runs on small images have 0.4 or more,
not 1, because samples are a little smoother than the data and so more pairs of them are close."""
LESS_MODES = 0.8
"""Mode collapse below this fraction of the known modes: two of eight, or six of 25, are lost."""
GROWTH = 1.25
"""Samples that are more diverse than ever before by this factor are still improving, not collapsed."""
HALFWAY = 0.5
"""Fraction of the limit from which an improvement counts. The tiny variation of a collapsed generator can double by
chance."""
DEAF = 0.1
"""The noise is ignored if it changes a sample by less than this fraction of the distance between two samples."""
DEAF_AT_ALL = 1e-3
"""The same relative to the diversity of the data: below half a grey level of 256, all samples are the same picture."""
STALLED = 1e-7
"""A player does not learn if a step changes its weights by less than this relative norm, the resolution of float32
(2^-23 = 1.2e-7)."""
RELIEF = 1.2
"""A problem is over when its figure is better than the limit by this factor, so that verdicts do not flicker."""


@dataclasses.dataclass(frozen=True)
class Health:
    """What a family with a discriminator gives to the monitor. It must also log `TERMS`, a critic only the first two.

    Attributes:
        real: validation batch -> its real images, (n, h, w, channels) in [-1, 1].
        draw: (batch, latents) -> as many generated images, with the sources or labels of the batch. It must use the
            current weights: their moving average lags behind and hides oscillations.
        latents: (count, seed) -> the latents for `draw`; None for a translator without noise, whose `draw` gets None.
        critic: whether the discriminator gives scores instead of decisions (Wasserstein), so that it should be ahead.
        offset: whether generated images score higher than real ones at the equilibrium (BEGAN), so that the sign of
            the gap does not tell which player is ahead.
    """

    real: Callable[[Any], Any]
    draw: Callable[[Any, Any], Any]
    latents: Callable[[int, int], Any] | None = None
    critic: bool = False
    offset: bool = False


@dataclasses.dataclass
class Measurements:
    """Measurements of samples and weights at one preview.

    Attributes:
        distance, kinds, structure: see `ops.diversity.Diversity`; None if there are too few data. A translator without
            noise has only structure: it cannot draw colours and materials that the source does not tell, so distance
            and kinds would be low even in good runs.
        modes: fraction of the known modes that samples reach, see `ops.diversity.modes_reached`; None if unknown.
        noise: mean change of a sample when its noise changes, relative to the data's distance; None without noise.
        update_ratio: player -> norm of the weight change of one step, relative to the norm of the weights.
    """

    distance: float | None = None
    kinds: float | None = None
    structure: float | None = None
    modes: float | None = None
    noise: float | None = None
    update_ratio: dict[str, float] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass
class Record:
    """The memory of the monitor.

    Attributes:
        step: number of updates seen.
        series: term -> the newest `BINS` values.
        begun: term -> step values that the next value of the series will average.
        widest: largest absolute gap so far.
        best: largest `diversity` so far.
        wrong: problem -> [step of its begin, number of consecutive previews that found it].
        alarmed: problems that had lasted long enough at the last preview.
        looked: step of the last preview, -1 before the first.
        look: its measurements.
        verdicts: [step, verdict] of each preview whose verdict changed.
    """

    step: int = 0
    series: dict[str, list[float]] = dataclasses.field(default_factory=dict)
    begun: dict[str, list[float]] = dataclasses.field(default_factory=dict)
    widest: float = 0.0
    best: float = 0.0
    wrong: dict[str, list[int]] = dataclasses.field(default_factory=dict)
    alarmed: list[str] = dataclasses.field(default_factory=list)
    looked: int = -1
    look: Measurements = dataclasses.field(default_factory=Measurements)
    verdicts: list[list[Any]] = dataclasses.field(default_factory=list)

    def __post_init__(self) -> None:
        if isinstance(self.look, dict):  # read from a checkpoint
            self.look = Measurements(**self.look)

    def add(self, logs: Mapping[str, np.ndarray], step: int) -> None:
        """Add the `TERMS` of the next n steps, (n,) each; `step` is the last of them."""
        count = len(logs[TERMS[0]])
        known = [term for term in TERMS if term in logs]  # a critic logs no accuracies
        for place in range(count):
            self.step = step - count + place + 1
            for term in known:
                self.begun.setdefault(term, []).append(float(logs[term][place]))
            if self.step % BIN == 0:
                self._close()

    def _close(self) -> None:
        for term, steps in self.begun.items():
            values = self.series.setdefault(term, [])
            values.append(float(f"{sum(steps) / len(steps):.6g}"))  # short in a checkpoint
            del values[:-BINS]
        self.begun.clear()
        self.widest = max(self.widest, abs(self.gap[-1]))

    def values(self, term: str) -> np.ndarray:
        """The series of a term, (bins,)."""
        return np.array(self.series.get(term, []))

    @property
    def gap(self) -> np.ndarray:
        """The series of the gap, (bins,)."""
        return self.values("real_logit") - self.values("fake_logit")


# -- rules over series ---------------------------------------------------------------------------------------------


def smoothed(values: np.ndarray) -> np.ndarray:
    """Trailing means over `SMOOTH` values, (bins,); over fewer at the start."""
    sums = np.cumsum(np.concatenate([[0.0], values]))
    ends = np.arange(1, len(values) + 1)
    starts = np.maximum(ends - SMOOTH, 0)
    return (sums[ends] - sums[starts]) / (ends - starts)


def discriminator_won(real_accuracy: np.ndarray, fake_accuracy: np.ndarray, gap: np.ndarray) -> np.ndarray:
    """Where the discriminator is `SURE` of both kinds of images, or its gap exceeds `SURE_GAP`; bool (bins,)."""
    return (np.minimum(smoothed(real_accuracy), smoothed(fake_accuracy)) >= SURE) | (smoothed(gap) >= SURE_GAP)


def generator_won(gap: np.ndarray, widest: float) -> np.ndarray:
    """Where generated images score higher than real ones by `LOST_GAP` of the widest gap so far; bool (bins,)."""
    return smoothed(gap) <= -LOST_GAP * widest if widest else np.zeros(len(gap), bool)


def last_run(flags: np.ndarray) -> int:
    """Number of consecutive true values at the end."""
    false = np.flatnonzero(~np.asarray(flags, bool))
    return len(flags) - 1 - int(false[-1]) if len(false) else len(flags)


def turns(values: np.ndarray, threshold: float) -> int:
    """How often a series crosses from above `threshold` to below -`threshold` or back."""
    sides = np.sign(values) * (np.abs(values) > threshold)
    sides = sides[sides != 0]
    return int(np.count_nonzero(np.diff(sides)))


def swings(record: Record, critic: bool) -> int:
    """`turns` of the discriminator's accuracy around chance, or of a critic's gap around 0."""
    if critic:
        return turns(record.gap, SWING * record.widest)
    accuracy = 0.5 * (record.values("real_accuracy") + record.values("fake_accuracy"))
    return turns(accuracy - 0.5, SWING)


# -- rules over the measurements of one preview --------------------------------------------------------------------


def diversity(look: Measurements) -> float | None:
    """The smallest diversity relative to its limit; None if none was measured."""
    limits = (
        (look.distance, LESS_DISTANCE),
        (look.kinds, LESS_KINDS),
        (look.structure, LESS_DISTANCE),
        (look.modes, LESS_MODES),
    )
    return min((value / limit for value, limit in limits if value is not None), default=None)


def collapsed(look: Measurements, best: float, relief: float = 1.0) -> bool:
    """Whether the samples are less diverse than the limits allow, and are not still improving.

    Args:
        look: the measurements.
        best: largest `diversity` before them. Samples that exceed it by `GROWTH` are still improving, provided they
            have reached `HALFWAY`.
        relief: factor on the limits.
    """
    found = diversity(look)
    return found is not None and found < relief and (found <= GROWTH * best or found < HALFWAY)


def ignores_noise(look: Measurements, relief: float = 1.0) -> bool:
    """Whether samples with the same label or source are nearly the same for any noise."""
    if look.noise is None or look.distance is None:
        return False
    return look.noise < relief * max(DEAF * look.distance, DEAF_AT_ALL)


def stalled(look: Measurements, relief: float = 1.0) -> str | None:
    """The player whose weights move least, if it has practically stopped; else None."""
    player = min(look.update_ratio, key=look.update_ratio.get, default=None)
    return player if player is not None and look.update_ratio[player] < relief * STALLED else None


# -- the verdict ---------------------------------------------------------------------------------------------------

TOO_EARLY = f"too early to say, before step {WARM_UP}"
HEALTHY = "healthy"


def judge(record: Record, look: Measurements, *, critic: bool = False, offset: bool = False) -> str:
    """The verdict at `record.step`; `record` is updated.

    A problem is reported from step `WARM_UP` on, once it has lasted for `HOLD` steps and, unless it is seen in the
    series of every step, for `LOOKS` previews. Causes come before symptoms, with advice about the first. `critic` and
    `offset` are those of `Health`.
    """
    record.look, record.looked = look, record.step
    if record.series:
        if not critic:
            won = discriminator_won(*(record.values(term) for term in TERMS[2:]), record.gap)
            _note_series(record, "discriminator won", won)
        _note_series(record, "generator won", generator_won(record.gap, record.widest) & (not offset))
    if record.step >= WARM_UP:
        for name, holds in (
            ("stalled", lambda relief: stalled(look, relief) is not None),
            ("noise", lambda relief: ignores_noise(look, relief)),
            ("collapse", lambda relief: collapsed(look, record.best, relief)),
            ("oscillating", lambda relief: swings(record, critic) * relief >= TURNS and not offset),
        ):
            _note(record, name, holds(RELIEF if name in record.alarmed else 1.0))
    record.best = max(record.best, diversity(look) or 0.0)
    record.alarmed = [name for name in _TOLD if _lasts(record, name)]
    if record.alarmed:
        (first, advice), *others = (_TOLD[name](record, record.wrong[name][0]) for name in record.alarmed)
        verdict = "; also ".join([f"{first}: try {advice}", *(other for other, _ in others)])
    else:
        verdict = HEALTHY if record.step >= WARM_UP else TOO_EARLY
    if not record.verdicts or record.verdicts[-1][1] != verdict:
        record.verdicts.append([record.step, verdict])
    return verdict


def _note(record: Record, name: str, holds: bool) -> None:
    if holds:
        since, looks = record.wrong.get(name, (record.step, 0))
        record.wrong[name] = [since, looks + 1]
    else:
        record.wrong.pop(name, None)


def _note_series(record: Record, name: str, flags: np.ndarray) -> None:
    run = last_run(flags)
    if not run:
        record.wrong.pop(name, None)
    elif run < len(flags) or name not in record.wrong:  # otherwise it began before the series
        values = min(run + SMOOTH - 1, len(flags))  # including the values in the first true mean
        record.wrong[name] = [record.step // BIN * BIN - BIN * values + 1, LOOKS]  # the series covers every step


def _lasts(record: Record, name: str) -> bool:
    if name not in record.wrong or record.step < WARM_UP:
        return False
    since, looks = record.wrong[name]
    return looks >= LOOKS and record.step - since + 1 >= HOLD


def _discriminator_won(record: Record, since: int) -> tuple[str, str]:
    right = (
        f"{100 * float(smoothed(record.values(f'{kind}_accuracy'))[-1]):.0f} % of {images}"
        for kind, images in (("real", "real"), ("fake", "generated images"))
    )
    return (
        f"the discriminator has won since step {since}, right on {' and '.join(right)}",
        "a slower or smaller discriminator, noise on its images or a gradient penalty",
    )


def _generator_won(record: Record, since: int) -> tuple[str, str]:
    return (
        f"the generator has won since step {since}, the discriminator prefers generated images to real ones",
        "more steps or a higher learning rate for the discriminator",
    )


def _stalled(record: Record, since: int) -> tuple[str, str]:
    player = stalled(record.look, RELIEF)
    return (
        f"the {player} has not learnt since step {since}, a step changes its weights by "
        f"{record.look.update_ratio[player]:.0e} of their size",
        "another objective or a higher learning rate",
    )


def _noise(record: Record, since: int) -> tuple[str, str]:
    return (
        f"the output hardly depends on the noise since step {since}, other noise changes it by "
        f"{100 * record.look.noise:.1g} % of the distance between two real images",
        "a smaller weight of the other losses, or a larger latent vector",
    )


def _collapse(record: Record, since: int) -> tuple[str, str]:
    look = record.look
    if look.modes is not None and look.modes / LESS_MODES <= diversity(look):
        how = f"samples reach {100 * look.modes:.0f} % of the modes of the data"
    else:
        least = min(value for value in (look.distance, look.kinds, look.structure) if value is not None)
        less = 1.0 / max(least, 1e-3)
        how = f"samples are {less:.{1 if less < 10 else 0}f}x less diverse than the data"
    return (
        f"mode collapse since step {since}, {how}",
        "a conditional discriminator, or a larger weight of the L1 loss"
        if look.distance is None
        else "a gradient penalty, larger batches or a lower learning rate",
    )


def _oscillating(record: Record, since: int) -> tuple[str, str]:
    return (
        f"oscillating since step {since}, the players win in turn",
        "a lower learning rate, beta_1 of 0 or a gradient penalty",
    )


_TOLD: dict[str, Callable[[Record, int], tuple[str, str]]] = {
    "discriminator won": _discriminator_won,
    "stalled": _stalled,
    "generator won": _generator_won,
    "noise": _noise,
    "collapse": _collapse,
    "oscillating": _oscillating,
}
