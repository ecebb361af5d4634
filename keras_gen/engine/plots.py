"""Curves for people: sequences as small plots, drawn by matplotlib without a display."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence

import numpy as np

_COLOURS = ("#30343b", "#d1495b", "#2a7f9e", "#e0a030", "#6a9955")
_MOST_FEATURES = 4  # of a sequence that are drawn, one below the other
_CELL = (3.6, 1.25)  # inches of a plot of one feature
_DPI = 100


def curves(
    columns: Mapping[str, np.ndarray],
    *,
    titles: Sequence[str] = (),
    spans: Sequence[tuple[int, int]] = (),
    features: Sequence[str] = (),
) -> np.ndarray:
    """One picture of a plot for each example, in which its curves lie over each other.

    Args:
        columns: name of a curve -> sequences (n, length, features); all with the same n. A step at which one of them is
            NaN is drawn of none.
        titles: of each example.
        spans: of each example, the first step and the one after the last of what is to be shaded; empty ones shade
            nothing.
        features: names; the first few features are drawn.

    Returns:
        The picture, uint8 (height, width, 3).
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # takes half a second to import
    from matplotlib.figure import Figure

    drawn = {name: np.asarray(sequences, np.float32) for name, sequences in columns.items()}
    there = np.isfinite(np.stack(list(drawn.values()))).all(axis=(0, -1))
    count = min(len(sequences) for sequences in drawn.values())
    rows_of_one = min(next(iter(drawn.values())).shape[2], _MOST_FEATURES)
    across = 1 if count == 1 else 2 if count <= 8 else 3
    down = -(-count // across)
    height = 0.45 + down * (_CELL[1] * rows_of_one + 0.2)
    figure = Figure((_CELL[0] * across, height), dpi=_DPI, layout="constrained", facecolor="white")
    axes = figure.subplots(down * rows_of_one, across, squeeze=False)
    for cell in range(down * across):
        row, column = divmod(cell, across)
        for feature in range(rows_of_one):
            axis = axes[row * rows_of_one + feature][column]
            if cell >= count:
                axis.axis("off")
                continue
            for (name, sequences), colour in zip(drawn.items(), _cycled(len(drawn)), strict=True):
                steps = np.flatnonzero(there[cell])
                axis.plot(steps, sequences[cell, steps, feature], color=colour, linewidth=1.3, label=name)
            if spans and spans[cell][0] < spans[cell][1]:
                first, end = spans[cell]
                axis.axvspan(first - 0.5, end - 0.5, color="#f2b84b", alpha=0.35, linewidth=0)
            if feature == 0 and titles:
                axis.set_title(titles[cell], fontsize=8, loc="left", color="#444444", parse_math=False)
            if features and rows_of_one > 1:
                axis.set_ylabel(features[feature], fontsize=7, color="#444444", parse_math=False)
            axis.margins(x=0.01)
            axis.tick_params(labelsize=7, colors="#777777", length=2, labelbottom=feature == rows_of_one - 1)
            for side in axis.spines.values():
                side.set_visible(side.spine_type in ("left", "bottom"))
                side.set_color("#bbbbbb")
    handles, names = axes[0][0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside upper left", ncols=len(names), fontsize=8, frameon=False)
    canvas = FigureCanvasAgg(figure)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font", UserWarning)  # a name in any script is a name
        canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def _cycled(count: int) -> list[str]:
    return [_COLOURS[n % len(_COLOURS)] for n in range(count)]
