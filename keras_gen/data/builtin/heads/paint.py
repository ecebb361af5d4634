"""Painters: the colour of every part of a head at the points that a picture shows."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from keras_gen.data.builtin.heads import geometry as parts
from keras_gen.data.builtin.heads.factors import Head
from keras_gen.data.builtin.heads.geometry import crossed, dot, unit
from keras_gen.data.builtin.heads.hair import above_line, scalp_line
from keras_gen.data.builtin.heads.light import Light, Lit, doubled, linear, shaded
from keras_gen.data.builtin.heads.model import (
    EYES,
    LEFT_EYE,
    MOUTH,
    RIGHT_EYE,
    SKIN,
    SKULL,
    TEETH,
    chart_points,
    head_model,
)
from keras_gen.data.builtin.heads.texture import COARSE, FINE, MEDIUM, blend, charts_at, noise

_SKIN = [(0.66, 0.45, 0.35), (0.60, 0.375, 0.265), (0.46, 0.26, 0.165), (0.29, 0.145, 0.085), (0.125, 0.062, 0.04)]
_HAIR = [(0.01, 0.008, 0.007), (0.03, 0.017, 0.01), (0.075, 0.042, 0.024), (0.18, 0.112, 0.062), (0.43, 0.32, 0.19)]
_IRIS = [(0.045, 0.022, 0.01), (0.12, 0.055, 0.02), (0.16, 0.12, 0.04), (0.1, 0.16, 0.1), (0.1, 0.2, 0.34)]
_IRIS += [(0.22, 0.28, 0.33)]
_FRAME = [(0.012, 0.012, 0.013), (0.012, 0.012, 0.013), (0.1, 0.04, 0.015), (0.3, 0.22, 0.12), (0.25, 0.25, 0.27)]
_FLESH = (0.42, 0.22, 0.16)  # how far red, green and blue light spreads inside skin
_TEXELS = 420.0  # units of noise along each axis of a chart


@dataclass(frozen=True)
class Scene:
    """What all painters of a picture share.

    Attributes:
        head: all factors.
        shape: the posed head.
        light: the light.
        fine: 0 where details of less than two millimetres are smaller than a pixel, up to 1 where they are not.
    """

    head: Head
    shape: parts.Shape
    light: Light
    fine: float

    @functools.cached_property
    def hair(self) -> np.ndarray:
        """The colour of the hair."""
        head = self.head
        red = np.clip(1.6 * head["hair_red"] - 0.8, 0, 1) * (0.3 + 0.7 * head["hair_colour"])
        colour = blend(_HAIR, head["hair_colour"]) * (1 + red * np.array([0.35, -0.2, -0.5]))
        return np.float32(colour + head["grey"] * ([0.42, 0.41, 0.4] - colour))

    def noise(self, u: np.ndarray, v: np.ndarray, kind: int) -> np.ndarray:
        """Noise, interpolated where that can be seen."""
        return noise(u, v, kind, smooth=self.fine > 0)


@dataclass(frozen=True)
class Points:
    """Points of one part that the picture shows.

    Attributes:
        corners: int64 (n, 3), vertices of their triangles.
        weights: float32 (n, 3), their weights.
        rest: float32 (n, 3), see `geometry.Shape`.
        lit: the light that reaches them.
    """

    corners: np.ndarray
    weights: np.ndarray
    rest: np.ndarray
    lit: Lit

    def of(self, values: np.ndarray) -> np.ndarray:
        """Interpolates values of the vertices."""
        return interpolated(values, self.corners, self.weights)


def interpolated(values: np.ndarray, corners: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Values (v, k) of vertices, at points with three corners (n, 3) and weights (n, 3): (n, k)."""
    total = values.take(corners[:, 0], axis=0) * weights[:, :1]
    total += values.take(corners[:, 1], axis=0) * weights[:, 1:2]
    total += values.take(corners[:, 2], axis=0) * weights[:, 2:]
    return total


