"""Line charts as SVG, for the curves of a run, without JavaScript."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

_WIDTH, _HEIGHT = 420, 230  # of the SVG, in its units
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 12, 10, 26  # margins between the frame and the edges
_TICKS = 4  # approximate number of ticks on an axis
_POINTS = 300  # maximum number of points of a line
_OUTLIERS, _MANY = 0.02, 20  # fraction of values at each end that may be outside the range, if there are at least _MANY
COLOURS = 8
"""Number of line colours in the style sheet: .c0, .c1, and so on. Further lines reuse them."""


@dataclass(frozen=True)
class Line:
    """A line of a chart.

    Attributes:
        name: name in the legend; "" to leave it out.
        points: (x, y) in ascending order of x. Points whose y is not finite are left out.
        colour: number of the colour.
        faint: whether to draw it pale.
    """

    name: str
    points: Sequence[tuple[float, float]]
    colour: int = 0
    faint: bool = False


@dataclass(frozen=True)
class Chart:
    """The layout of a chart, from `chart`, for the macro `plot` in parts.html. Positions are in the units of the SVG.

    Attributes:
        title: title.
        about: a sentence below the title; "" for none.
        lines: (name, class, points of a polyline, centres of circles) of each line.
        x_ticks, y_ticks: (position, text).
        size: (width, height).
        frame: (left, top, right, bottom).
    """

    title: str
    about: str
    lines: list[tuple[str, str, str, list[tuple[float, float]]]]
    x_ticks: list[tuple[float, str]]
    y_ticks: list[tuple[float, str]]
    size: tuple[int, int] = (_WIDTH, _HEIGHT)
    frame: tuple[int, int, int, int] = (_LEFT, _TOP, _WIDTH - _RIGHT, _HEIGHT - _BOTTOM)


def chart(title: str, lines: Sequence[Line], about: str = "") -> Chart | None:
    """Lays out a chart of lines over a common x axis, such as steps.

    Args:
        title: title.
        lines: the lines, from back to front.
        about: a sentence below the title; "" for none.

    Returns:
        The chart; None if no line has points.
    """
    drawn = [(line, thinned([(x, y) for x, y in line.points if math.isfinite(y)])) for line in lines]
    points = [point for _, own in drawn for point in own]
    if not points:
        return None
    x_low, x_high = _widened(min(x for x, _ in points), max(x for x, _ in points))
    y_low, y_high = _widened(*_range([y for _, y in points]))
    margin = 0.04 * (y_high - y_low)
    y_low, y_high = y_low - margin, y_high + margin

    def place(x: float, y: float) -> tuple[float, float]:
        y = min(max(y, y_low), y_high)  # outliers are drawn on the frame
        across = _LEFT + (x - x_low) / (x_high - x_low) * (_WIDTH - _LEFT - _RIGHT)
        down = _HEIGHT - _BOTTOM - (y - y_low) / (y_high - y_low) * (_HEIGHT - _TOP - _BOTTOM)
        return round(across, 1), round(down, 1)

    shown = []
    for line, own in drawn:
        places = [place(*point) for point in own]
        kind = f"c{line.colour % COLOURS}" + " faint" * line.faint
        circles = places if len(places) == 1 else []
        shown.append((line.name, kind, " ".join(f"{x:g},{y:g}" for x, y in places), circles))
    x_ticks = [(place(value, y_low)[0], _text(value)) for value in ticks(x_low, x_high)]
    y_ticks = [(place(x_low, value)[1], _text(value)) for value in ticks(y_low, y_high)]
    return Chart(title, about, shown, x_ticks, y_ticks)


def thinned(points: Sequence[tuple[float, float]], most: int = _POINTS) -> list[tuple[float, float]]:
    """Reduces points to at most `most`, by averaging groups of neighbours of equal size."""
    if len(points) <= most:
        return list(points)
    size = math.ceil(len(points) / most)
    parts = [points[start : start + size] for start in range(0, len(points), size)]
    return [(sum(x for x, _ in part) / len(part), sum(y for _, y in part) / len(part)) for part in parts]


def ticks(low: float, high: float) -> list[float]:
    """About four round numbers from `low` to `high` (`low` < `high`), spaced by 1, 2 or 5 times a power of ten."""
    rough = (high - low) / _TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * (1 - 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [number * step for number in range(first, last + 1)]


def _range(values: Sequence[float]) -> tuple[float, float]:
    ordered = sorted(values)
    cut = int(_OUTLIERS * len(ordered)) if len(ordered) >= _MANY else 0
    return ordered[cut], ordered[-1 - cut]


def _widened(low: float, high: float) -> tuple[float, float]:
    """The same range, or a wider one if both ends are equal or nearly so."""
    least = max(1e-9, 1e-6 * max(abs(low), abs(high)))
    return (low, high) if high - low > least else (low - max(0.5 * abs(low), least), high + max(0.5 * abs(high), least))


def _text(value: float) -> str:
    for size, unit in ((1e6, "M"), (1e4, "k")):
        if abs(value) >= size:
            return f"{value / (1e3 if unit == 'k' else size):g}{unit}"
    return f"{value:.4g}" if abs(value) > 1e-12 else "0"
