"""Vertices and triangles of a head with hair, glasses and clothes, for given factors."""
from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np

from keras_gen.data.builtin.heads.hair import hair_grid
from keras_gen.data.builtin.heads.model import SKULL, harmonics, model

PARTS = ("skin", "mouth", "teeth", "eye_left", "eye_right", "lash", "hair", "frame", "clothes")
SKIN, MOUTH, TEETH, EYE_LEFT, EYE_RIGHT, LASH, HAIR, FRAME, CLOTHES = range(9)
DISTANCE, HALF, EYE_LEVEL = 64.0, 16.2, 1.2
EYES = np.array([[3.114, 3.604, 7.984], [-3.114, 3.604, 7.984]])
PIVOT = np.array([0.0, -5.0, -1.0])
LASHES, RIM, TEMPLE = 16, 28, 4


def grid_triangles(rows, columns, wrap=False):
    """Triangles of a grid of vertices."""
    r, c = np.meshgrid(np.arange(rows - 1), np.arange(columns if wrap else columns - 1), indexing="ij")
    a, b = r * columns + c, r * columns + (c + 1) % columns
    return np.stack([np.stack([a, a + columns, b], -1), np.stack([b, a + columns, b + columns], -1)], 2).reshape(-1, 3)


HAIR_ROWS, HAIR_COLUMNS = 20, 64
CLOTH_ROWS, CLOTH_COLUMNS = 9, 40


@functools.cache
def topology():
    """Triangles of all parts, their parts, and the first vertex of each block."""
    m = model()
    blocks = [("head", len(m.neutral), m.triangles, None)]
    of_part = np.zeros(len(m.triangles), int)
    of_part[:] = m.part[m.triangles[:, 0]]
    lash = np.concatenate([grid_triangles(2, LASHES) + 2 * LASHES * k for k in range(2)])
    blocks.append(("lash", 4 * LASHES, lash, LASH))
    blocks.append(("hair", HAIR_ROWS * HAIR_COLUMNS, grid_triangles(HAIR_ROWS, HAIR_COLUMNS, True), HAIR))
    tubes = [grid_triangles(4 + 1, RIM, True)[:] for _ in range(2)]
    frame, start = [], 0
    for length, closed in ((RIM, True), (RIM, True), (6, False), (8, False), (8, False)):
        grid = np.arange(length * 5).reshape(length, 5)
        t = grid_triangles(length, 5)
        if closed:
            last = np.concatenate([grid[-1], grid[0]])
            t = np.concatenate([t, last[grid_triangles(2, 5)]])
        frame.append(t + start)
        start += length * 5
    blocks.append(("frame", start, np.concatenate(frame), FRAME))
    blocks.append(("clothes", CLOTH_ROWS * CLOTH_COLUMNS, grid_triangles(CLOTH_ROWS, CLOTH_COLUMNS, True), CLOTHES))
    triangles, parts, first, at = [], [], {}, 0
    for name, count, t, part in blocks:
        first[name] = slice(at, at + count)
        triangles.append(t + at)
        parts.append(of_part if part is None else np.full(len(t), part))
        at += count
    return np.concatenate(triangles), np.concatenate(parts), first, at


def normals_of(vertices, triangles):
    a, b, c = vertices[triangles[:, 0]], vertices[triangles[:, 1]], vertices[triangles[:, 2]]
    u, v = b - a, c - a
    flat = np.stack([u[:, 1] * v[:, 2] - u[:, 2] * v[:, 1], u[:, 2] * v[:, 0] - u[:, 0] * v[:, 2], u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0]], 1)
    total = incidence(len(vertices)) @ flat
    return total / np.maximum(np.sqrt((total * total).sum(1, keepdims=True)), 1e-9)


@functools.cache
def incidence(count):
    from scipy import sparse

    triangles = topology()[0]
    k = np.repeat(np.arange(len(triangles)), 3)
    return sparse.csr_matrix((np.ones(len(k), np.float32), (triangles.ravel(), k)), shape=(count, len(triangles)))


def rotation(yaw, pitch, roll):
    cy, sy, cp, sp, cr, sr = (f(t) for t in (yaw, pitch, roll) for f in (np.cos, np.sin))
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_x = np.array([[1, 0, 0], [0, cp, sp], [0, -sp, cp]])
    about_z = np.array([[cr, sr, 0], [-sr, cr, 0], [0, 0, 1]])
    return about_z @ about_x @ about_y


