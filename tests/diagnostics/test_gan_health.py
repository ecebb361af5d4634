"""The rules of the health monitor, on series with known verdicts, and the record between previews."""

import dataclasses
import json
import re

import numpy as np
import pytest

from keras_gen.diagnostics.gan_health import (
    BINS,
    HEALTHY,
    TERMS,
    TOO_EARLY,
    Measurements,
    Record,
    collapsed,
    discriminator_won,
    generator_won,
    ignores_noise,
    judge,
    last_run,
    smoothed,
    stalled,
    swings,
    turns,
)

GOOD = Measurements(
    distance=0.9, kinds=0.8, structure=0.95, noise=0.9, update_ratio={"generator": 1e-3, "discriminator": 1e-3}
)


def steps(count, real=1.0, fake=-1.0, real_right=0.8, fake_right=0.8):
    """Logs of `count` steps; each term is a constant or has one value per step."""
    return {
        term: np.broadcast_to(np.asarray(value, float), (count,))
        for term, value in zip(TERMS, (real, fake, real_right, fake_right), strict=True)
    }


def watched(*logs, every=250, looks=GOOD, **kind):
    """A record after these logs, and its verdicts by step."""
    record, told = Record(), {}
    together = {term: np.concatenate([log[term] for log in logs]) for term in TERMS}
    for end in range(every, len(together[TERMS[0]]) + 1, every):
        record.add({term: values[end - every : end] for term, values in together.items()}, end)
        told[end] = judge(record, looks(end) if callable(looks) else looks, **kind)
    return record, told


def test_a_fair_game_is_healthy_after_the_warm_up():
    _, told = watched(steps(3000))
    assert {step: verdict for step, verdict in told.items() if step < 1000} == dict.fromkeys((250, 500, 750), TOO_EARLY)
    assert {verdict for step, verdict in told.items() if step >= 1000} == {HEALTHY}


def test_equilibrium_is_no_oscillation():
    """A healthy series: logits of 0 and accuracies of 0.5, with the noise of 10 steps with 32 images."""
    chance = np.random.default_rng(0)
    noise = lambda deviation: chance.normal(0, deviation, 5000)  # noqa: E731
    right = lambda: 0.5 + noise(0.5 / 32**0.5)  # noqa: E731
    _, told = watched(steps(1000, 2.0, -2.0), steps(5000, noise(0.05), noise(0.05), right(), right()))
    assert {verdict for step, verdict in told.items() if step >= 1000} == {HEALTHY}
    _, told = watched(steps(1000, 2.0, -2.0), steps(5000, noise(0.05), noise(0.05), right(), right()), critic=True)
    assert {verdict for step, verdict in told.items() if step >= 1000} == {HEALTHY}


# -- the discriminator has won -------------------------------------------------------------------------------------


def test_smoothed_is_the_mean_of_ten():
    values = np.random.default_rng(0).random(25)
    expected = [values[max(0, end - 10) : end].mean() for end in range(1, 26)]
    np.testing.assert_allclose(smoothed(values), expected)


@pytest.mark.parametrize(
    ("real", "fake", "gap", "won"),
    [
        (1.0, 1.0, 3.0, True),
        (0.995, 0.992, 3.0, True),
        (1.0, 0.98, 3.0, False),
        (0.98, 1.0, 3.0, False),
        (0.95, 0.95, 12.0, True),
    ],
)
def test_the_discriminator_wins_by_both_accuracies_or_by_its_gap(real, fake, gap, won):
    flags = discriminator_won(np.full(20, real), np.full(20, fake), np.full(20, gap))
    assert flags.tolist() == [won] * 20


def test_since_when_the_discriminator_has_won():
    """The verdict names the first step of the first hundred that the discriminator won, once that is 500 steps ago."""
    fair, won = steps(2200, real_right=0.8), steps(1800, real_right=1.0, fake_right=1.0)
    _, told = watched(fair, won)
    assert told[2500] == HEALTHY
    assert told[2750].startswith("the discriminator has won since step 2201, right on 100 % of real and 100 % of")
    assert ": try " in told[2750]
    # The series holds 1280 steps: what began before is remembered.
    assert told[4000].startswith("the discriminator has won since step 2201")
    record, told = watched(fair, won, steps(250))
    assert told[4250] == HEALTHY
    assert [step for step, _ in record.verdicts] == [250, 1000, 2750, 4250]


def test_a_discriminator_that_wins_twice_is_told_the_second_time():
    fair, won = steps(500, real_right=0.5), steps(1000, real_right=1.0, fake_right=1.0)
    _, told = watched(won, fair, won, every=500)
    assert told[1000].startswith("the discriminator has won since step 1,")
    assert told[1500] == HEALTHY
    assert told[2500].startswith("the discriminator has won since step 1")
    assert not told[2500].startswith("the discriminator has won since step 1,")


def test_a_critic_is_meant_to_be_ahead():
    _, told = watched(steps(3000, 50.0, -50.0, 1.0, 1.0), critic=True)
    assert told[3000] == HEALTHY


# -- the generator has won -----------------------------------------------------------------------------------------


