"""Painters of walls, roofs and the street."""

from __future__ import annotations

import numpy as np

from keras_gen.data.builtin.facades.colours import BRICK, PLASTER, ROOF, STONE, Looks, linear, pick
from keras_gen.data.builtin.facades.plan import Plan
from keras_gen.data.builtin.facades.relief import Canvas, noise


def masonry(
    rng: np.random.Generator,
    canvas: Canvas,
    rows: slice,
    colour: np.ndarray,
    course: float,
    length: float,
    joint: float,
    mortar: np.ndarray,
    spread: float,
) -> tuple[np.ndarray, np.ndarray]:
    """Brick or ashlar on some rows of pixels.

    Args:
        rng: source of randomness.
        canvas: the relief.
        rows: the rows of pixels.
        colour, mortar: colours of the stones and of the joints, linear, (3, 1).
        course, length: height and length of a stone, in image coordinates.
        joint: half the width of a joint, in image coordinates.
        spread: relative standard deviation of the tints of the stones.

    Returns:
        Colour (3, rows, size), and height (rows, size) in metres.
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


def paint_walls(rng: np.random.Generator, canvas: Canvas, plan: Plan, looks: Looks, wall: np.ndarray) -> None:
    """Paints everything behind the parts: sky, neighbouring houses, roof, walls and pavement."""
    size, metre = canvas.size, canvas.metre
    colour = canvas.colour.reshape(3, size, size)
    height, shine = canvas.height.reshape(size, size), canvas.shine.reshape(size, size)

    def pixel(a: float) -> int:
        return int(np.clip(round(a * size), 0, size))

    left, right, top, bottom = (pixel(a) for a in (plan.left, plan.right, plan.top, plan.bottom))

    # Sky: paler towards the horizon, with clouds.
    horizon = max(top + size // 4, 1)
    down = np.linspace(0, 1, horizon, dtype=np.float32)[None, :, None]
    cloud = noise(rng, size, 5, 3) + 0.5 * noise(rng, size, 14, 8)
    cloud = np.clip(cloud[:horizon] * 0.5 + rng.uniform(-0.2, 0.6), 0, 1)
    blue = looks.sky[:, :, None] * (0.75 + 0.35 * down)
    colour[:, :horizon] = blue + cloud * (0.82 - blue)
    shine[:horizon] = 1

    # Neighbouring houses, set back a little, with their own roof lines.
    stain = 1 + 0.05 * noise(rng, size, 24, 24) + 0.05 * noise(rng, size, 6, 6)
    for a, b in ((0, left), (right, size)):
        if b > a:
            roof = pixel(max(plan.top + rng.uniform(-0.08, 0.12), 0.02))
            house = pick(rng, (PLASTER, BRICK)[int(rng.random() < 0.4)], 0.12) * 0.6 + 0.06
            colour[:, roof:, a:b] = house[:, :, None] * stain[roof:, a:b]
            colour[:, roof : roof + max(1, size // 40), a:b] *= 0.55
            height[roof:, a:b], shine[roof:, a:b] = -0.5, 0

    # A pitched roof with rows of tiles above the eaves.
    if rng.random() < 0.55 and top > 0:
        ridge = pixel(plan.top - rng.uniform(0.03, 0.12))
        rows = np.sin(canvas.centre[ridge:top] * (2 * np.pi / (0.4 * metre)))
        slope = (0.85 + 0.12 * rows)[:, None] * stain[ridge:top, left:right]
        colour[:, ridge:top, left:right] = pick(rng, ROOF)[:, :, None] * slope
        height[ridge:top, left:right], shine[ridge:top, left:right] = -0.3, 0
        for _ in range(rng.integers(0, 3)):
            x = pixel(rng.uniform(plan.left, plan.right))
            w, h = max(1, pixel(0.7 * metre)), pixel(plan.top - 0.04 - rng.uniform(0.02, 0.05))
            colour[:, h:top, x : x + w] = pick(rng, BRICK)[:, :, None] * stain[h:top, x : x + w]
            shine[h:top, x : x + w] = 0

    # The wall, often with another finish on the ground floor.
    ground = pixel(plan.ground)
    grain = looks.grain.reshape(size, size)
    rustic = rng.random() < (0.55 if plan.style != "brick" else 0.4)
    stone = wall * 0.85 if rng.random() < 0.5 and plan.style != "brick" else pick(rng, STONE)
    for rows, style in (
        (slice(top, ground), plan.style),
        (slice(ground, bottom), "rustic" if rustic else plan.style),
    ):
        if rows.stop <= rows.start:
            continue
        if style == "brick":
            course = max(0.21 * metre, 0.0125)
            mortar = 0.55 * wall + linear((150, 142, 130)).T * rng.uniform(0.2, 0.6)
            skin, bump = masonry(rng, canvas, rows, wall, course, 2.6 * course, 0.14 * course, mortar, 0.16)
        elif style == "plaster":
            skin, bump = wall[:, :, None] * np.ones((rows.stop - rows.start, size), np.float32), 0.0
        else:
            base = stone if style == "rustic" else wall
            course = (0.55 if style == "rustic" else 0.42) * metre
            skin, bump = masonry(rng, canvas, rows, base, course, 2.1 * course, 0.06 * course, base * 0.45, 0.07)
            bump *= 4 if style == "rustic" else 1.5
        blotch = 1 + 0.07 * noise(rng, size, 7, 7) + 0.05 * noise(rng, size, 30, 26)
        streak = 1 - 0.1 * np.clip(noise(rng, size, 5, 70), 0, None)
        skin = skin * (blotch * streak + 0.05 * grain)[rows]
        colour[:, rows, left:right] = skin[:, :, left:right]
        height[rows, left:right] = bump[:, left:right] if style != "plaster" else 0.004 * grain[rows, left:right]
        shine[rows, left:right] = 0
    # A stone plinth.
    if rng.random() < 0.7:
        plinth = slice(pixel(plan.bottom - rng.uniform(0.35, 0.9) * metre), bottom)
        skin = pick(rng, STONE)[:, :, None] * 0.7 * (1 + 0.1 * grain[plinth, left:right])
        colour[:, plinth, left:right] = skin
        height[plinth, left:right] = 0.07
    # Damp and dirt above the pavement.
    colour[:, ground:bottom] *= (1 - 0.3 * np.exp((canvas.centre[ground:bottom] - plan.bottom) / (0.5 * metre)))[
        :, None
    ]

    # Pavement and road.
    deep = canvas.centre[bottom:] - plan.bottom
    paving = np.where(deep < 0.035, 0.3, 0.13)[:, None] * (
        1 + 0.12 * grain[bottom:] + 0.1 * noise(rng, size, 9, 5)[bottom:]
    )
    colour[:, bottom:] = linear((186, 182, 176)).T[:, :, None] * paving * 1.6
    height[bottom:], shine[bottom:] = 0, 0
