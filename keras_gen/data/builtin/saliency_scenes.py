"""The built-in data set `shapes-saliency`: pop-out scenes with known saliency maps.

Many objects of the same shape lie on a ground. One of them, or rarely two, differ from the others in one feature:
colour, size, orientation or contrast. The objects may also vary in a second feature, such as two colours for half of
the objects each, so that variation alone is not salient. Such displays are used in research on attention (Treisman,
Gelade: A Feature-Integration Theory of Attention, Cognitive Psychology 12, 1980) and to test saliency models (Kotseruba
et al. 2019, arXiv 1907.02336).

The map shows the silhouettes of the odd objects, blurred and scaled to a maximum of 1.
"""

from __future__ import annotations

import colorsys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from scipy import ndimage

from keras_gen.data.builtin.cached_folder import drawn_folder
from keras_gen.errors import UserError

FEATURES = ("colour", "size", "orientation", "contrast")
"""Features in which the odd object can differ."""

_BLUR = 0.03  # standard deviation of the blur of the map, as a fraction of the image size
_TWO = 0.15  # probability of two odd objects


@dataclass(frozen=True)
class _Object:
    """An object in image coordinates, x to the right and y down, both in [0, 1]."""

    x: float
    y: float
    radius: float
    angle: float  # radians
    hue: float  # [0, 1)
    contrast: float  # contrast of its colour with the ground, [0, 1]


def draw_scene(size: int, seed: int, index: int) -> tuple[np.ndarray, np.ndarray]:
    """Draws a scene. This is a pure function, and gives the same scene at every size.

    Args:
        size: height and width [pixels], at least 16.
        seed, index: non-negative integers.

    Returns:
        The picture, uint8 RGB (size, size, 3), and the map, uint8 (size, size), 0 to 255.
    """
    if size < 16:
        raise UserError(f"--image-size got {size}; accepted for the built-in scenes are at least 16 pixels.")
    plan, surface = (np.random.default_rng((seed, index, stream)) for stream in range(2))
    feature = FEATURES[plan.integers(len(FEATURES))]
    outline = _OUTLINES["bar" if feature == "orientation" else plan.choice(list(_OUTLINES))]
    objects, odd = _layout(plan, feature)

    ground_hue, brightness = plan.random(), plan.uniform(0.25, 0.75)
    image = _ground(surface, ground_hue, brightness, size)
    ground = image.mean(axis=(0, 1))
    lit = 0.92 if brightness < 0.5 else 0.28  # bright objects on a dark ground, dark objects on a bright one
    mask = np.zeros((size, size), np.float32)
    for number, one in enumerate(objects):
        window, cover, shadow = _cover(outline, one, size)
        paint = np.array(colorsys.hsv_to_rgb(one.hue, 0.75, lit), np.float32)
        paint = ground + one.contrast * (paint - ground)
        image[window] *= 1 - 0.35 * one.contrast * shadow * (1 - cover)
        image[window] += cover * (paint - image[window])
        if number in odd:
            mask[window] = np.maximum(mask[window], cover[..., 0])
    image *= 1 + 0.05 * _waves(surface, 24, size)[..., None]
    image += surface.normal(0, 0.012, image.shape)
    mask = ndimage.gaussian_filter(mask, _BLUR * size, mode="constant")
    picture = np.round(255 * np.clip(image, 0, 1)).astype(np.uint8)
    return picture, np.round(255 * mask / max(mask.max(), 1e-6)).astype(np.uint8)


def scenes_folder(size: int, cache: Path | None = None, train: int = 1200, val: int = 120, seed: int = 0) -> Path:
    """The folder of the built-in scenes, picture on the left (A), map on the right (B); see `drawn_folder`."""

    def draw(index: int) -> np.ndarray:
        picture, saliency = draw_scene(size, seed, index)
        return np.hstack([picture, np.repeat(saliency[..., None], 3, axis=-1)])

    return drawn_folder(f"shapes-saliency-v1-{size}-{train}+{val}-seed{seed}", draw, cache=cache, train=train, val=val)


