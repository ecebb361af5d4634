"""Hair as a sheet of strands: from a parting over the skull to the hair line, and down from there if it is long."""
from __future__ import annotations

import numpy as np

from keras_gen.data.builtin.heads.model import SKULL, model

_THETA = np.array([0, 15, 30, 42, 52, 60, 66, 72, 80, 90, 102, 114, 128, 150, 180.0])
_LINE = np.array([36, 36.5, 36, 33, 27, 19, 8, 2, 12, 19, 17, 4, -18, -36, -40.0])
_RECEDED = np.array([6, 9, 18, 24, 20, 9, 3, 0, 0, 0, 0, 0, 0, 0, 0.0])


def line_elevation(theta, recession):
    """Elevation of the hair line above the centre of the skull [degrees], for angles from the front [radians]."""
    t = np.abs(np.rad2deg((theta + np.pi) % (2 * np.pi) - np.pi))
    return np.interp(t, _THETA, _LINE) + recession * np.interp(t, _THETA, _RECEDED)


def above_line(points, recession):
    """How far points of the neutral head are inside the hair [degrees], negative outside."""
    x, y, z = (points - SKULL).T
    return np.rad2deg(np.arctan2(y, np.hypot(x, z))) - line_elevation(np.arctan2(x, z), recession)


def scalp_points(vertices, d):
    """The skull's surface in directions d (..., 3): bilinear in the grid of the model."""
    m = model()
    grid = np.einsum("rck,rckd->rcd", m.scalp_weights, vertices[m.scalp])
    rows, columns = grid.shape[:2]
    phi = np.rad2deg(np.arcsin(np.clip(d[..., 1], -1, 1)))
    theta = np.arctan2(d[..., 0], d[..., 2])
    r = np.clip((90 - phi) / 150 * (rows - 1), 0, rows - 1.001)
    c = (theta / (2 * np.pi) % 1) * columns
    i, j = r.astype(int), c.astype(int) % columns
    u, w = (r - i)[..., None], (c - np.floor(c))[..., None]
    k = (j + 1) % columns
    return (1 - u) * ((1 - w) * grid[i, j] + w * grid[i, k]) + u * ((1 - w) * grid[i + 1, j] + w * grid[i + 1, k])


def waves(a, b, seed):
    rng = np.random.default_rng(seed)
    total = 0
    for _ in range(5):
        k, l, p = rng.integers(2, 9), rng.uniform(0.5, 3), rng.uniform(0, 2 * np.pi)
        total = total + np.sin(k * a + l * b + p)
    return total / 3


