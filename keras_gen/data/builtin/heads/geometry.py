"""The surfaces of a picture: head, eyelashes, hair, glasses and a shirt, posed, for given factors.

All heads have the same triangles, so a point of a surface is the same point in two frames. What a head does not have,
such as glasses, is not drawn.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from keras_gen.data.builtin.heads.factors import Head
from keras_gen.data.builtin.heads.hair import COLUMNS, ROWS, hair_sheet
from keras_gen.data.builtin.heads.model import EXPRESSIONS, EYES, LEFT_EYE, RIGHT_EYE, SKULL, head_model
from keras_gen.data.builtin.heads.wear import FRAME_PATHS, SHIRT_COLUMNS, SHIRT_ROWS, TUBE, glasses, shirt

LASH, HAIR, FRAME, SHIRT = range(5, 9)
"""Parts beside those of the model."""

MIN_HAIR = 0.12
"""Below this `hair_length`, hair is only painted on the scalp."""

_LASHES = 16  # points along an upper eyelid
_NECK = np.array([0.0, -5.0, -1.0])  # the point around which the head turns
_SEX = (1.7, -0.45)  # standard deviations along the direction of sex: slope and offset


@dataclass(frozen=True)
class Topology:
    """What all heads have in common.

    Attributes:
        triangles: int64 (t, 3), vertices.
        parts: int64 (t,), the part of each triangle.
        blocks: the vertices of head, lashes, hair, frame and shirt.
        around: sparse (v, t), 1 where a triangle has a vertex.
    """

    triangles: np.ndarray
    parts: np.ndarray
    blocks: dict[str, slice]
    around: sparse.csr_matrix


@dataclass(frozen=True)
class Shape:
    """A posed head.

    Attributes:
        vertices: float32 (v, 3) in the room, in centimetres: x to the right of the picture, y up, z to the camera.
        normals: float32 (v, 3), unit vectors.
        rest: float32 (v, 3), coordinates on the surface: for the mesh positions on the neutral head, for hair and
            lashes position across and along the strands, for the shirt position around and down.
        strands: float32 (hair, 3), directions of the hair.
        eyes: (2, 3), centres of the eyeballs in the room.
        turned: (3, 3), the rotation of the head.
        centre: (3,), the skull's centre in the room.
    """

    vertices: np.ndarray
    normals: np.ndarray
    rest: np.ndarray
    strands: np.ndarray
    eyes: np.ndarray
    turned: np.ndarray
    centre: np.ndarray


def grid_triangles(rows: int, columns: int, around: bool) -> np.ndarray:
    """Triangles (t, 3) of a grid of vertices in row-major order; `around` joins the last column to the first."""
    row, column = np.meshgrid(np.arange(rows - 1), np.arange(columns - (not around)), indexing="ij")
    a, b = row * columns + column, row * columns + (column + 1) % columns
    lower, upper = np.stack([a, a + columns, b], -1), np.stack([b, a + columns, b + columns], -1)
    return np.stack([lower, upper], axis=2).reshape(-1, 3)


@functools.cache
def topology() -> Topology:
    """Triangles, parts and vertices of everything."""
    mesh = head_model()
    # Chest and shoulders are under the shirt.
    x, y, _ = mesh.neutral.T
    bare = (y > -15.5) & ((np.abs(x) < 6.8) | (y > -10.6))
    head = mesh.triangles[bare[mesh.triangles].all(axis=1)]
    lashes = grid_triangles(2, _LASHES, around=False)
    tubes, start = [], 0
    for length, closed in FRAME_PATHS:
        ring = np.arange(length * TUBE).reshape(length, TUBE)
        ring = np.concatenate([ring, ring[:1]]) if closed else ring
        tubes.append(start + ring.ravel()[grid_triangles(len(ring), TUBE, around=True)])
        start += length * TUBE
    blocks = {
        "head": (len(mesh.neutral), head, mesh.part[head[:, 0]]),
        "lashes": (4 * _LASHES, np.concatenate([lashes, lashes + 2 * _LASHES]), LASH),
        "hair": (ROWS * COLUMNS, grid_triangles(ROWS, COLUMNS, around=True), HAIR),
        "frame": (start, np.concatenate(tubes), FRAME),
        "shirt": (SHIRT_ROWS * SHIRT_COLUMNS, grid_triangles(SHIRT_ROWS, SHIRT_COLUMNS, around=True), SHIRT),
    }
    ends = np.cumsum([count for count, _, _ in blocks.values()])
    slices = {name: slice(end - blocks[name][0], end) for name, end in zip(blocks, ends, strict=True)}
    triangles = np.concatenate([block[1] + slices[name].start for name, block in blocks.items()])
    parts = np.concatenate([np.broadcast_to(part, len(own)) for _, own, part in blocks.values()]).astype(np.int64)
    owners = np.repeat(np.arange(len(triangles)), 3)
    ones = np.ones(len(owners), np.float32)
    around = sparse.csr_matrix((ones, (triangles.ravel(), owners)), shape=(ends[-1], len(triangles)))
    return Topology(triangles, parts, slices, around)


def shape_of(head: Head) -> Shape:
    """Builds the surfaces of a head with all its factors."""
    mesh, blocks = head_model(), topology().blocks
    still = _identity(head)
    skin = still + np.tensordot(_expression(head), mesh.expressions, 1)
    gaze = _rotation(head["gaze_x"], head["gaze_y"], 0.0).astype(np.float32)
    eyes = []
    for part, neutral in ((LEFT_EYE, EYES[0]), (RIGHT_EYE, EYES[1])):
        ball = mesh.part == part
        centre = (neutral + (still[ball] - mesh.neutral[ball]).mean(axis=0)).astype(np.float32)
        skin[ball] = (still[ball] - centre) @ gaze.T + centre
        eyes.append(centre)
    eyes = np.array(eyes)

    count = topology().around.shape[0]
    vertices, rest, with_head = (np.zeros((count, size), np.float32) for size in (3, 3, 1))
    vertices[blocks["head"]], rest[blocks["head"]] = skin, mesh.neutral
    vertices[blocks["lashes"]], rest[blocks["lashes"]] = _lashes(skin, head["eyes_closed"])
    vertices[blocks["hair"]], rest[blocks["hair"]], strands = hair_sheet(still, head)
    if head["glasses"] > 0:
        vertices[blocks["frame"]] = glasses(still[mesh.landmarks], eyes, head)
    vertices[blocks["shirt"]], rest[blocks["shirt"]] = shirt(still, head)
    # The head turns, and the shoulders follow a little.
    with_head[:, 0] = smooth_step(vertices[:, 1], -14.0, -5.5)
    with_head[blocks["head"]] = _neck_bends()
    turned = _rotation(head["yaw"], head["pitch"], head["roll"])
    body = _rotation(0.35 * head["yaw"], 0.0, 0.0)
    reach = vertices - _NECK.astype(np.float32)
    bent = with_head * (reach @ turned.T.astype(np.float32)) + (1 - with_head) * (reach @ body.T.astype(np.float32))
    vertices = bent + _NECK.astype(np.float32)
    centre, *eyes = np.stack([SKULL, *eyes]) @ turned.T - _NECK @ turned.T + _NECK
    strands = strands @ turned.T.astype(np.float32)
    return Shape(vertices, normals_of(vertices), rest, strands, np.array(eyes), turned, centre)


def normals_of(vertices: np.ndarray) -> np.ndarray:
    """Unit normals of vertices: the mean of those of the triangles around, weighted by their areas."""
    corners = topology().triangles
    first, (u, v) = vertices[corners[:, 0]], (corners[:, 1], corners[:, 2])
    return unit(topology().around @ crossed(vertices[u] - first, vertices[v] - first))


def unit(vectors: np.ndarray) -> np.ndarray:
    """Vectors (n, 3) of length 1."""
    return vectors / np.sqrt(np.maximum(dot(vectors, vectors), 1e-12))[:, None]


def crossed(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Cross products of vectors (n, 3): (n, 3). Several times faster than `np.cross`."""
    a, b = a.T, b.T
    return np.stack([a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]], axis=1)


