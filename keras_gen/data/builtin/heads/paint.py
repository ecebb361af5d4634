"""Colours of what a picture shows, and the light on it."""
from __future__ import annotations

import functools

import numpy as np
from scipy import ndimage

from keras_gen.data.builtin.heads import geometry as g
from keras_gen.data.builtin.heads.hair import above_line
from keras_gen.data.builtin.heads.model import chart_points, harmonics, model


@functools.cache
def noise():
    """Tileable noise (512, 512, 3), zero mean and unit variance: fine, medium, coarse."""
    white = np.random.default_rng(7).normal(size=(3, 512, 512))
    out = [ndimage.gaussian_filter(w, s, mode="wrap") for w, s in zip(white, (0.7, 2.5, 9.0))]
    return np.stack([o / o.std() for o in out], -1).astype(np.float32)


def grain(u, v, kind):
    """Noise at (u, v), bilinear would be smoother; nearest is faster."""
    return noise()[np.floor(v).astype(np.int64) & 511, np.floor(u).astype(np.int64) & 511, kind]


def smooth_grain(u, v, kind):
    x, y = np.floor(u), np.floor(v)
    a, b = (u - x).astype(np.float32), (v - y).astype(np.float32)
    i, j = y.astype(np.int64), x.astype(np.int64)
    t = noise()[..., kind]
    top = t[i & 511, j & 511] * (1 - a) + t[i & 511, (j + 1) & 511] * a
    low = t[(i + 1) & 511, j & 511] * (1 - a) + t[(i + 1) & 511, (j + 1) & 511] * a
    return top * (1 - b) + low * b


def chart(rest):
    """The charts at points of the neutral head, bilinear, in [-1, 1]: lips, brows, beard, goatee."""
    table = _charts()
    n = len(table)
    p = np.clip(chart_points(rest), 0, 1) * n - 0.5
    p = np.clip(p, 0, n - 1.001)
    j, i = p.astype(np.int64).T
    a, b = (p - np.floor(p)).astype(np.float32).T[..., None]
    return (table[i, j] * (1 - a) + table[i, j + 1] * a) * (1 - b) + (table[i + 1, j] * (1 - a) + table[i + 1, j + 1] * a) * b


@functools.cache
def _charts():
    return model().charts.astype(np.float32) / 127.5 - 1


def hsv(h, s, v):
    k = (np.array([5.0, 3.0, 1.0]) + 6 * h) % 6
    return (v - v * s * np.clip(np.minimum(k, 4 - k), 0, 1)) ** 2.2


def mixed(anchors, t):
    """Piecewise geometric interpolation of colours."""
    anchors = np.log(np.array(anchors, float))
    at = np.clip(t, 0, 1) * (len(anchors) - 1)
    k = min(int(at), len(anchors) - 2)
    return np.exp(anchors[k] + (at - k) * (anchors[k + 1] - anchors[k]))


SKIN_TONES = [(0.66, 0.45, 0.35), (0.60, 0.375, 0.265), (0.46, 0.26, 0.165), (0.29, 0.145, 0.085), (0.125, 0.062, 0.040)]
HAIR_TONES = [(0.010, 0.008, 0.007), (0.030, 0.017, 0.010), (0.075, 0.042, 0.024), (0.18, 0.112, 0.062), (0.43, 0.32, 0.19)]


def hair_tone(f):
    c = mixed(HAIR_TONES, f["hair_colour"])
    red = np.clip(f["hair_red"] * 1.6 - 0.8, 0, 1) * (0.3 + 0.7 * f["hair_colour"])
    c = c * (1 + red * np.array([0.35, -0.2, -0.5]))
    return c + f["grey"] * (np.array([0.42, 0.41, 0.40]) - c)


