"""Learning rates against their formulas."""

import math

import numpy as np
import pytest

from keras_gen.engine.config import RunConfig
from keras_gen.engine.schedules import Schedule, scaled
from keras_gen.errors import UserError

FORMULAS = {
    "constant": lambda s: 1.0,
    "constant-then-linear": lambda s: min(1.0, (21 - s) / (21 - 10)),
    "linear": lambda s: 1 - s / 21,
    "step": lambda s: 0.5 ** ((s >= 4) + (s >= 15)),
    "cosine": lambda s: math.cos(math.pi * s / 42) ** 2,  # the half-angle formula
}


@pytest.mark.parametrize("decay", FORMULAS)
@pytest.mark.parametrize("warm_up", [0, 5])
def test_rates_are_those_of_the_formulas(decay, warm_up):
    rate = Schedule(2e-3, 21, decay, warm_up=warm_up, step_at=(4, 15), step_factor=0.5)
    expected = [2e-3 * FORMULAS[decay](s) * min(1, (s + 1) / (warm_up or 1)) for s in range(22)]
    np.testing.assert_allclose([float(rate(s)) for s in range(22)], expected, rtol=1e-5, atol=1e-9)
    again = Schedule.from_config(rate.get_config())
    assert [float(again(s)) for s in range(22)] == [float(rate(s)) for s in range(22)]


@pytest.mark.parametrize("decay", ["constant-then-linear", "linear", "cosine"])
def test_after_the_end_a_rate_stays_0(decay):
    assert float(Schedule(1.0, 21, decay)(30)) == pytest.approx(0.0, abs=1e-12)


def test_the_default_is_constant_then_linear():
    assert RunConfig().schedule == Schedule(1.0, 4).decay == "constant-then-linear"
    assert [float(Schedule(1.0, 4)(s)) for s in range(5)] == [1.0, 1.0, 1.0, 0.5, 0.0]


@pytest.mark.parametrize("decay", FORMULAS)
def test_a_player_of_several_steps_gets_the_rate_of_the_run(decay):
    rate = Schedule(1e-3, 20, decay, warm_up=4, step_at=(5,))
    own = scaled(rate, 3.0, steps=5)
    for step in range(20):
        assert float(own(5 * step)) == pytest.approx(3 * float(rate(step)), rel=1e-6)
    assert scaled(rate, 1.0) is rate
    assert scaled(1e-3, 3.0) == pytest.approx(3e-3)


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"schedule": "step"}, "--schedule step needs --step-at"),
        ({"step_at": (5,)}, "--step-at 5 is for --schedule step"),
        ({"schedule": "step", "step_at": (5, 3)}, "--step-at got 5 3; accepted are steps in ascending order"),
        (
            {"schedule": "stairs"},
            "--schedule got stairs; accepted are constant-then-linear, constant, ",
        ),
        ({"warm_up_steps": -1}, "--warm-up-steps got -1"),
    ],
)
def test_what_does_not_go_together_is_refused(fields, told):
    with pytest.raises(UserError) as error:
        RunConfig(**fields)
    assert told in error.value.in_flags
