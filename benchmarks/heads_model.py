"""Build the model of the built-in heads from ICT-FaceKit.

python -m benchmarks.heads_model ../shared/data/ict_facekit_head/ict_facekit.npz
"""
import heapq, sys, time
import numpy as np
from PIL import Image, ImageDraw
from scipy import ndimage
from scipy.interpolate import CubicSpline

from keras_gen.data.builtin.heads.model import EXPRESSIONS, SKULL, chart_points, harmonics
from keras_gen.data.builtin.heads.raster import rasterise

POSES = ({}, {"jawOpen": 0.9}, {"mouthSmile_L": 1, "mouthSmile_R": 1, "cheekSquint_L": 1, "cheekSquint_R": 1}, {"eyeBlink_L": 1, "eyeBlink_R": 1}, {"mouthPucker": 1, "eyeLookDown_L":1,"eyeLookDown_R":1})

def decimate(poses, faces, keep, locked, weight):
    """Half-edge collapses by the quadric error (Garland and Heckbert 1997), summed over poses.

    poses (P, V, 3), faces (F, 3), keep: number of vertices that remain; weight (V,) importance."""
    P, V, _ = poses.shape
    tri = poses[:, faces]
    n = np.cross(tri[:, :, 1] - tri[:, :, 0], tri[:, :, 2] - tri[:, :, 0])
    area = np.linalg.norm(n, axis=-1, keepdims=True)
    n = n / np.maximum(area, 1e-12)
    plane = np.concatenate([n, -(n * tri[:, :, 0]).sum(-1, keepdims=True)], -1)
    quadric = plane[..., :, None] * plane[..., None, :] * area[..., None] * weight[faces].mean(1)[None, :, None, None]
    Q = np.zeros((P, V, 4, 4))
    for k in range(3):
        np.add.at(Q, (slice(None), faces[:, k]), quadric)
    # boundary edges: planes perpendicular to the surface
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    owner = np.tile(np.arange(len(faces)), 3)
    key = np.sort(edges, 1); _, inv, cnt = np.unique(key, axis=0, return_inverse=True, return_counts=True)
    border = cnt[inv.ravel()] == 1
    for (i, j), f in zip(edges[border], owner[border]):
        e = poses[:, j] - poses[:, i]
        m = np.cross(e, n[:, f]); length = np.linalg.norm(m, axis=-1, keepdims=True); m = m / np.maximum(length, 1e-12)
        pl = np.concatenate([m, -(m * poses[:, i]).sum(-1, keepdims=True)], -1)
        q = pl[:, :, None] * pl[:, None, :] * (10 * length[:, :, None] ** 2) * weight[i]
        Q[:, i] += q; Q[:, j] += q
    onborder = np.zeros(V, bool); onborder[edges[border].ravel()] = True
    hom = np.concatenate([poses, np.ones((P, V, 1))], -1)
    vf = [set() for _ in range(V)]
    F = faces.copy()
    for f, t in enumerate(F):
        for v in t: vf[v].add(f)
    alive = np.zeros(V, bool); alive[np.unique(faces)] = True
    alivef = np.ones(len(F), bool)
    version = np.zeros(V, int)
    def neighbours(v):
        s = set()
        for f in vf[v]: s.update(F[f])
        s.discard(v); return s
    heap = []
    def push(v):
        if locked[v]: return
        nb = [u for u in neighbours(v) if not (onborder[v] and not onborder[u])]
        if not nb: return
        nb = np.array(nb)
        q = Q[:, v][:, None] + Q[:, nb]
        p = hom[:, nb]
        cost = np.einsum("pni,pnij,pnj->n", p, q, p) + 1e-4 * ((poses[0, nb] - poses[0, v]) ** 2).sum(-1) * weight[v]
        for u, c in zip(nb, cost): heapq.heappush(heap, (c, v, int(u), version[v], version[u]))
    for v in np.flatnonzero(alive): push(v)
    count = alive.sum()
    while count > keep and heap:
        c, v, u, a, b = heapq.heappop(heap)
        if not alive[v] or not alive[u] or version[v] != a or version[u] != b: continue
        common = neighbours(v) & neighbours(u)
        shared = vf[v] & vf[u]
        if len(common) != len(shared): continue
        moved = [f for f in vf[v] if f not in shared]
        if moved:
            old = F[moved]; new = np.where(old == v, u, old)
            t0, t1 = poses[:, old], poses[:, new]
            n0 = np.cross(t0[:, :, 1] - t0[:, :, 0], t0[:, :, 2] - t0[:, :, 0]); n1 = np.cross(t1[:, :, 1] - t1[:, :, 0], t1[:, :, 2] - t1[:, :, 0])
            l0, l1 = np.linalg.norm(n0, axis=-1), np.linalg.norm(n1, axis=-1)
            e = t1[:, :, [1, 2, 0]] - t1; longest = (e ** 2).sum(-1).max(-1)
            if ((n0 * n1).sum(-1) < 0.3 * l0 * l1).any() or (l1[0] < 0.06 * longest[0]).any(): continue
        for f in shared:
            alivef[f] = False
            for w in F[f]: vf[w].discard(f)
        for f in moved:
            F[f][F[f] == v] = u; vf[u].add(f)
        vf[v].clear(); alive[v] = False; count -= 1
        Q[:, u] += Q[:, v]
        version[u] += 1
        for w in neighbours(u) : version[w] += 1
        push(u)
        for w in neighbours(u): push(w)
    return F[alivef]