@functools.cache
def _complexion() -> np.ndarray:
    """Where skin is red, dark and shiny, and where it is inside: float32 (v, 4)."""
    mesh = head_model()
    x, y, _ = mesh.neutral.T

    def spots(radius: float, *centres: tuple[float, float, float]) -> np.ndarray:
        squared = ((mesh.neutral - np.array(centres)[:, None]) ** 2).sum(axis=-1)
        return np.exp(-squared / radius**2).sum(axis=0)

    red = 0.9 * spots(2.6, (4.6, 0.3, 8.6), (-4.6, 0.3, 8.6)) + 0.9 * spots(1.5, (0, 0.2, 12.6))
    red += 0.8 * np.clip(np.abs(x) - 7.6, 0, 1) * (y > -3) + 0.35 * spots(1.8, (0, -6.8, 11))
    dark = 0.5 * spots(1.5, (3, 2.4, 9.3), (-3, 2.4, 9.3)) + 0.4 * spots(1.4, (3.2, 4.6, 9.6), (-3.2, 4.6, 9.6))
    shine = 0.55 + 0.35 * spots(3, (0, 1, 12)) + 0.25 * spots(4, (0, 9.5, 9.5))
    return np.stack([red, dark, shine, mesh.socket], axis=1).astype(np.float32)


def _skin(scene: Scene, points: Points) -> np.ndarray:
    head, rest, lit, fine = scene.head, points.rest, points.lit, np.float32(scene.fine)
    places = chart_points(rest)
    u, v = places.T * np.float32(_TEXELS)
    lips, brow, beard, goatee = charts_at(places, smooth=fine > 0).T
    red, dark, shine, inner, above = _with_line(scene, points).T
    tone, hair = np.float32(blend(_SKIN, head["skin"])), scene.hair
    pale = 1 - head["skin"]
    coarse = scene.noise(u, v, COARSE)
    strands = scene.noise(4.2 * u, 1.3 * v, FINE)

    red = (red + 0.07 * coarse) * np.float32((0.3 + 0.9 * head["flush"]) * (0.55 + 0.45 * pale))
    tint = red[:, None] * np.float32([0.02, 0.26, 0.22]) + dark[:, None] * np.float32([0.16, 0.24, 0.2])
    albedo = tone * np.exp(-tint) * (1 + 0.016 * coarse)[:, None]
    if head["freckles"] > 0:
        spots = np.clip(scene.noise(2.6 * u, 2.6 * v, MEDIUM) - 1, 0, 1.2) * np.float32(head["freckles"])
        spots *= np.exp(-((rest - np.float32([0, 1, 11])) ** 2).sum(axis=1) / 25) * np.float32(0.3 + 0.7 * pale)
        albedo *= np.exp(-spots[:, None] * np.float32([0.35, 0.7, 0.9]))
    if fine:
        pores = scene.noise(3.1 * u, 3.1 * v, FINE)
        medium = scene.noise(1.7 * u, 1.7 * v, MEDIUM)
        albedo *= (1 + fine * (0.016 * medium + 0.02 * pores))[:, None]
        shine = shine * (1 + 0.25 * fine * medium)

    lip = 0.88 * np.clip(5 * lips + 0.55, 0, 1)
    lip_tone = tone * np.exp(-np.float32([0.1, 0.62, 0.42]) * np.float32(0.35 + 0.75 * head["lips"]))
    albedo += lip[:, None] * (lip_tone - albedo)
    albedo *= 1 - inner[:, None] * np.float32([0.45, 0.75, 0.75])
    thick = head["brow_thickness"]
    hairs = scene.noise(5 * u + 4 * v, 1.2 * v - 0.4 * u, FINE)
    brows = np.clip(4.2 * (brow + np.float32(0.12 + 0.25 * (thick - 0.5))) + 0.35 * hairs, 0, 1)
    brows *= np.float32(0.6 + 0.35 * thick)
    albedo += brows[:, None] * (np.minimum(0.55 * hair, 0.5 * tone) + np.float32(0.004) - albedo)
    cover = np.float32(0)
    if head["beard"] > 0:
        cover = _beard_cover(head, goatee if head["goatee"] else beard, lips, coarse, strands)
        colour = (0.75 * hair + 0.03 * tone) * (1 + 0.22 * strands)[:, None]
        albedo += cover[:, None] * (colour - albedo)
    length = head["hair_length"]
    roots = np.clip((above + 1.5 * coarse + 2 * strands) / 7, 0, 1)
    roots *= np.float32(np.clip(length / 0.08, 0, 1) * np.clip(0.35 + 2.5 * length, 0, 0.93))
    albedo += roots[:, None] * (0.8 * hair - albedo)

    # Hair keeps light from the forehead below it.
    shade = np.exp(np.minimum(above, 0) / 4) * (above < 3) * (rest[:, 1] > 2)
    shade = 1 - np.float32(0.45 * np.clip(length / 0.3, 0, 1)) * shade
    normals = lit.normals
    if fine:
        rough = fine * (0.018 + 0.1 * cover + 0.05 * brows)
        bumps = np.stack([pores, scene.noise(3.1 * u + 80, 3.1 * v + 31, FINE), 0 * pores], axis=1)
        normals = unit(normals + rough[:, None] * bumps)
    shine = 0.55 * (shine + 1.3 * lip) * (1 - 0.75 * np.maximum(np.maximum(brows, roots), cover))
    lit = Lit(normals, lit.view, lit.key * shade, lit.rim, lit.sky * shade)
    return shaded(albedo, lit, scene.light, _FLESH, shine, 4)