class Light:
    """The key light, a soft fill from the surroundings and a rim light from behind."""

    def __init__(self, f):
        x, y = f["light_x"], f["light_y"]
        self.key = np.array([np.sin(x) * np.cos(y), np.sin(y), np.cos(x) * np.cos(y)])
        warm = f["light_warmth"]
        self.colour = np.array([1.0 + 0.12 * (warm - 0.3), 1.0, 1.0 - 0.38 * (warm - 0.3)]) * (1.55 + 0.5 * f["light_hardness"])
        side = -np.sign(x) if x else 1.0
        self.rim = np.array([0.82 * side, 0.35, -0.45]); self.rim /= np.linalg.norm(self.rim)
        ground = hsv(f["background_hue"], f["background_saturation"] * 0.8, 0.55 + 0.45 * f["background_brightness"])
        fill = 0.55 - 0.28 * f["light_hardness"]
        self.sky = fill * (0.55 + 0.45 * ground) * np.array([0.94, 1.0, 1.1])
        self.ground = fill * 0.5 * (0.4 + 0.6 * ground) * np.array([1.08, 1.0, 0.92])
        self.rim_colour = np.array([1.0, 1.0, 1.05]) * (0.35 + 0.9 * f["background_brightness"]) * (0.7 + 0.5 * ground)


def shaded(albedo, n, view, light, sees_key, sees_rim, open_sky, wrap, shine, gloss):
    """Diffuse and specular light on a surface: (n, 3) linear.

    wrap: (3,) how far light wraps around, per channel; shine (n,): strength of the highlight; gloss: exponent.
    """
    out = np.empty_like(albedo)
    ndl = n @ light.key.astype(np.float32)
    ndr = n @ light.rim.astype(np.float32)
    ndv = np.clip(n[:, 2], 0, 1) if view is None else np.clip((n * view).sum(1), 0, 1)
    up = 0.5 + 0.5 * n[:, 1]
    half = light.key + np.array([0, 0, 1.0]); half /= np.linalg.norm(half)
    fresnel = 0.05 + 0.95 * (1 - ndv) ** 5
    spec = shine * (np.clip(n @ half.astype(np.float32), 0, 1) ** gloss) * (gloss + 8) / 25 * fresnel * 2.2 * sees_key * np.clip(ndl * 4 + 0.2, 0, 1)
    halfr = light.rim + np.array([0, 0, 1.0]); halfr /= np.linalg.norm(halfr)
    glance = fresnel * np.clip(ndr, 0, 1) * sees_rim
    env = fresnel * open_sky * up * shine * 0.8
    for k in range(3):
        w = wrap[k]
        key = np.clip((ndl + w) / (1 + w), 0, 1) ** (1 + w) * sees_key ** (1.0 - 0.5 * w)
        rim = np.clip((ndr + 0.5 * w) / (1 + 0.5 * w), 0, 1) * sees_rim
        ambient = open_sky ** (1.15 - 0.6 * w) * (light.ground[k] + (light.sky[k] - light.ground[k]) * up)
        out[:, k] = albedo[:, k] * (light.colour[k] * key + light.rim_colour[k] * rim + ambient) + light.colour[k] * spec + light.rim_colour[k] * glance * 0.7 + light.sky[k] * env
    return out


def tone(c):
    """Filmic curve and sRGB's gamma: linear light to [0, 1]."""
    c = np.maximum(c, 0) * 0.6
    c = c * (2.51 * c + 0.03) / (c * (2.43 * c + 0.59) + 0.14)
    return np.clip(c, 0, 1) ** (1 / 2.2)


@functools.cache
def landmarks_rest():
    return model().neutral[model().landmarks]


def blob(rest, centre, radius):
    d = rest - np.asarray(centre, np.float32)
    return np.exp(-(d * d).sum(1) / radius**2)