def dot(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Scalar products of vectors (n, 3): (n,)."""
    return np.einsum("nk,nk->n", a, b)


def smooth_step(x: np.ndarray, low: float, high: float) -> np.ndarray:
    """0 below `low`, 1 above `high`, and a cubic between."""
    t = np.clip((x - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def _identity(head: Head) -> np.ndarray:
    """The mesh without expression: (v, 3). The components across the direction of sex are those of the identity."""
    mesh = head_model()
    slope, offset = _SEX
    across = head["identity"] - (head["identity"] @ mesh.sex) * mesh.sex
    components = (across + (slope * head["sex"] + offset) * mesh.sex).astype(np.float32)
    return mesh.neutral + np.tensordot(components, mesh.identities, 1)


def _expression(head: Head) -> np.ndarray:
    """Weights of `EXPRESSIONS`."""
    up, side, closed = head["gaze_y"] / 0.45, head["gaze_x"] / 0.6, head["eyes_closed"]
    weights = {"smile": max(head["smile"], 0), "frown": max(-head["smile"], 0), "jaw": head["jaw"]}
    weights |= {"pucker": head["pucker"], "eyes_closed": closed}
    weights |= {"brows_up": max(head["brows"], 0), "brows_down": max(-head["brows"], 0)}
    weights |= {"look_up": max(up, 0), "look_down": max(-up, 0) * (1 - closed)}
    weights |= {"look_left": max(side, 0), "look_right": max(-side, 0)}
    return np.array([weights[name] for name in EXPRESSIONS], np.float32)


@functools.cache
def _neck_bends() -> np.ndarray:
    return smooth_step(head_model().neutral[:, 1:2], -14.0, -5.5).astype(np.float32)


def _rotation(yaw: float, pitch: float, roll: float) -> np.ndarray:
    """First the turn to the right of the picture, then upwards, then the tilt to the right; in radians."""
    (cy, sy), (cp, sp), (cr, sr) = ((np.cos(angle), np.sin(angle)) for angle in (yaw, pitch, roll))
    turn = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    rise = np.array([[1, 0, 0], [0, cp, sp], [0, -sp, cp]])
    tilt = np.array([[cr, sr, 0], [-sr, cr, 0], [0, 0, 1]])
    return tilt @ rise @ turn


@functools.cache
def _along(count: int) -> np.ndarray:
    """The matrix (_LASHES, count) that interpolates between points of an eyelid."""
    at = np.linspace(0, count - 1, _LASHES)[:, None]
    return np.maximum(0, 1 - np.abs(at - np.arange(count)))


def _lashes(skin: np.ndarray, closed: float) -> tuple[np.ndarray, np.ndarray]:
    """A strip along each upper eyelid: vertices, and the position across and along the lashes."""
    across = np.linspace(0, 1, _LASHES)
    points, rest = [], []
    for side, lid in zip((1, -1), head_model().lids, strict=True):
        root = _along(len(lid)) @ skin[lid]
        longest = 0.19 + 0.56 * np.sin(np.pi * (0.12 + 0.85 * across))
        away = np.stack([side * 0.55 * (across - 0.3), 0 * across + 0.16 - 0.5 * closed, 0.6 - 0.25 * across], axis=1)
        points += [root + np.array([0, -0.02, 0.02]), root + np.array([0, 0, 0.03]) + longest[:, None] * away]
        rest += [np.stack([across, along + 0 * across, 0 * across], axis=1) for along in (0, 1)]
    return np.concatenate(points), np.concatenate(rest)