def test_generated_images_that_seem_more_real_than_real_ones():
    gap = np.concatenate([np.full(20, 2.0), np.full(20, -0.3)])
    flags = generator_won(gap, 2.0)
    assert not flags[:28].any()  # the mean of ten is at -0.2 or below when nine of them are negative
    assert flags[29:].all()
    assert not generator_won(np.full(20, -0.1), 2.0).any()  # no more than chance
    assert not generator_won(np.zeros(20), 0.0).any()
    _, told = watched(steps(1500), steps(1500, 0.5, 1.5, 0.6, 0.1))
    assert told[1500] == HEALTHY
    assert re.match("the generator has won since step 1[45]", told[3000])
    assert "the generator has won" in watched(steps(1500), steps(1500, 0.5, 1.5), critic=True)[1][3000]
    _, told = watched(steps(1500), steps(1500, 0.5, 1.5), critic=True, offset=True)
    assert told[3000] == HEALTHY  # where the two are to meet


# -- oscillation ---------------------------------------------------------------------------------------------------


def test_turns_are_counted_between_the_thresholds():
    assert turns(np.array([0.2, 0.0, 0.3, -0.2, 0.05, -0.4, 0.2]), 0.1) == 2
    assert turns(np.array([0.05, -0.05] * 10), 0.1) == 0
    assert turns(np.array([]), 0.1) == 0


@pytest.mark.parametrize(("period", "alarm"), [(100, True), (160, True), (300, True), (500, False)])
def test_players_that_take_turns(period, alarm):
    """1280 steps contain 8 crossings with a period of 300 steps, and 5 with a period of 500."""
    wave = np.sin(2 * np.pi * np.arange(5000) / period)
    record, told = watched(steps(5000, 0.0, wave, 0.5, 0.5 + 0.4 * wave))
    assert told[5000].startswith("oscillating since step 1") == alarm
    assert abs(swings(record, False) - 2 * 1280 / period) < 1.5
    assert abs(swings(record, True) - 2 * 1280 / period) < 1.5  # of the gap
    _, told = watched(steps(5000, 0.0, wave, 0.5, 0.5 + 0.15 * wave))
    assert told[5000] == HEALTHY  # a third more or less than chance, over both kinds of images 0.075


def test_a_critic_oscillates_by_its_gap():
    wave = np.sin(2 * np.pi * np.arange(4000) / 160)
    _, told = watched(steps(4000, 3.0 + 0.2 * wave, 3.0 - 0.2 * wave, 1.0, 0.0), critic=True)
    assert told[4000].startswith("oscillating")
    _, told = watched(steps(500, 8.0, 0.0), steps(3500, 3.0 + 0.2 * wave[:3500], 3.0 - 0.2 * wave[:3500]), critic=True)
    assert told[4000] == HEALTHY  # beside the gap that there was, this is an equilibrium


# -- samples and weights -------------------------------------------------------------------------------------------


def less(**values):
    return dataclasses.replace(GOOD, **values)


@pytest.mark.parametrize(
    ("look", "found"),
    [
        (GOOD, False),
        (less(distance=0.45), True),
        (less(kinds=0.2), True),
        (less(structure=0.3), True),
        (less(structure=None, kinds=0.3), False),
        (less(distance=0.0, kinds=0.1, structure=0.0), True),
        (less(modes=0.76), True),
        (less(modes=0.88), False),
        (Measurements(structure=0.8), False),
        (Measurements(structure=0.3), True),
        (Measurements(), False),
    ],
)
def test_collapse_is_any_of_the_diversities(look, found):
    assert collapsed(look, best=3.0) == found


def test_samples_that_get_more_diverse_than_ever_have_not_collapsed():
    assert not collapsed(less(distance=0.3), best=0.4)  # 0.3 of a limit of 0.5 is 0.6
    assert collapsed(less(distance=0.3), best=0.5)
    assert collapsed(less(distance=0.0), best=0.0)
    assert collapsed(less(distance=0.2), best=0.1)  # 0.4 is not half of the way
    _, told = watched(steps(3000), looks=lambda step: less(distance=min(0.9, 0.05 * 1.3 ** (step / 250))))
    assert told[3000] == HEALTHY


def test_a_collapse_is_told_at_the_third_look_and_over_with_some_relief():
    distances = {500: 0.1, 1000: 0.2, 1500: 0.2, 2000: 0.9, 2500: 0.25, 3000: 0.25, 3500: 0.25, 4000: 0.55, 4500: 0.7}
    record, told = watched(steps(4500), every=500, looks=lambda step: less(distance=distances[step]))
    assert told[3000] == HEALTHY
    assert told[3500].startswith("mode collapse since step 2500, samples are 4.0x less diverse than the data: try ")
    assert "samples are 1.8x less diverse" in told[4000]
    assert told[4500] == HEALTHY
    assert record.verdicts[-1] == [4500, HEALTHY]


def test_modes_that_are_missing_are_told_unless_something_else_is_worse():
    _, told = watched(steps(1500), looks=less(modes=0.5))
    assert told[1500].startswith("mode collapse since step 1000, samples reach 50 % of the modes of the data: try ")
    _, told = watched(steps(1500), looks=less(modes=0.5, distance=0.25))
    assert told[1500].startswith("mode collapse since step 1000, samples are 4.0x less diverse than the data: try ")


