"""Lights the relief by one sun, and renders it as a photograph."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from keras_gen.data.builtin.facades.colours import (
    BLIND,
    BRICK,
    FRAME,
    IRON,
    PAINT,
    PLASTER,
    STONE,
    TRIM,
    Looks,
    linear,
    pick,
)
from keras_gen.data.builtin.facades.parts import PAINTERS
from keras_gen.data.builtin.facades.plan import Plan
from keras_gen.data.builtin.facades.relief import Canvas, noise
from keras_gen.data.builtin.facades.walls import paint_walls


def _sunlight(canvas: Canvas, rng: np.random.Generator) -> np.ndarray:
    """The light on the relief, (3, size, size): a warm sun, a bluish sky, and cast shadows."""
    size = canvas.size
    height = canvas.height.reshape(size, size)
    pixel = canvas.metre * size  # pixels per metre
    side = float(rng.choice((-1.0, 1.0))) * rng.uniform(0.35, 0.85)
    drop = rng.uniform(0.6, 1.1)  # a part that projects by 1 m casts a shadow with the offset (side, drop) m
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

    # Lambert's law on the slopes of the relief; central differences spread a step over two pixels.
    gy, gx = np.zeros_like(height), np.zeros_like(height)
    gy[1:-1] = (height[2:] - height[:-2]) * (0.5 * pixel)
    gx[:, 1:-1] = (height[:, 2:] - height[:, :-2]) * (0.5 * pixel)
    norm = 1 / np.sqrt(1 + gx * gx + gy * gy)
    length = float(np.sqrt(1 + side * side + drop * drop))
    facing = np.maximum((gx * side + gy * drop + 1) * norm, 0) / length
    # Light from the sky comes from above and does not reach into recesses.
    hollow = np.maximum(ndimage.uniform_filter(height, max(3, int(0.9 * pixel) | 1)) - height, 0)
    ambient = (0.75 + 0.3 * gy * norm) / (1 + 1.6 * hollow)

    # The house across the street may cast a shadow on a part of the facade.
    if rng.random() < 0.25:
        x = canvas.centre
        edge = rng.uniform(0.5, 0.85) + side * 0.4 * (x - 0.5) + 0.03 * (np.sin(x * 25 + rng.uniform(0, 6)) > 0.3)
        lit *= np.clip((np.float32(edge) - x[:, None]) / 0.015, 0, 1)
    warm = np.float32([1.06, 1.0, 0.88]) * (1.3 * sun)
    blue = np.float32([0.93, 0.99, 1.08]) * (1.0 - 0.52 * sun)
    return warm[:, None, None] * (lit * facing) + blue[:, None, None] * ambient


def photograph(plan: Plan, size: int, rng: np.random.Generator) -> np.ndarray:
    """Renders the plan: sRGB, uint8 (size, size, 3)."""
    canvas = Canvas(size, plan.metre)
    wall = pick(rng, {"brick": BRICK, "plaster": PLASTER, "stone": STONE}[plan.style], 0.08)
    trim = pick(rng, TRIM)
    if plan.style == "stone" or rng.random() < 0.25:
        trim = 0.35 * trim + 0.65 * wall * 1.1
    looks = Looks(
        trim=trim,
        frame=pick(rng, FRAME[:1] if rng.random() < 0.5 else FRAME),
        door=pick(rng, PAINT),
        blind=pick(rng, BLIND),
        shutter=pick(rng, PAINT, 0.15) * 1.6,
        iron=pick(rng, IRON),
        pipe=pick(rng, linear((110, 112, 112), (120, 84, 60), (206, 200, 186))),
        reveal=0.6 * wall + 0.4 * trim,
        sky=pick(rng, linear((150, 186, 224), (190, 208, 226), (214, 218, 222))),
        depth=rng.uniform(0.25, 0.48),
        eye=(rng.uniform(0.3, 0.7), plan.bottom - 0.1),
        skyline=np.repeat(rng.uniform(0.1, 0.65, 14), 2) + rng.uniform(-0.04, 0.04, 28),
        grain=np.clip(noise(rng, size, 110, 110).ravel(), -2, 2),
    )
    paint_walls(rng, canvas, plan, looks, wall)
    for kind, paint in PAINTERS.items():
        if plan.parts[kind]:
            parts = np.array(plan.parts[kind], np.float32)
            f = canvas.fragments(parts)
            if len(f.at):
                paint(rng, canvas, f, np.ascontiguousarray(parts.T)[:, f.which], looks)

    light = _sunlight(canvas, rng)
    light += canvas.shine.reshape(size, size) * (1 - light)
    image = np.multiply(light, canvas.colour.reshape(3, size, size), out=light)

    # The camera: exposure, white balance, vignette, lens blur, gamma, noise.
    exposure = rng.uniform(0.85, 1.2) * (1 + 0.025 * rng.standard_normal(3))
    radius = (canvas.centre - 0.5) ** 2
    image *= (1 - 0.45 * (radius[:, None] + radius)) * np.float32(exposure)[:, None, None]
    soft = rng.uniform(0.05, 0.16)
    image[:, 1:-1] += soft * (image[:, 2:] + image[:, :-2] - 2 * image[:, 1:-1])
    image[:, :, 1:-1] += soft * (image[:, :, 2:] + image[:, :, :-2] - 2 * image[:, :, 1:-1])
    image = np.sqrt(1 - np.exp(-1.35 * np.maximum(image, 0)))  # saturation of the sensor, then gamma 2
    image += 0.4 * (image * image * (3 - 2 * image) - image)  # contrast
    image += (rng.random((3, size, size), np.float32) - 0.5) * np.float32(rng.uniform(0.02, 0.06))
    return np.ascontiguousarray((np.clip(image, 0, 1, out=image) * 255 + 0.5).astype(np.uint8).transpose(1, 2, 0))
