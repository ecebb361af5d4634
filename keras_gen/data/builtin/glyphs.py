"""Synthetic handwritten digits, 28x28 pixels, white on black, like those of MNIST.

Each digit has several skeletons, which are points joined by cubic splines. The points are moved at random. The whole
skeleton is bent, slanted, rotated, stretched, fitted into the central 20x20 pixels, and drawn with a round pen. Images
are a pure function of a seed, so they are the same everywhere.
"""

from __future__ import annotations

import dataclasses
import functools

import numpy as np
from scipy.interpolate import CubicSpline

SIZE = 28  # pixels
CLASSES = tuple("0123456789")
TRAIN, VALIDATION = 10_000, 1_000  # number of images of the data set `glyphs`, drawn with the seeds 0 and 1

_BOX = 20.0  # side of the box that a digit is fitted into [pixels]
_EDGE = 2  # width of the border that stays black [pixels]
_MARKS = 64  # number of pen positions in a digit
_JITTER = 0.028  # standard deviation of the random displacement of a point [heights of a digit]
_BEND = 0.22  # standard deviation of the coefficients of bending, which is quadratic [1 / height of a digit]
_PART = 250  # number of images drawn at a time, which limits memory


@dataclasses.dataclass(frozen=True)
class _Skeleton:
    """One way to write a digit.

    Attributes:
        weight: relative frequency among the skeletons of the digit.
        strokes: smooth curves through points "x,y", x to the right and y downwards, in a box of height 1. Where one
            stroke ends and the next begins, there is a corner.
    """

    weight: float
    strokes: tuple[str, ...]


_SKELETONS: tuple[tuple[_Skeleton, ...], ...] = (
    (
        _Skeleton(2, (".4,.02 .1,.2 .02,.6 .3,1 .6,.74 .62,.3 .42,.0 .28,.06",)),
        _Skeleton(1, (".48,.0 .16,.14 .0,.56 .26,1 .56,.8 .64,.36 .44,.04 .32,.14",)),
    ),
    (
        _Skeleton(3, (".1,.0 .09,.5 .08,1",)),
        _Skeleton(2, (".0,.22 .12,.12 .22,.0", ".22,.0 .22,.5 .22,1")),
        _Skeleton(0.7, (".0,.2 .14,.12 .24,.0", ".24,.0 .24,.5 .24,1", ".02,1 .24,.99 .48,1")),
    ),
    (
        _Skeleton(2, (".04,.24 .14,.05 .36,.0 .56,.12 .56,.34 .36,.62 .0,1", ".0,1 .3,.96 .66,.98")),
        _Skeleton(1.5, (".04,.22 .18,.03 .42,.02 .54,.2 .42,.5 .2,.8 .06,.96 .0,.84 .14,.76 .36,.88 .66,.96",)),
    ),
    (
        _Skeleton(2, (".04,.12 .24,.0 .5,.08 .5,.3 .24,.46", ".24,.46 .54,.56 .58,.8 .34,1 .0,.9")),
        _Skeleton(1, (".02,.02 .3,.0 .56,.02", ".56,.02 .4,.22 .22,.42", ".22,.42 .5,.5 .58,.74 .36,1 .0,.92")),
    ),
    (
        _Skeleton(2, (".12,.04 .06,.3 .0,.54", ".0,.54 .32,.55 .66,.52", ".52,.0 .49,.5 .46,1")),
        _Skeleton(1.3, (".46,.0 .22,.34 .0,.66", ".0,.66 .34,.66 .7,.64", ".46,.0 .46,.5 .45,1")),
    ),
    (
        _Skeleton(2, (".58,.02 .3,.02 .12,.04", ".12,.04 .1,.22 .06,.44", ".06,.44 .3,.34 .56,.48 .56,.8 .3,1 .0,.92")),
        _Skeleton(1, (".14,.06 .1,.24 .06,.44", ".06,.44 .3,.36 .54,.54 .5,.84 .26,1 .0,.94", ".14,.06 .36,.06 .6,.0")),
    ),
    (
        _Skeleton(2, (".5,.0 .22,.2 .04,.54 .08,.88 .3,1 .52,.86 .5,.62 .3,.54 .08,.7",)),
        _Skeleton(1, (".24,.0 .1,.28 .02,.62 .1,.92 .32,1 .52,.84 .46,.62 .24,.6 .06,.76",)),
    ),
    (
        _Skeleton(2, (".0,.06 .3,.05 .58,.03", ".58,.03 .36,.46 .22,1")),
        _Skeleton(1, (".0,.06 .3,.05 .6,.04", ".6,.04 .4,.46 .24,1", ".16,.5 .34,.5 .54,.48")),
        _Skeleton(0.7, (".02,.2 .06,.06 .3,.08 .6,.02", ".6,.02 .42,.4 .3,1")),
    ),
    (
        _Skeleton(2, (".54,.12 .3,.0 .1,.18 .3,.46 .54,.74 .3,1 .06,.78 .3,.48 .52,.22 .5,.06",)),
        _Skeleton(1, (".3,.46 .1,.24 .3,.0 .5,.2 .3,.46 .04,.76 .28,1 .54,.78 .34,.46",)),
    ),
    (
        _Skeleton(2, (".54,.16 .34,.0 .1,.1 .04,.34 .22,.46 .42,.36 .54,.14", ".54,.14 .54,.5 .48,1")),
        _Skeleton(1.3, (".52,.12 .3,.0 .08,.14 .06,.38 .26,.46 .46,.34 .52,.1 .54,.5 .46,.84 .28,1 .08,.94",)),
    ),
)  # fmt: skip


