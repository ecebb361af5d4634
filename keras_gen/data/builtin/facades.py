"""Facades, the built-in data set: street facades drawn from random numbers, each with its label map.

A picture is made in three steps. `_plan` lays out a building as rectangles (windows, sills, balconies ...) in
picture coordinates, x to the right and y down, both in [0, 1]. `_label_map` paints the rectangles as a hand
annotates them, slightly off. `_photograph` renders them as a relief: each kind of part has a painter that
writes colour and height above the wall for all its pixels at once, then one sun lights the relief (Lambert's
law, cast shadows, ambient occlusion) and a camera takes the picture (exposure, white balance, vignette, blur,
noise). The label map fixes where things are; masonry, reflections, curtains, wear and paint are drawn at
random, so a regression to the mean blurs.

Classes, their order and their colours are those of the CMP Facade Database (Tylecek and Sara 2013) as in the
pix2pix data set (Isola et al. 2017, arXiv 1611.07004): there a `cornice` is the raised panel above a window,
and a stripe across the facade, up to the one below the roof, is a `molding`.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from scipy import ndimage

from keras_gen.data.builtin.cached_folder import drawn_folder
from keras_gen.errors import UserError

CLASSES: tuple[str, ...] = (
    "background",
    "facade",
    "window",
    "door",
    "cornice",
    "sill",
    "balcony",
    "blind",
    "deco",
    "molding",
    "pillar",
    "shop",
)
"""Class names; the index is the label id."""

# Every fifth entry of the 64-step jet ramp, as measured on the label maps of the pix2pix release.
PALETTE: np.ndarray = np.array(
    [
        (0, 0, 223),
        (0, 48, 255),
        (0, 128, 255),
        (0, 207, 255),
        (32, 255, 223),
        (112, 255, 143),
        (191, 255, 64),
        (255, 239, 0),
        (255, 159, 0),
        (255, 80, 0),
        (255, 0, 0),
        (175, 0, 0),
    ],
    np.uint8,
)
"""RGB colour of each label id, uint8 of shape (12, 3)."""

# The kinds of parts in the order of painting, each with the class it is annotated as (None: not annotated).
_KINDS: dict[str, str | None] = {
    "neighbour": None,
    "stain": None,
    "molding": "molding",
    "pipe": None,
    "pillar": "pillar",
    "surround": None,
    "window": "window",
    "door": "door",
    "shop": "shop",
    "cornice": "cornice",
    "sill": "sill",
    "blind": "blind",
    "shutter": "blind",
    "deco": "deco",
    "balcony": "balcony",
}


def _linear(*colours: tuple[int, int, int]) -> np.ndarray:
    """sRGB bytes -> linear light in [0, 1], shape (n, 3); the camera's gamma is 2."""
    return (np.array(colours, np.float32) / 255) ** 2


_PLASTER = _linear(
    (228, 208, 164),
    (216, 174, 104),
    (216, 166, 146),
    (176, 192, 160),
    (204, 202, 194),
    (164, 180, 196),
    (192, 118, 88),
    (232, 226, 212),
    (234, 214, 140),
)
_BRICK = _linear((156, 80, 62), (120, 66, 52), (178, 102, 72), (194, 164, 118))
_STONE = _linear((208, 195, 168), (160, 158, 154), (196, 166, 126))
_TRIM = _linear((234, 230, 220), (206, 192, 164), (178, 175, 168))
_FRAME = _linear((238, 236, 230), (74, 48, 34), (44, 62, 50), (94, 96, 98))
_PAINT = _linear((84, 50, 32), (36, 62, 50), (104, 34, 30), (38, 52, 84), (40, 38, 38), (128, 92, 58))
_AWNING = _linear((176, 44, 38), (38, 98, 66), (44, 68, 132), (208, 142, 50), (118, 36, 52))
_BLIND = _linear((206, 202, 190), (168, 158, 140), (120, 96, 70), (92, 116, 98))
_ROOF = _linear((152, 82, 60), (92, 92, 98), (118, 74, 62))
_IRON = _linear((38, 38, 40), (44, 58, 52), (88, 86, 84))
_GOODS = _linear((206, 62, 52), (226, 178, 70), (82, 132, 172), (238, 226, 206), (96, 140, 84), (58, 46, 52))
_CURTAIN = _linear((226, 220, 206), (204, 180, 140), (168, 96, 84), (150, 168, 178), (240, 238, 232))


@dataclass
class _Plan:
    """A building: the facade's edges in picture coordinates, its looks, and its parts by kind.

    A part is a row (x0, y0, x1, y1, own parameters ...); `metre` is the length of a metre in picture
    coordinates.
    """

    left: float
    right: float
    top: float
    bottom: float
    ground: float  # y of the line between the ground floor and the floors above
    metre: float
    style: str  # brick | plaster | stone
    parts: dict[str, list[tuple[float, ...]]] = field(default_factory=lambda: {kind: [] for kind in _KINDS})

    def add(self, kind: str, x0: float, y0: float, x1: float, y1: float, *parameters: float) -> None:
        self.parts[kind].append((x0, y0, x1, y1, *parameters))


def _window_parameters(rng: np.random.Generator) -> tuple[float, ...]:
    """What differs from window to window: curtain kind, its extent and colour, light inside, reflection,
    tilt.
    """
    kind, extent, cloth, light, mirror, tilt = rng.random(6).tolist()
    room = 0.01 + 0.04 * light if light < 0.93 else 0.3
    return (
        int(4 * kind),
        0.15 + 0.45 * extent,
        int(len(_CURTAIN) * cloth),
        room,
        0.05 + 0.45 * mirror,
        0.16 * (tilt - 0.5),
    )