def _with_line(scene: Scene, points: Points) -> np.ndarray:
    """`_complexion` and the distance above the hair line, (n, 5)."""
    line = scalp_line(scene.head["hair_line"])[:, None]
    return points.of(np.concatenate([_complexion(), line], axis=1))


def _beard_cover(
    head: Head, region: np.ndarray, lips: np.ndarray, coarse: np.ndarray, strands: np.ndarray
) -> np.ndarray:
    """How much of the skin the beard covers."""
    amount = np.float32(head["beard"])
    density = np.clip(2.2 * (region + 0.25 + 0.12 * coarse), 0, 1) * (1 - np.clip(9 * lips + 1.2, 0, 1))
    cover = density * (0.2 + 1.1 * amount + 0.28 * strands * min(2 * amount, 1)) - 0.12
    return np.clip(cover, 0, 1) * min(4 * amount, 1) * min(0.45 + 0.7 * amount, 1)


def _mouth(scene: Scene, points: Points) -> np.ndarray:
    deep = points.lit.sky * np.clip((points.rest[:, 2] - 4) / 5, 0.1, 1)
    lit = Lit(points.lit.normals, points.lit.view, points.lit.key * deep, 0 * deep, deep)
    albedo = np.broadcast_to(np.float32([0.42, 0.11, 0.1]), points.rest.shape)
    return shaded(albedo, lit, scene.light, _FLESH, 1.2 * deep, 5)


def _teeth(scene: Scene, points: Points) -> np.ndarray:
    _, y, z = points.rest.T
    gums = np.clip(3 * (np.abs(y + 3.25) - 1.15), 0, 1)[:, None]
    albedo = np.float32([0.85, 0.8, 0.72]) + gums * np.float32([-0.35, -0.63, -0.57])
    deep = np.clip(0.5 * points.lit.sky + 0.45, 0, 1) * np.clip((z - 6) / 4, 0.12, 1)
    lit = Lit(points.lit.normals, points.lit.view, points.lit.key * deep, 0 * deep, deep)
    return shaded(albedo, lit, scene.light, 0.3, 0.8 * deep, 5)