def decimated(ict, poses):
    """Triangles (t, 3) of the reduced parts, in the order of PARTS, and the part of each triangle."""
    neutral, faces, materials = ict["neutral"].astype(float), ict["faces"], [str(m) for m in ict["materials"]]
    chosen = lambda *names: faces[np.isin(ict["face_material"], [materials.index(name) for name in names])]
    landmarks = ict["landmark68_vertices"]
    socket = (np.arange(len(neutral)) >= 11248) & (np.arange(len(neutral)) < 14062)
    weight = np.where(socket, 0.02, 1.0)
    weight[9409:11248] = 0.4  # the scalp, the neck and the shoulders
    for centre, radius, factor in (
        (neutral[landmarks[36:42]].mean(0), 2.6, 6), (neutral[landmarks[42:48]].mean(0), 2.6, 6),
        (neutral[landmarks[48:60]].mean(0), 3.2, 5), (neutral[landmarks[33]], 2.2, 3),
    ):
        near = np.exp(-((np.linalg.norm(neutral - centre, axis=1) / radius) ** 4))
        weight = np.where(socket, weight, np.maximum(weight, factor * near))
    locked = np.zeros(len(neutral), bool)
    locked[landmarks] = True
    none, even = np.zeros(len(neutral), bool), np.ones(len(neutral))
    parts = [decimate(poses, chosen("M_Face", "M_BackHead"), 2300, locked, weight)]
    parts.append(decimate(poses[:2], chosen("M_GumsTongue"), 120, none, even))
    parts.append(decimate(poses[:2], chosen("M_Teeth"), 520, none, even))
    for name in ("M_ScleraLeft", "M_ScleraRight"):
        eye = chosen(name)
        front = eye[neutral[eye][:, :, 2].min(1) > 7.2]
        parts.append(decimate(poses[:1], front, 150, none, even))
    return np.concatenate(parts), np.repeat(np.arange(5), [len(part) for part in parts])


def directions(count):
    """Evenly spread unit vectors (Fibonacci lattice)."""
    k = np.arange(count) + 0.5
    z, a = 1 - 2 * k / count, np.pi * (1 + 5**0.5) * k
    return np.stack([np.sqrt(1 - z * z) * np.cos(a), np.sqrt(1 - z * z) * np.sin(a), z], 1)


def normals(vertices, triangles):
    flat = np.cross(vertices[triangles[:, 1]] - vertices[triangles[:, 0]], vertices[triangles[:, 2]] - vertices[triangles[:, 0]])
    total = np.zeros_like(vertices)
    for k in range(3):
        np.add.at(total, triangles[:, k], flat)
    return total / np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-9)


def visibility(vertices, triangles, all_triangles, size=400, count=400):
    """Spherical harmonics (v, 16) of what each vertex can see of its surroundings; below its horizon they are free."""
    light = directions(count)
    normal = normals(vertices, all_triangles)
    raised = vertices + 0.12 * normal
    seen = np.empty((len(vertices), count))
    for k, d in enumerate(light):
        right = np.cross([0.0, 1.0, 0.0] if abs(d[1]) < 0.9 else [1.0, 0.0, 0.0], d)
        right /= np.linalg.norm(right)
        axes = np.stack([right, np.cross(d, right), d])
        at, probe = vertices @ axes.T, raised @ axes.T
        low, scale = at[:, :2].min(0) - 1, (size - 2) / (np.ptp(at[:, :2], axis=0).max() + 2)
        depth = 1000 - at[:, 2]
        found = rasterise((at[:, :2] - low) * scale, depth, triangles, size)
        image = np.full(size * size, 1e9)
        image[found.pixels] = found.depth
        x, y = np.clip(((probe[:, :2] - low) * scale).astype(int), 0, size - 1).T
        seen[:, k] = 1000 - probe[:, 2] < image[y * size + x] + 0.15
    basis = harmonics(light)
    cosine = normal @ light.T
    above = np.clip(cosine, 0, 1) + 0.05 * (cosine > 0.05)
    mean = (seen * above).sum(1) / above.sum(1)
    out = np.empty((len(vertices), 16))
    for v in range(len(vertices)):
        weight = np.where(cosine[v] > 0.05, above[v], 0.08)
        value = np.where(cosine[v] > 0.05, seen[v], mean[v])
        left = basis.T @ (weight[:, None] * basis) + 0.05 * np.diag([0.0] + [1.0] * 3 + [2.0] * 5 + [4.0] * 7)
        out[v] = np.linalg.solve(left, basis.T @ (weight * value))
    return out, mean