def test_what_is_to_be_tried_against_a_collapse():
    """The advice is different for a model with noise and for a translator."""
    _, told = watched(steps(1500), looks=less(distance=0.25))
    assert told[1500].endswith("try a gradient penalty, larger batches or a lower learning rate")
    _, told = watched(steps(1500), looks=Measurements(structure=0.25))
    assert "samples are 4.0x less diverse than the data: try a conditional discriminator" in told[1500]


def test_looks_in_quick_succession_wait():
    """Three previews 50 steps apart do not cover 500 steps."""
    _, told = watched(steps(2000), every=50, looks=lambda step: less(distance=0.2 if step > 1300 else 0.9))
    assert told[1800] == HEALTHY
    assert told[1850].startswith("mode collapse since step 1350")


@pytest.mark.parametrize(
    ("look", "deaf"),
    [
        (less(distance=0.9, noise=0.05), True),  # labels make the difference
        (less(distance=0.9, noise=0.2), False),
        (less(distance=0.0, noise=0.0), True),
        (less(distance=0.02, noise=0.02), False),  # a small blot, but of the noise
        (less(noise=None), False),
        (Measurements(), False),
    ],
)
def test_output_that_hardly_depends_on_the_noise(look, deaf):
    assert ignores_noise(look) == deaf


def test_noise_that_does_not_matter_is_told_with_its_share():
    _, told = watched(steps(2000), looks=less(distance=0.8, noise=0.04))
    assert told[1250] == HEALTHY
    assert told[1500].startswith(
        "the output hardly depends on the noise since step 1000, other noise changes it by 4 %"
    )


def test_a_player_that_does_not_move():
    assert stalled(GOOD) is None
    assert stalled(Measurements(update_ratio={"generator": 1e-9, "discriminator": 1e-3})) == "generator"
    assert stalled(Measurements()) is None
    _, told = watched(steps(2000), looks=less(update_ratio={"generator": 1e-3, "discriminator": 2e-9}))
    assert told[1500].startswith(
        "the discriminator has not learnt since step 1000, a step changes its weights by 2e-09"
    )


def test_several_things_are_told_causes_first():
    _, told = watched(steps(2000, real_right=1.0, fake_right=1.0), looks=less(distance=0.01, kinds=0.1))
    first, second = told[2000].split("; also ")
    assert first.startswith("the discriminator has won")
    assert ": try " in first
    assert second == "mode collapse since step 1000, samples are 100x less diverse than the data"


# -- what is remembered --------------------------------------------------------------------------------------------


def restored(record):
    """A record as restored from a checkpoint."""
    return Record(**json.loads(json.dumps(dataclasses.asdict(record))))


@pytest.mark.parametrize("stop", [1, 777, 1000, 1283, 2999])
def test_a_resumed_run_gets_the_verdicts_of_one_that_was_not_stopped(stop):
    """For a stop at any step, also within the steps of one value of a series."""
    chance = np.random.default_rng(1)
    logs = {term: chance.normal(size=4000) for term in TERMS}
    looks = [less(distance=float(d) / (1 + step // 900 % 2 * 5)) for step, d in enumerate(chance.uniform(0.8, 1, 4001))]

    def go_on(record, start, end):
        for step in range(start, end + 1):
            record.add({term: values[step - 1 : step] for term, values in logs.items()}, step)
            if step % 250 == 0:
                judge(record, looks[step])
        return record

    whole = go_on(Record(), 1, 4000)
    resumed = go_on(restored(go_on(Record(), 1, stop)), stop + 1, 4000)
    assert resumed == whole
    assert len(whole.verdicts) > 3


def test_several_steps_at_once_are_the_same_steps():
    logs = {term: np.random.default_rng(2).normal(size=120) for term in TERMS}
    one, many = Record(), Record()
    for step in range(1, 121):
        one.add({term: values[step - 1 : step] for term, values in logs.items()}, step)
    for start, end in ((0, 7), (7, 50), (50, 120)):
        many.add({term: values[start:end] for term, values in logs.items()}, end)
    assert one == many
    np.testing.assert_allclose(one.gap[1], (logs["real_logit"] - logs["fake_logit"])[10:20].mean(), rtol=1e-4)


def test_what_is_remembered_stays_small():
    record, _ = watched(steps(20000, real_right=0.123456789, fake_right=np.random.default_rng(0).random(20000)))
    assert {len(values) for values in record.series.values()} == {BINS}
    assert len(json.dumps(dataclasses.asdict(record))) < 10_000


def test_a_record_that_begins_late_goes_on():
    record = Record()
    record.add(steps(600, real_right=1.0, fake_right=1.0), 5603)
    assert judge(record, GOOD).startswith("the discriminator has won since step 5001")


def test_last_run():
    assert last_run(np.array([True, False, True, True])) == 2
    assert last_run(np.array([True, True])) == 2
    assert last_run(np.array([True, False])) == 0