def _eye(scene: Scene, points: Points, side: int) -> np.ndarray:
    """An eyeball: white, iris, pupil, and what the cornea mirrors. `side` is 0 for the left eye, 1 for the right."""
    light, lit = scene.light, points.lit
    radius, angle, front = _on_eye(points.rest, side)
    fibres = 0.22 * scene.noise(40 * angle + 300, 30 * radius, FINE)
    fibres += 0.2 * scene.noise(18 * angle + 300, 8 * radius, MEDIUM)
    iris = np.float32(blend(_IRIS, scene.head["eye_colour"]))
    iris = iris * (1.25 + fibres + 0.9 * np.clip(5 * radius - 1, 0, 1))[:, None]
    iris *= 1 + np.exp(-(((radius - 0.2) / 0.06) ** 2))[:, None] * np.float32([0.65, 0.5, 0.25])
    iris *= 1 - 0.75 * np.clip((radius - 0.33) / 0.07, 0, 1)[:, None]
    white = np.exp(-np.clip(radius - 0.5, 0, 1)[:, None] * np.float32([0.3, 0.75, 0.75]))
    albedo = np.float32([0.72, 0.68, 0.65]) * white
    cornea = np.clip((0.4 - radius) / 0.035 + 0.5, 0, 1)[:, None] * front[:, None]
    albedo += cornea * (iris - albedo)
    pupil = np.clip((0.165 - radius) / 0.03 + 0.5, 0, 1)[:, None] * front[:, None]
    albedo += pupil * (np.float32(0.006) - albedo)

    # The upper lid and its lashes cast a shadow.
    shape = scene.shape
    height = points.of(shape.vertices) @ shape.turned[:, 1].astype(np.float32)
    height -= np.float32(shape.eyes[side] @ shape.turned[:, 1])
    open_to = np.clip((0.62 - height) / 0.75, 0.18, 1)
    key, sky = np.clip(1.3 * lit.key, 0, 1) * open_to, np.clip(1.5 * lit.sky, 0, 1) * open_to
    matte = Lit(lit.normals, lit.view, key, 0.3 * lit.rim, sky)
    colour = shaded(albedo, matte, light, (0.5, 0.45, 0.4), 0, 3)
    # The cornea bulges and mirrors the light, something bright on the other side, and the sky.
    bulge = unit(lit.normals + 0.25 * cornea * (lit.normals - shape.turned[:, 2].astype(np.float32)))
    mirrored = 2 * dot(bulge, lit.view)[:, None] * bulge - lit.view
    window = unit((light.key * np.float32([0.8, 0.8, 1]) + np.float32([0, 0.1, 0.25]))[None])[0]
    other = np.float32([-0.35 * np.sign(light.key[0]), 0.15, 0.92])
    glint = 2.2 * np.clip((mirrored @ window - 0.955) / 0.012, 0, 1)
    glint += 0.35 * np.clip((mirrored @ other - 0.985) / 0.01, 0, 1) + 0.1 * np.clip(mirrored[:, 1], 0, 1)
    return colour + 0.8 * (glint * np.clip(1.4 * open_to, 0, 1))[:, None] * light.key_colour


def _lash(scene: Scene, points: Points) -> np.ndarray:
    return np.broadcast_to(np.minimum(0.25 * scene.hair, 0.02) + 0.004, points.rest.shape)


