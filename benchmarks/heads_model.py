"""Build keras_gen/data/builtin/heads/model.npz from ICT-FaceKit: a reduced mesh, and what the renderer needs of it.

The input holds the arrays of ICT-FaceKit (https://github.com/ICT-VGL/ICT-FaceKit, MIT licence): neutral, faces,
face_material, materials, expressions, expression_names, identities and landmark68_vertices.

python -m benchmarks.heads_model ict_facekit.npz
"""

import heapq
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro
from PIL import Image, ImageDraw
from scipy import ndimage
from scipy.interpolate import CubicSpline

from keras_gen.cli.parsing import app, parse
from keras_gen.data.builtin.heads import model as heads
from keras_gen.data.builtin.heads.raster import rasterise
from keras_gen.flags import BaseConfig, Positive

# Vertices of ICT-FaceKit: the face, then the back of the head with the neck, the mouth and the sockets of the eyes.
_FACE, _MOUTH, _EYES, _END = 9409, 11248, 13294, 14062
_CHART = 512  # size of the charts [pixels]

_POSES = (
    {},
    {"jawOpen": 0.9},
    {"mouthSmile_L": 1, "mouthSmile_R": 1, "cheekSquint_L": 1, "cheekSquint_R": 1},
    {"eyeBlink_L": 1, "eyeBlink_R": 1},
    {"mouthPucker": 1, "eyeLookDown_L": 1, "eyeLookDown_R": 1},
)
"""Expressions that the reduced mesh must be able to show."""


@dataclass(frozen=True)
class Flags(BaseConfig):
    source: Annotated[Path, tyro.conf.Positional]
    """The arrays of ICT-FaceKit, .npz."""
    out: Path = Path("keras_gen/data/builtin/heads/model.npz")
    """Where to write the model."""
    directions: Positive[int] = 400
    """Directions from which the visibility of every vertex is tested."""


@app
def main(argv: Sequence[str] | None = None) -> None:
    """Reduce the mesh, measure what light reaches it, draw the charts, and write the model."""
    flags = parse(Flags, argv, example="python -m benchmarks.heads_model ict_facekit.npz")
    with np.load(flags.source, allow_pickle=False) as file:
        source = {name: file[name] for name in file}
    names = [str(name) for name in source["expression_names"]]

    def expression(weights: dict[str, float]) -> np.ndarray:
        offsets = (weight * source["expressions"][names.index(name)].astype(float) for name, weight in weights.items())
        return sum(offsets, np.zeros(source["neutral"].shape))

    poses = np.stack([source["neutral"] + expression(pose) for pose in _POSES])
    triangles, parts = _reduced(source, poses)
    used, triangles = np.unique(triangles, return_inverse=True)
    triangles = triangles.reshape(-1, 3)
    part = np.zeros(len(used), np.uint8)
    part[triangles] = parts[:, None]
    neutral, identities = poses[0][used], source["identities"].astype(float)[:, used]
    landmarks = np.searchsorted(used, source["landmark68_vertices"])
    head = triangles[parts == heads.SKIN]

    sees, open_sky = _visibility(neutral, triangles, head, flags.directions)
    jaw = expression({"jawOpen": 0.6})[used]
    inside = np.isin(part, [heads.MOUTH, heads.TEETH]) | ((used >= _MOUTH) & (used < _EYES))
    of_open = _visibility(neutral + jaw, triangles, head, flags.directions)
    sees[inside], open_sky[inside] = of_open[0][inside], of_open[1][inside]
    scalp, scalp_weights = _scalp(neutral, head)
    left, right = _lids(head, (used >= _EYES) & (used < _END), neutral)
    arrays = {
        "neutral": neutral.astype(np.float32),
        "triangles": triangles.astype(np.uint16),
        "part": part,
        "landmarks": landmarks.astype(np.uint16),
        "identities": identities.astype(np.float16),
        "sex": _sex(neutral[landmarks], identities[:, landmarks]).astype(np.float32),
        "expressions": np.stack([expression(e)[used] for e in heads.EXPRESSIONS.values()]).astype(np.float16),
        "sees": sees.astype(np.float16),
        "open_sky": open_sky.astype(np.float16),
        "socket": (used >= _MOUTH) & (used < _END),
        "charts": _charts(neutral[landmarks]),
        "scalp": scalp.astype(np.uint16),
        "scalp_weights": scalp_weights.astype(np.float16),
        "left_lid": left.astype(np.uint16),
        "right_lid": right.astype(np.uint16),
    }
    np.savez_compressed(flags.out, **arrays)
    size = flags.out.stat().st_size / 1e6
    print(f"{flags.out}: {len(neutral)} vertices, {len(triangles)} triangles, {size:.2f} MB")