def _plan(rng: np.random.Generator) -> _Plan:
    """Lay out a building. The style goes with the parts (pillars: stone or plaster; shutters: plaster), so
    that the label map hints at the material without fixing it.
    """
    u = rng.uniform
    style = str(rng.choice(("brick", "plaster", "stone"), p=(0.35, 0.42, 0.23)))
    framing = rng.random()  # fills the width, or one neighbour is seen, or two
    left = -0.05 if framing < 0.4 else u(0.05, 0.2)
    right = 1.05 if framing < 0.4 or framing > 0.75 else u(0.8, 0.95)
    if rng.random() < 0.5:
        left, right = 1 - right, 1 - left
    top = -0.03 if rng.random() < 0.12 else u(0.04, 0.2)
    bottom = u(0.9, 0.99)

    # Floors from the top down, heights in units of an ordinary floor.
    floors = int(rng.choice((2, 3, 4, 5), p=(0.15, 0.35, 0.35, 0.15)))
    heights = np.ones(floors)
    heights[-1] = u(1.1, 1.45)
    if floors > 2 and rng.random() < 0.35:
        heights[0] = u(0.7, 0.85)
    eaves = u(0.14, 0.3)  # the roof cornice, in floors
    floor = (bottom - top) / (heights.sum() + eaves)
    metre = float(floor / 3.4)
    lines = top + eaves * floor + np.concatenate([[0], np.cumsum(heights)]) * floor
    plan = _Plan(left, right, top, bottom, lines[-2], metre, style)

    # Bays: about square cells; the middle one may be wider, and one of an uneven facade narrower.
    seen = (max(left, 0), min(right, 1))
    bays = int(np.clip(round((seen[1] - seen[0]) / (floor * u(0.72, 1.15))), 2, 7))
    widths = np.ones(bays)
    symmetric = rng.random() < 0.65
    if symmetric and bays % 2 and rng.random() < 0.6:
        widths[bays // 2] = u(1.15, 1.4)
    elif not symmetric:
        widths *= u(0.8, 1.25, bays)
    margin = u(0.02, 0.05)
    edges = (
        seen[0] + margin + np.concatenate([[0], np.cumsum(widths)]) / widths.sum() * (seen[1] - seen[0] - 2 * margin)
    )
    centres = (edges[1:] + edges[:-1]) / 2
    pitch = np.diff(edges)
    blank = (not symmetric) & (rng.random((floors, bays)) < 0.06)

    # Stripes across the facade.
    plan.add("molding", left - 0.2 * metre, top, right + 0.2 * metre, lines[0], 1)
    striped = rng.random() < {"brick": 0.3, "plaster": 0.5, "stone": 0.6}[style]
    for k in range(1, floors):
        if rng.random() < (0.75 if k == floors - 1 else 0.6 * striped):
            thick = u(0.22, 0.42) * metre
            plan.add("molding", left, lines[k] - thick / 2, right, lines[k] + thick / 2, 0)

    if rng.random() < {"brick": 0.08, "plaster": 0.3, "stone": 0.5}[style]:
        wide = u(0.34, 0.55) * metre
        everywhere = rng.random() < 0.6
        round_shaft = float(rng.random() < 0.4)
        foot = lines[-2] if rng.random() < 0.75 else bottom
        for k in range(bays + 1):
            if everywhere or k in (0, bays):
                plan.add("pillar", edges[k] - wide, lines[0], edges[k] + wide, foot, round_shaft)
    pillars = bool(plan.parts["pillar"])

    # Windows of the upper floors with what belongs to them.
    wide, high = u(0.4, 0.6), u(0.52, 0.64)
    ornate = rng.random() < {"brick": 0.3, "plaster": 0.6, "stone": 0.75}[style]
    arch_floor = rng.integers(floors - 1) if rng.random() < 0.35 else (-1 if rng.random() < 0.85 else -2)
    bars, transom = int(rng.integers(1, 4)), (0.0 if rng.random() < 0.3 else u(0.25, 0.45))
    surround = rng.random() < 0.75
    has_sills, has_blinds = rng.random() < 0.85, rng.random() < 0.5
    has_shutters = style != "stone" and not pillars and wide < 0.44 and rng.random() < 0.3
    balconies = str(rng.choice(("none", "middle", "row", "some"), p=(0.45, 0.2, 0.2, 0.15)))
    railing = float(rng.choice(3, p=(0.55, 0.25, 0.2)))
    deco = rng.random() < 0.5
    deco_kind = float(rng.integers(3))
    for k in range(floors - 1):
        y0, y1 = lines[k], lines[k + 1]
        height = y1 - y0
        arch = (1.0 if rng.random() < 0.6 else 0.5) if arch_floor in (k, -2) else 0.0  # rise in half window widths
        crown = float(rng.integers(3)) if ornate and rng.random() < 0.8 else -1.0  # flat, triangular, segmental
        apron = u(0.4, 0.75) if ornate and rng.random() < 0.5 else u(0.16, 0.26)  # metres
        foot = y1 - u(0.22, 0.27) * height
        head = foot - min(high, 0.62) * height
        for b in range(bays):
            if blank[k, b]:
                continue
            half = wide * min(pitch[b], 1.25 * pitch.min()) / 2
            x0, x1 = centres[b] - half, centres[b] + half
            if surround:
                d = 0.17 * metre
                plan.add("surround", x0 - d, head - d, x1 + d, foot, arch)
            plan.add("window", x0, head, x1, foot, arch, bars, transom, *_window_parameters(rng))
            if crown >= 0 and arch == 0:
                d = 0.25 * metre
                rise = (0.35, 0.62, 0.55)[int(crown)] * metre
                plan.add("cornice", x0 - d, head - 0.2 * metre - rise, x1 + d, head - 0.12 * metre, crown)
            elif deco and k != 0:
                d = 0.2 * metre
                plan.add("deco", centres[b] - d, head - 2.3 * d, centres[b] + d, head + 0.3 * d, 3.0)
            if has_sills:
                d = 0.16 * metre
                plan.add("sill", x0 - d, foot - 0.02 * metre, x1 + d, foot + apron * metre)
                y = foot + apron * metre
                plan.add("stain", x0 - d, y, x1 + d, min(y + u(0.5, 1.4) * metre, y1))
            if has_blinds and rng.random() < 0.45:
                closed = head + (foot - head) * (1 if rng.random() < 0.2 else u(0.25, 0.75))
                plan.add("blind", x0, head, x1, closed, arch)
            if has_shutters:
                leaf = min(half * 0.9, (pitch[b] / 2 - half) * 0.85)
                plan.add("shutter", x0 - leaf, head, x0 - 0.02 * metre, foot)
                plan.add("shutter", x1 + 0.02 * metre, head, x1 + leaf, foot)
            if (
                (balconies == "middle" and bays % 2 and b == bays // 2)
                or (balconies == "row" and k == floors - 2)
                or (balconies == "some" and rng.random() < 0.35)
            ):
                d = min(0.45 * metre, (pitch[b] / 2 - half) * 0.9)
                plan.add("balcony", x0 - d, foot - 0.62 * metre, x1 + d, foot + 0.5 * metre, railing)
        if deco and not has_shutters and rng.random() < 0.5:
            d = min(0.32 * metre, 0.2 * pitch.min())
            for x in edges[1:-1]:
                if not pillars:
                    y = (head + foot) / 2
                    plan.add("deco", x - d, y - d * 1.3, x + d, y + d * 1.3, deco_kind)

    # Ground floor: shops, a door or two, windows.
    y0, y1 = lines[-2] + 0.25 * metre, bottom
    height = y1 - y0
    doors = {bays // 2 if symmetric else int(rng.integers(bays))}
    if bays > 4 and rng.random() < 0.4:
        doors.add(int(rng.integers(bays)))
    shop_rate = float(rng.choice((0.0, 0.45, 1.0), p=(0.42, 0.18, 0.4)))
    ground_arch = float(rng.choice((0.0, 0.5, 1.0), p=(0.6, 0.2, 0.2)))
    b = 0
    while b < bays:
        c = centres[b]
        if b in doors:
            half = min(u(0.26, 0.34) * pitch[b], 0.85 * metre)
            head = y0 + u(0.1, 0.24) * height
            d = 0.18 * metre
            plan.add("surround", c - half - d, head - d, c + half + d, y1, ground_arch)
            plan.add("door", c - half, head, c + half, y1, ground_arch, rng.integers(2, 5))
            if deco and ground_arch == 0:
                plan.add("deco", c - half, head - 0.6 * metre, c + half, head - 0.15 * metre, 2.0)
        elif rng.random() < shop_rate:
            end = b  # a shop may take several bays up to the next door
            while end + 1 < bays and end + 1 not in doors and rng.random() < 0.5:
                end += 1
            d = u(0.03, 0.08)
            x0, x1 = edges[b] + d * pitch[b], edges[end + 1] - d * pitch[end]
            plan.add(
                "shop",
                x0,
                y0 + u(0.02, 0.1) * height,
                x1,
                y1,
                rng.random() < 0.45,
                rng.integers(len(_AWNING)),
                u(0.0, 1.0),
                max(2, round((x1 - x0) / metre / 1.3)),
            )
            b = end
        else:
            half = wide * pitch[b] / 2 * u(0.98, 1.02)
            head, foot = y0 + 0.18 * height, y1 - u(0.26, 0.32) * height
            if surround:
                d = 0.17 * metre
                plan.add("surround", c - half - d, head - d, c + half + d, foot, ground_arch)
            plan.add("window", c - half, head, c + half, foot, ground_arch, bars, transom, *_window_parameters(rng))
            if has_sills:
                d = 0.14 * metre
                plan.add("sill", c - half - d, foot - 0.02 * metre, c + half + d, foot + 0.2 * metre)
            if has_blinds and rng.random() < 0.3:
                plan.add("blind", c - half, head, c + half, head + (foot - head) * u(0.3, 1), ground_arch)
        b += 1

    # A frieze below the roof cornice.
    if deco and ornate and rng.random() < 0.5:
        d = 0.3 * metre
        for c in centres:
            plan.add("deco", c - 1.8 * d, lines[0] - 0.5 * d, c + 1.8 * d, lines[0] + 0.7 * d, 2.0)

    # Rainwater pipes at the corners.
    for x in (max(left, -0.02) + 0.25 * metre, min(right, 1.02) - 0.25 * metre):
        if not pillars and rng.random() < 0.35:
            plan.add("pipe", x - 0.09 * metre, lines[0], x + 0.09 * metre, bottom)

    # Windows of the houses beside; they belong to the background.
    for x0, x1 in ((0.0, left), (right, 1.0)):
        step, shift = u(0.1, 0.14), u(0.02, 0.08)
        for y in np.arange(top + shift + 0.08, bottom - 0.1, u(0.13, 0.2)):
            for x in np.arange(x0 + 0.03, x1 - 0.07, step):
                plan.add("neighbour", x, y, x + 0.055, y + 0.085, 0, 2, 0.3, *_window_parameters(rng))
    return plan


def _inside(x: np.ndarray, y: np.ndarray, x0, y0, x1, y1, arch) -> np.ndarray:
    """Distance to the nearest edge of a rectangle, negative outside; `arch` > 0 rounds the top to half an
    ellipse that rises by `arch` half widths.
    """
    half = (x1 - x0) / 2
    distance = np.minimum(np.minimum(x - x0, x1 - x), np.minimum(y - y0, y1 - y))
    if np.any(arch):
        rise = np.maximum(arch * half, 1e-6)
        across, up = (x - x0 - half) / half, np.maximum(y0 + rise - y, 0) / rise
        rounded = (1 - np.sqrt(across * across + up * up)) * np.minimum(rise, half)
        distance = np.where((up > 0) & (arch > 0), np.minimum(distance, rounded), distance)
    return distance


def _label_map(plan: _Plan, size: int, rng: np.random.Generator) -> np.ndarray:
    """Annotate the parts by rectangles (arched ones round), each edge off by about 0.2 % of the picture.

    Returns uint8 label ids of shape (size, size); a pixel takes the class at its centre.
    """

    def pixels(a: float, b: float) -> slice:
        return slice(max(0, round(a * size)), max(0, min(size, round(b * size))))

    labels = np.zeros((size, size), np.uint8)
    labels[pixels(plan.top, plan.bottom), pixels(plan.left, plan.right)] = CLASSES.index("facade")
    centre = (np.arange(size) + 0.5) / size
    for kind, name in _KINDS.items():
        parts = plan.parts[kind]
        if name is None or not parts:
            continue
        corners = np.array([part[:4] for part in parts]) + rng.normal(0, 0.002, (len(parts), 4))
        edges = np.clip(np.rint(corners * size), 0, size).astype(int).tolist()
        for part, (x0, y0, x1, y1), (left, top, right, bottom) in zip(parts, corners, edges, strict=True):
            area = labels[top:bottom, left:right]
            if kind in ("window", "door", "blind") and part[4]:
                x, y = centre[None, left:right], centre[top:bottom, None]
                area[_inside(x, y, x0, y0, x1, max(y1, bottom / size), part[4]) >= 0] = CLASSES.index(name)
            else:
                area[:] = CLASSES.index(name)
    return labels


@functools.lru_cache(maxsize=64)
def _interpolation(size: int, cells: int) -> np.ndarray:
    """Matrix (size, cells + 1) that interpolates lattice values linearly at the pixel centres."""
    at = (np.arange(size) + 0.5) / size * cells
    return np.maximum(0, 1 - np.abs(at[:, None] - np.arange(cells + 1))).astype(np.float32)


def _noise(rng: np.random.Generator, size: int, rows: int, columns: int) -> np.ndarray:
    """Smooth noise (size, size) of standard normal lattice values; the lattice is the same at every size."""
    lattice = rng.standard_normal((rows + 1, columns + 1), np.float32)
    return _interpolation(size, rows) @ lattice @ _interpolation(size, columns).T


@dataclass
class _Fragments:
    """All pixels that a kind's rectangles touch: pixel index, rectangle index and position.

    `x`, `y` are in picture coordinates, `u`, `v` within the rectangle (0 to 1); `x0 ... y1` are its corners.
    """

    at: np.ndarray
    which: np.ndarray
    x: np.ndarray
    y: np.ndarray
    x0: np.ndarray
    y0: np.ndarray
    x1: np.ndarray
    y1: np.ndarray

    def __post_init__(self) -> None:
        self.width, self.height = self.x1 - self.x0, self.y1 - self.y0
        self.u, self.v = (self.x - self.x0) / self.width, (self.y - self.y0) / self.height


class _Canvas:
    """The relief: linear colour (3, n), height above the wall in metres (n,), and shine (n,), the share of
    the colour that is reflected or glows, so that the sun's light and shadow do not change it; n = size *
    size.
    """

    def __init__(self, size: int, metre: float) -> None:
        self.size, self.metre = size, metre
        self.colour = np.zeros((3, size * size), np.float32)
        self.height = np.zeros(size * size, np.float32)
        self.shine = np.zeros(size * size, np.float32)
        self.centre = ((np.arange(size) + 0.5) / size).astype(np.float32)

    def coverage(self, distance: np.ndarray) -> np.ndarray:
        """Share of a pixel inside an edge whose distance is given in picture coordinates (antialiasing)."""
        return np.clip(distance * self.size + 0.5, 0, 1)

    def line(self, distance: np.ndarray, half: float | np.ndarray) -> np.ndarray:
        """Share of a pixel covered by a line of a half width, at a distance from its axis."""
        reach = np.maximum(half, 0.5 / self.size)
        return self.coverage(reach - np.abs(distance)) * np.minimum(1, 2 * half * self.size)

    def fragments(self, parts: np.ndarray) -> _Fragments:
        """The pixels of the rectangles in the first four columns of `parts`."""
        corners = np.ascontiguousarray(parts[:, :4].T)
        x0, y0 = np.clip(np.floor(corners[:2] * self.size), 0, self.size).astype(np.int32)
        x1, y1 = np.clip(np.ceil(corners[2:] * self.size), 0, self.size).astype(np.int32)
        wide = np.maximum(x1 - x0, 0)
        count = wide * np.maximum(y1 - y0, 0)
        which = np.repeat(np.arange(len(parts)), count)
        k = np.arange(len(which), dtype=np.int32) - (np.cumsum(count, dtype=np.int32) - count)[which]
        row, column = np.divmod(k, wide[which])
        row += y0[which]
        column += x0[which]
        return _Fragments(row * self.size + column, which, self.centre[column], self.centre[row], *corners[:, which])

    def paint(self, f: _Fragments, cover, colour=None, height=None, shine=0.0) -> None:
        """Blend colour (3, 1) or (3, fragments), height and shine into the fragments' pixels."""
        if colour is not None:
            old = self.colour[:, f.at]
            self.colour[:, f.at] = old + cover * (colour - old)
            old = self.shine[f.at]
            self.shine[f.at] = old + cover * (shine - old)
        if height is not None:
            old = self.height[f.at]
            self.height[f.at] = old + cover * (height - old)


@dataclass
class _Looks:
    """What one building's parts share; colours are linear, of shape (3, 1)."""

    trim: np.ndarray
    frame: np.ndarray
    door: np.ndarray
    blind: np.ndarray
    shutter: np.ndarray
    iron: np.ndarray
    pipe: np.ndarray
    reveal: np.ndarray
    sky: np.ndarray
    depth: float  # of the windows, metres
    eye: tuple[float, float]  # the vanishing point in picture coordinates
    skyline: np.ndarray  # of the houses across the street, mirrored in the glass
    grain: np.ndarray  # fine noise (n,), about -1 to 1


def _pick(rng: np.random.Generator, colours: np.ndarray, spread: float = 0.06) -> np.ndarray:
    """One of the colours, shape (3, 1), a little off in brightness and hue."""
    colour = colours[rng.integers(len(colours))]
    return np.float32(colour * (1 + rng.normal(0, spread)) * (1 + rng.normal(0, spread / 3, 3)))[:, None]


def _masonry(
    rng: np.random.Generator,
    canvas: _Canvas,
    rows: slice,
    colour: np.ndarray,
    course: float,
    length: float,
    joint: float,
    mortar: np.ndarray,
    spread: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Brick or ashlar on the given pixel rows: colour (3, rows, size) and height (rows, size) in metres.

    `course`, `length` and `joint` are the height and length of a stone and the joint's half width in picture
    coordinates; `spread` is the relative deviation of the stones' tints.
    """
    y, x = canvas.centre[rows] / course, canvas.centre / length
    row = np.floor(y).astype(np.int64)
    row -= row[0] if len(row) else 0
    across = x[None] + (0.5 * (row % 2) + 0.25 * rng.random())[:, None].astype(np.float32)
    column = across.astype(np.int64)
    tint = 1 + spread * rng.standard_normal((3 + int(1 / course), 4 + int(1 / length)), np.float32)
    tint = tint[row[:, None], column]
    bed = canvas.line((np.abs(y - np.floor(y) - 0.5) - 0.5) * course, joint)
    head = canvas.line((np.abs(across - column - 0.5) - 0.5) * length, joint)
    seam = np.maximum(bed[:, None], head)
    stones = colour[:, :, None] * tint
    return stones + seam * (mortar[:, :, None] - stones), seam * np.float32(-0.012)


def _paint_walls(rng: np.random.Generator, canvas: _Canvas, plan: _Plan, looks: _Looks, wall: np.ndarray) -> None:
    """Sky, houses beside, the facade's walls, roof and pavement: everything behind the parts."""
    size, metre = canvas.size, canvas.metre
    colour = canvas.colour.reshape(3, size, size)
    height, shine = canvas.height.reshape(size, size), canvas.shine.reshape(size, size)

    def pixel(a: float) -> int:
        return int(np.clip(round(a * size), 0, size))

    left, right, top, bottom = (pixel(a) for a in (plan.left, plan.right, plan.top, plan.bottom))

    # Sky: paler towards the horizon, with clouds.
    horizon = max(top + size // 4, 1)
    down = np.linspace(0, 1, horizon, dtype=np.float32)[None, :, None]
    cloud = _noise(rng, size, 5, 3) + 0.5 * _noise(rng, size, 14, 8)
    cloud = np.clip(cloud[:horizon] * 0.5 + rng.uniform(-0.2, 0.6), 0, 1)
    blue = looks.sky[:, :, None] * (0.75 + 0.35 * down)
    colour[:, :horizon] = blue + cloud * (0.82 - blue)
    shine[:horizon] = 1

    # Houses beside, set back a little, with their own roof lines.
    stain = 1 + 0.05 * _noise(rng, size, 24, 24) + 0.05 * _noise(rng, size, 6, 6)
    for a, b in ((0, left), (right, size)):
        if b > a:
            roof = pixel(max(plan.top + rng.uniform(-0.08, 0.12), 0.02))
            house = _pick(rng, (_PLASTER, _BRICK)[int(rng.random() < 0.4)], 0.12) * 0.6 + 0.06
            colour[:, roof:, a:b] = house[:, :, None] * stain[roof:, a:b]
            colour[:, roof : roof + max(1, size // 40), a:b] *= 0.55
            height[roof:, a:b], shine[roof:, a:b] = -0.5, 0

    # A pitched roof above the eaves, tiles in rows.
    if rng.random() < 0.55 and top > 0:
        ridge = pixel(plan.top - rng.uniform(0.03, 0.12))
        rows = np.sin(canvas.centre[ridge:top] * (2 * np.pi / (0.4 * metre)))
        slope = (0.85 + 0.12 * rows)[:, None] * stain[ridge:top, left:right]
        colour[:, ridge:top, left:right] = _pick(rng, _ROOF)[:, :, None] * slope
        height[ridge:top, left:right], shine[ridge:top, left:right] = -0.3, 0
        for _ in range(rng.integers(0, 3)):
            x = pixel(rng.uniform(plan.left, plan.right))
            w, h = max(1, pixel(0.7 * metre)), pixel(plan.top - 0.04 - rng.uniform(0.02, 0.05))
            colour[:, h:top, x : x + w] = _pick(rng, _BRICK)[:, :, None] * stain[h:top, x : x + w]
            shine[h:top, x : x + w] = 0

    # The wall, and often another finish on the ground floor.
    ground = pixel(plan.ground)
    grain = looks.grain.reshape(size, size)
    rustic = rng.random() < (0.55 if plan.style != "brick" else 0.4)
    stone = wall * 0.85 if rng.random() < 0.5 and plan.style != "brick" else _pick(rng, _STONE)
    for rows, style in (
        (slice(top, ground), plan.style),
        (slice(ground, bottom), "rustic" if rustic else plan.style),
    ):
        if rows.stop <= rows.start:
            continue
        if style == "brick":
            course = max(0.21 * metre, 0.0125)
            mortar = 0.55 * wall + _linear((150, 142, 130)).T * rng.uniform(0.2, 0.6)
            skin, bump = _masonry(rng, canvas, rows, wall, course, 2.6 * course, 0.14 * course, mortar, 0.16)
        elif style == "plaster":
            skin, bump = wall[:, :, None] * np.ones((rows.stop - rows.start, size), np.float32), 0.0
        else:
            base = stone if style == "rustic" else wall
            course = (0.55 if style == "rustic" else 0.42) * metre
            skin, bump = _masonry(rng, canvas, rows, base, course, 2.1 * course, 0.06 * course, base * 0.45, 0.07)
            bump *= 4 if style == "rustic" else 1.5
        blotch = 1 + 0.07 * _noise(rng, size, 7, 7) + 0.05 * _noise(rng, size, 30, 26)
        streak = 1 - 0.1 * np.clip(_noise(rng, size, 5, 70), 0, None)
        skin = skin * (blotch * streak + 0.05 * grain)[rows]
        colour[:, rows, left:right] = skin[:, :, left:right]
        height[rows, left:right] = bump[:, left:right] if style != "plaster" else 0.004 * grain[rows, left:right]
        shine[rows, left:right] = 0
    # A plinth of stone.
    if rng.random() < 0.7:
        plinth = slice(pixel(plan.bottom - rng.uniform(0.35, 0.9) * metre), bottom)
        skin = _pick(rng, _STONE)[:, :, None] * 0.7 * (1 + 0.1 * grain[plinth, left:right])
        colour[:, plinth, left:right] = skin
        height[plinth, left:right] = 0.07
    # Damp and dirt rise from the pavement.
    colour[:, ground:bottom] *= (1 - 0.3 * np.exp((canvas.centre[ground:bottom] - plan.bottom) / (0.5 * metre)))[
        :, None
    ]

    # Pavement and road.
    deep = canvas.centre[bottom:] - plan.bottom
    paving = np.where(deep < 0.035, 0.3, 0.13)[:, None] * (
        1 + 0.12 * grain[bottom:] + 0.1 * _noise(rng, size, 9, 5)[bottom:]
    )
    colour[:, bottom:] = _linear((186, 182, 176)).T[:, :, None] * paving * 1.6
    height[bottom:], shine[bottom:] = 0, 0


# The painters: each renders the fragments `f` of one kind. `p` holds the columns of the kind's parts,
# a value for each fragment: the corners, then the kind's own parameters as in `_plan`.


def _paint_neighbour(rng, canvas, f, p, looks):
    """A window of a house beside, in a plain frame."""
    edge = _inside(f.x, f.y, f.x0, f.y0, f.x1, f.y1, 0.0)
    pane = canvas.coverage(edge - 0.13 * canvas.metre)
    bar = canvas.line(f.x - (f.x0 + f.x1) / 2, 0.06 * canvas.metre)
    glass = looks.sky * (0.08 + 0.2 * (1 - f.v)) * p[8]
    colour = looks.trim * 0.7 + pane * (1 - bar) * (glass - looks.trim * 0.7)
    canvas.paint(f, canvas.coverage(edge), colour, -0.45 - 0.25 * pane, 0.5 * pane * (1 - bar))


def _paint_stain(rng, canvas, f, p, looks):
    """Dirt that the rain washes from a sill down the wall."""
    drops = rng.random(256) ** 2
    run = drops[(f.x / (0.09 * canvas.metre)).astype(np.int64) % 256]
    wet = np.clip(run + 0.6 * (np.abs(f.u - 0.5) > 0.42) - f.v, 0, 1) * 0.45
    canvas.paint(f, canvas.coverage(np.minimum(f.x - f.x0, f.x1 - f.x)), canvas.colour[:, f.at] * (1 - wet))


def _paint_pipe(rng, canvas, f, p, looks):
    off = np.clip(np.abs(f.u - 0.5) * 2, 0, 1)
    joint = np.abs((f.y / (1.8 * canvas.metre)) % 1 - 0.5) < 0.04
    cover = canvas.line((f.u - 0.5) * f.width, 0.5 * (f.x1 - f.x0))
    canvas.paint(f, cover, looks.pipe * (1 - 0.3 * joint), 0.15 + 0.12 * np.sqrt(1 - off * off))


def _paint_molding(rng, canvas, f, p, looks):
    """Stripes: the eaves project in steps over dentils, a string course has one ledge."""
    eaves, metre = p[4] == 1, canvas.metre
    step = np.clip(f.v * 8, 0, 7).astype(np.int64)
    profile = np.array([[0.16, 0.16, 0.12, 0.1, 0.1, 0.08, 0.06, 0.06], [0.6, 0.6, 0.5, 0.3, 0.3, 0.14, 0.14, 0.08]])
    height = profile[eaves.astype(np.int64), step]
    spacing = max(rng.uniform(0.35, 0.7) * metre, 0.018)
    tooth = canvas.coverage((np.abs((f.x / spacing) % 1 - 0.5) - 0.25) * spacing)
    dentils = eaves & (step >= 3) & (step <= 4)
    height = np.where(dentils, 0.12 + 0.26 * tooth, height)
    tone = np.where(dentils, 0.6 + 0.4 * tooth, 1.0) * (1 + 0.06 * looks.grain[f.at])
    canvas.paint(f, canvas.coverage(np.minimum(f.y - f.y0, f.y1 - f.y)), looks.trim * tone, height)


def _paint_pillar(rng, canvas, f, p, looks):
    """A shaft, flat and fluted or round, between a base and a capital of the full width."""
    cap, base = f.y - f.y0, f.y1 - f.y
    order = 0.45 * canvas.metre
    wide = np.where(cap < order, 1 - 0.25 * cap / order, np.where(base < order * 0.7, 0.95, 0.72))
    off = np.abs(f.u - 0.5) * 2
    cover = canvas.coverage((wide - off) * f.width / 2)
    round_shaft = 0.3 * np.sqrt(np.maximum(0, 1 - (off / wide) ** 2))
    flutes = 0.13 + 0.02 * np.sin(f.u * 30)
    height = np.where(p[4] == 1, round_shaft, flutes)
    height = np.where(cap < order, 0.26 - 0.14 * cap / order + 0.03 * np.sin(f.u * 25 + cap * 4 / order), height)
    height = np.where(base < order * 0.7, 0.2, height)
    canvas.paint(f, cover, looks.trim * (0.96 + 0.07 * looks.grain[f.at]), height)


def _paint_surround(rng, canvas, f, p, looks):
    cover = canvas.coverage(_inside(f.x, f.y, f.x0, f.y0, f.x1, f.y1, p[4]))
    canvas.paint(f, cover, looks.trim * (0.98 + 0.06 * looks.grain[f.at]), 0.07)


def _opening(canvas, f, arch, looks):
    """Coverage of an opening and the distance to the edge of what is set back in it, as the eye sees it.

    A plane behind the wall moves towards the vanishing point, so the reveal shows on the far side and at the
    top.
    """
    metre = canvas.metre
    sx = np.clip((f.x0 + f.x1) / 2 - looks.eye[0], -0.6, 0.6) * looks.depth * 0.13
    sy = np.clip((f.y0 + f.y1) / 2 - looks.eye[1], -0.8, 0.2) * looks.depth * 0.13
    cover = canvas.coverage(_inside(f.x, f.y, f.x0, f.y0, f.x1, f.y1, arch))
    x, y = f.x + sx, f.y + sy
    back = _inside(x, y, f.x0, f.y0, f.x1, f.y1, arch)
    beside = np.maximum(f.x0 - x, x - f.x1) / metre
    reveal = looks.reveal * np.where(beside > 0, 0.9, 0.55)
    canvas.paint(f, cover, reveal, -0.4 * looks.depth)
    return cover, back, (x - f.x0) / f.width, (y - f.y0) / f.height


def _glass(rng, canvas, f, u, v, p, looks):
    """Colour (3, fragments) of panes: a dim room, curtains, and the sky and the houses across the street
    mirrored.
    """
    kind, extent, cloth, room, mirror, tilt = p
    inside = room * (1.3 - 0.6 * v) * np.float32([[1.0], [0.85], [0.62]])
    drape = np.where(kind == 1, np.abs(u - 0.5) > 0.5 - 0.5 * extent, (kind == 2) & (v > 1 - extent * 1.2))
    drape = drape | (kind == 3) & (v < extent)
    folds = 0.8 + 0.2 * np.sin(u * (14 + 30 * extent) + 6 * tilt) * (kind != 3)
    fabric = _CURTAIN[cloth.astype(np.int64)].T * folds * (0.22 + 0.15 * (kind == 2)) * (1.15 - 0.4 * v)
    inside = np.where(drape, fabric, inside)
    # What is mirrored: the higher the window, the more sky; every pane is tilted a little.
    x = f.x + tilt + 0.02 * np.floor(u * 2)
    edge = np.interp(x, np.linspace(-0.3, 1.3, len(looks.skyline)), looks.skyline)
    above = np.clip((edge - f.y - 2 * tilt - 0.25 * v * f.height) / 0.012, 0, 1)
    opposite = 0.05 + 0.06 * (np.sin(x * 90) > 0.2) * (np.sin(f.y * 110) > 0)
    seen = opposite + above * (looks.sky * (0.55 + 0.35 * f.y) + 0.05 - opposite)
    return inside * (1 - mirror) + seen * mirror * 1.15


def _paint_window(rng, canvas, f, p, looks):
    cover, back, u, v = _opening(canvas, f, p[4], looks)
    metre = canvas.metre
    glass = _glass(rng, canvas, f, u, v, p[7:], looks)
    # Frame, mullions and transom.
    frame = 1 - canvas.coverage(back - 0.075 * metre)
    bars, transom = p[5], p[6]
    mullion = canvas.line((np.abs((u * bars) % 1 - 0.5) - 0.5) * f.width / bars, 0.038 * metre)
    frame = np.maximum(frame, mullion)
    frame = np.maximum(frame, (transom > 0) * canvas.line((v - transom) * f.height, 0.045 * metre))
    colour = glass + frame * (looks.frame - glass)
    cover = cover * canvas.coverage(back)
    canvas.paint(f, cover, colour, -looks.depth + 0.06 * frame, 0.75 * (1 - frame))


def _paint_door(rng, canvas, f, p, looks):
    cover, back, u, v = _opening(canvas, f, p[4], looks)
    metre = canvas.metre
    light = v < 0.2  # the fanlight
    rows = p[5]
    pu, pv = (u * 2) % 1, ((v - 0.2) / 0.8 * rows) % 1
    edge = np.minimum(np.minimum(pu, 1 - pu) * f.width / 2, np.minimum(pv, 1 - pv) * f.height * 0.8 / rows)
    panel = canvas.coverage(edge - 0.11 * metre)
    leaf = canvas.line((u - 0.5) * f.width, 0.03 * metre)
    colour = looks.door * (1 - 0.25 * panel) * (1 - 0.6 * leaf) * (1 + 0.08 * looks.grain[f.at])
    pane = 0.05 + looks.sky * 0.25 * (1 - v)
    bar = np.maximum(canvas.line((u - 0.5) * f.width, 0.04 * metre), canvas.line((v - 0.2) * f.height, 0.07 * metre))
    colour = np.where(light, pane + bar * (looks.door - pane), colour)
    frame = 1 - canvas.coverage(back - 0.1 * metre)
    colour = colour + frame * (looks.door * 1.15 - colour)
    height = -looks.depth + 0.04 * panel * ~light + 0.06 * frame
    canvas.paint(f, cover * canvas.coverage(back), colour, height, 0.6 * light)


def _paint_shop(rng, canvas, f, p, looks):
    """A sign over display windows with goods in lamplight; sometimes a striped awning."""
    metre = canvas.metre
    has_awning, cloth, seed, panes = p[4] > 0, p[5].astype(np.int64), p[6], p[7]
    trade = _AWNING[cloth].T * (0.35 + 0.5 * seed)
    # Goods of random height, width and colour on two shelves, under lamps near the ceiling.
    shelf = (f.v > 0.6).astype(np.int64)
    slot = (f.x / (0.21 * metre)).astype(np.int64) % 256
    tall = rng.uniform(0.02, 0.24, (2, 256)) * (rng.random((2, 256)) < 0.75)
    thing = rng.integers(len(_GOODS), size=(2, 256))
    stands = np.where(shelf, 0.88, 0.58) - f.v < tall[shelf, slot]
    lamp = 0.35 + 0.65 * np.exp(-(((f.v - 0.3) / 0.22) ** 2)) * (0.7 + 0.3 * np.cos(f.x / metre * 4))
    warm = np.float32([[1.0], [0.84], [0.6]]) * lamp
    goods = np.where(stands, _GOODS[thing[shelf, slot]].T * 0.5 + 0.02, 0.04 + 0.3 * seed) * warm
    x = f.x + 0.1 * seed
    edge = np.interp(x, np.linspace(-0.3, 1.3, len(looks.skyline)), looks.skyline)
    mirrored = looks.sky * 0.45 * np.clip((edge + 0.45 - f.y) / 0.02, 0, 1) + 0.04
    glass = 0.75 * goods + 0.3 * mirrored
    u = (f.u * panes) % 1
    frame = canvas.line((np.abs(u - 0.5) - 0.5) * f.width / panes, 0.07 * metre)
    frame = np.maximum(frame, f.v > 0.88)
    frame = np.maximum(frame, 1 - canvas.coverage(np.minimum(f.x - f.x0, f.x1 - f.x) - 0.1 * metre))
    colour = glass + frame * (trade * 0.6 + 0.02 - glass)
    canvas.paint(f, 1.0, colour, -0.2 + 0.1 * frame, 0.8 * (1 - frame))
    # The sign with its letters.
    sign = f.v < 0.2
    glyph = rng.random((3, 256)) < 0.62
    letter = glyph[
        np.clip(((f.v / 0.2 - 0.3) / 0.4 * 3).astype(np.int64), 0, 2),
        (f.x / (0.16 * metre)).astype(np.int64) % 256,
    ]
    text = sign & (f.v > 0.06) & (f.v < 0.14) & (np.abs(f.u - 0.5) < 0.15 + 0.25 * seed) & letter
    board = np.where(text, np.where(trade.sum(0) > 0.6, 0.03, 0.75), trade)
    canvas.paint(f, sign.astype(np.float32), board, 0.12)
    # The awning hangs over the sign; its hem is scalloped.
    hem = 0.34 + 0.02 * np.abs(np.sin(f.x / metre * 6))
    stripe = np.where(np.sin(f.x / metre * (5 + 4 * seed)) > 0, _AWNING[cloth].T, np.float32(0.72))
    cover = canvas.coverage((hem - f.v) * f.height) * has_awning
    canvas.paint(f, cover, stripe * (1.05 - 0.5 * (f.v > 0.3)), 0.15 + 2.2 * f.v)


def _paint_cornice(rng, canvas, f, p, looks):
    """The panel above a window: flat, or with a triangular or a segmental pediment."""
    kind = p[4]
    off = np.abs(2 * f.u - 1)
    line = np.where(kind == 1, 0.75 * off, np.where(kind == 2, 0.7 * off * off, 0.0))
    above = (f.v - line) * f.height
    ledge = canvas.coverage(0.13 * canvas.metre - above)
    foot = canvas.coverage((f.v - 0.74) * f.height) * (kind > 0)
    height = 0.06 + 0.24 * np.maximum(ledge, foot)
    canvas.paint(f, canvas.coverage(above), looks.trim * (0.98 + 0.07 * looks.grain[f.at]), height)


def _paint_sill(rng, canvas, f, p, looks):
    """A projecting ledge, an apron with a panel below it, and the streaks that the rain leaves."""
    metre = canvas.metre
    down = f.y - f.y0
    ledge = canvas.coverage(0.16 * metre - down)
    inset = np.minimum(f.width, f.height) * 0.22
    panel = canvas.coverage(
        _inside(f.x, f.y, f.x0 + inset, f.y0 + 0.16 * metre + inset, f.x1 - inset, f.y1 - inset, 0.0)
    )
    cover = np.maximum(ledge, canvas.coverage(np.minimum(f.u, 1 - f.u) * f.width - 0.08 * metre))
    tone = 0.97 + 0.07 * looks.grain[f.at] - 0.12 * (1 - ledge) * (f.v > 0.3)
    canvas.paint(f, cover, looks.trim * tone, np.maximum(0.24 * ledge, 0.06 - 0.04 * panel))


def _paint_blind(rng, canvas, f, p, looks):
    """A roller or Venetian blind in the opening; some are weathered."""
    cover, back, _, _ = _opening(canvas, f, p[4], looks)
    pitch = max(0.12 * canvas.metre, 0.009)
    slat = (f.y / pitch) % 1
    tone = 0.78 + 0.3 * slat
    tone = tone * rng.uniform(0.75, 1.15, f.which[-1] + 1)[f.which]
    canvas.paint(f, cover * canvas.coverage(back), looks.blind * tone, -0.5 * looks.depth + 0.02 * slat)


def _paint_shutter(rng, canvas, f, p, looks):
    pitch = max(0.13 * canvas.metre, 0.01)
    slat = (f.y / pitch) % 1
    edge = np.minimum(np.minimum(f.x - f.x0, f.x1 - f.x), np.minimum(f.y - f.y0, f.y1 - f.y))
    stile = np.maximum(
        1 - canvas.coverage(edge - 0.08 * canvas.metre),
        canvas.line(f.y - (f.y0 + f.y1) / 2, 0.06 * canvas.metre),
    )
    tone = 0.6 + 0.5 * slat
    tone = tone + stile * (1.05 - tone)
    canvas.paint(f, canvas.coverage(edge), looks.shutter * tone * (1 + 0.07 * looks.grain[f.at]), 0.06 + 0.02 * stile)


def _paint_deco(rng, canvas, f, p, looks):
    """Ornaments in relief: a rosette, a medallion, a festoon panel, a keystone."""
    kind = p[4]
    a, b = 2 * f.u - 1, 2 * f.v - 1
    radius = np.hypot(a, b)
    rosette = (0.95 - radius), 0.12 - 0.04 * np.cos(radius * 9)
    medallion = (
        (1 - radius),
        np.where(radius > 0.72, 0.18, 0.05 + 0.12 * np.exp(-5 * ((a * 1.4) ** 2 + b * b))),
    )
    swag = np.abs(b - 0.5 * np.cos(a * 4.5)) < 0.4
    panel = np.minimum(1 - np.abs(a), 1 - np.abs(b)), np.where(swag, 0.15 + 0.04 * np.sin(a * 22), 0.04)
    keystone = (1 - 0.3 * (b + 1) / 2 - np.abs(a)), 0.2 + 0.08 * (b < -0.5)
    shape, height = (
        np.choose(kind.astype(np.int64), choices) for choices in zip(rosette, medallion, panel, keystone, strict=True)
    )
    canvas.paint(f, canvas.coverage(shape * f.width / 2), looks.trim * (0.95 + 0.1 * looks.grain[f.at]), height)


def _paint_balcony(rng, canvas, f, p, looks):
    """A slab on brackets with a railing: iron bars, stone balusters, or a solid parapet."""
    kind, metre = p[4], canvas.metre
    thick = 0.2 * metre
    below = f.y - (f.y1 - 0.5 * metre)  # from the slab's upper edge
    slab = canvas.coverage(np.minimum(below, thick - below))
    bracket = canvas.coverage(np.minimum(below - thick, (0.5 * metre - below))) * canvas.coverage(
        (0.1 - np.abs(np.abs(f.u - 0.5) - 0.32)) * f.width
    )
    rail = canvas.line(f.y - f.y0 - 0.04 * metre, 0.05 * metre)
    above = canvas.coverage(-below)
    pitch = max(0.16 * metre, 0.017)
    bars = np.maximum(
        canvas.line(((f.x / pitch) % 1 - 0.5) * pitch, 0.028 * metre),
        canvas.line(below + 0.12 * metre, 0.03 * metre),
    )
    post = canvas.coverage(0.05 * metre - np.minimum(f.x - f.x0, f.x1 - f.x))
    iron = np.maximum(np.maximum(bars, post) * above, rail)
    up = np.clip(-below / (f.height - 0.5 * metre), 0, 1)
    wide = max(0.32 * metre, 0.03)
    belly = (0.22 + 0.16 * np.sin(up * np.pi * 1.6)) * wide
    baluster = canvas.coverage(belly - np.abs((f.x / wide) % 1 - 0.5) * wide)
    stone = (
        np.maximum(np.maximum(baluster, canvas.coverage(0.14 * metre - (f.y - f.y0))), canvas.coverage(0.1 - up))
        * above
    )
    solid = above * canvas.coverage(np.minimum(f.x - f.x0, f.x1 - f.x))
    railing = np.choose(kind.astype(np.int64), (iron, stone, solid))
    metal = kind == 0
    canvas.paint(f, railing, np.where(metal, looks.iron, looks.trim * (0.95 + 0.08 * looks.grain[f.at])), 0.75)
    shelf = np.maximum(slab, bracket)
    canvas.paint(f, shelf, looks.trim * (0.92 + 0.08 * looks.grain[f.at]), 0.85 * slab + 0.35 * bracket)


_PAINTERS = {kind: globals()[f"_paint_{kind}"] for kind in _KINDS}


def _sunlight(canvas: _Canvas, rng: np.random.Generator) -> np.ndarray:
    """Light (3, size, size) that falls on the relief: a warm sun, a bluish sky, and the shadows between."""
    size = canvas.size
    height = canvas.height.reshape(size, size)
    pixel = canvas.metre * size  # pixels per metre
    side = float(rng.choice((-1.0, 1.0))) * rng.uniform(0.35, 0.85)
    drop = rng.uniform(0.6, 1.1)  # a part that projects by 1 m casts its shadow (side, drop) m away
    sun = float(rng.choice((0.2, 0.75, 1.05), p=(0.25, 0.35, 0.4)) * rng.uniform(0.85, 1.1))

    # Cast shadows: march from every point towards the sun and look for something higher than the ray.
    reach = 1.0
    steps = int(np.ceil(reach * pixel * max(abs(side), drop)))
    highest = np.full_like(height, -9.0)
    padded = np.pad(height, steps, constant_values=-9.0)
    for k in range(1, steps + 1):
        t = reach * k / steps
        dy, dx = steps - round(t * drop * pixel), steps - round(t * side * pixel)
        np.maximum(highest, padded[dy : dy + size, dx : dx + size] - np.float32(t), out=highest)
    lit = 1 - np.clip((highest - height) / 0.08, 0, 1)

    # Lambert's law on the slopes of the relief; a step of the relief is spread over two pixels.
    gy, gx = np.zeros_like(height), np.zeros_like(height)
    gy[1:-1] = (height[2:] - height[:-2]) * (0.5 * pixel)
    gx[:, 1:-1] = (height[:, 2:] - height[:, :-2]) * (0.5 * pixel)
    norm = 1 / np.sqrt(1 + gx * gx + gy * gy)
    length = float(np.sqrt(1 + side * side + drop * drop))
    facing = np.maximum((gx * side + gy * drop + 1) * norm, 0) / length
    # Sky light comes from above and does not reach into recesses.
    hollow = np.maximum(ndimage.uniform_filter(height, max(3, int(0.9 * pixel) | 1)) - height, 0)
    ambient = (0.75 + 0.3 * gy * norm) / (1 + 1.6 * hollow)

    # The house across the street may shade a part of the facade.
    if rng.random() < 0.25:
        x = canvas.centre
        edge = rng.uniform(0.5, 0.85) + side * 0.4 * (x - 0.5) + 0.03 * (np.sin(x * 25 + rng.uniform(0, 6)) > 0.3)
        lit *= np.clip((np.float32(edge) - x[:, None]) / 0.015, 0, 1)
    warm = np.float32([1.06, 1.0, 0.88]) * (1.3 * sun)
    blue = np.float32([0.93, 0.99, 1.08]) * (1.0 - 0.52 * sun)
    return warm[:, None, None] * (lit * facing) + blue[:, None, None] * ambient


def _photograph(plan: _Plan, size: int, rng: np.random.Generator) -> np.ndarray:
    """Render the plan; returns sRGB uint8 of shape (size, size, 3)."""
    canvas = _Canvas(size, plan.metre)
    wall = _pick(rng, {"brick": _BRICK, "plaster": _PLASTER, "stone": _STONE}[plan.style], 0.08)
    trim = _pick(rng, _TRIM)
    if plan.style == "stone" or rng.random() < 0.25:
        trim = 0.35 * trim + 0.65 * wall * 1.1
    looks = _Looks(
        trim=trim,
        frame=_pick(rng, _FRAME[:1] if rng.random() < 0.5 else _FRAME),
        door=_pick(rng, _PAINT),
        blind=_pick(rng, _BLIND),
        shutter=_pick(rng, _PAINT, 0.15) * 1.6,
        iron=_pick(rng, _IRON),
        pipe=_pick(rng, _linear((110, 112, 112), (120, 84, 60), (206, 200, 186))),
        reveal=0.6 * wall + 0.4 * trim,
        sky=_pick(rng, _linear((150, 186, 224), (190, 208, 226), (214, 218, 222))),
        depth=rng.uniform(0.25, 0.48),
        eye=(rng.uniform(0.3, 0.7), plan.bottom - 0.1),
        skyline=np.repeat(rng.uniform(0.1, 0.65, 14), 2) + rng.uniform(-0.04, 0.04, 28),
        grain=np.clip(_noise(rng, size, 110, 110).ravel(), -2, 2),
    )
    _paint_walls(rng, canvas, plan, looks, wall)
    for kind, paint in _PAINTERS.items():
        if plan.parts[kind]:
            parts = np.array(plan.parts[kind], np.float32)
            f = canvas.fragments(parts)
            if len(f.at):
                paint(rng, canvas, f, np.ascontiguousarray(parts.T)[:, f.which], looks)

    light = _sunlight(canvas, rng)
    light += canvas.shine.reshape(size, size) * (1 - light)
    image = np.multiply(light, canvas.colour.reshape(3, size, size), out=light)

    # The camera: exposure, white balance, vignette, a soft lens, gamma, noise.
    exposure = rng.uniform(0.85, 1.2) * (1 + 0.025 * rng.standard_normal(3))
    radius = (canvas.centre - 0.5) ** 2
    image *= (1 - 0.45 * (radius[:, None] + radius)) * np.float32(exposure)[:, None, None]
    soft = rng.uniform(0.05, 0.16)
    image[:, 1:-1] += soft * (image[:, 2:] + image[:, :-2] - 2 * image[:, 1:-1])
    image[:, :, 1:-1] += soft * (image[:, :, 2:] + image[:, :, :-2] - 2 * image[:, :, 1:-1])
    image = np.sqrt(1 - np.exp(-1.35 * np.maximum(image, 0)))  # the sensor's shoulder, then gamma 2
    image += 0.4 * (image * image * (3 - 2 * image) - image)  # contrast
    image += (rng.random((3, size, size), np.float32) - 0.5) * np.float32(rng.uniform(0.02, 0.06))
    return np.ascontiguousarray((np.clip(image, 0, 1, out=image) * 255 + 0.5).astype(np.uint8).transpose(1, 2, 0))


def draw_pair(size: int, seed: int, index: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw pair number `index` of the data set `seed`.

    A pure function: the same building for every size, at another resolution. `size` is the side in pixels, at
    least 16. Returns the label ids, uint8 of shape (size, size) with values 0 to 11, and the photograph,
    uint8 RGB of shape (size, size, 3).
    """
    if size < 16:
        raise UserError(f"--image-size got {size}; accepted for the built-in facades are 16 pixels and more.")
    layout, annotator, camera = (np.random.default_rng((seed, index, stream)) for stream in range(3))
    plan = _plan(layout)
    return _label_map(plan, size, annotator), _photograph(plan, size, camera)


def facades_folder(size: int, cache: Path | None = None, train: int = 400, val: int = 100, seed: int = 0) -> Path:
    """The folder of the built-in data set, see `drawn.drawn_folder`.

    In each file the label map in the colours of `PALETTE` is on the left (A) and the photograph on the right (B), each
    `size` x `size`.
    """

    def draw(index: int) -> np.ndarray:
        labels, photo = draw_pair(size, seed, index)
        return np.hstack([PALETTE[labels], photo])

    name = f"facades-v1-{size}-{train}+{val}-seed{seed}"
    return drawn_folder(name, draw, cache=cache, train=train, val=val)