def _hair(scene: Scene, points: Points) -> np.ndarray:
    head, light, tone, lit, fine = scene.head, scene.light, scene.hair, points.lit, np.float32(scene.fine)
    curl, across = np.float32(head["curl"]), points.rest[:, 0]
    shift, along = np.float32(512 * head["strands"]), points.rest[:, 1] * points.rest[:, 2]
    bend = shift
    if curl:
        bend = bend + 9 * curl * np.sin(1.5 * along + 3 * scene.noise(60 * across, 0.2 * along + 64, COARSE))
    single = fine * scene.noise(1500 * across + bend, 1.1 * along, FINE) if fine else np.float32(0)
    strands = scene.noise(420 * across + bend, (0.9 + 3 * curl) * along, FINE)
    locks = scene.noise(260 * across + bend, (0.6 + 4 * curl) * along, MEDIUM)
    bright = np.exp(0.22 * single + 0.26 * strands + 0.28 * locks)
    if head["hair_colour"] > 0.3:
        bright = bright * np.exp(0.35 * (points.rest[:, 1] - 0.4))
    albedo = tone * bright[:, None]

    # Two-sided: the inside of a sheet is in its own shadow.
    place = points.of(scene.shape.vertices)
    towards = dot(lit.normals, lit.view)
    outside = dot(lit.normals, place - scene.shape.centre.astype(np.float32))
    inside = towards * outside < 0
    normals = lit.normals * np.where(towards < 0, np.float32(-1), np.float32(1))[:, None]
    block = parts.topology().blocks["hair"]
    tangent = unit(interpolated(scene.shape.strands, points.corners - block.start, points.weights))
    uneven = 0.28 * strands + 0.22 * locks + 0.12 * single
    side = crossed(tangent, normals)
    normals = unit(normals + uneven[:, None] * side + (0.5 * curl * locks)[:, None] * tangent)

    depth = np.clip(0.72 + 0.16 * locks + 0.1 * strands, 0.25, 1.1) * np.where(inside, np.float32(0.25), np.float32(1))
    low = np.clip((place[:, 1] + 14) / 10, 0.45, 1)
    soft = Lit(normals, lit.view, depth, lit.rim * depth, depth * low)
    colour = shaded(albedo, soft, light, 0.35, 0, 3)
    # Highlights across the strands: a white one and a coloured one (Kajiya and Kay 1989, Marschner et al. 2003).
    white, tinted = np.float32(0.25 + 0.5 * tone.mean() ** 0.5) * np.ones(3, np.float32), np.float32(1.3) * tone
    depth = depth * ~inside * (0.8 + 0.2 * single) * (1 - 0.6 * curl)
    for direction, strength in ((light.key, light.key_colour), (light.rim, 0.5 * light.rim_colour)):
        half = unit(direction + lit.view)
        facing = np.clip(1.4 * (normals @ direction) + 0.25, 0, 1) * depth
        for offset, gloss, amount, tint in ((-0.1, 5, 0.16, white), (0.12, 3, 0.9, tinted)):
            moved = unit(tangent + (offset + 0.14 * strands + 0.05 * single)[:, None] * normals)
            lobe = doubled(np.clip(1 - doubled(dot(moved, half), 1), 0, 1), gloss)
            colour += (amount * lobe * facing)[:, None] * (tint * strength)
    return colour


def _turned_to_view(lit: Lit) -> np.ndarray:
    """Normals of a thin surface, on the side that is seen."""
    return lit.normals * np.where(dot(lit.normals, lit.view) < 0, np.float32(-1), np.float32(1))[:, None]


def _frame(scene: Scene, points: Points) -> np.ndarray:
    colour = np.float32(blend(_FRAME, scene.head["glasses_colour"]))
    one = np.ones(len(points.rest), np.float32)
    lit = Lit(_turned_to_view(points.lit), points.lit.view, one, one, 0.9 * one)
    return shaded(np.broadcast_to(colour, points.rest.shape), lit, scene.light, 0.1, 1.6, 5)


def _shirt(scene: Scene, points: Points) -> np.ndarray:
    around, down, _ = points.rest.T
    colour = linear(*(scene.head[f"clothes_{name}"] for name in ("hue", "saturation", "brightness")))
    folds = [scene.noise(70 * around + shift, 24 * down, COARSE) for shift in (0, 90)]
    normals = unit(_turned_to_view(points.lit) + np.stack([0.12 * folds[0], 0.06 * folds[1], 0 * down], axis=1))
    weave = 1 + 0.05 * scene.noise(300 * around, 60 * down, MEDIUM)
    if scene.fine:
        weave += np.float32(0.07 * scene.fine) * scene.noise(3000 * around, 500 * down, FINE)
    seam = 1 - 0.35 * np.exp(-(((down - 0.25) / 0.012) ** 2))
    collar = np.clip(10 * down, 0.25, 1)
    lit = Lit(normals, points.lit.view, seam, collar, 0.8 * seam * collar)
    return shaded(np.float32(colour) * weave[:, None], lit, scene.light, 0.2, 0.12, 3)