def hair_grid(vertices, f, rows, columns):
    length, volume = f["hair_length"], f["hair_volume"]
    tilt = np.deg2rad(-14 + 44 * np.clip((length - 0.35) / 0.3, 0, 1))
    side = np.deg2rad(26) * f["parting"] * np.clip((length - 0.2) / 0.2, 0, 1)
    pole = np.array([np.sin(side), np.cos(side) * np.cos(tilt), np.cos(side) * np.sin(tilt)])
    e1 = np.array([0, -np.sin(tilt), np.cos(tilt)])
    e2 = np.cross(pole, e1); e2 /= np.linalg.norm(e2); e1 = np.cross(e2, pole)
    alpha = 2 * np.pi * np.arange(columns) / columns
    back = np.deg2rad(26) * np.clip((length - 0.35) / 0.3, 0, 1)
    shift = back * (np.cos(alpha) - 1) / 2 * 1.6
    q = np.cos(shift)[:, None] * pole + np.sin(shift)[:, None] * e1
    e1q = -np.sin(shift)[:, None] * pole + np.cos(shift)[:, None] * e1
    t = np.sin(alpha)[:, None] * e2 + np.cos(alpha)[:, None] * e1q

    s = np.deg2rad(np.arange(0, 172, 4.0))
    d = np.cos(s)[None, :, None] * q[:, None] + np.sin(s)[None, :, None] * t[:, None]
    phi, theta = np.rad2deg(np.arcsin(np.clip(d[..., 1], -1, 1))), np.arctan2(d[..., 0], d[..., 2])
    inside = phi - line_elevation(theta, f["hair_line"])
    # long hair covers the ears
    long = np.clip((length - 0.5) / 0.12, 0, 1)
    away = np.abs(np.rad2deg(theta))
    inside = inside + long * np.clip((away - 68) / 10, 0, 1) * np.where(away < 125, np.clip(phi + 25, 0, 40) * 0.9, 10)
    out = inside < 0
    out[:, -1] = True
    k = np.maximum(out.argmax(1), 1)
    c = np.arange(columns)
    s_end = s[k - 1] + np.deg2rad(4.0) * np.clip(inside[c, k - 1] / (inside[c, k - 1] - inside[c, k] + 1e-6), 0, 1)
    end = np.cos(s_end)[:, None] * q + np.sin(s_end)[:, None] * t
    theta_end = np.abs(np.rad2deg(np.arctan2(end[:, 0], end[:, 2])))

    fall = np.clip((length - 0.5) / 0.5, 0, 1)
    drop = fall * (4 + 14 * fall) * np.clip((theta_end - 58) / 16, 0, 1)
    fringe = f["fringe"] * 3.4 * np.clip((58 - theta_end) / 12, 0, 1)
    drop = drop + fringe
    wobble = waves(alpha * 3, 0, int(f["strands"] * 1e6))
    drop = drop * (1 + 0.06 * wobble)
    cap = 9.6 * s_end
    total = cap + drop
    at = np.linspace(0, 1, rows)[None] ** 0.9 * total[:, None]
    angle = np.minimum(at / 9.6, s_end[:, None])
    below = np.maximum(at - cap[:, None], 0)
    d = np.cos(angle)[..., None] * q[:, None] + np.sin(angle)[..., None] * t[:, None]
    base = scalp_points(vertices, d)

    short = np.clip(length / 0.45, 0, 1)
    thick = (0.18 + 0.9 * short) * (0.55 + 1.25 * volume) + f["curl"] * short * (0.5 + 1.8 * volume)
    to_end = np.maximum(total[:, None] - at, 0)
    thick = thick * (1 - (1 - 0.75 * np.clip((length - 0.35) / 0.25, 0, 1)) * 0.7 * np.clip((60 - np.rad2deg(np.arcsin(np.clip(d[..., 1], -1, 1)))) / 50, 0, 1) * (np.abs(np.arctan2(d[..., 0], d[..., 2])) > 0.7))
    taper = 1 - np.exp(-((to_end / (0.8 + 0.5 * short)) ** 1.2))
    taper = np.where(drop[:, None] > 2.5, np.maximum(taper, 0.7), np.maximum(taper, 0.12 + 0.5 * (fringe[:, None] > 1.0)))
    part = 1 - 0.55 * np.exp(-((at / 1.6) ** 2)) * np.clip((length - 0.35) / 0.3, 0, 1)
    bumps = 1 + (0.10 + 0.22 * f["curl"]) * waves(alpha[:, None] * 2, at / 2.2, int(f["strands"] * 1e6) + 1) * short
    ear = np.clip(1 - np.abs(np.rad2deg(np.arctan2(d[..., 0], d[..., 2]))  - 0) * 0, 0, 1) * 0
    points = base + (thick * taper * part * bumps)[..., None] * d
    # hair that hangs
    radial = points * [1, 0, 1]
    radius = np.linalg.norm(radial, axis=-1, keepdims=True) + 1e-6
    outward = radial / radius
    hang = below[..., None]
    is_fringe = (fringe > 0.5)[:, None, None]
    flare = np.where(is_fringe, 0.16 * hang, 0.10 * hang + 0.12 * np.sin(hang / 2.2) - 0.010 * hang**2 * (1 - fall))
    points = points + outward * flare - np.where(is_fringe, 0.95, 1.0) * hang * [0, 1, 0]
    if f["curl"] > 0:
        curl = f["curl"] * np.clip(hang / 3, 0, 1) * 0.5
        points = points + outward * curl * np.sin(hang * 1.6 + 5 * wobble[:, None, None])
    # wide enough for the ears
    ears = long * np.exp(-(((points[..., 1] - 2.6) / 4.0) ** 2)) * np.clip(1 - np.abs(points[..., 2] - 0.2) / 6.5, 0, 1)
    wide = np.maximum(np.abs(points[..., 0]), ears * 9.3)
    points[..., 0] = np.where(np.abs(points[..., 0]) > 5, np.sign(points[..., 0]) * wide, points[..., 0])
    tangent = np.gradient(points, axis=1)
    tangent /= np.linalg.norm(tangent, axis=-1, keepdims=True) + 1e-6
    rest = np.stack([np.broadcast_to(alpha[:, None] / (2 * np.pi), at.shape), at / np.maximum(total[:, None], 1e-3), np.broadcast_to(total[:, None], at.shape)], -1)
    order = lambda x: np.swapaxes(x, 0, 1).reshape(-1, 3)
    return order(points), order(rest), order(tangent)
