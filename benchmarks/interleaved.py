"""Comparable times on a machine whose speed varies: calls take turns, and medians are compared."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping


def medians(
    calls: Mapping[str, Callable[[], object]],
    runs: int,
    warm_up: int = 2,
    clock: Callable[[], float] = time.perf_counter,
    rest: float = 0.0,
) -> dict[str, float]:
    """Median time of each call.

    Args:
        calls: name -> function to call.
        runs: number of timed rounds, in each of which every function is called once.
        warm_up: number of untimed rounds before them.
        clock: function that returns the time [s].
        rest: pause before each timed call, followed by an untimed call [s]. The threads of some engines spin after a
            call while they wait for work, which would slow down the next engine.

    Returns:
        Name -> median time [s].
    """
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for number in range(warm_up + runs):
        for name, call in calls.items():
            if rest:
                time.sleep(rest)
                call()
            start = clock()
            call()
            if number >= warm_up:
                seconds[name].append(clock() - start)
    return {name: statistics.median(values) for name, values in seconds.items()}