SIZE = 512  # of the charts [pixels]


def polygon(points, supersampled=4):
    """A smooth closed curve through points in the chart, filled: the signed distance inside, in chart units."""
    n = SIZE * supersampled
    closed = np.vstack([points, points[:1]])
    length = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(closed, axis=0), axis=1))])
    curve = CubicSpline(length, closed, bc_type="periodic")(np.linspace(0, length[-1], 400))
    picture = Image.new("1", (n, n))
    ImageDraw.Draw(picture).polygon([tuple(p) for p in curve * n], fill=1)
    inside = np.asarray(picture)
    distance = ndimage.distance_transform_edt(inside) - ndimage.distance_transform_edt(~inside)
    return distance.reshape(SIZE, supersampled, SIZE, supersampled).mean((1, 3)) / n


def at(angle, height):
    """A point of the chart, from degrees to the left and the height."""
    return [angle / 180 + 0.5, (15 - height) / 32]


def mirrored(points):
    return np.array([*points, *[[1 - x, y] for x, y in points[::-1] if abs(x - 0.5) > 1e-6]])


def charts(neutral, landmarks):
    mark = chart_points(neutral[landmarks])
    lips = polygon(mark[48:60])
    brows = []
    for first, way in ((17, 1), (22, -1)):
        line = mark[first : first + 5][::way]  # from the outside to the inside
        wide = np.array([0.004, 0.010, 0.013, 0.014, 0.011])[:, None] * [[0, 1]]
        upper, lower = line + [0, -0.002], line + [0, -0.002] + wide * 1.5
        brows.append(polygon(np.vstack([upper, lower[::-1]])))
    beard = polygon(mirrored([at(0, -1.75), at(5, -1.55), at(11, -1.9), at(20, -2.6), at(32, -2.6), at(47, -1.2), at(56, 0.6), at(62, 2.6),
        at(68, 2.4), at(69, 0.0), at(66, -3.5), at(55, -6.6), at(30, -9.2), at(0, -10.0)]))
    goatee = polygon(mirrored([at(0, -1.75), at(5, -1.55), at(11, -1.9), at(16, -3.0), at(15.5, -5.0), at(13, -7.0), at(0, -8.2)]))
    scale = lambda d, width: np.clip(np.rint(127.5 + 127.5 * d / width), 0, 255).astype(np.uint8)
    return np.stack([scale(lips, 0.02), scale(np.maximum(*brows), 0.02), scale(beard, 0.05), scale(goatee, 0.03)], -1)


def scalp(neutral, triangles, rows=25, columns=48):
    """The surface of the skull in directions from its centre: vertices and weights of each node of a grid."""
    skin = triangles
    phi = np.deg2rad(np.linspace(90, -60, rows))
    theta = 2 * np.pi * np.arange(columns) / columns
    ray = np.stack([np.cos(phi)[:, None] * np.sin(theta), np.sin(phi)[:, None] + 0 * theta, np.cos(phi)[:, None] * np.cos(theta)], -1).reshape(-1, 3)
    a, b, c = (neutral[skin[:, k]] - SKULL for k in range(3))
    nodes, weights = np.empty((len(ray), 3), int), np.empty((len(ray), 3))
    for k, d in enumerate(ray):
        det = np.stack([a, b, c], 2)
        w = np.linalg.solve(det + 1e-12, np.broadcast_to(d[None, :, None], (len(skin), 3, 1)))[..., 0]
        hit = np.flatnonzero((w > -1e-6).all(1))
        t = 1 / w[hit].sum(1)
        best = hit[np.argmin(np.where(t > 3, t, 1e9))]
        nodes[k], weights[k] = skin[best], w[best] / w[best].sum()
    return nodes.reshape(rows, columns, 3), weights.reshape(rows, columns, 3)


def sex_direction(neutral, identities, landmarks):
    """A unit vector in the space of identities along which heads become more masculine in their proportions.

    Each measure is linear in the first order; its gradient is scaled to unit variance over normal identities.
    """
    at = neutral[landmarks]
    move = identities[:, landmarks]
    def width(i, j):
        d = at[i] - at[j]; d /= np.linalg.norm(d)
        return (move[:, i] - move[:, j]) @ d
    ridge = [18, 19, 20, 23, 24, 25]
    measures = [
        (1.5, width(4, 12)), (1.0, width(5, 11)), (1.0, width(8, 27)), (0.7, width(31, 35)), (1.0, width(8, 57)),
        (-1.2, width(51, 57)), (-1.2, width(37, 41) + width(44, 46)), (-0.8, width(19, 37) + width(24, 44)),
        (1.5, move[:, ridge, 2].mean(1) - move[:, [37, 44], 2].mean(1)), (0.7, move[:, 8, 2] - move[:, 57, 2]),
        (0.8, width(27, 33)), (0.6, width(0, 16)),
    ]
    total = sum(weight * measure / np.linalg.norm(measure) for weight, measure in measures)
    return total / np.linalg.norm(total)