def paint_skin(f, s, light):
    rest, n = s.rest, s.normals
    lips, brow, beard, goatee = chart(rest).T
    base = mixed(SKIN_TONES, f["skin"])
    pale = 1 - f["skin"]
    uv = chart_points(rest) * [420, 420]
    fine, medium, coarse = smooth_grain(uv[:, 0] * 3.1, uv[:, 1] * 3.1, 0), smooth_grain(uv[:, 0] * 1.7, uv[:, 1] * 1.7, 1), smooth_grain(uv[:, 0], uv[:, 1], 2)
    mark = landmarks_rest()
    red = 0.9 * (blob(rest, [4.6, 0.3, 8.6], 2.6) + blob(rest, [-4.6, 0.3, 8.6], 2.6)) + 0.9 * blob(rest, [0, 0.2, 12.6], 1.5)
    red += 0.8 * np.clip((np.abs(rest[:, 0]) - 7.6) / 1.0, 0, 1) * (rest[:, 1] > -3)
    red += 0.35 * blob(rest, [0, -6.8, 11], 1.8)
    red += 0.07 * coarse
    red *= (0.3 + 0.9 * f["flush"])
    dark = 0.5 * (blob(rest, [3.0, 2.4, 9.3], 1.5) + blob(rest, [-3.0, 2.4, 9.3], 1.5)) + 0.4 * (blob(rest, [3.2, 4.6, 9.6], 1.4) + blob(rest, [-3.2, 4.6, 9.6], 1.4))
    albedo = base * (1 + 0.016 * medium + 0.016 * coarse + 0.02 * fine)[:, None].astype(np.float32)
    albedo = albedo * np.exp(red[:, None] * np.array([-0.02, -0.26, -0.22]) * (0.55 + 0.45 * pale))
    albedo = albedo * np.exp(-dark[:, None] * np.array([0.16, 0.24, 0.20]))
    if f["freckles"] > 0:
        spot = np.clip(smooth_grain(uv[:, 0] * 2.6, uv[:, 1] * 2.6, 1) - 1.0, 0, 1.2) * f["freckles"] * (blob(rest, [0, 1, 11], 5.0)) * (0.3 + 0.7 * pale)
        albedo = albedo * np.exp(-spot[:, None] * np.array([0.35, 0.7, 0.9]))
    # lips
    lip = np.clip(lips * 5 + 0.55, 0, 1)
    lip_colour = base * np.exp(-np.array([0.10, 0.62, 0.42]) * (0.35 + 0.75 * f["lips"]))
    lip_colour = lip_colour * (1 - 0.12 * np.abs(smooth_grain(uv[:, 0] * 6, uv[:, 1] * 0.6, 1)))[:, None]
    albedo = albedo + (lip * 0.88)[:, None] * (lip_colour - albedo)
    # inside of the mouth and sockets
    inner = s.extra[:, 0]
    albedo = albedo * (1 - inner[:, None] * np.array([0.45, 0.75, 0.75]))
    hair = hair_tone(f)
    # eyebrows
    strand = smooth_grain(uv[:, 0] * 5 + uv[:, 1] * 4, uv[:, 1] * 1.2 - uv[:, 0] * 0.4, 0)
    brow_cover = np.clip((brow + 0.12 + 0.25 * (f["brow_thickness"] - 0.5)) * 4.2 + 0.35 * strand, 0, 1) * (0.6 + 0.35 * f["brow_thickness"])
    brow_colour = np.minimum(hair * 0.55, base * 0.5) + 0.004
    albedo = albedo + brow_cover[:, None] * (brow_colour - albedo)
    # beard
    shape = goatee if f["goatee"] > 0.5 else beard
    strands = smooth_grain(uv[:, 0] * 4.2, uv[:, 1] * 1.3, 0)
    density = np.clip((shape + 0.25 + 0.12 * coarse) * 2.2, 0, 1) * (1 - np.clip(lips * 9 + 1.2, 0, 1))
    amount = f["beard"]
    cover = np.clip(density * (0.2 + 1.1 * amount) + 0.28 * strands * np.minimum(amount * 2, 1) * density - 0.12, 0, 1) * min(1, amount * 4)
    cover = cover * min(1, 0.45 + 0.7 * amount)
    beard_colour = (hair * 0.75 + base * 0.03) * (1 + 0.22 * strands[:, None])
    albedo = albedo + cover[:, None] * (beard_colour - albedo)
    # the scalp under the hair
    above = above_line(rest, f["hair_line"])
    root = np.clip((above + 1.5 * coarse + 2.0 * strands) / 7.0, 0, 1) * np.clip(f["hair_length"] / 0.08, 0, 1)
    buzz = smooth_grain(uv[:, 0] * 6, uv[:, 1] * 6, 0)
    root = root * np.clip(0.8 + 0.2 * buzz, 0, 1) * np.clip(0.35 + f["hair_length"] * 2.5, 0, 0.93)
    albedo = albedo + root[:, None] * (hair * 0.8 - albedo)
    # the shadow of the hair on the forehead
    long = np.clip(f["hair_length"] / 0.3, 0, 1)
    contact = 1 - 0.45 * long * np.exp(-np.clip(-above, 0, 40) / 4.0) * (above < 3) * (rest[:, 1] > 2)
    shine = np.float32(0.55) + 0.35 * blob(rest, [0, 1.0, 12], 3.0) + 0.25 * blob(rest, [0, 9.5, 9.5], 4) + 1.3 * lip
    shine = shine * (1 - 0.75 * np.maximum(brow_cover, np.maximum(cover, root))) * (1 + 0.25 * medium)
    bump = np.stack([fine, smooth_grain(uv[:, 0] * 3.1 + 80, uv[:, 1] * 3.1 + 31, 0), 0 * fine], 1) * (0.018 + 0.10 * cover + 0.05 * brow_cover)[:, None]
    n = n + bump.astype(np.float32)
    n /= np.sqrt((n * n).sum(1, keepdims=True))
    flesh = shaded(albedo.astype(np.float32), n, s.view, light, s.sees_key * contact, s.sees_rim, s.open_sky * contact, SKIN_WRAP, shine * 0.55, 14.0)
    return flesh