def _reduced(source: dict[str, np.ndarray], poses: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Triangles (t, 3) of the original vertices, and the part of each."""
    neutral, count = poses[0], len(poses[0])
    materials = [str(name) for name in source["materials"]]
    landmarks = source["landmark68_vertices"]

    def of(*names: str) -> np.ndarray:
        return source["faces"][np.isin(source["face_material"], [materials.index(name) for name in names])]

    # Eyes, mouth and nose matter most, the insides of mouth and sockets least.
    weight = np.ones(count)
    weight[_FACE:_MOUTH] = 0.4
    for place, radius, factor in (
        (slice(36, 42), 2.6, 6),
        (slice(42, 48), 2.6, 6),
        (slice(48, 60), 3.2, 5),
        (33, 2.2, 3),
    ):
        centre = neutral[landmarks[place]].reshape(-1, 3).mean(axis=0)
        near = np.exp(-((np.linalg.norm(neutral - centre, axis=1) / radius) ** 4))
        weight = np.maximum(weight, factor * near)
    weight[_MOUTH:_END] = 0.02
    locked = np.zeros(count, bool)
    locked[landmarks] = True
    free, even = np.zeros(count, bool), np.ones(count)
    found = [
        _decimated(poses, of("M_Face", "M_BackHead"), 2300, locked, weight),
        _decimated(poses[:2], of("M_GumsTongue"), 120, free, even),
        _decimated(poses[:2], of("M_Teeth"), 520, free, even),
    ]
    for name in ("M_ScleraLeft", "M_ScleraRight"):
        ball = of(name)
        front = ball[neutral[ball, 2].min(axis=1) > 7.2]
        found.append(_decimated(poses[:1], front, 150, free, even))
    return np.concatenate(found), np.repeat(np.arange(5), [len(triangles) for triangles in found])


def _decimated(
    poses: np.ndarray, triangles: np.ndarray, keep: int, locked: np.ndarray, weight: np.ndarray
) -> np.ndarray:
    """Reduces a mesh by collapsing edges into one of their ends.

    The cost is the quadric error of Garland and Heckbert (SIGGRAPH 1997), summed over poses, so that folds that only
    an expression shows are kept. The remaining vertices are original ones, so that all offsets apply to them.

    Args:
        poses: positions of all vertices in several poses, (p, v, 3).
        triangles: the mesh, (t, 3).
        keep: number of vertices that remain.
        locked: vertices that must remain, bool (v,).
        weight: importance of each vertex, (v,).
    """
    count = poses.shape[1]
    triangles = triangles.copy()
    homogeneous = np.concatenate([poses, np.ones((*poses.shape[:2], 1))], axis=-1)
    quadrics, on_border = _quadrics(poses, triangles, weight)
    around = [set() for _ in range(count)]
    for number, corners in enumerate(triangles):
        for vertex in corners:
            around[vertex].add(number)
    alive = np.zeros(len(triangles), bool) | True
    version = np.zeros(count, int)
    heap: list[tuple[float, int, int, int, int]] = []

    def neighbours(vertex: int) -> set[int]:
        return {int(other) for number in around[vertex] for other in triangles[number]} - {vertex}

    def offer(vertex: int) -> None:
        """Puts all collapses of a vertex into the heap. The border of a mesh collapses only along itself."""
        others = [u for u in neighbours(vertex) if on_border[u] or not on_border[vertex]]
        if locked[vertex] or not others:
            return
        at = homogeneous[:, others]
        cost = np.einsum("pni,pnij,pnj->n", at, quadrics[:, [vertex]] + quadrics[:, others], at)
        cost += 1e-4 * weight[vertex] * ((poses[0, others] - poses[0, vertex]) ** 2).sum(axis=-1)
        for other, price in zip(others, cost, strict=True):
            heapq.heappush(heap, (price, vertex, other, version[vertex], version[other]))

    remaining = set(np.unique(triangles).tolist())
    for vertex in remaining:
        offer(vertex)
    while len(remaining) > keep and heap:
        _, gone, kept, *versions = heapq.heappop(heap)
        if not {gone, kept} <= remaining or versions != [version[gone], version[kept]]:
            continue
        flat = around[gone] & around[kept]
        moved = list(around[gone] - flat)
        if len(neighbours(gone) & neighbours(kept)) != len(flat) or _folds(poses, triangles[moved], gone, kept):
            continue
        for number in flat:
            alive[number] = False
            for vertex in triangles[number]:
                around[vertex].discard(number)
        for number in moved:
            triangles[number][triangles[number] == gone] = kept
            around[kept].add(number)
        around[gone].clear()
        remaining.discard(gone)
        quadrics[:, kept] += quadrics[:, gone]
        changed = [kept, *neighbours(kept)]
        version[changed] += 1
        for vertex in changed:
            offer(vertex)
    return triangles[alive]


def _quadrics(poses: np.ndarray, triangles: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Error quadrics of all vertices in all poses, (p, v, 4, 4), and whether a vertex is on the mesh's border, (v,)."""
    quadrics, on_border = np.zeros((*poses.shape[:2], 4, 4)), np.zeros(poses.shape[1], bool)

    def add(vertices: np.ndarray, normals: np.ndarray, points: np.ndarray, amount: np.ndarray) -> None:
        planes = np.concatenate([normals, -(normals * points).sum(axis=-1, keepdims=True)], axis=-1)
        squared = planes[..., :, None] * planes[..., None, :] * amount[..., None, None]
        np.add.at(quadrics, (slice(None), vertices), squared)

    first, second, third = np.moveaxis(poses[:, triangles], 2, 0)
    normals = np.cross(second - first, third - first)
    area = np.linalg.norm(normals, axis=-1)
    normals /= np.maximum(area, 1e-12)[..., None]
    for corner in triangles.T:
        add(corner, normals, first, area * weight[triangles].mean(axis=1))
    edges = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    _, which, times = np.unique(np.sort(edges, axis=1), axis=0, return_inverse=True, return_counts=True)
    border = np.flatnonzero(times[which.ravel()] == 1)
    start, end = edges[border].T
    on_border[edges[border]] = True
    # Planes through the edges of the border, at right angles to the surface.
    walls = np.cross(poses[:, end] - poses[:, start], np.tile(normals, (1, 3, 1))[:, border])
    length = np.linalg.norm(walls, axis=-1)
    walls /= np.maximum(length, 1e-12)[..., None]
    for vertices in (start, end):
        add(vertices, walls, poses[:, start], 10 * length**2 * weight[start])
    return quadrics, on_border


def _folds(poses: np.ndarray, triangles: np.ndarray, gone: int, kept: int) -> bool:
    """Whether triangles would turn over in a pose, or become slivers, if one vertex were moved to another."""
    before, after = (poses[:, t] for t in (triangles, np.where(triangles == gone, kept, triangles)))
    normals = [np.cross(t[:, :, 1] - t[:, :, 0], t[:, :, 2] - t[:, :, 0]) for t in (before, after)]
    lengths = [np.linalg.norm(n, axis=-1) for n in normals]
    turned = (normals[0] * normals[1]).sum(axis=-1) < 0.3 * lengths[0] * lengths[1]
    longest = ((after - np.roll(after, 1, axis=2)) ** 2).sum(axis=-1).max(axis=-1)
    return bool(turned.any() or (lengths[1][0] < 0.06 * longest[0]).any())


def _visibility(
    vertices: np.ndarray, triangles: np.ndarray, opaque: np.ndarray, count: int, size: int = 400
) -> tuple[np.ndarray, np.ndarray]:
    """How far light from a direction reaches each vertex, past the triangles `opaque`.

    Every direction is a shadow map. The result is fitted by spherical harmonics in the hemisphere above the surface,
    and continued below the horizon, where the cosine of the angle makes it dark anyway.

    Returns:
        The coefficients of `heads.harmonics`, (v, 16), and the mean weighted with the cosine, (v,).
    """
    k = np.arange(count) + 0.5
    z, turn = 1 - 2 * k / count, np.pi * (1 + 5**0.5) * k  # a Fibonacci lattice
    light = np.stack([np.sqrt(1 - z * z) * np.cos(turn), np.sqrt(1 - z * z) * np.sin(turn), z], axis=1)
    flat = np.cross(*(vertices[triangles[:, k]] - vertices[triangles[:, 0]] for k in (1, 2)))
    normals = np.zeros_like(vertices)
    np.add.at(normals, triangles, flat[:, None])
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    reached = np.empty((len(vertices), count))
    for number, direction in enumerate(light):
        right = np.cross([0.0, 1.0, 0.0] if abs(direction[1]) < 0.9 else [1.0, 0.0, 0.0], direction)
        right /= np.linalg.norm(right)
        axes = np.stack([right, np.cross(direction, right), direction])
        at, raised = vertices @ axes.T, (vertices + 0.12 * normals) @ axes.T
        low, scale = at[:, :2].min(axis=0) - 1, (size - 2) / (np.ptp(at[:, :2], axis=0).max() + 2)
        seen = rasterise((at[:, :2] - low) * scale, 1000 - at[:, 2], opaque, size)
        nearest = np.full(size * size, np.inf)
        nearest[seen.pixels] = seen.depth
        x, y = np.clip(((raised[:, :2] - low) * scale).astype(int), 0, size - 1).T
        reached[:, number] = 1000 - raised[:, 2] < nearest[y * size + x] + 0.15
    basis, cosine = heads.harmonics(light), normals @ light.T
    above = cosine > 0.05
    weight = above * (cosine + 0.05)
    mean = (reached * weight).sum(axis=1) / weight.sum(axis=1)
    smooth = 0.05 * np.diag([0.0] + [1.0] * 3 + [2.0] * 5 + [4.0] * 7)
    sees = np.empty((len(vertices), basis.shape[1]))
    for vertex in range(len(vertices)):
        trust = np.where(above[vertex], weight[vertex], 0.08)
        value = np.where(above[vertex], reached[vertex], mean[vertex])
        sees[vertex] = np.linalg.solve(basis.T @ (trust[:, None] * basis) + smooth, basis.T @ (trust * value))
    return sees, mean


def _charts(landmarks: np.ndarray) -> np.ndarray:
    """Signed distances from the borders of lips, eyebrows, beard and goatee, uint8 (_CHART, _CHART, 4)."""
    mark = heads.chart_points(landmarks)
    brows = []
    for line in (mark[17:22], mark[22:27][::-1]):  # from the temple to the nose
        thick = np.array([0.006, 0.015, 0.0195, 0.021, 0.0165])[:, None] * [0, 1]
        brows.append(_region(np.vstack([line, (line + thick)[::-1]]) - [0, 0.002]))
    under_nose = [(0, -1.75), (5, -1.55), (11, -1.9)]
    cheek = [(20, -2.6), (32, -2.6), (47, -1.2), (56, 0.6), (62, 2.6), (68, 2.4)]
    jaw = [(69, 0.0), (66, -3.5), (55, -6.6), (30, -9.2), (0, -10.0)]
    beard = _region(_symmetric(under_nose + cheek + jaw))
    goatee = _region(_symmetric([*under_nose, (16, -3.0), (15.5, -5.0), (13, -7.0), (0, -8.2)]))
    distances = ((_region(mark[48:60]), 0.02), (np.maximum(*brows), 0.02), (beard, 0.05), (goatee, 0.03))
    return np.stack([np.clip(np.rint(127.5 + 127.5 * d / unit), 0, 255).astype(np.uint8) for d, unit in distances], -1)


def _symmetric(points: list[tuple[float, float]]) -> np.ndarray:
    """A closed line in a chart from its half on one side, as angles [degrees] and heights [cm]."""
    half = np.array([[angle / 180 + 0.5, (15 - height) / 32] for angle, height in points])
    other = half[::-1] * [-1, 1] + [1, 0]
    return np.vstack([half, other[1:-1]])


def _region(corners: np.ndarray, finer: int = 4) -> np.ndarray:
    """The signed distance from a smooth closed line in a chart, positive inside, in units of the chart's width."""
    closed = np.vstack([corners, corners[:1]])
    along = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(closed, axis=0), axis=1))])
    line = CubicSpline(along, closed, bc_type="periodic")(np.linspace(0, along[-1], 400))
    size = _CHART * finer
    picture = Image.new("1", (size, size))
    ImageDraw.Draw(picture).polygon([tuple(point) for point in line * size], fill=1)
    inside = np.asarray(picture)
    distance = ndimage.distance_transform_edt(inside) - ndimage.distance_transform_edt(~inside)
    return distance.reshape(_CHART, finer, _CHART, finer).mean(axis=(1, 3)) / size