@dataclass
class Shape:
    """A head in the room.

    Attributes:
        vertices: (v, 3), centimetres; x to the right of the picture, y up, z towards the camera.
        normals: (v, 3) unit vectors.
        local: (v, 3) rest positions: on the skin those of the neutral head, on other parts coordinates of their own.
        landmarks: (68,) vertices.
    """

    vertices: np.ndarray
    normals: np.ndarray
    rest: np.ndarray
    tangents: np.ndarray
    head_rotation: np.ndarray


def steps(x, low, high):
    t = np.clip((x - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


@functools.cache
def neck_weights():
    y = model().neutral[:, 1]
    return steps(y, -14.0, -5.5).astype(np.float32)


def expression_weights(f):
    w = {
        "smile": max(f["smile"], 0), "frown": max(-f["smile"], 0), "jaw": f["jaw"], "eyes_closed": f["eyes_closed"],
        "brows_up": max(f["brows"], 0), "brows_down": max(-f["brows"], 0), "pucker": f["pucker"],
        "look_up": max(f["gaze_y"], 0) / 0.45, "look_down": max(-f["gaze_y"], 0) / 0.45 * (1 - f["eyes_closed"]),
        "look_left": max(f["gaze_x"], 0) / 0.6, "look_right": max(-f["gaze_x"], 0) / 0.6,
    }
    return np.array(list(w.values()), np.float32)


def shape(f):
    m = model()
    triangles, parts, block, count = topology()
    coefficients = f["identity"] + (2.5 * f["sex"] - 0.5) * m.sex
    v = m.neutral + np.tensordot(coefficients.astype(np.float32), m.identities, 1)
    still = v.copy()
    v += np.tensordot(expression_weights(f), m.expressions, 1)
    turn = rotation(f["gaze_x"], -f["gaze_y"], 0)
    centres = []
    for k, part in enumerate((EYE_LEFT, EYE_RIGHT)):
        eye = m.part == part
        centre = EYES[k] + (still[eye] - m.neutral[eye]).mean(0)
        v[eye] = (still[eye] - centre) @ turn.T + centre
        centres.append(centre)
    # a beard has thickness
    vertices = np.zeros((count, 3), np.float32)
    rest = np.zeros((count, 3), np.float32)
    tangents = np.zeros((count, 3), np.float32)
    weight = np.ones(count, np.float32)
    vertices[block["head"]], rest[block["head"]] = v, m.neutral
    weight[block["head"]] = neck_weights()
    vertices[block["lash"]], rest[block["lash"]] = lashes(v, centres, f["eyes_closed"])
    hair, hair_rest, hair_tangents = hair_grid(still, f, HAIR_ROWS, HAIR_COLUMNS)
    vertices[block["hair"]], rest[block["hair"]], tangents[block["hair"]] = hair, hair_rest, hair_tangents
    weight[block["hair"]] = steps(hair[:, 1], -16.0, -6.0)
    vertices[block["frame"]] = glasses(still, np.array(centres), f)
    vertices[block["clothes"]], rest[block["clothes"]] = clothes(f)
    weight[block["clothes"]] = steps(vertices[block["clothes"]][:, 1], -14.0, -5.5)
    head = rotation(f["yaw"], f["pitch"], f["roll"])
    body = rotation(0.35 * f["yaw"], 0.0, 0.0)
    at = vertices - PIVOT
    w = weight[:, None]
    vertices = (w * (at @ head.T) + (1 - w) * (at @ body.T) + PIVOT).astype(np.float32)
    tangents = tangents @ head.T.astype(np.float32)
    return Shape(vertices, normals_of(vertices, triangles), rest, tangents, head)


def lashes(v, centres, closed):
    m = model()
    out, rest = [], []
    for side, way in enumerate((m.lid_left_upper, m.lid_right_upper)):
        sign = 1 - 2 * side
        line = v[way]
        at = np.linspace(0, len(line) - 1, LASHES)
        base = np.stack([np.interp(at, np.arange(len(line)), line[:, k]) for k in range(3)], 1)
        u = np.linspace(0, 1, LASHES)
        away = np.stack([sign * (u - 0.3) * 0.55, 0.16 - 0.5 * closed + 0 * u, 0.6 - 0.25 * u], 1) * (0.25 + 0.75 * np.sin(np.pi * np.clip(u * 0.85 + 0.12, 0, 1)))[:, None] * 0.75
        out += [base + [0, -0.02, 0.02], base + [0, 0, 0.03] + away]
        rest += [np.stack([u, 0 * u, 0 * u], 1), np.stack([u, 0 * u + 1, 0 * u], 1)]
    return np.concatenate(out), np.concatenate(rest)


def tube(path, radius, closed, across=(0.0, 0.0, 1.0)):
    """A tube with four sides around a path (n, 3): (n * 5, 3)."""
    ahead = np.roll(path, -1, 0) - np.roll(path, 1, 0) if closed else np.gradient(path, axis=0)
    ahead /= np.linalg.norm(ahead, axis=1, keepdims=True)
    side = np.cross(ahead, across)
    side /= np.linalg.norm(side, axis=1, keepdims=True)
    up = np.cross(side, ahead)
    angle = np.pi / 4 + np.pi / 2 * np.arange(5)
    return (path[:, None] + radius * (np.cos(angle)[:, None] * side[:, None] + np.sin(angle)[:, None] * up[:, None])).reshape(-1, 3)


def glasses(v, centres, f):
    m = model()
    mark = v[m.landmarks]
    nose = mark[28]
    front = max(mark[[19, 24], 2].max() + 0.55, centres[:, 2].max() + 2.85)
    width, height, square = 2.75 + 0.25 * f["glasses_size"], 1.75 + 0.55 * f["glasses_size"], 2.2 + 1.6 * f["glasses_square"]
    paths = []
    a = 2 * np.pi * np.arange(RIM) / RIM
    c, s = np.cos(a), np.sin(a)
    gap = 1.12
    for k in (0, 1):
        sign = 1 - 2 * k
        x = sign * max(abs(centres[k][0]) + 0.15, gap + width)
        px = x + width * np.sign(c) * np.abs(c) ** (2 / square)
        py = centres[k][1] - 0.25 + height * np.sign(s) * np.abs(s) ** (2 / square) * (1 - 0.12 * sign * c * (s < 0))
        pz = front - 0.012 * px**2 - 0.03 * (centres[k][1] - py)
        paths.append(tube(np.stack([px, py, pz], 1), 0.17 + 0.06 * f["glasses_square"], True))
    inner = gap + 0.08
    u = np.linspace(-1, 1, 6)
    bridge = np.stack([u * inner, mark[27, 1] - 0.55 + 0.35 * (1 - u * u), front + 0.1 * (1 - u * u)], 1)
    paths.append(tube(bridge, 0.16, False))
    for k in (0, 1):
        sign = 1 - 2 * k
        x0 = sign * (max(abs(centres[k][0]) + 0.15, gap + width) + width * 0.97)
        ear = np.array([sign * 8.05, centres[k][1] + 0.6, 0.2])
        start = np.array([x0, centres[k][1] + 0.55, front - 0.012 * x0**2])
        corner = np.array([sign * (abs(x0) + 0.45), centres[k][1] + 0.6, start[2] - 0.9])
        path = np.vstack([start, corner, *(corner + (ear - corner) * t for t in np.linspace(0.2, 1, 5)), ear + [0, -1.2, -1.6]])
        paths.append(tube(path, 0.16, False, (1.0, 0.0, 0.0)))
    return np.concatenate(paths)


def clothes(f):
    """A shirt: rings from the neckline over the shoulders and down."""
    a = 2 * np.pi * np.arange(CLOTH_COLUMNS) / CLOTH_COLUMNS
    s, c = np.sin(a), np.cos(a)
    #         width, front, back, height of front, side, back
    rings = np.array([
        [6.2, 5.4, 7.0, -12.2, -10.3, -9.6],
        [6.6, 6.0, 7.5, -11.8, -9.9, -9.2],
        [7.1, 6.4, 7.9, -12.1, -10.3, -9.6],
        [9.3, 6.8, 8.8, -13.6, -11.6, -10.6],
        [12.5, 7.4, 9.4, -15.0, -12.9, -12.0],
        [16.0, 7.8, 9.6, -16.4, -14.3, -13.6],
        [19.2, 8.4, 9.8, -18.4, -16.6, -15.6],
        [20.6, 9.2, 10.0, -21.5, -20.0, -18.0],
        [21.2, 9.8, 10.2, -27.0, -26.0, -24.0],
    ])
    scale = 1.0 + 0.06 * f["sex"]
    out = []
    for w, front, back, yf, ys, yb in rings:
        width = w * (scale if w > 9 else 1.0)
        x = width * s
        z = np.where(c > 0, front * c, back * c) - 2.0
        y = ys + np.where(c > 0, (yf - ys) * c**2, (yb - ys) * c**2)
        out.append(np.stack([x, y, z], 1))
    v = np.array(out)
    v[:, :, 2] += 1.2
    r = np.broadcast_to(np.linspace(0, 1, CLOTH_ROWS)[:, None], v.shape[:2])
    rest = np.stack([np.broadcast_to(a / (2 * np.pi), v.shape[:2]), r, 0 * r], -1)
    return v.reshape(-1, 3), rest.reshape(-1, 3)