SKIN_WRAP = (0.42, 0.22, 0.16)


def paint_mouth(f, s, light):
    albedo = np.broadcast_to(np.float32([0.42, 0.11, 0.10]), s.rest.shape).copy()
    deep = s.open_sky * np.clip((s.rest[:, 2] - 4) / 5, 0.1, 1)
    return shaded(albedo, s.normals, s.view, light, s.sees_key * deep, s.sees_rim * 0, deep, SKIN_WRAP, deep * 1.2, 40.0)


def paint_teeth(f, s, light):
    albedo = np.broadcast_to(np.float32([0.85, 0.80, 0.72]), s.rest.shape).copy()
    gum = np.clip((np.abs(s.rest[:, 1] + 3.25) - 1.15) * 3, 0, 1)[:, None]
    albedo = albedo + gum * (np.float32([0.5, 0.17, 0.15]) - albedo)
    deep = np.clip(s.open_sky * 0.5 + 0.45, 0, 1) * np.clip((s.rest[:, 2] - 6.0) / 4, 0.12, 1)
    return shaded(albedo, s.normals, s.view, light, s.sees_key * deep, s.sees_rim * 0, deep, (0.3, 0.3, 0.3), deep * 0.8, 50.0)


IRIS = [(0.045, 0.022, 0.010), (0.12, 0.055, 0.02), (0.16, 0.12, 0.04), (0.10, 0.16, 0.10), (0.10, 0.20, 0.34), (0.22, 0.28, 0.33)]


def paint_eye(f, s, light, side):
    e = s.rest - g.EYES[side].astype(np.float32)
    e = e / np.sqrt((e * e).sum(1, keepdims=True))
    axis = np.array([0.03 * (1 - 2 * side), 0.0, 1.0])
    x, y = e[:, 0] - axis[0], e[:, 1]
    r = np.sqrt(x * x + y * y)
    front = e[:, 2] > 0
    iris_r, pupil_r = 0.40, 0.165
    angle = np.arctan2(y, x)
    fibre = smooth_grain(angle * 40 + 300, r * 30, 0) * 0.22 + smooth_grain(angle * 18, r * 8, 1) * 0.2
    colour = mixed(IRIS, f["eye_colour"])
    iris = colour * (1.25 + fibre + 0.9 * np.clip((r - 0.2) / 0.2, 0, 1))[:, None]
    inner = np.exp(-(((r - 0.2) / 0.06) ** 2))[:, None]
    iris = iris * (1 + 0.5 * inner * np.array([1.3, 1.0, 0.5]))
    iris = iris * (1 - 0.75 * np.clip((r - 0.33) / 0.07, 0, 1))[:, None]
    white = np.float32([0.72, 0.68, 0.65]) * np.exp(-np.clip(r - 0.5, 0, 1)[:, None] * np.array([0.3, 0.75, 0.75]))
    edge = np.clip((iris_r - r) / 0.035 + 0.5, 0, 1)[:, None] * front[:, None]
    albedo = white + edge * (iris - white)
    hole = np.clip((pupil_r - r) / 0.03 + 0.5, 0, 1)[:, None] * front[:, None]
    albedo = albedo + hole * (0.006 - albedo)
    # The shadow of the upper lid and its lashes.
    lid = np.clip(0.55 - s.extra[:, 1] * 1.0, 0.25, 1.0)
    lid = np.clip((0.62 - s.extra[:, 1]) / 0.75, 0.18, 1.0)
    occ = lid * np.clip(s.open_sky * 1.5, 0, 1)
    colour = shaded(albedo.astype(np.float32), s.normals, s.view, light, np.clip(s.sees_key * 1.3, 0, 1) * lid, s.sees_rim * 0.3, occ, (0.5, 0.45, 0.4), 0 * lid, 10.0)
    # Windows mirrored in the cornea.
    n = s.normals + edge * 0.25 * (s.normals - s.extra[:, 3:6])
    n = n / np.sqrt((n * n).sum(1, keepdims=True))
    v = s.view
    ref = 2 * (n * v).sum(1, keepdims=True) * n - v
    key = light.key * [0.8, 0.8, 1] + [0, 0.1, 0.25]
    key = key / np.linalg.norm(key)
    close = ref @ key.astype(np.float32)
    glint = np.clip((close - 0.955) / 0.012, 0, 1) * 2.2
    fill = np.clip((ref @ np.float32([-0.35 * np.sign(light.key[0] or 1), 0.15, 0.92]) - 0.985) / 0.01, 0, 1) * 0.35
    sky = np.clip(ref[:, 1], 0, 1) * 0.10
    return colour + ((glint + fill + sky) * np.clip(lid * 1.4, 0, 1))[:, None] * light.colour * 0.8