def _scalp(neutral: np.ndarray, triangles: np.ndarray, rows: int = 25, columns: int = 48) -> tuple[np.ndarray, ...]:
    """Where rays from the skull's centre leave it, as triangles (rows, columns, 3) and weights of their corners."""
    up, around = np.deg2rad(np.linspace(90, -60, rows))[:, None], 2 * np.pi * np.arange(columns) / columns
    rays = np.stack([np.cos(up) * np.sin(around), np.sin(up) + 0 * around, np.cos(up) * np.cos(around)], axis=-1)
    inverse = np.linalg.pinv(np.swapaxes(neutral[triangles] - heads.SKULL, 1, 2))
    nodes, weights = np.empty((rows, columns, 3), int), np.empty((rows, columns, 3))
    for place in np.ndindex(rows, columns):
        shares = inverse @ rays[place]
        hit = np.flatnonzero((shares > -1e-6).all(axis=1))
        distance = 1 / shares[hit].sum(axis=1)
        nearest = hit[np.argmin(np.where(distance > 3, distance, np.inf))]
        nodes[place], weights[place] = triangles[nearest], shares[nearest] / shares[nearest].sum()
    return nodes, weights


def _lids(head: np.ndarray, socket: np.ndarray, neutral: np.ndarray) -> list[np.ndarray]:
    """The edges of the upper lids, left and right, from the nose outwards: where the skin meets the socket."""
    inside = socket[head].any(axis=1)

    def edges(triangles: np.ndarray) -> set[tuple[int, int]]:
        pairs = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
        return set(map(tuple, np.sort(pairs, axis=1).tolist()))

    beside: dict[int, list[int]] = {}
    for one, other in edges(head[inside]) & edges(head[~inside]):
        beside.setdefault(one, []).append(other)
        beside.setdefault(other, []).append(one)
    lids = []
    for side in (1, -1):
        rim = sorted((v for v in beside if side * neutral[v, 0] > 0), key=lambda v: abs(neutral[v, 0]))
        ways = [[rim[0], start] for start in beside[rim[0]]]
        for way in ways:
            while way[-1] != rim[-1]:
                way.append(next(v for v in beside[way[-1]] if v != way[-2]))
        lids.append(np.array(max(ways, key=lambda way: neutral[way, 1].mean())))
    return lids


