"""Divergences and earth mover's distances against scipy, closed forms, and a worked example."""

import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon
from scipy.stats import entropy, wasserstein_distance, wasserstein_distance_nd

from keras_gen.metrics.transport import (
    distance_of_points,
    earth_movers_distance,
    js_divergence,
    js_of_points,
    kl_divergence,
    kl_of_points,
    transport_plan,
)

P, Q = np.array([3.0, 2.0, 1.0, 4.0]), np.array([1.0, 2.0, 4.0, 3.0])


def test_divergences_of_histograms_are_those_of_scipy():
    rng = np.random.default_rng(0)
    p, q = rng.integers(1, 20, (2, 3, 4))
    assert kl_divergence(p, q) == pytest.approx(entropy(p.ravel(), q.ravel()), rel=1e-12)
    assert js_divergence(p, q) == pytest.approx(jensenshannon(p.ravel(), q.ravel()) ** 2, rel=1e-12)


def test_the_distance_of_histograms_is_that_of_scipy():
    positions = np.arange(4)
    assert earth_movers_distance(P, Q) == pytest.approx(wasserstein_distance(positions, positions, P, Q), rel=1e-12)


def test_any_cost_is_solved_exactly():
    rng = np.random.default_rng(1)
    places, others = rng.normal(size=(5, 2)), rng.normal(size=(7, 2))
    p, q = rng.uniform(size=5), rng.uniform(size=7)
    cost = np.linalg.norm(places[:, None] - others, axis=-1)
    assert earth_movers_distance(p, q, cost) == pytest.approx(wasserstein_distance_nd(places, others, p, q), rel=1e-6)
    plan = transport_plan(p, q, cost)
    np.testing.assert_allclose(plan.sum(axis=1), p / p.sum(), atol=1e-9)
    np.testing.assert_allclose(plan.sum(axis=0), q / q.sum(), atol=1e-9)


def test_two_plans_with_the_same_cost():
    """Blocks at 0 and 1 become blocks at 1 and 2: each moves by 1, or the first one moves by 2. Both cost 2 of 2
    blocks, and no plan costs less."""
    cost = np.abs(np.subtract.outer(np.arange(3), np.arange(3)))
    both_move, one_moves = np.zeros((3, 3)), np.zeros((3, 3))
    both_move[0, 1] = both_move[1, 2] = 0.5
    one_moves[0, 2] = one_moves[1, 1] = 0.5
    for plan in (both_move, one_moves):
        assert plan.sum(axis=1).tolist() == [0.5, 0.5, 0.0]
        assert plan.sum(axis=0).tolist() == [0.0, 0.5, 0.5]
        assert np.sum(plan * cost) == 1.0
    assert earth_movers_distance([1, 1, 0], [0, 1, 1]) == earth_movers_distance([1, 1, 0], [0, 1, 1], cost) == 1.0


def test_a_worked_example_of_piles_of_earth():
    """Four piles: 2 units go from the first to the second, 2 on to the third, and 1 from the fourth to the third."""
    assert earth_movers_distance(P, Q) * P.sum() == pytest.approx(5.0)


@pytest.mark.parametrize("shift", [1, 3])
def test_only_the_earth_movers_distance_sees_how_far_apart_histograms_are(shift):
    p, q = np.eye(5)[0], np.eye(5)[shift]
    assert kl_divergence(p, q) == np.inf
    assert js_divergence(p, q) == pytest.approx(np.log(2))
    assert earth_movers_distance(p, q) == shift


def test_histograms_that_are_none_are_refused():
    for p, q in (([1, -1], [1, 1]), ([0, 0], [1, 1])):
        with pytest.raises(ValueError, match="negative or empty"):
            kl_divergence(p, q)
    with pytest.raises(ValueError, match="equal shapes"):
        js_divergence([1, 1], [1, 1, 1])
    with pytest.raises(ValueError, match=r"that of p and of q, \(2, 3\)"):
        earth_movers_distance([1, 1], [1, 1, 1], np.ones((2, 2)))


def test_kl_of_normal_points_is_the_closed_form():
    """KL(N(0, 1) || N(1, 2^2)) = log 2 + 2/8 - 1/2 in each of two dimensions; 3,000 points, within 0.1."""
    one, other = np.random.default_rng(0).normal(size=(2, 3000, 2))
    expected = 2 * (np.log(2) + (1 + 1) / 8 - 0.5)
    assert kl_of_points(one, 2 * other + 1) == pytest.approx(expected, abs=0.1)
    assert kl_of_points(one, other) == pytest.approx(0.0, abs=0.1)


def test_js_of_points_is_between_0_and_log_2():
    """For N(-1, 1) and N(1, 1) the divergence is integrated numerically; 3,000 points, within 0.03."""
    one, other = np.random.default_rng(1).normal(size=(2, 3000, 1))
    x = np.linspace(-9, 9, 20_001)
    p, q = (np.exp(-0.5 * (x - m) ** 2) / np.sqrt(2 * np.pi) for m in (-1, 1))
    expected = np.trapezoid(0.5 * (p * np.log(2 * p / (p + q)) + q * np.log(2 * q / (p + q))), x)
    assert js_of_points(one - 1, other + 1) == pytest.approx(expected, abs=0.03)
    assert js_of_points(one, other) == pytest.approx(0.0, abs=0.03)
    assert js_of_points(one, other + 100) == pytest.approx(np.log(2), abs=0.01)


def test_the_distance_of_points_is_exact():
    """By assignment for equal numbers, by linear programming otherwise; in one dimension both are scipy's."""
    rng = np.random.default_rng(2)
    for count in (30, 20):
        one, other = rng.normal(size=(30, 1)), rng.normal(size=(count, 1)) + 1
        expected = wasserstein_distance(one[:, 0], other[:, 0])
        assert distance_of_points(one, other) == pytest.approx(expected, rel=1e-9)


def test_points_that_are_none_are_refused():
    with pytest.raises(ValueError, match="6 or more"):
        kl_of_points(np.zeros((5, 2)), np.ones((9, 2)))
    with pytest.raises(ValueError, match="equal numbers"):
        js_of_points(np.ones((8, 2)), np.ones((9, 2)))
    with pytest.raises(ValueError, match="samples of a density"):
        kl_of_points(np.ones((8, 2)), np.ones((9, 2)))
    with pytest.raises(ValueError, match="accepted are"):
        distance_of_points(np.ones((8, 2)), np.ones((9, 3)))
