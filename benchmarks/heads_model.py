"""Build the model of the built-in heads from ICT-FaceKit.

python -m benchmarks.heads_model ../shared/data/ict_facekit_head/ict_facekit.npz
"""
import heapq, sys, time
import numpy as np
from scipy import sparse

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