def _sex(at: np.ndarray, moves: np.ndarray) -> np.ndarray:
    """A unit vector in the space of identities along which the proportions of a head become masculine.

    It is the sum of the gradients of measures that differ between men and women on average, each divided by its
    standard deviation over normally distributed identities. The choice of measures is ours.

    Args:
        at: landmarks of the neutral head, (68, 3).
        moves: their offsets for each identity, (i, 68, 3).
    """

    def distance(one: int, other: int) -> np.ndarray:
        direction = at[one] - at[other]
        return (moves[:, one] - moves[:, other]) @ (direction / np.linalg.norm(direction))

    ridge = moves[:, [18, 19, 20, 23, 24, 25], 2].mean(axis=1) - moves[:, [37, 44], 2].mean(axis=1)
    measures = (
        (1.5, distance(4, 12)),  # the jaw is wide
        (1.0, distance(5, 11)),
        (1.0, distance(8, 27)),  # the face is long
        (0.6, distance(0, 16)),  # and wide
        (1.0, distance(8, 57)),  # the chin is high
        (0.7, moves[:, 8, 2] - moves[:, 57, 2]),  # and protrudes
        (0.7, distance(31, 35)),  # the nose is wide
        (0.8, distance(27, 33)),  # and long
        (1.5, ridge),  # the brows protrude
        (-0.8, distance(19, 37) + distance(24, 44)),  # and are low
        (-1.2, distance(37, 41) + distance(44, 46)),  # the eyes are narrow
        (-1.2, distance(51, 57)),  # the lips are thin
    )
    total = sum(weight * measure / np.linalg.norm(measure) for weight, measure in measures)
    return total / np.linalg.norm(total)


if __name__ == "__main__":
    sys.exit(main())