PAINTERS: dict[int, Callable[[Scene, Points], np.ndarray]] = {
    SKIN: _skin,
    MOUTH: _mouth,
    TEETH: _teeth,
    LEFT_EYE: functools.partial(_eye, side=0),
    RIGHT_EYE: functools.partial(_eye, side=1),
    parts.LASH: _lash,
    parts.HAIR: _hair,
    parts.FRAME: _frame,
    parts.SHIRT: _shirt,
}
"""Part -> function of scene and points -> light to the camera, linear RGB float32 (n, 3)."""


def background(head: Head, size: int) -> np.ndarray:
    """A wall out of focus with a glow on the side away from the light: linear RGB, float32 (size, size, 3)."""
    y, x = ((np.arange(size, dtype=np.float32) + 0.5) / size)[:, None], ((np.arange(size) + 0.5) / size)[None]
    colour = linear(*(head[f"background_{name}"] for name in ("hue", "saturation", "brightness")))
    middle = 0.25 if head["light_x"] > 0 else 0.75
    glow = np.exp(-(((x - middle) / 0.75) ** 2)) * np.exp(-(((y - 0.42) / 0.75) ** 2))
    clouds = np.sin(5 * x + 3 * y + 9 * head["strands"]) + np.sin(4 * y - 7 * x + 20 * head["strands"])
    return (np.float32(colour) * ((0.42 + 0.85 * glow) * (1 + 0.025 * clouds))[..., None]).astype(np.float32)


def solid_to(length: np.ndarray) -> np.ndarray:
    """How far along strands of a length [cm] the sheet of hair is closed in any case; see `strands_at`."""
    return 1 - 4.5 / np.maximum(length, 2)


def strands_at(head: Head, rest: np.ndarray, fine: float) -> np.ndarray:
    """Where the sheet of hair is closed, bool (n,): its ends fray into strands."""
    across, along, length = rest.T
    ragged = 0.9 + 0.5 * noise(240 * across, 2 * along, FINE, smooth=fine > 0)
    if fine:
        ragged += np.float32(0.55) * noise(900 * across + 512 * head["strands"], 3 * along, FINE, smooth=True)
    return along < 1 - 0.9 * ragged / np.maximum(length, 2)


def lashes_at(rest: np.ndarray) -> np.ndarray:
    """Where the strip of lashes is closed, bool (n,): single lashes that taper."""
    across, along, _ = rest.T
    return np.abs((22 * across + 4 * (across - 0.5) * along) % 1 - 0.5) < 0.52 * (1 - 0.85 * along)


def regions_of(head: Head, rest: np.ndarray) -> dict[str, np.ndarray]:
    """Painted regions of the skin at points of the neutral head: bool (n,) by name of the material."""
    lips, brow, beard, goatee = charts_at(chart_points(rest), smooth=True).T
    region = goatee if head["goatee"] else beard
    return {
        "lips": lips > 0,
        "eyebrows": brow > 0.125 - 0.25 * head["brow_thickness"],
        "beard": (head["beard"] > 0) & (region > 0) & (lips < -0.1),
        "hair": (head["hair_length"] > 0.04) & (above_line(rest - np.float32(SKULL), head["hair_line"]) > 3.5),
    }


def iris_at(rest: np.ndarray, side: int) -> np.ndarray:
    """Where an eyeball shows its iris or pupil, bool (n,)."""
    radius, _, front = _on_eye(rest, side)
    return (radius < 0.4) & front


def _on_eye(rest: np.ndarray, side: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Distance from the axis of the iris in radii of the eyeball, angle around it, and whether it is in front."""
    x, y, z = unit(rest - EYES[side].astype(np.float32)).T
    x = x - np.float32(0.03 * (1 - 2 * side))  # the axis points a little outwards
    return np.sqrt(x * x + y * y), np.arctan2(y, x), z > 0