def _layout(rng: np.random.Generator, feature: str) -> tuple[list[_Object], set[int]]:
    """Objects on a jittered grid with some empty cells, and the indices of the odd ones."""
    columns = int(rng.integers(3, 7))
    step = 1 / columns
    cells = rng.permutation(columns * columns)[: max(6, int(rng.uniform(0.6, 1.0) * columns * columns))]
    shake = rng.uniform(-0.16, 0.16, (len(cells), 2)) * step
    hue, angle, radius = rng.random(), rng.uniform(0, np.pi), rng.uniform(0.22, 0.32) * step
    common = _Object(0, 0, radius, angle, hue, rng.uniform(0.8, 1.0))
    other = {
        "colour": {"hue": (hue + rng.uniform(0.3, 0.7)) % 1},
        "size": {"radius": radius * (1.6 if rng.random() < 0.7 else 0.5)},
        "orientation": {"angle": angle + np.pi / 2 + rng.uniform(-0.4, 0.4)},
        "contrast": {"contrast": 1.0},
    }[feature]
    if feature == "contrast":
        common = replace(common, contrast=rng.uniform(0.25, 0.45))
    # The second feature in which objects vary: never the first one, nor one that would hide it.
    beside = rng.choice([name for name in ("hue", "angle", "nothing") if name not in other])
    mixed = [hue, (hue + rng.uniform(0.25, 0.75)) % 1]
    odd = set(range(2 if rng.random() < _TWO else 1))
    objects = []
    for number, (cell, (dx, dy)) in enumerate(zip(cells, shake, strict=True)):
        at = {"x": (cell % columns + 0.5) * step + dx, "y": (cell // columns + 0.5) * step + dy}
        one = replace(common, **at, radius=common.radius * rng.uniform(0.94, 1.06))
        one = replace(one, angle=one.angle + rng.normal(0, 0.06), hue=(one.hue + rng.normal(0, 0.012)) % 1)
        if beside == "hue":
            one = replace(one, hue=mixed[number % 2])
        elif beside == "angle" and feature != "orientation":
            one = replace(one, angle=rng.uniform(0, np.pi))
        objects.append(replace(one, **other) if number in odd else one)
    return objects, odd


def _ground(rng: np.random.Generator, hue: float, brightness: float, size: int) -> np.ndarray:
    """A matte surface in uneven light, float32 (size, size, 3) in [0, 1]."""
    colour = np.array(colorsys.hsv_to_rgb(hue, rng.uniform(0.0, 0.35), brightness), np.float32)
    light = 1 + 0.16 * _waves(rng, 2, size) + 0.05 * _waves(rng, 8, size)
    if rng.random() < 0.4:  # a grain, as of boards or cloth
        grain = 0.05 * np.sin(2 * np.pi * rng.integers(8, 20) * (np.arange(size) + 0.5) / size)
        light *= 1 + (grain[:, None] if rng.random() < 0.5 else grain)
    return (colour * light[..., None]).astype(np.float32)


def _waves(rng: np.random.Generator, cells: int, size: int) -> np.ndarray:
    """Smooth noise with about `cells` bumps along each side, the same at every size: float32 (size, size)."""
    coarse = rng.uniform(-1, 1, (cells + 3, cells + 3)).astype(np.float32)
    at = 1 + (np.arange(size) + 0.5) / size * cells
    return ndimage.map_coordinates(coarse, np.meshgrid(at, at, indexing="ij"), order=3, mode="nearest")


def _cover(outline: Callable, one: _Object, size: int) -> tuple[tuple[slice, slice], np.ndarray, np.ndarray]:
    """The window of an object, and the fraction of each pixel in it that the object covers, and that its shadow covers,
    (height, width, 1) each."""
    reach = 1.5 * one.radius
    window = tuple(
        slice(max(0, int((at - reach) * size)), min(size, int((at + reach) * size) + 2)) for at in (one.y, one.x)
    )
    y, x = ((np.arange(side.start, side.stop, dtype=np.float32) + 0.5) / size for side in window)
    cos, sin = np.cos(one.angle), np.sin(one.angle)

    def covered(left: float, top: float) -> np.ndarray:
        right, down = (x - left)[None, :] / one.radius, (y - top)[:, None] / one.radius
        distance = outline(right * cos + down * sin, down * cos - right * sin) * one.radius * size
        return np.clip(0.5 - distance, 0, 1).astype(np.float32)[..., None]

    fall = 0.15 * one.radius  # offset of the shadow, to the right and downwards
    return window, covered(one.x, one.y), covered(one.x + 0.7 * fall, one.y + fall)


# Signed distances in units of the radius, negative inside. All shapes have about the area of a disc of radius 0.85.


def _disc(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return np.hypot(u, v) - 0.85


def _box(u: np.ndarray, v: np.ndarray, width: float = 0.75, height: float = 0.75) -> np.ndarray:
    across, along = np.abs(u) - width, np.abs(v) - height
    return np.hypot(np.maximum(across, 0), np.maximum(along, 0)) + np.minimum(np.maximum(across, along), 0)


def _bar(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return _box(u, v, 1.1, 0.36)


def _triangle(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return np.max([np.cos(a) * u + np.sin(a) * v for a in (np.pi / 2, np.pi * 7 / 6, np.pi * 11 / 6)], axis=0) - 0.6


def _ring(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return np.abs(np.hypot(u, v) - 0.75) - 0.22


def _cross(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return np.minimum(_box(u, v, 1.0, 0.3), _box(u, v, 0.3, 1.0))


_OUTLINES: dict[str, Callable] = {
    "disc": _disc,
    "box": _box,
    "bar": _bar,
    "triangle": _triangle,
    "ring": _ring,
    "cross": _cross,
}
