"""Draw docs/images/architecture.png: the rooms of the package and their imports, read from the code.

    python -m benchmarks.architecture

A room is a folder of keras_gen. It is on the lowest floor that is above all rooms that it imports from. An arrow points
to an imported room, unless a chain of other arrows leads there too. Numbers in brackets are lines of Python code.
"""

from __future__ import annotations

import ast
import itertools
import random
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import keras_gen
from keras_gen.cli.parsing import app, parse
from keras_gen.flags import BaseConfig

ROOT = Path(keras_gen.__file__).resolve().parents[1]
_ROOF = "apps"
_GROUND = ("pages",)  # imported by many rooms; left out of the picture
_SAYS = {
    "apps": "one app per module",
    "models": "one file per paper",
    "cli": "flags, launcher",
    "engine": "models and runs",
    "evaluation": "one file per task",
    "compression": "pictures as codes",
    "inference": "any size, in tiles",
    "visual": "sheets, plots, pages",
    "export": "SavedModel, .tflite",
    "metrics": "scores",
    "diagnostics": "health of GANs",
    "networks": "functional builders",
    "data": "tf.data by kind",
    "layers": "what Keras lacks",
    "ops": "pure functions",
    "pages": "HTML templates",
}


@dataclass(frozen=True)
class Flags(BaseConfig):
    out: Path = ROOT / "docs" / "images" / "architecture.png"
    """File for the picture."""


def rooms() -> dict[str, list[Path]]:
    """room -> its Python files."""
    folders = {path.name: path for path in (ROOT / "keras_gen").iterdir() if (path / "__init__.py").exists()}
    folders[_ROOF] = ROOT / "apps"
    return {name: sorted(folder.rglob("*.py")) for name, folder in folders.items()}


def imports() -> dict[str, set[str]]:
    """room -> the other rooms that its files import from."""
    found: dict[str, set[str]] = {}
    names = rooms()
    for room, files in names.items():
        modules = set()
        for path in files:
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.ImportFrom) and node.module:
                    modules |= {f"{node.module}.{alias.name}" for alias in node.names}
                elif isinstance(node, ast.Import):
                    modules |= {alias.name for alias in node.names}
        parts = [module.split(".") for module in modules]
        found[room] = {p[1] for p in parts if p[0] == "keras_gen" and len(p) > 1 and p[1] in names} - {room}
    return found


def floors(below: dict[str, set[str]]) -> dict[str, int]:
    """room -> number of its floor; 0 for rooms without imports from others."""
    found: dict[str, int] = {}

    def floor(room: str) -> int:
        if room not in found:
            found[room] = max((1 + floor(other) for other in below[room]), default=0)
        return found[room]

    return {room: floor(room) for room in below}


def reduced(below: dict[str, set[str]]) -> dict[str, set[str]]:
    """`below` without imports that a chain of others implies."""

    def reach(room: str) -> set[str]:
        return below[room].union(*(reach(other) for other in below[room]))

    return {room: others - set().union(*(reach(other) for other in others)) for room, others in below.items()}


def arranged(
    level: dict[str, int], arrows: dict[str, set[str]], *, tries: int = 20_000
) -> dict[str, tuple[float, float]]:
    """room -> position (x, floor), with few arrows behind rooms, few crossings and short arrows.

    A random search with a fixed seed, which moves one or two rooms at a time.
    """
    chance = random.Random(0)
    pairs = [(room, other) for room, others in arrows.items() for other in others]
    floor = [[room for room in level if level[room] == number] for number in range(max(level.values()) + 1)]
    x = {room: place - (len(row) - 1) / 2 for row in floor for place, room in enumerate(row)}

    def at(pair: tuple[str, str], height: float) -> float:
        upper, lower = pair
        share = (level[upper] - height) / (level[upper] - level[lower])
        return x[upper] + share * (x[lower] - x[upper])

    def cost() -> float:
        total = sum(abs(x[upper] - x[lower]) for upper, lower in pairs)
        for pair in pairs:
            for number in range(level[pair[1]] + 1, level[pair[0]]):
                total += sum(10 * max(0.0, 0.62 - abs(at(pair, number) - x[room])) for room in floor[number])
        for one, other in itertools.combinations(pairs, 2):
            top, bottom = min(level[one[0]], level[other[0]]), max(level[one[1]], level[other[1]])
            total += top > bottom and (at(one, top) - at(other, top)) * (at(one, bottom) - at(other, bottom)) < -1e-9
        for row in floor:
            ordered = sorted(x[room] for room in row)
            total += sum(100 * max(0.0, 1.0 - (b - a)) for a, b in itertools.pairwise(ordered))
        return total + 0.05 * sum(abs(value) for value in x.values())

    best, rooms_in_order = cost(), list(x)
    for _ in range(tries):
        before = dict(x)
        for room in chance.sample(rooms_in_order, chance.choice((1, 1, 2))):
            x[room] = chance.randint(-8, 8) / 4
        if (now := cost()) <= best:
            best = now
        else:
            x = before
    return {room: (x[room], level[room]) for room in x}


def draw(out: Path) -> None:
    """Draw the picture."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt
    from matplotlib.patches import FancyBboxPatch

    below = {room: others - set(_GROUND) for room, others in imports().items() if room not in _GROUND}
    level, arrows = floors(below), reduced(below)
    lines = {room: sum(len(p.read_text(encoding="utf-8").splitlines()) for p in own) for room, own in rooms().items()}
    width, height, wide, high = 2.95, 1.45, 2.5, 0.8
    places = {room: (width * x, height * y) for room, (x, y) in arranged(level, arrows).items()}
    left, right = min(x for x, _ in places.values()), max(x for x, _ in places.values())
    top = max(y for _, y in places.values())
    figure, axes = plt.subplots(figsize=(0.95 * (right - left + width), 0.95 * (top + height)), dpi=100)
    for room, others in arrows.items():
        for other in others:
            (x, y), (u, v) = places[room], places[other]
            share = max(-0.8, min(0.8, (u - x) / width))
            axes.annotate(
                "",
                xy=(u - 0.4 * share * wide, v + high / 2),
                xytext=(x + 0.4 * share * wide, y - high / 2),
                arrowprops={"arrowstyle": "-|>", "color": "#8a97a5", "lw": 1.3, "shrinkA": 0, "shrinkB": 0},
                zorder=1,
            )
    for room, (x, y) in places.items():
        colour = "#fff4dc" if room == _ROOF else "#eaf2fb"
        corner = (x - wide / 2, y - high / 2)
        box = FancyBboxPatch(
            corner, wide, high, "round,pad=0,rounding_size=0.1", fc=colour, ec="#33475b", lw=1.3, zorder=2
        )
        axes.add_patch(box)
        says = f"{_SAYS.get(room, '')} ({lines[room]:,})"
        for text, up, size, weight in ((room, 0.14, 13, "bold"), (says, -0.18, 8.6, "normal")):
            axes.text(
                x, y + up, text, ha="center", va="center", fontsize=size, fontweight=weight, color="#1d2b38", zorder=3
            )
    axes.set_xlim(left - width / 2, right + width / 2)
    axes.set_ylim(-height / 2, top + height / 2)
    axes.axis("off")
    figure.savefig(out, bbox_inches="tight", pad_inches=0.08, facecolor="white")
    plt.close(figure)


@app
def main(argv: Sequence[str] | None = None) -> None:
    """Draw the picture."""
    flags = parse(Flags, argv, example="python -m benchmarks.architecture --out architecture.png")
    draw(flags.out)
    print(f"written to {flags.out}")


if __name__ == "__main__":
    sys.exit(main())