def paint_lash(f, s, light):
    c = np.minimum(hair_tone(f) * 0.25, 0.02) + 0.004
    return np.broadcast_to(c, s.rest.shape) * 1.0


def strand_cover(f, rest):
    """Where the sheet of hair is closed: its end frays into strands."""
    u, t, total = rest.T
    many = smooth_grain(u * 900 + 511 * f["strands"], t * 3, 0)
    few = smooth_grain(u * 240, t * 2, 0)
    ragged = 1 - (0.9 + 0.55 * many + 0.5 * few) * 0.9 / np.maximum(total, 2)
    return t < ragged


def lash_cover(f, rest):
    u, t, _ = rest.T
    return np.abs((u * 22 + (u - 0.5) * t * 4) % 1 - 0.5) < 0.52 * (1 - 0.85 * t)


def paint_hair(f, s, light):
    u, t, total = s.rest.T
    seed = 511 * f["strands"]
    along = t * total
    curl = f["curl"]
    bend = curl * 9 * np.sin(along * 1.5 + 3 * smooth_grain(u * 60, along * 0.2, 2))
    fine = smooth_grain(u * 1500 + bend * 2 + seed, along * 1.1, 0)
    mid = smooth_grain(u * 420 + bend + seed, along * (0.9 + 3 * curl), 0)
    clump = smooth_grain(u * 260 + bend * 0.5 + seed, along * (0.6 + 4 * curl), 1)
    hair = hair_tone(f)
    light_strands = np.exp(0.22 * fine + 0.26 * mid + 0.28 * clump)
    tips = np.exp(0.35 * (t - 0.4) * (f["hair_colour"] > 0.3))
    albedo = hair * (light_strands * tips)[:, None]
    if f["grey"] > 0:
        albedo = albedo * (1 + 0.3 * f["grey"] * np.clip(fine, -1, 1))[:, None]
    n, tangent = s.normals, s.tangents
    n = n * np.sign((n * s.view).sum(1, keepdims=True) + 1e-6)
    side = np.cross(tangent, n)
    n = n + side * (0.28 * mid + 0.22 * clump + 0.12 * fine)[:, None] + tangent * (curl * 0.5 * clump)[:, None]
    n = n / np.sqrt((n * n).sum(1, keepdims=True))
    inner = s.extra[:, 0] > 0.5
    tangent = tangent / np.maximum(np.sqrt((tangent * tangent).sum(1, keepdims=True)), 1e-6)
    depth = np.clip(0.72 + 0.16 * clump + 0.1 * mid, 0.25, 1.1)
    depth = depth * np.where(inner, 0.25, 1.0)
    low = np.clip((s.rest_height + 14) / 10, 0.45, 1)
    sky = depth * low
    colour = shaded(albedo.astype(np.float32), n.astype(np.float32), s.view, light, np.clip(s.sees_key, 0.1, 1) * depth, s.sees_rim * depth, sky, (0.35, 0.35, 0.35), 0 * u, 10.0)
    # Highlights across the strands (Kajiya and Kay 1989; two lobes as in Marschner et al. 2003).
    for source, power, strength in ((light.key, 1.0, light.colour), (light.rim, 0.5, light.rim_colour)):
        half = source + s.view
        half = half / np.sqrt((half * half).sum(1, keepdims=True))
        for shift, exponent, tint, amount in ((-0.10, 60, None, 0.16), (0.12, 16, hair, 0.9)):
            moved = tangent + n * (shift + 0.14 * mid + 0.05 * fine)[:, None]
            moved = moved / np.sqrt((moved * moved).sum(1, keepdims=True))
            th = (moved * half).sum(1)
            lobe = np.sqrt(np.clip(1 - th * th, 0, 1)) ** exponent * np.clip(n @ source.astype(np.float32) * 1.4 + 0.25, 0, 1)
            white = np.ones(3) * (0.25 + 0.5 * hair.mean() ** 0.5) if tint is None else tint * 1.3
            colour = colour + (power * amount * lobe * depth * (0.8 + 0.2 * fine) * (1 - 0.6 * curl))[:, None] * white * strength * np.where(inner, 0, 1)[:, None]
    return colour


