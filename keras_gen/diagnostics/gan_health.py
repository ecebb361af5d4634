"""Whether two players that train against each other do well: one plain verdict on a run, from what its steps log and
from how diverse its samples are.

A family says what there is to look at (`Health`, from `GenerativeModel.health`); `engine.gan_monitor` looks, and
writes the verdict down. Here are the rules: functions of series and figures, each with the numbers that it turns on.
What is kept from one step to the next is a `Record`, part of every checkpoint, so a run that was resumed is judged as
one that was not stopped. docs/health.md has the formulas for people, what to try, and how often each rule was wrong.
Series are the means of `BIN` steps. "gap" is how much more real the discriminator finds real images than generated
ones: the mean of its logits (of a critic its scores) of the one less that of the other.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

TERMS = ("real_logit", "fake_logit", "real_accuracy", "fake_accuracy")
"""What a family with a `Health` logs at every step."""

BIN = 10
"""Steps that one value of a series stands for: fewer are noise of small batches, and a swing takes tens of steps."""
BINS = 128
"""Values of a series that are remembered, 1280 steps: four swings of 320 steps, the slowest that is called one."""
SMOOTH = 10
"""Values whose mean decides who is winning: 100 steps, 6400 images at a batch of 64."""
WARM_UP = 1000
"""Steps before the first verdict: at first samples are all grey, and the discriminator is right about all of them."""
HOLD = 500
"""Steps that something must have been wrong for: single players win for shorter times in every good run."""
LOOKS = 3
"""Looks in a row, from `WARM_UP` on, at which samples must have been wrong, as each sees others of them."""

SURE = 0.99
"""Share of real and of generated images that a discriminator which has won is right on: the generator is left with one
image in a hundred that passes."""
SURE_GAP = 10.0
"""Gap of one that has won, though a few images fool it: odds of e^10 between the two kinds. The hinge and the squares
of LSGAN have no reason to go so far."""
LOST_GAP = 0.1
"""Share of its widest gap by which a discriminator that has lost prefers generated images; where the two cannot be told
apart the gap is smaller, of either sign."""
SWING = 0.1
"""How far from chance a discriminator's accuracy, over real and generated images, goes to both sides when the players
take turns: five deviations of the mean over 10 steps of 32 images of each kind. Of a critic, which has no accuracy: the
share of its widest gap."""
TURNS = 8
"""Turns within the series that are an oscillation: four periods, which a single change of fortune is not."""
LESS_DISTANCE = 0.5
"""Mean distance of samples below which they have collapsed, as a share of the data's."""
LESS_KINDS = 0.25
"""Effective number of modes below which they have collapsed, as a share of the data's. Good runs on small images have
0.4 and more: samples are a little smoother than the data, so more pairs of them are near."""
LESS_MODES = 0.8
"""Share of the known modes below which samples have collapsed: when two of eight are lost, or six of 25."""
GROWTH = 1.25
"""Factor by which samples that surpass all before in diversity are still getting there, and have not collapsed."""
HALFWAY = 0.5
"""Share of the limit from which on that counts: what little a collapsed generator varies may well double by chance."""
DEAF = 0.1
"""Change of a sample by other noise, as a share of the distance of two samples, below which noise hardly matters."""
DEAF_AT_ALL = 1e-3
"""The same as a share of the data's diversity: below half a level of 256, all samples are one picture."""
STALLED = 1e-7
"""Change of a player's weights in a step, as a share of them, below which it does not learn: float32 resolves no
less (2^-23 = 1.2e-7)."""
RELIEF = 1.2
"""What is wrong is over when a figure is better than its limit by this factor, not as soon as it touches it."""


@dataclasses.dataclass(frozen=True)
class Health:
    """What a family with an adversary shows the monitor; it also logs `TERMS`.

    Attributes:
        real: a batch of validation data -> the data's pictures in it, (n, h, w, channels) in [-1, 1].
        draw: (batch, latents) -> as many pictures by the weights that are training (an average of them is noise for
            long, and looks calm when they are not), of the same sources or labels as the batch's.
        latents: (count, seed) -> what `draw` takes; None for a translator without noise, whose `draw` gets None.
        critic: whether the discriminator only scores, and decides nothing, so that it is meant to be ahead.
        offset: whether the players are to meet where generated images score higher than real ones (BEGAN), so that the
            sign of the gap does not tell who is ahead.
    """

    real: Callable[[Any], Any]
    draw: Callable[[Any, Any], Any]
    latents: Callable[[int, int], Any] | None = None
    critic: bool = False
    offset: bool = False