def lids(head, used, neutral):
    """The upper lids' edges, from the inner to the outer corner of each eye: (2, n) vertices; n is that of the shorter."""
    socket = (used >= 13294) & (used < 14062)
    inside = socket[head].any(1)
    def edges(t):
        e = np.sort(np.concatenate([t[:, [0, 1]], t[:, [1, 2]], t[:, [2, 0]]]), 1)
        return {tuple(x) for x in e}
    rim = edges(head[inside]) & edges(head[~inside])
    near = {}
    for i, j in rim:
        near.setdefault(i, []).append(j); near.setdefault(j, []).append(i)
    found = []
    for sign in (1, -1):
        on = [v for v in near if neutral[v, 0] * sign > 0]
        inner = min(on, key=lambda v: abs(neutral[v, 0])); outer = max(on, key=lambda v: abs(neutral[v, 0]))
        ways = []
        for start in near[inner]:
            path = [inner, start]
            while path[-1] != outer:
                path.append(next(v for v in near[path[-1]] if v != path[-2]))
            ways.append(path)
        found.append(sorted(ways, key=lambda w: neutral[w, 1].mean()))  # lower, upper
    return found


def main():
    ict = np.load(sys.argv[1], allow_pickle=False)
    neutral, landmarks = ict["neutral"].astype(float), ict["landmark68_vertices"]
    names = [str(name) for name in ict["expression_names"]]
    expression = lambda name: ict["expressions"][names.index(name)].astype(float)
    poses = np.stack([neutral + sum((w * expression(n) for n, w in pose.items()), np.zeros_like(neutral)) for pose in POSES])
    import os.path
    if os.path.exists("/tmp/work/dec.npz"): d=np.load("/tmp/work/dec.npz"); triangles,part=d["t"],d["p"]
    else:
        triangles, part = decimated(ict, poses); np.savez("/tmp/work/dec.npz",t=triangles,p=part)
    used, triangles = np.unique(triangles, return_inverse=True)
    triangles = triangles.reshape(-1, 3)
    part_of = np.zeros(len(used), int); part_of[triangles] = part[:, None]
    neutral = neutral[used]
    landmarks = np.searchsorted(used, landmarks)
    identities = ict["identities"].astype(float)[:, used]
    head = triangles[part == 0]
    sees, mean = visibility(neutral, head, triangles)
    sees_open, mean_open = visibility(neutral + 0.6 * expression("jawOpen")[used], head, triangles)
    inner = np.isin(part_of, [1, 2]) | ((used >= 11248) & (used < 13294))
    sees[inner], mean[inner] = sees_open[inner], mean_open[inner]
    rims = lids(head, used, neutral)
    print([[len(w) for w in r] for r in rims])
    nodes, weights = scalp(neutral, head)
    sex = sex_direction(neutral, identities, landmarks)
    # An orthonormal basis of the identities whose first vector is that direction.
    basis = np.linalg.qr(np.column_stack([sex, np.eye(40)[:, :39]]))[0]
    basis[:, 0] = sex
    # rest as near to the principal components as possible
    rest = np.eye(40) - np.outer(sex, sex)
    u, s, vt = np.linalg.svd(rest); 
    wanted = EXPRESSIONS
    moves = np.stack([sum(w * expression(n) for n, w in e.items())[used] for e in wanted.values()])
    np.savez_compressed(
        "keras_gen/data/builtin/heads/model.npz",
        neutral=neutral.astype(np.float32), triangles=triangles.astype(np.uint16), part=part_of.astype(np.uint8), landmarks=landmarks.astype(np.uint16),
        identities=np.tensordot(np.eye(40), identities, 1).astype(np.float16), sex=sex.astype(np.float32),
        expressions=moves.astype(np.float16), sees=sees.astype(np.float16), open_sky=mean.astype(np.float16),
        left_lid=np.array(rims[0][1], np.uint16), right_lid=np.array(rims[1][1], np.uint16),
        socket=((used >= 11248) & (used < 14062)), charts=charts(neutral, landmarks), scalp=nodes.astype(np.uint16), scalp_weights=weights.astype(np.float16),
    )
    import os; print(os.path.getsize("keras_gen/data/builtin/heads/model.npz"), len(neutral), len(triangles), np.abs(sex).round(2))

if __name__ == "__main__":
    main()