def paint_frame(f, s, light):
    c = f["glasses_colour"]
    colour = mixed([(0.012, 0.012, 0.013), (0.012, 0.012, 0.013), (0.10, 0.04, 0.015), (0.30, 0.22, 0.12), (0.25, 0.25, 0.27)], c)
    albedo = np.broadcast_to(np.float32(colour), s.rest.shape).copy()
    one = np.ones(len(albedo), np.float32)
    n = s.normals * np.sign((s.normals * s.view).sum(1, keepdims=True) + 1e-6)
    return shaded(albedo, n, s.view, light, one, one, 0.9 * one, (0.1, 0.1, 0.1), 1.6 * one, 40.0)


def paint_clothes(f, s, light):
    a, r, _ = s.rest.T
    colour = hsv(f["clothes_hue"], f["clothes_saturation"], f["clothes_brightness"])
    weave = 1 + 0.07 * smooth_grain(a * 3000, r * 500, 0) + 0.05 * smooth_grain(a * 300, r * 60, 1)
    albedo = (colour * weave[:, None]).astype(np.float32)
    seam = 1 - 0.35 * np.exp(-(((r - 0.25) / 0.012) ** 2))
    collar = np.clip(r / 0.1, 0.25, 1)
    n = s.normals * np.sign((s.normals * s.view).sum(1, keepdims=True) + 1e-6)
    fold = smooth_grain(a * 70, r * 24, 2)
    n = n + np.stack([0.12 * fold, 0.06 * smooth_grain(a * 70 + 90, r * 24, 2), 0 * fold], 1).astype(np.float32)
    n = n / np.sqrt((n * n).sum(1, keepdims=True))
    one = np.ones(len(albedo), np.float32)
    return shaded(albedo, n, s.view, light, one * seam * np.clip(s.sees_key, 0.15, 1), one * collar, 0.8 * one * seam * collar, (0.2, 0.2, 0.2), 0.12 * one, 6.0)


def background(f, size):
    """A wall out of focus, lit from one side."""
    y, x = np.mgrid[:size, :size].astype(np.float32) / size
    colour = hsv(f["background_hue"], f["background_saturation"], f["background_brightness"])
    side = np.sign(f["light_x"]) or 1.0
    glow = np.exp(-(((x - 0.5 + 0.25 * side) / 0.75) ** 2 + ((y - 0.42) / 0.75) ** 2))
    level = 0.42 + 0.85 * glow
    cloud = ndimage.zoom(noise()[:24:6, :24:6, 2], size / 4, order=3)[:size, :size] if size >= 4 else 0
    return (colour * (level * (1 + 0.05 * cloud))[..., None]).reshape(-1, 3)
