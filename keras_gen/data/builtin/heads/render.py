from __future__ import annotations
from dataclasses import dataclass
import numpy as np
from keras_gen.data.builtin.heads import geometry as g, paint
from keras_gen.data.builtin.heads.model import harmonics, model
from keras_gen.data.builtin.heads.raster import rasterise


@dataclass
class Surface:
    rest: np.ndarray
    normals: np.ndarray
    tangents: np.ndarray
    view: np.ndarray
    sees_key: np.ndarray
    sees_rim: np.ndarray
    open_sky: np.ndarray
    extra: np.ndarray
    rest_height: np.ndarray


def project(v, size):
    depth = g.DISTANCE - v[:, 2]
    f = size / 2 * g.DISTANCE / g.HALF
    return np.stack([size / 2 + f * v[:, 0] / depth, size / 2 - f * (v[:, 1] - g.EYE_LEVEL) / depth], 1).astype(float), depth.astype(float)


def visible_triangles(f, points):
    triangles, parts, block, _ = g.topology()
    t = points[triangles]
    area = (t[:, 1, 0] - t[:, 0, 0]) * (t[:, 2, 1] - t[:, 0, 1]) - (t[:, 1, 1] - t[:, 0, 1]) * (t[:, 2, 0] - t[:, 0, 0])
    two_sided = (parts == g.LASH) | (parts == g.HAIR) | (parts == g.CLOTHES)
    keep = (area < 0) | two_sided
    if f["glasses"] < 0.5: keep &= parts != g.FRAME
    else: keep |= parts == g.FRAME
    keep[:len(model().triangles)] &= model().neutral[model().triangles][:, :, 1].max(1) > -13.8
    if f["hair_length"] < 0.12: keep &= parts != g.HAIR
    return np.flatnonzero(keep), area


def render(f, size, ss=2):
    shape = g.shape(f)
    n = size * ss
    points, depth = project(shape.vertices, n)
    triangles, parts, block, count = g.topology()
    shown, area = visible_triangles(f, points)
    ragged = np.flatnonzero((parts[shown] == g.HAIR) | (parts[shown] == g.LASH))

    part_shown = parts[shown]
    # ragged ones last
    order = np.argsort((part_shown == g.HAIR) | (part_shown == g.LASH), kind="stable")
    shown = shown[order]
    def keep(t, w):
        tri = triangles[shown[t]]
        rest = (shape.rest[tri] * w[..., None]).sum(1)
        out = np.ones(len(t), bool)
        hair = parts[shown[t]] == g.HAIR
        out[hair] = paint.strand_cover(f, rest[hair])
        out[~hair] = paint.lash_cover(f, rest[~hair])
        return out
    seen = rasterise(points, depth, triangles[shown], n, (len(shown) - len(ragged), keep))
    which = shown[seen.triangles]
    light = paint.Light(f)
    m = model()
    back = shape.head_rotation.T
    hv = slice(0, len(m.neutral))
    sk = np.ones(count, np.float32); sr = sk.copy(); sky = sk.copy()
    sk[hv] = np.clip(m.sees @ harmonics((back @ light.key)[None])[0], 0, 1)
    sr[hv] = np.clip(m.sees @ harmonics((back @ light.rim)[None])[0], 0, 1)
    sky[hv] = np.clip(m.open_sky, 0, 1)
    extra = np.zeros((count, 6), np.float32)
    extra[hv, 0] = m.socket
    for k, part in enumerate((g.EYE_LEFT, g.EYE_RIGHT)):
        eye = np.flatnonzero(m.part == part)
        # offset from the centre of the eye, in the head
        v = shape.vertices[eye]
        centre = v.mean(0)
        local = (v - centre) @ shape.head_rotation
        extra[eye, 1] = local[:, 1]
        extra[eye, 3:6] = shape.head_rotation[:, 2]
    attributes = np.concatenate([shape.rest, shape.normals, shape.tangents, shape.vertices, sk[:, None], sr[:, None], sky[:, None], extra], 1).astype(np.float32)
    tri = triangles[which]
    w = seen.weights
    a = attributes[tri[:, 0]] * w[:, :1] + attributes[tri[:, 1]] * w[:, 1:2] + attributes[tri[:, 2]] * w[:, 2:]
    position = a[:, 9:12]
    view = np.float32([0, g.EYE_LEVEL, g.DISTANCE]) - position
    view /= np.sqrt((view * view).sum(1, keepdims=True))
    normals = a[:, 3:6] / np.maximum(np.sqrt((a[:, 3:6] ** 2).sum(1, keepdims=True)), 1e-6)
    colours = np.empty((len(tri), 3), np.float32)
    part = parts[which]
    facing = area[which] < 0
    for p in range(len(g.PARTS)):
        at = np.flatnonzero(part == p)
        if not len(at): continue
        ex = a[at, 15:]
        s = Surface(a[at, :3], normals[at], a[at, 6:9], view[at], a[at, 12], a[at, 13], a[at, 14], ex, position[at, 1])
        if p == g.HAIR:
            outward = position[at] - shape.head_rotation @ (paint.g.SKULL - g.PIVOT) - g.PIVOT
            s.extra = s.extra.copy(); s.extra[:, 0] = (s.normals * view[at]).sum(1) * (s.normals * outward).sum(1) < 0
        paints = {g.SKIN: paint.paint_skin, g.MOUTH: paint.paint_mouth, g.TEETH: paint.paint_teeth, g.LASH: paint.paint_lash, g.HAIR: paint.paint_hair, g.FRAME: paint.paint_frame, g.CLOTHES: paint.paint_clothes}
        if p in paints: colours[at] = paints[p](f, s, light)
        else: colours[at] = paint.paint_eye(f, s, light, p - g.EYE_LEFT)
    image = paint.background(f, n).astype(np.float32)
    image[seen.pixels] = colours
    image = paint.tone(image).reshape(size, ss, size, ss, 3).mean((1, 3))
    return np.rint(255 * image).astype(np.uint8)
