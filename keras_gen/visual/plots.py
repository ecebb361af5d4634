"""Plots of sequences, bar charts, scatter plots and densities, drawn by matplotlib without a display."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLOURS = ("#30343b", "#d1495b", "#2a7f9e", "#e0a030", "#6a9955")
_MAX_FEATURES = 4  # features of a sequence that are plotted, one below the other
_CELL = (3.6, 1.25)  # size of the plot of one feature [inches]
_DPI = 100
_DARK, _PALE, _TEXT = "#2a7f9e", "#c9d3d8", "#444444"
_MAX_NAMES = 32  # maximum number of bars with names
_MAX_CHARACTERS = 24  # of a name; longer ones are cut
_MIN_BARS = 8  # the plot is wide enough for at least this many bars, so that a few bars are not too wide
_MAX_COLOURS = 20  # classes with colours of their own; more get shades of a continuous scale
_BLUES = ("#ffffff", "#c4dde6", "#6fb0c8", "#2a7f9e", "#134b63", "#082a3a")  # from low to high density
_CELLS, _BLUR = 400, 2.0  # of a density: cells along each axis, and standard deviation of the blur [cells]
_CONTOUR_POINTS = 97  # grid points along each axis at which contour values are computed


def curves(
    columns: Mapping[str, np.ndarray],
    *,
    titles: Sequence[str] = (),
    spans: Sequence[tuple[int, int]] = (),
    features: Sequence[str] = (),
) -> np.ndarray:
    """Plot each example with all its curves in the same axes.

    Args:
        columns: name of a curve -> sequences (n, length, features); all with the same n. If a curve is NaN at a step,
            the step is left out of all curves.
        titles: one for each example.
        spans: for each example a range of steps to shade, (first, end) without the end; an empty range shades nothing.
        features: names of the features; the first four features are plotted.

    Returns:
        The plots, uint8 (height, width, 3).
    """
    drawn = {name: np.asarray(sequences, np.float32) for name, sequences in columns.items()}
    complete = np.isfinite(np.stack(list(drawn.values()))).all(axis=(0, -1))
    count = min(len(sequences) for sequences in drawn.values())
    rows_per_example = min(next(iter(drawn.values())).shape[2], _MAX_FEATURES)
    across = 1 if count == 1 else 2 if count <= 8 else 3
    down = -(-count // across)
    height = 0.45 + down * (_CELL[1] * rows_per_example + 0.2)
    figure = _figure(_CELL[0] * across, height)
    axes = figure.subplots(down * rows_per_example, across, squeeze=False)
    for cell in range(down * across):
        row, column = divmod(cell, across)
        for feature in range(rows_per_example):
            axis = axes[row * rows_per_example + feature][column]
            if cell >= count:
                axis.axis("off")
                continue
            for (name, sequences), colour in zip(drawn.items(), _line_colours(len(drawn)), strict=True):
                steps = np.flatnonzero(complete[cell])
                axis.plot(steps, sequences[cell, steps, feature], color=colour, linewidth=1.3, label=name)
            if spans and spans[cell][0] < spans[cell][1]:
                first, end = spans[cell]
                axis.axvspan(first - 0.5, end - 0.5, color="#f2b84b", alpha=0.35, linewidth=0)
            if feature == 0 and titles:
                axis.set_title(titles[cell], fontsize=8, loc="left", color="#444444", parse_math=False)
            if features and rows_per_example > 1:
                axis.set_ylabel(features[feature], fontsize=7, color="#444444", parse_math=False)
            axis.margins(x=0.01)
            axis.tick_params(labelsize=7, colors="#777777", length=2, labelbottom=feature == rows_per_example - 1)
            for side in axis.spines.values():
                side.set_visible(side.spine_type in ("left", "bottom"))
                side.set_color("#bbbbbb")
    handles, names = axes[0][0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside upper left", ncols=len(names), fontsize=8, frameon=False)
    return _pixels(figure)


def bars(
    values: Sequence[float], names: Sequence[str], strong: Sequence[bool], *, title: str, axes: tuple[str, str]
) -> np.ndarray:
    """Bar chart.

    Args:
        values: heights of the bars.
        names: labels below the bars; left out if there are more than 32.
        strong: which bars to draw in the dark colour.
        title: of the chart.
        axes: labels of the horizontal and vertical axis.

    Returns:
        The chart, uint8 (height, width, 3).
    """
    figure = _figure(7.2, 3.2)
    plane = figure.subplots()
    plane.bar(range(len(values)), values, color=[_DARK if one else _PALE for one in strong], width=0.8)
    if len(values) <= _MAX_NAMES:
        plane.set_xticks(range(len(values)), names)
    plane.set_xlim(-0.7, max(len(values), _MIN_BARS) - 0.3)
    plane.grid(axis="y", color="#eeeeee")
    plane.set_axisbelow(True)
    _label(plane, title, axes)
    return _pixels(figure)


def points(
    places: np.ndarray, labels: np.ndarray, classes: Sequence[str], *, title: str, axes: tuple[str, str]
) -> np.ndarray:
    """Scatter plot of examples, coloured by class.

    Args:
        places: (n, 2).
        labels: int (n,); -1 without a label.
        classes: class names in the order of the labels; () without labels.
        title: of the chart.
        axes: labels of the two axes; if both are empty, the axes have no ticks.

    Returns:
        The chart, uint8 (height, width, 3).
    """
    import matplotlib

    figure = _figure(7.6 if classes else 6.2, 6.0)
    plane = figure.subplots()
    style = {"s": 14, "linewidths": 0.3, "edgecolors": "white"}
    if not classes:
        plane.scatter(*places.T, color=_DARK, **style)
    else:
        scale = matplotlib.colormaps["tab10" if len(classes) <= 10 else "tab20"]
        colours = (
            scale(np.arange(len(classes)))
            if len(classes) <= _MAX_COLOURS
            else matplotlib.colormaps["viridis"](np.linspace(0, 1, len(classes)))
        )
        for label, name in enumerate(classes):
            of_class = labels == label
            if of_class.any():
                plane.scatter(*places[of_class].T, color=colours[label], label=_display_name(name), **style)
        if len(classes) <= _MAX_COLOURS:
            figure.legend(loc="outside right center", frameon=False, fontsize=9, markerscale=2)
    plane.set_aspect("equal", "datalim")
    if not any(axes):
        plane.set(xticks=[], yticks=[])
    _label(plane, title, axes)
    return _pixels(figure)


def plane(
    samples: Mapping[str, np.ndarray], *, levels: Callable[[np.ndarray], Any] | None = None, title: str = ""
) -> np.ndarray:
    """Density plots of two-dimensional samples over [-1, 1]^2, side by side on one logarithmic scale.

    The densities are kernel density estimates with a Gaussian of standard deviation 0.01. Colours show log(1 + 4 times
    the density), so that a single stray sample of thousands is visible beside a mode that holds an eighth of them.

    Args:
        samples: title -> points (n, 2), or images of a single pixel (n, 1, 1, 2); the second number is the vertical
            axis.
        levels: function whose contour lines are drawn over each plot, such as a discriminator: float32 (m, 1, 1, 2)
            -> m numbers. The line of level 0 is thick; negative levels are dashed.
        title: above all plots.

    Returns:
        The plots, uint8 (height, width, 3).
    """
    from matplotlib.colors import LinearSegmentedColormap, Normalize

    points = {name: np.asarray(drawn, np.float64).reshape(-1, 2) for name, drawn in samples.items()}
    shades = {name: np.log1p(4.0 * _density(drawn)) for name, drawn in points.items()}
    scale = Normalize(0.0, max(max(shade.max() for shade in shades.values()), 1e-6))
    ramp = LinearSegmentedColormap.from_list("samples", _BLUES)
    lines = None if levels is None else _contour_values(levels)

    place = {"origin": "lower", "extent": (-1, 1, -1, 1), "interpolation": "bilinear"}
    figure = _figure(4.2 * len(points), 4.5 if title else 4.25)
    if title:
        figure.suptitle(title, x=0.01, ha="left", fontsize=10, color=_TEXT, parse_math=False)
    for axis, (name, drawn) in zip(figure.subplots(1, len(points), squeeze=False)[0], points.items(), strict=True):
        axis.imshow(shades[name].T, cmap=ramp, norm=scale, **place)
        if lines is not None:
            _contour(axis, lines)
        outside = np.count_nonzero(~(np.abs(drawn) <= 1).all(axis=1))
        heading = f"{_display_name(name)}, {len(drawn):,}" + f", {outside:,} of them outside" * bool(outside)
        _label(axis, heading, ("", ""))
        axis.set(xticks=(-1, 0, 1), yticks=(-1, 0, 1))
        axis.spines[["top", "right"]].set(visible=True, color="#bbbbbb")
    return _pixels(figure)


def _density(points: np.ndarray) -> np.ndarray:
    """Kernel density estimate of points (n, 2) on [-1, 1]^2: (_CELLS, _CELLS), x first. Points outside count in n."""
    counts, _, _ = np.histogram2d(*points.T, bins=_CELLS, range=((-1, 1), (-1, 1)))
    counts = ndimage.gaussian_filter(counts, _BLUR, mode="constant")
    return counts * (_CELLS / 2) ** 2 / max(len(points), 1)


def _contour_values(function: Callable[[np.ndarray], Any]) -> np.ndarray:
    """The function on a grid over [-1, 1]^2, (_CONTOUR_POINTS, _CONTOUR_POINTS), y first as matplotlib expects."""
    along = np.linspace(-1, 1, _CONTOUR_POINTS, dtype=np.float32)
    lattice = np.stack(np.meshgrid(along, along), axis=-1)
    return np.asarray(function(lattice.reshape(-1, 1, 1, 2)), np.float64).reshape(lattice.shape[:2])


def _contour(axis: Axes, values: np.ndarray) -> None:
    """Draw labelled contour lines; none if the values are constant or not finite."""
    from matplotlib.ticker import MaxNLocator

    values = np.ma.masked_invalid(values)
    if not values.count():
        return
    lowest, highest = values.min(), values.max()
    heights = [height for height in MaxNLocator(8).tick_values(lowest, highest) if lowest < height < highest]
    if not heights:
        return
    along = np.linspace(-1, 1, _CONTOUR_POINTS)
    drawn = axis.contour(
        along,
        along,
        values,
        levels=heights,
        colors=[_COLOURS[1]],
        linewidths=[1.6 if height == 0 else 0.7 for height in heights],
        linestyles=["dashed" if height < 0 else "solid" for height in heights],
        alpha=0.85,
    )
    axis.clabel(drawn, fontsize=7, fmt="%g")


def _label(plane: Axes, title: str, axes: tuple[str, str]) -> None:
    plane.set_title(title, loc="left", fontsize=10, color=_TEXT)
    plane.set_xlabel(axes[0], fontsize=9, color=_TEXT)
    plane.set_ylabel(axes[1], fontsize=9, color=_TEXT)
    plane.tick_params(labelsize=8, colors=_TEXT, length=2)
    plane.spines[["top", "right"]].set_visible(False)
    plane.spines[["bottom", "left"]].set_color("#bbbbbb")


def _display_name(name: str) -> str:
    """A name as matplotlib can show it: short, on one line, not a formula, no leading underscore (which hides it)."""
    name = " ".join(name.split())
    name = name if len(name) <= _MAX_CHARACTERS else name[: _MAX_CHARACTERS - 1] + "\N{HORIZONTAL ELLIPSIS}"
    return (" " + name if name.startswith("_") else name).replace("$", r"\$")


def _figure(width: float, height: float) -> Figure:
    """An empty figure [inches], without pyplot's display and global state."""
    from matplotlib.figure import Figure  # takes half a second to import

    return Figure((width, height), dpi=_DPI, layout="constrained", facecolor="white")


def _pixels(figure: Figure) -> np.ndarray:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font", UserWarning)  # class names may be in any script
        canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def _line_colours(count: int) -> list[str]:
    return [_COLOURS[n % len(_COLOURS)] for n in range(count)]