@dataclasses.dataclass
class Measurements:
    """What was measured of samples and weights at one preview.

    Attributes:
        distance, kinds, structure: see `ops.diversity.Diversity`; None where the data are too few. Of a translator
            without noise only structure is: it draws one picture of each source, so it cannot have the colours and
            materials that sources do not tell, but what a collapsed one draws is alike whatever the source.
        modes: share of the data's modes that samples go to, see `ops.diversity.modes_reached`; None where they are not
            known.
        noise: mean change of a sample by other noise, as a share of the data's distance; None without noise.
        update_ratio: player -> norm of the change of its weights in a step, as a share of their norm.
    """

    distance: float | None = None
    kinds: float | None = None
    structure: float | None = None
    modes: float | None = None
    noise: float | None = None
    update_ratio: dict[str, float] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass
class Record:
    """What the monitor remembers.

    Attributes:
        step: updates seen.
        series: term -> the newest `BINS` values.
        begun: term -> values of the steps that the next one of the series will be the mean of.
        widest: the largest absolute gap so far.
        best: the greatest `diversity` so far.
        wrong: what is wrong -> [step since which it is, looks in a row that found it].
        alarmed: what was wrong for long enough at the last look.
        looked: step of the last look, -1 before the first.
        look: what it found.
        verdicts: [step, verdict] of each look whose verdict was a new one.
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
        """Take in the `TERMS` of the next steps, (n,) each, of which `step` was the last."""
        count = len(logs[TERMS[0]])
        for place in range(count):
            self.step = step - count + place + 1
            for term in TERMS:
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
        """A series, (bins,)."""
        return np.array(self.series.get(term, []))

    @property
    def gap(self) -> np.ndarray:
        """The series of the gap, (bins,)."""
        return self.values("real_logit") - self.values("fake_logit")


# -- rules over series ---------------------------------------------------------------------------------------------


def smoothed(values: np.ndarray) -> np.ndarray:
    """Means of `SMOOTH` values up to each, (bins,); of as many as there are for the first ones."""
    sums = np.cumsum(np.concatenate([[0.0], values]))
    ends = np.arange(1, len(values) + 1)
    starts = np.maximum(ends - SMOOTH, 0)
    return (sums[ends] - sums[starts]) / (ends - starts)


def discriminator_won(real_accuracy: np.ndarray, fake_accuracy: np.ndarray, gap: np.ndarray) -> np.ndarray:
    """Where a discriminator is `SURE` of both kinds of images, or its gap is above `SURE_GAP`; bool (bins,)."""
    return (np.minimum(smoothed(real_accuracy), smoothed(fake_accuracy)) >= SURE) | (smoothed(gap) >= SURE_GAP)


def generator_won(gap: np.ndarray, widest: float) -> np.ndarray:
    """Where generated images seem more real than real ones, by `LOST_GAP` of the widest gap ever; bool (bins,)."""
    return smoothed(gap) <= -LOST_GAP * widest if widest else np.zeros(len(gap), bool)


def last_run(flags: np.ndarray) -> int:
    """Length of the run of true values at the end, 0 if the last is false."""
    false = np.flatnonzero(~np.asarray(flags, bool))
    return len(flags) - 1 - int(false[-1]) if len(false) else len(flags)


def turns(values: np.ndarray, threshold: float) -> int:
    """How often a series goes from above `threshold` to below -`threshold` or back."""
    sides = np.sign(values) * (np.abs(values) > threshold)
    sides = sides[sides != 0]
    return int(np.count_nonzero(np.diff(sides)))


def swings(record: Record, critic: bool) -> int:
    """`turns` of a discriminator's accuracy about chance, or of a critic's gap about 0."""
    if critic:
        return turns(record.gap, SWING * record.widest)
    accuracy = 0.5 * (record.values("real_accuracy") + record.values("fake_accuracy"))
    return turns(accuracy - 0.5, SWING)


# -- rules over what samples and weights are at one look -----------------------------------------------------------


def diversity(look: Measurements) -> float | None:
    """The least of the diversities as a share of its limit; None where they are not measured."""
    limits = (
        (look.distance, LESS_DISTANCE),
        (look.kinds, LESS_KINDS),
        (look.structure, LESS_DISTANCE),
        (look.modes, LESS_MODES),
    )
    return min((value / limit for value, limit in limits if value is not None), default=None)


def collapsed(look: Measurements, best: float, relief: float = 1.0) -> bool:
    """Whether samples are less diverse than they may be, and not on the way there.

    Args:
        look: what was measured.
        best: the greatest `diversity` before it; samples that surpass it by `GROWTH` are still getting diverse, if they
            have `HALFWAY` behind them.
        relief: factor of the limits.
    """
    found = diversity(look)
    return found is not None and found < relief and (found <= GROWTH * best or found < HALFWAY)


def ignores_noise(look: Measurements, relief: float = 1.0) -> bool:
    """Whether samples of the same label or source are about the same, whatever the noise."""
    if look.noise is None or look.distance is None:
        return False
    return look.noise < relief * max(DEAF * look.distance, DEAF_AT_ALL)


def stalled(look: Measurements, relief: float = 1.0) -> str | None:
    """The player whose weights move least, if that is not at all."""
    player = min(look.update_ratio, key=look.update_ratio.get, default=None)
    return player if player is not None and look.update_ratio[player] < relief * STALLED else None


# -- the verdict ---------------------------------------------------------------------------------------------------

TOO_EARLY = f"too early to say, before step {WARM_UP}"
HEALTHY = "healthy"


def judge(record: Record, look: Measurements, *, critic: bool = False, offset: bool = False) -> str:
    """The verdict at `record.step`, which `record` then remembers.

    What is wrong is told from step `WARM_UP` on, when it has been so for `HOLD` steps; what is seen in samples, weights
    or swings, also at `LOOKS` looks. Of several things that are wrong, the first are those that cause others, and what
    to try is told for the first. `critic` and `offset` are those of `Health`.
    """
    record.look, record.looked = look, record.step
    if record.series:
        won = discriminator_won(*(record.values(term) for term in TERMS[2:]), record.gap)
        _note_series(record, "discriminator won", won & (not critic))
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
    elif run < len(flags) or name not in record.wrong:  # else it began before what is remembered
        values = min(run + SMOOTH - 1, len(flags))  # those that the first true flag is the mean of belong to it
        record.wrong[name] = [record.step // BIN * BIN - BIN * values + 1, LOOKS]  # the series has seen every step


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
        "a slower or smaller one, noise on its images or a penalty on its gradient",
    )


def _generator_won(record: Record, since: int) -> tuple[str, str]:
    return (
        f"the generator has won since step {since}, the discriminator takes what it draws for more real than the data",
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
        f"{100 * record.look.noise:.1g} % of what two images of the data differ",
        "a weaker loss beside the adversarial one, or a larger latent",
    )


def _collapse(record: Record, since: int) -> tuple[str, str]:
    look = record.look
    if look.modes is not None and look.modes / LESS_MODES <= diversity(look):
        how = f"samples go to {100 * look.modes:.0f} % of the modes of the data"
    else:
        least = min(value for value in (look.distance, look.kinds, look.structure) if value is not None)
        less = 1.0 / max(least, 1e-3)
        how = f"samples are {less:.{1 if less < 10 else 0}f}x less diverse than the data"
    return (
        f"mode collapse since step {since}, {how}",
        "a discriminator that sees the source, or a larger weight of the loss beside the adversarial one"
        if look.distance is None
        else "a penalty on the gradient, larger batches or a lower learning rate",
    )


def _oscillating(record: Record, since: int) -> tuple[str, str]:
    return (
        f"oscillating since step {since}, the players take turns in winning",
        "a lower learning rate, beta_1 of 0 or a penalty on the gradient",
    )


_TOLD: dict[str, Callable[[Record, int], tuple[str, str]]] = {
    "discriminator won": _discriminator_won,
    "stalled": _stalled,
    "generator won": _generator_won,
    "noise": _noise,
    "collapse": _collapse,
    "oscillating": _oscillating,
}