@functools.cache
def glyphs(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Draws digits, with equally frequent classes, at about 10,000 images per second; cached within the process.

    Args:
        count: number of images.
        seed: seed of all randomness.

    Returns:
        Images, uint8 (count, 28, 28, 1), 0 for black, and labels 0, 1, ..., 9, 0, ..., int32 (count,); read-only.
    """
    rng = np.random.default_rng(seed)
    labels = np.arange(count, dtype=np.int32) % len(CLASSES)
    marks = np.empty((count, _MARKS, 2), np.float32)
    for digit, skeletons in enumerate(_SKELETONS):
        of_digit = np.flatnonzero(labels == digit)
        weights = np.array([skeleton.weight for skeleton in skeletons])
        chosen = rng.choice(len(skeletons), len(of_digit), p=weights / weights.sum())
        for number, skeleton in enumerate(skeletons):
            these = of_digit[chosen == number]
            points, spline = _splines(skeleton)
            marks[these] = spline @ (points + rng.normal(0.0, _JITTER, (len(these), *points.shape)))
    marks = _fitted(_written(marks, rng))
    radii = np.clip(rng.normal(1.2, 0.3, count), 0.65, 2.0).astype(np.float32)
    parts = [slice(start, start + _PART) for start in range(0, count, _PART)]
    images = np.concatenate([_drawn(marks[part], radii[part]) for part in parts])
    images.flags.writeable = labels.flags.writeable = False
    return images, labels


def _written(marks: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Bends, slants, rotates and stretches whole digits at random."""
    count = len(marks)
    x, y = np.moveaxis(marks - marks.mean(axis=1, keepdims=True), -1, 0)
    marks = marks + np.einsum(
        "nmk,nki->nmi", np.stack([x * x, x * y, y * y], -1), rng.normal(0.0, _BEND, (count, 3, 2))
    )
    slant = rng.normal(0.12, 0.22, count)
    turn = rng.normal(0.0, 0.09, count)
    width = np.exp(rng.normal(0.0, 0.14, count))
    cosine, sine = np.cos(turn), np.sin(turn)
    sheared = np.stack([np.stack([width, -slant], -1), np.stack([np.zeros(count), np.ones(count)], -1)], -2)
    turned = np.stack([np.stack([cosine, -sine], -1), np.stack([sine, cosine], -1)], -2)
    return np.einsum("nij,nkj->nki", turned @ sheared, marks)


def _fitted(marks: np.ndarray) -> np.ndarray:
    """Converts to pixels: scales each digit to the box, and centres it in the image."""
    low, high = marks.min(axis=1, keepdims=True), marks.max(axis=1, keepdims=True)
    scale = (_BOX - 2.0) / (high - low).max(axis=2, keepdims=True)
    return ((marks - (low + high) / 2) * scale + (SIZE - 1) / 2).astype(np.float32)


def _drawn(marks: np.ndarray, radii: np.ndarray) -> np.ndarray:
    """Draws with a round pen: positions (n, marks, 2) and radii (n,) in pixels -> uint8 (n, 28, 28, 1), antialiased."""
    pixels = np.arange(_EDGE, SIZE - _EDGE, dtype=np.float32)
    across, along = (np.square(pixels[:, None] - marks[:, None, :, axis]) for axis in (0, 1))
    nearest = np.full((len(marks), len(pixels), len(pixels)), np.inf, np.float32)
    for mark in range(_MARKS):  # one at a time, because all at once exceed the processor's cache
        np.minimum(nearest, along[:, :, None, mark] + across[:, None, :, mark], out=nearest)
    white = np.clip(radii[:, None, None] + 0.5 - np.sqrt(nearest), 0.0, 1.0)
    return np.pad(np.rint(255.0 * white).astype(np.uint8), ((0, 0), (_EDGE, _EDGE), (_EDGE, _EDGE)))[..., None]


@functools.cache
def _splines(skeleton: _Skeleton) -> tuple[np.ndarray, np.ndarray]:
    """The points of a skeleton, (k, 2), and the matrix (_MARKS, k) that maps points to pen positions."""
    strokes = [[tuple(map(float, point.split(","))) for point in stroke.split()] for stroke in skeleton.strokes]
    points = list(dict.fromkeys(point for stroke in strokes for point in stroke))
    lengths = [np.linalg.norm(np.diff(stroke, axis=0), axis=1) for stroke in strokes]
    whole = sum(length.sum() for length in lengths)
    rows, left = [], _MARKS
    for number, (stroke, length) in enumerate(zip(strokes, lengths, strict=True)):
        count = left if number == len(strokes) - 1 else round(_MARKS * length.sum() / whole)
        left -= count
        at = np.concatenate([[0.0], np.cumsum(length)])
        chosen = np.zeros((len(stroke), len(points)))
        chosen[np.arange(len(stroke)), [points.index(point) for point in stroke]] = 1.0
        rows.append(CubicSpline(at, chosen, bc_type="natural")(np.linspace(0.0, at[-1], count)))
    return np.array(points), np.concatenate(rows)
