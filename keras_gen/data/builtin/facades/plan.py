"""The layout of a building: rectangles of its parts in image coordinates, x to the right and y down, in [0, 1]."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from keras_gen.data.builtin.facades.colours import AWNING, CURTAIN

# Kinds of parts in the order of painting -> the class in the label map; None: not in the label map.
KINDS: dict[str, str | None] = {
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


@dataclass
class Plan:
    """A building: the edges of the facade in image coordinates, its style, and its parts by kind.

    A part is a row (x0, y0, x1, y1, parameters of the kind ...). `metre` is the length of a metre in image coordinates.
    """

    left: float
    right: float
    top: float
    bottom: float
    ground: float  # y of the line between the ground floor and the floors above
    metre: float
    style: str  # brick | plaster | stone
    parts: dict[str, list[tuple[float, ...]]] = field(default_factory=lambda: {kind: [] for kind in KINDS})

    def add(self, kind: str, x0: float, y0: float, x1: float, y1: float, *parameters: float) -> None:
        self.parts[kind].append((x0, y0, x1, y1, *parameters))


def window_parameters(rng: np.random.Generator) -> tuple[float, ...]:
    """Parameters that differ from window to window: kind, extent and colour of the curtain, light inside, reflection,
    tilt."""
    kind, extent, cloth, light, mirror, tilt = rng.random(6).tolist()
    room = 0.01 + 0.04 * light if light < 0.93 else 0.3
    return (
        int(4 * kind),
        0.15 + 0.45 * extent,
        int(len(CURTAIN) * cloth),
        room,
        0.05 + 0.45 * mirror,
        0.16 * (tilt - 0.5),
    )


def plan_building(rng: np.random.Generator) -> Plan:
    """Lays out a building.

    The style is correlated with the parts (pillars with stone and plaster, shutters with brick and plaster), so the
    label map hints at the material without determining it.
    """
    u = rng.uniform
    style = str(rng.choice(("brick", "plaster", "stone"), p=(0.35, 0.42, 0.23)))
    framing = rng.random()  # the facade fills the width, or one neighbour is visible, or two
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
    plan = Plan(left, right, top, bottom, lines[-2], metre, style)

    # Bays are about square. In a symmetric facade the middle one may be wider; otherwise widths vary.
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

    # Windows of the upper floors and their ornaments.
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
            plan.add("window", x0, head, x1, foot, arch, bars, transom, *window_parameters(rng))
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

    # Ground floor: shops, one or two doors, windows.
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
                rng.integers(len(AWNING)),
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
            plan.add("window", c - half, head, c + half, foot, ground_arch, bars, transom, *window_parameters(rng))
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

    # Windows of the neighbouring houses, which belong to the background.
    for x0, x1 in ((0.0, left), (right, 1.0)):
        step, shift = u(0.1, 0.14), u(0.02, 0.08)
        for y in np.arange(top + shift + 0.08, bottom - 0.1, u(0.13, 0.2)):
            for x in np.arange(x0 + 0.03, x1 - 0.07, step):
                plan.add("neighbour", x, y, x + 0.055, y + 0.085, 0, 2, 0.3, *window_parameters(rng))
    return plan


def inside(x: np.ndarray, y: np.ndarray, x0, y0, x1, y1, arch) -> np.ndarray:
    """Distance to the nearest edge of a rectangle, negative outside. With `arch` > 0 the top is half an ellipse whose
    height is `arch` times half the width."""
    half = (x1 - x0) / 2
    distance = np.minimum(np.minimum(x - x0, x1 - x), np.minimum(y - y0, y1 - y))
    if np.any(arch):
        rise = np.maximum(arch * half, 1e-6)
        across, up = (x - x0 - half) / half, np.maximum(y0 + rise - y, 0) / rise
        rounded = (1 - np.sqrt(across * across + up * up)) * np.minimum(rise, half)
        distance = np.where((up > 0) & (arch > 0), np.minimum(distance, rounded), distance)
    return distance
