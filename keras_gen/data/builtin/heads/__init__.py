"""The built-in data set `heads`: pictures of human heads, drawn from factors that are all known.

A head is a mesh with principal components of identity and offsets of expressions (ICT-FaceKit, Li et al. 2020, MIT
licence, reduced by benchmarks/heads_model.py), with hair, glasses and a shirt that are made here. `factors` lists what
can vary, and draws it at random. `geometry` poses the surfaces, `raster` finds what every pixel sees, and `paint`
colours it under the `light`. A picture is a pure function of the factors, and shows the same head at every size.

Nobody's likeness: a head is a random mixture of 40 principal components, of which the persons who were scanned for
the model are unknown mixtures of 100, and all colours, hair and skin are invented.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from keras_gen.console import say
from keras_gen.data.builtin.cached_folder import drawn_folder
from keras_gen.data.builtin.heads import geometry as parts
from keras_gen.data.builtin.heads import paint
from keras_gen.data.builtin.heads.factors import (
    FACTORS,
    Correlations,
    Factor,
    Head,
    completed,
    one_head,
    read_correlations,
    sample_factors,
)
from keras_gen.data.builtin.heads.light import developed, light_of
from keras_gen.data.builtin.heads.model import LEFT_EYE, MOUTH, RIGHT_EYE, SKIN, TEETH, harmonics, head_model
from keras_gen.data.builtin.heads.raster import Seen, rasterise
from keras_gen.errors import UserError

__all__ = [
    "CLASSES",
    "FACTORS",
    "MATERIALS",
    "OUTPUTS",
    "Correlations",
    "Factor",
    "folder_factors",
    "heads_folder",
    "motion",
    "one_head",
    "read_correlations",
    "render",
    "sample_factors",
]

CLASSES = ("no glasses", "glasses")
"""Labels of the data set."""

MATERIALS = (
    *("background", "skin", "lips", "eyebrows", "beard", "mouth", "teeth", "sclera", "iris", "eyelashes"),
    *("hair", "glasses", "clothes"),
)
"""Names of the ids in a material map."""

OUTPUTS = ("image", "landmarks", "materials", "depth")
"""What `render` can give."""

SIZES = (32, 512)
"""Smallest and largest size of a picture [pixels]."""

DISTANCE = 64.0  # from the camera to the axis of the neck [cm]
HALF = 16.2  # half of the height that a picture shows at this distance [cm]
_LEVEL = 1.2  # height of the camera above the origin of the model [cm]
_SAMPLES = 2  # samples of a pixel along each axis, for antialiasing


def render(head: Head, size: int, outputs: Sequence[str] = ("image",)) -> dict[str, np.ndarray]:
    """Draws a head. This is a pure function.

    Args:
        head: values of some `FACTORS`, and of "identity", (40,); the others are neutral.
        size: height and width, 32 to 512 [pixels].
        outputs: names from `OUTPUTS`.

    Returns:
        By name: "image", uint8 RGB (size, size, 3); "landmarks", the 68 points of iBUG 300-W, float64 (68, 2), x to
        the right and y down, where the centre of the first pixel is (0.5, 0.5), also if hidden; "materials", uint8
        (size, size), ids of `MATERIALS` at the pixels' centres; "depth", float32 (size, size), the distance from the
        camera along its axis [cm], infinite in the background.

    Raises:
        UserError: a factor or an output is unknown, or the size is not accepted.

    Examples:
        >>> picture = render({"yaw": 0.4, "smile": 1.0, "glasses": 1.0}, 64, ("image", "depth"))
        >>> picture["image"].shape, bool(picture["depth"].min() > 40)
        ((64, 64, 3), True)
    """
    head = _checked(head, size)
    if unknown := set(outputs) - set(OUTPUTS):
        raise UserError(f"outputs got {sorted(unknown)[0]!r}; accepted are {', '.join(OUTPUTS)}.")
    shape = parts.shape_of(head)
    found = {}
    if "image" in outputs:
        found["image"] = _picture(head, shape, size)
    if "landmarks" in outputs:
        found["landmarks"] = _projected(shape.vertices[head_model().landmarks], size)[0]
    if {"materials", "depth"} & set(outputs):
        seen, triangles = _seen(head, shape, size)
    if "materials" in outputs:
        found["materials"] = np.zeros(size * size, np.uint8)
        found["materials"][seen.pixels] = _materials(head, shape, seen, triangles)
        found["materials"] = found["materials"].reshape(size, size)
    if "depth" in outputs:
        found["depth"] = np.full(size * size, np.inf, np.float32)
        found["depth"][seen.pixels] = seen.depth
        found["depth"] = found["depth"].reshape(size, size)
    return found


def motion(first: Head, second: Head, size: int) -> tuple[np.ndarray, np.ndarray]:
    """How every point that a frame shows moves to the next one.

    Args:
        first, second: the heads of two frames, as in `render`.
        size: height and width of the frames, 32 to 512 [pixels].

    Returns:
        The motion of the point at the centre of each pixel of the first frame, float32 (size, size, 2), x to the
        right and y down [pixels], 0 in the background; and whether the second frame shows the point, bool (size, size).

    Raises:
        UserError: a factor is unknown, or the size is not accepted.

    Examples:
        >>> flow, shown = motion({"yaw": 0.0}, {"yaw": 0.1}, 64)
        >>> bool(flow[30, 32, 0] > 0.5)  # the nose moves to the right
        True
    """
    first, second = _checked(first, size), _checked(second, size)
    before, after = parts.shape_of(first), parts.shape_of(second)
    seen, triangles = _seen(first, before, size)
    corners = parts.topology().triangles[triangles[seen.triangles]]
    point = paint.interpolated(after.vertices, corners, seen.weights)
    place, depth = _projected(point, size)
    flow = np.zeros((size * size, 2), np.float32)
    flow[seen.pixels] = place - np.stack([seen.pixels % size, seen.pixels // size], axis=1) - 0.5

    other, others = _seen(second, after, size)
    hit = np.full(size * size, -1)
    hit[other.pixels] = np.arange(len(other.pixels))
    shown = hit < 0  # the background stays where it is
    inside = ((place >= 0) & (place < size)).all(axis=1)
    column, row = np.clip(place, 0, size - 1e-6).astype(np.int64).T
    # A point is hidden if the second frame shows something else in front of it; steep surfaces need a margin.
    nearest = hit[row * size + column]
    margin = 0.4 + 1.5 * 2 * HALF / size
    clear = (nearest >= 0) & (other.depth[nearest] > depth - margin)
    parts_there = np.isin(parts.topology().parts[triangles[seen.triangles]], parts.topology().parts[others])
    shown[seen.pixels] = inside & clear & parts_there
    return flow.reshape(size, size, 2), shown.reshape(size, size)


def heads_folder(
    size: int,
    cache: Path | None = None,
    train: int = 5000,
    val: int = 500,
    seed: int = 0,
    correlations: Correlations | None = None,
) -> Path:
    """The folder of the pictures; see `drawn_folder`. `folder_factors` are their factors."""
    factors = sample_factors(2 * max(train, val), seed, correlations)

    def draw(index: int) -> np.ndarray:
        if index == 0:
            say(f"Drawing {train + val:,} heads of {size}x{size} pixels, once.")
        return render(one_head(factors, index), size)["image"]

    pairs = "".join(f"-{a}-{b}-{value:g}" for (a, b), value in sorted((correlations or {}).items()))
    return drawn_folder(f"heads-v1-{size}-{train}+{val}-seed{seed}{pairs}", draw, cache=cache, train=train, val=val)


def folder_factors(
    train: int = 5000, val: int = 500, seed: int = 0, correlations: Correlations | None = None
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """The factors of the training and the validation pictures in `heads_folder`, in order."""
    factors = sample_factors(2 * max(train, val), seed, correlations)
    return tuple(
        {name: values[first::2][:count] for name, values in factors.items()} for first, count in ((0, train), (1, val))
    )


def _checked(head: Head, size: int) -> dict[str, float | np.ndarray]:
    if not SIZES[0] <= size <= SIZES[1]:
        raise UserError(
            f"--image-size got {size}; accepted for the built-in heads are {SIZES[0]} to {SIZES[1]} pixels."
        )
    return completed(head)


def _projected(points: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
    """Pixel coordinates (n, 2) of points in the room, and their distance from the camera along its axis, float64."""
    x, y, z = points.T.astype(np.float64)
    depth = DISTANCE - z
    scale = size / 2 * DISTANCE / HALF / depth
    return np.stack([size / 2 + scale * x, size / 2 - scale * (y - _LEVEL)], axis=1), depth


def _seen(head: Head, shape: parts.Shape, size: int) -> tuple[Seen, np.ndarray]:
    """What the pixels see, and the triangles that its indices refer to."""
    topology = parts.topology()
    points, depth = _projected(shape.vertices, size)
    drawn = np.ones(len(topology.triangles), bool)
    if not head["glasses"]:
        drawn &= topology.parts != parts.FRAME
    if head["hair_length"] < parts.MIN_HAIR:
        drawn &= topology.parts != parts.HAIR
    (ax, ay), (bx, by), (cx, cy) = np.moveaxis(points[topology.triangles], (1, 2), (0, 1))
    clockwise = (bx - ax) * (cy - ay) < (cx - ax) * (by - ay)
    drawn &= clockwise | (topology.parts >= parts.LASH) & (topology.parts != parts.FRAME)
    ragged = topology.parts == parts.LASH
    hair = topology.parts == parts.HAIR
    frayed = shape.rest[:, 1] > paint.solid_to(shape.rest[:, 2])
    ragged[hair] = frayed[topology.triangles[hair]].any(axis=1)
    triangles = np.concatenate([np.flatnonzero(drawn & ~ragged), np.flatnonzero(drawn & ragged)])
    fine = _fineness(size)

    def keep(chosen: np.ndarray, weights: np.ndarray) -> np.ndarray:
        chosen = triangles[chosen]
        rest = paint.interpolated(shape.rest, topology.triangles[chosen], weights)
        hair = topology.parts[chosen] == parts.HAIR
        kept = np.empty(len(chosen), bool)
        kept[hair] = paint.strands_at(head, rest[hair], fine)
        kept[~hair] = paint.lashes_at(rest[~hair])
        return kept

    first = int((drawn & ~ragged).sum())
    return rasterise(points, depth, topology.triangles[triangles], size, (first, keep)), triangles


def _fineness(size: int) -> float:
    """See `paint.Scene.fine`, for pictures or samples of a size."""
    return float(np.clip((size - 192) / 320, 0, 1))


def _picture(head: Head, shape: parts.Shape, size: int) -> np.ndarray:
    topology, mesh = parts.topology(), head_model()
    samples = _SAMPLES * size
    seen, triangles = _seen(head, shape, samples)
    which = triangles[seen.triangles]
    corners, light = topology.triangles[which], light_of(head)
    # Soft shadows: what each vertex of the head sees in the directions of the lights.
    reached = np.ones((len(shape.vertices), 3), np.float32)
    directions = np.stack([light.key, light.rim]) @ shape.turned.astype(np.float32)
    reached[topology.blocks["head"], :2] = np.clip(mesh.sees @ harmonics(directions).T, 0, 1)
    reached[topology.blocks["head"], 2] = mesh.open_sky
    attributes = np.concatenate([shape.rest, shape.normals, shape.vertices, reached], axis=1)
    values = paint.interpolated(attributes, corners, seen.weights)
    view = parts.unit(np.float32([0, _LEVEL, DISTANCE]) - values[:, 6:9])
    normals = parts.unit(values[:, 3:6])

    scene = paint.Scene(head, shape, light, _fineness(samples))
    colours = np.empty((len(which), 3), np.float32)
    part = topology.parts[which]
    for number, painter in paint.PAINTERS.items():
        here = np.flatnonzero(part == number)
        if len(here):
            lit = paint.Lit(normals[here], view[here], *values[here, 9:].T)
            colours[here] = painter(scene, paint.Points(corners[here], seen.weights[here], values[here, :3], lit))
    image = np.empty((size, _SAMPLES, size, _SAMPLES, 3), np.float32)
    image[:] = developed(paint.background(head, size))[:, None, :, None]
    image.reshape(-1, 3)[seen.pixels] = developed(colours)
    mean = sum(image[:, i, :, j] for i in range(_SAMPLES) for j in range(_SAMPLES)) / np.float32(_SAMPLES**2)
    return np.rint(255 * mean).astype(np.uint8)


def _materials(head: Head, shape: parts.Shape, seen: Seen, triangles: np.ndarray) -> np.ndarray:
    """Ids of `MATERIALS` at the pixels that see something, uint8 (n,)."""
    topology, name = parts.topology(), MATERIALS.index
    which = triangles[seen.triangles]
    rest = paint.interpolated(shape.rest, topology.triangles[which], seen.weights)
    of_part = np.zeros(len(paint.PAINTERS), np.uint8)
    for part, material in (
        *((SKIN, "skin"), (MOUTH, "mouth"), (TEETH, "teeth"), (LEFT_EYE, "sclera"), (RIGHT_EYE, "sclera")),
        *((parts.LASH, "eyelashes"), (parts.HAIR, "hair"), (parts.FRAME, "glasses"), (parts.SHIRT, "clothes")),
    ):
        of_part[part] = name(material)
    part = topology.parts[which]
    found = of_part[part]
    skin = np.flatnonzero(part == SKIN)
    regions = paint.regions_of(head, rest[skin])
    for material, region in regions.items():
        found[skin[region]] = name(material)
    for side, eye in enumerate((LEFT_EYE, RIGHT_EYE)):
        ball = np.flatnonzero(part == eye)
        found[ball[paint.iris_at(rest[ball], side)]] = name("iris")
    return found
