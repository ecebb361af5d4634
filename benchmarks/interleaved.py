"""Times that can be compared on a machine whose speed wanders: calls take turns, medians count."""

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
    """Median seconds by `clock` of each call over `runs` rounds, after `warm_up` others.

    With `rest`, so many seconds pass before each call, and it is called once untimed: some engines' threads go on
    waiting for work by spinning, which is no fault of the engine whose turn is next.
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
