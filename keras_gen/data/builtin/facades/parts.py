"""Painters for the parts of a building, one for each kind.

Each renders the fragments `f` of one kind. `p` holds the columns of the parts, one value per fragment: the corners,
then the parameters of the kind as in `plan.plan_building`.
"""

from __future__ import annotations

import numpy as np

from keras_gen.data.builtin.facades.colours import AWNING, CURTAIN, GOODS
from keras_gen.data.builtin.facades.plan import KINDS, inside


def _paint_neighbour(rng, canvas, f, p, looks):
    """A window of a neighbouring house, in a plain frame."""
    edge = inside(f.x, f.y, f.x0, f.y0, f.x1, f.y1, 0.0)
    pane = canvas.coverage(edge - 0.13 * canvas.metre)
    bar = canvas.line(f.x - (f.x0 + f.x1) / 2, 0.06 * canvas.metre)
    glass = looks.sky * (0.08 + 0.2 * (1 - f.v)) * p[8]
    colour = looks.trim * 0.7 + pane * (1 - bar) * (glass - looks.trim * 0.7)
    canvas.paint(f, canvas.coverage(edge), colour, -0.45 - 0.25 * pane, 0.5 * pane * (1 - bar))


def _paint_stain(rng, canvas, f, p, looks):
    """Dirt that rain washes from a sill down the wall."""
    drops = rng.random(256) ** 2
    run = drops[(f.x / (0.09 * canvas.metre)).astype(np.int64) % 256]
    wet = np.clip(run + 0.6 * (np.abs(f.u - 0.5) > 0.42) - f.v, 0, 1) * 0.45
    canvas.paint(f, canvas.coverage(np.minimum(f.x - f.x0, f.x1 - f.x)), canvas.colour[:, f.at] * (1 - wet))


def _paint_pipe(rng, canvas, f, p, looks):
    off = np.clip(np.abs(f.u - 0.5) * 2, 0, 1)
    joint = np.abs((f.y / (1.8 * canvas.metre)) % 1 - 0.5) < 0.04
    cover = canvas.line((f.u - 0.5) * f.width, 0.5 * (f.x1 - f.x0))
    canvas.paint(f, cover, looks.pipe * (1 - 0.3 * joint), 0.15 + 0.12 * np.sqrt(1 - off * off))


def _paint_molding(rng, canvas, f, p, looks):
    """Stripes: the eaves project in steps over dentils, and a string course has one ledge."""
    eaves, metre = p[4] == 1, canvas.metre
    step = np.clip(f.v * 8, 0, 7).astype(np.int64)
    profile = np.array([[0.16, 0.16, 0.12, 0.1, 0.1, 0.08, 0.06, 0.06], [0.6, 0.6, 0.5, 0.3, 0.3, 0.14, 0.14, 0.08]])
    height = profile[eaves.astype(np.int64), step]
    spacing = max(rng.uniform(0.35, 0.7) * metre, 0.018)
    tooth = canvas.coverage((np.abs((f.x / spacing) % 1 - 0.5) - 0.25) * spacing)
    dentils = eaves & (step >= 3) & (step <= 4)
    height = np.where(dentils, 0.12 + 0.26 * tooth, height)
    tone = np.where(dentils, 0.6 + 0.4 * tooth, 1.0) * (1 + 0.06 * looks.grain[f.at])
    canvas.paint(f, canvas.coverage(np.minimum(f.y - f.y0, f.y1 - f.y)), looks.trim * tone, height)


def _paint_pillar(rng, canvas, f, p, looks):
    """A shaft, flat and fluted or round, between a base and a capital of the full width."""
    cap, base = f.y - f.y0, f.y1 - f.y
    order = 0.45 * canvas.metre
    wide = np.where(cap < order, 1 - 0.25 * cap / order, np.where(base < order * 0.7, 0.95, 0.72))
    off = np.abs(f.u - 0.5) * 2
    cover = canvas.coverage((wide - off) * f.width / 2)
    round_shaft = 0.3 * np.sqrt(np.maximum(0, 1 - (off / wide) ** 2))
    flutes = 0.13 + 0.02 * np.sin(f.u * 30)
    height = np.where(p[4] == 1, round_shaft, flutes)
    height = np.where(cap < order, 0.26 - 0.14 * cap / order + 0.03 * np.sin(f.u * 25 + cap * 4 / order), height)
    height = np.where(base < order * 0.7, 0.2, height)
    canvas.paint(f, cover, looks.trim * (0.96 + 0.07 * looks.grain[f.at]), height)


def _paint_surround(rng, canvas, f, p, looks):
    cover = canvas.coverage(inside(f.x, f.y, f.x0, f.y0, f.x1, f.y1, p[4]))
    canvas.paint(f, cover, looks.trim * (0.98 + 0.06 * looks.grain[f.at]), 0.07)


def _opening(canvas, f, arch, looks):
    """Paints the reveal of an opening.

    A plane behind the wall is shifted towards the vanishing point, so the reveal is visible on the far side and at the
    top.

    Returns:
        Coverage of the opening, distance to the edge of the recessed plane, and the position u, v on that plane.
    """
    metre = canvas.metre
    sx = np.clip((f.x0 + f.x1) / 2 - looks.eye[0], -0.6, 0.6) * looks.depth * 0.13
    sy = np.clip((f.y0 + f.y1) / 2 - looks.eye[1], -0.8, 0.2) * looks.depth * 0.13
    cover = canvas.coverage(inside(f.x, f.y, f.x0, f.y0, f.x1, f.y1, arch))
    x, y = f.x + sx, f.y + sy
    back = inside(x, y, f.x0, f.y0, f.x1, f.y1, arch)
    beside = np.maximum(f.x0 - x, x - f.x1) / metre
    reveal = looks.reveal * np.where(beside > 0, 0.9, 0.55)
    canvas.paint(f, cover, reveal, -0.4 * looks.depth)
    return cover, back, (x - f.x0) / f.width, (y - f.y0) / f.height


def _glass(rng, canvas, f, u, v, p, looks):
    """Colour (3, fragments) of panes: a dim room, curtains, and reflections of the sky and the houses opposite."""
    kind, extent, cloth, room, mirror, tilt = p
    inside = room * (1.3 - 0.6 * v) * np.float32([[1.0], [0.85], [0.62]])
    drape = np.where(kind == 1, np.abs(u - 0.5) > 0.5 - 0.5 * extent, (kind == 2) & (v > 1 - extent * 1.2))
    drape = drape | (kind == 3) & (v < extent)
    folds = 0.8 + 0.2 * np.sin(u * (14 + 30 * extent) + 6 * tilt) * (kind != 3)
    fabric = CURTAIN[cloth.astype(np.int64)].T * folds * (0.22 + 0.15 * (kind == 2)) * (1.15 - 0.4 * v)
    inside = np.where(drape, fabric, inside)
    # Reflections: the higher the window, the more sky; every pane is tilted a little.
    x = f.x + tilt + 0.02 * np.floor(u * 2)
    edge = np.interp(x, np.linspace(-0.3, 1.3, len(looks.skyline)), looks.skyline)
    above = np.clip((edge - f.y - 2 * tilt - 0.25 * v * f.height) / 0.012, 0, 1)
    opposite = 0.05 + 0.06 * (np.sin(x * 90) > 0.2) * (np.sin(f.y * 110) > 0)
    seen = opposite + above * (looks.sky * (0.55 + 0.35 * f.y) + 0.05 - opposite)
    return inside * (1 - mirror) + seen * mirror * 1.15


def _paint_window(rng, canvas, f, p, looks):
    cover, back, u, v = _opening(canvas, f, p[4], looks)
    metre = canvas.metre
    glass = _glass(rng, canvas, f, u, v, p[7:], looks)
    # Frame, mullions and transom.
    frame = 1 - canvas.coverage(back - 0.075 * metre)
    bars, transom = p[5], p[6]
    mullion = canvas.line((np.abs((u * bars) % 1 - 0.5) - 0.5) * f.width / bars, 0.038 * metre)
    frame = np.maximum(frame, mullion)
    frame = np.maximum(frame, (transom > 0) * canvas.line((v - transom) * f.height, 0.045 * metre))
    colour = glass + frame * (looks.frame - glass)
    cover = cover * canvas.coverage(back)
    canvas.paint(f, cover, colour, -looks.depth + 0.06 * frame, 0.75 * (1 - frame))


def _paint_door(rng, canvas, f, p, looks):
    cover, back, u, v = _opening(canvas, f, p[4], looks)
    metre = canvas.metre
    light = v < 0.2  # the fanlight
    rows = p[5]
    pu, pv = (u * 2) % 1, ((v - 0.2) / 0.8 * rows) % 1
    edge = np.minimum(np.minimum(pu, 1 - pu) * f.width / 2, np.minimum(pv, 1 - pv) * f.height * 0.8 / rows)
    panel = canvas.coverage(edge - 0.11 * metre)
    leaf = canvas.line((u - 0.5) * f.width, 0.03 * metre)
    colour = looks.door * (1 - 0.25 * panel) * (1 - 0.6 * leaf) * (1 + 0.08 * looks.grain[f.at])
    pane = 0.05 + looks.sky * 0.25 * (1 - v)
    bar = np.maximum(canvas.line((u - 0.5) * f.width, 0.04 * metre), canvas.line((v - 0.2) * f.height, 0.07 * metre))
    colour = np.where(light, pane + bar * (looks.door - pane), colour)
    frame = 1 - canvas.coverage(back - 0.1 * metre)
    colour = colour + frame * (looks.door * 1.15 - colour)
    height = -looks.depth + 0.04 * panel * ~light + 0.06 * frame
    canvas.paint(f, cover * canvas.coverage(back), colour, height, 0.6 * light)


def _paint_shop(rng, canvas, f, p, looks):
    """A sign above display windows with goods in lamplight, sometimes with a striped awning."""
    metre = canvas.metre
    has_awning, cloth, seed, panes = p[4] > 0, p[5].astype(np.int64), p[6], p[7]
    trade = AWNING[cloth].T * (0.35 + 0.5 * seed)
    # Goods of random height, width and colour on two shelves, under lamps near the ceiling.
    shelf = (f.v > 0.6).astype(np.int64)
    slot = (f.x / (0.21 * metre)).astype(np.int64) % 256
    tall = rng.uniform(0.02, 0.24, (2, 256)) * (rng.random((2, 256)) < 0.75)
    thing = rng.integers(len(GOODS), size=(2, 256))
    stands = np.where(shelf, 0.88, 0.58) - f.v < tall[shelf, slot]
    lamp = 0.35 + 0.65 * np.exp(-(((f.v - 0.3) / 0.22) ** 2)) * (0.7 + 0.3 * np.cos(f.x / metre * 4))
    warm = np.float32([[1.0], [0.84], [0.6]]) * lamp
    goods = np.where(stands, GOODS[thing[shelf, slot]].T * 0.5 + 0.02, 0.04 + 0.3 * seed) * warm
    x = f.x + 0.1 * seed
    edge = np.interp(x, np.linspace(-0.3, 1.3, len(looks.skyline)), looks.skyline)
    mirrored = looks.sky * 0.45 * np.clip((edge + 0.45 - f.y) / 0.02, 0, 1) + 0.04
    glass = 0.75 * goods + 0.3 * mirrored
    u = (f.u * panes) % 1
    frame = canvas.line((np.abs(u - 0.5) - 0.5) * f.width / panes, 0.07 * metre)
    frame = np.maximum(frame, f.v > 0.88)
    frame = np.maximum(frame, 1 - canvas.coverage(np.minimum(f.x - f.x0, f.x1 - f.x) - 0.1 * metre))
    colour = glass + frame * (trade * 0.6 + 0.02 - glass)
    canvas.paint(f, 1.0, colour, -0.2 + 0.1 * frame, 0.8 * (1 - frame))
    # The sign with its letters.
    sign = f.v < 0.2
    glyph = rng.random((3, 256)) < 0.62
    letter = glyph[
        np.clip(((f.v / 0.2 - 0.3) / 0.4 * 3).astype(np.int64), 0, 2),
        (f.x / (0.16 * metre)).astype(np.int64) % 256,
    ]
    text = sign & (f.v > 0.06) & (f.v < 0.14) & (np.abs(f.u - 0.5) < 0.15 + 0.25 * seed) & letter
    board = np.where(text, np.where(trade.sum(0) > 0.6, 0.03, 0.75), trade)
    canvas.paint(f, sign.astype(np.float32), board, 0.12)
    # The awning covers the sign; its hem is scalloped.
    hem = 0.34 + 0.02 * np.abs(np.sin(f.x / metre * 6))
    stripe = np.where(np.sin(f.x / metre * (5 + 4 * seed)) > 0, AWNING[cloth].T, np.float32(0.72))
    cover = canvas.coverage((hem - f.v) * f.height) * has_awning
    canvas.paint(f, cover, stripe * (1.05 - 0.5 * (f.v > 0.3)), 0.15 + 2.2 * f.v)


def _paint_cornice(rng, canvas, f, p, looks):
    """The panel above a window: flat, or with a triangular or segmental pediment."""
    kind = p[4]
    off = np.abs(2 * f.u - 1)
    line = np.where(kind == 1, 0.75 * off, np.where(kind == 2, 0.7 * off * off, 0.0))
    above = (f.v - line) * f.height
    ledge = canvas.coverage(0.13 * canvas.metre - above)
    foot = canvas.coverage((f.v - 0.74) * f.height) * (kind > 0)
    height = 0.06 + 0.24 * np.maximum(ledge, foot)
    canvas.paint(f, canvas.coverage(above), looks.trim * (0.98 + 0.07 * looks.grain[f.at]), height)


def _paint_sill(rng, canvas, f, p, looks):
    """A projecting ledge, and an apron with a panel below it."""
    metre = canvas.metre
    down = f.y - f.y0
    ledge = canvas.coverage(0.16 * metre - down)
    inset = np.minimum(f.width, f.height) * 0.22
    panel = canvas.coverage(
        inside(f.x, f.y, f.x0 + inset, f.y0 + 0.16 * metre + inset, f.x1 - inset, f.y1 - inset, 0.0)
    )
    cover = np.maximum(ledge, canvas.coverage(np.minimum(f.u, 1 - f.u) * f.width - 0.08 * metre))
    tone = 0.97 + 0.07 * looks.grain[f.at] - 0.12 * (1 - ledge) * (f.v > 0.3)
    canvas.paint(f, cover, looks.trim * tone, np.maximum(0.24 * ledge, 0.06 - 0.04 * panel))


def _paint_blind(rng, canvas, f, p, looks):
    """A roller or Venetian blind in the opening; some are weathered."""
    cover, back, _, _ = _opening(canvas, f, p[4], looks)
    pitch = max(0.12 * canvas.metre, 0.009)
    slat = (f.y / pitch) % 1
    tone = 0.78 + 0.3 * slat
    tone = tone * rng.uniform(0.75, 1.15, f.which[-1] + 1)[f.which]
    canvas.paint(f, cover * canvas.coverage(back), looks.blind * tone, -0.5 * looks.depth + 0.02 * slat)


def _paint_shutter(rng, canvas, f, p, looks):
    pitch = max(0.13 * canvas.metre, 0.01)
    slat = (f.y / pitch) % 1
    edge = np.minimum(np.minimum(f.x - f.x0, f.x1 - f.x), np.minimum(f.y - f.y0, f.y1 - f.y))
    stile = np.maximum(
        1 - canvas.coverage(edge - 0.08 * canvas.metre),
        canvas.line(f.y - (f.y0 + f.y1) / 2, 0.06 * canvas.metre),
    )
    tone = 0.6 + 0.5 * slat
    tone = tone + stile * (1.05 - tone)
    canvas.paint(f, canvas.coverage(edge), looks.shutter * tone * (1 + 0.07 * looks.grain[f.at]), 0.06 + 0.02 * stile)


def _paint_deco(rng, canvas, f, p, looks):
    """Ornaments in relief: a rosette, a medallion, a festoon panel, a keystone."""
    kind = p[4]
    a, b = 2 * f.u - 1, 2 * f.v - 1
    radius = np.hypot(a, b)
    rosette = (0.95 - radius), 0.12 - 0.04 * np.cos(radius * 9)
    medallion = (
        (1 - radius),
        np.where(radius > 0.72, 0.18, 0.05 + 0.12 * np.exp(-5 * ((a * 1.4) ** 2 + b * b))),
    )
    swag = np.abs(b - 0.5 * np.cos(a * 4.5)) < 0.4
    panel = np.minimum(1 - np.abs(a), 1 - np.abs(b)), np.where(swag, 0.15 + 0.04 * np.sin(a * 22), 0.04)
    keystone = (1 - 0.3 * (b + 1) / 2 - np.abs(a)), 0.2 + 0.08 * (b < -0.5)
    shape, height = (
        np.choose(kind.astype(np.int64), choices) for choices in zip(rosette, medallion, panel, keystone, strict=True)
    )
    canvas.paint(f, canvas.coverage(shape * f.width / 2), looks.trim * (0.95 + 0.1 * looks.grain[f.at]), height)


def _paint_balcony(rng, canvas, f, p, looks):
    """A slab on brackets with a railing: iron bars, stone balusters, or a solid parapet."""
    kind, metre = p[4], canvas.metre
    thick = 0.2 * metre
    below = f.y - (f.y1 - 0.5 * metre)  # from the slab's upper edge
    slab = canvas.coverage(np.minimum(below, thick - below))
    bracket = canvas.coverage(np.minimum(below - thick, (0.5 * metre - below))) * canvas.coverage(
        (0.1 - np.abs(np.abs(f.u - 0.5) - 0.32)) * f.width
    )
    rail = canvas.line(f.y - f.y0 - 0.04 * metre, 0.05 * metre)
    above = canvas.coverage(-below)
    pitch = max(0.16 * metre, 0.017)
    bars = np.maximum(
        canvas.line(((f.x / pitch) % 1 - 0.5) * pitch, 0.028 * metre),
        canvas.line(below + 0.12 * metre, 0.03 * metre),
    )
    post = canvas.coverage(0.05 * metre - np.minimum(f.x - f.x0, f.x1 - f.x))
    iron = np.maximum(np.maximum(bars, post) * above, rail)
    up = np.clip(-below / (f.height - 0.5 * metre), 0, 1)
    wide = max(0.32 * metre, 0.03)
    belly = (0.22 + 0.16 * np.sin(up * np.pi * 1.6)) * wide
    baluster = canvas.coverage(belly - np.abs((f.x / wide) % 1 - 0.5) * wide)
    stone = (
        np.maximum(np.maximum(baluster, canvas.coverage(0.14 * metre - (f.y - f.y0))), canvas.coverage(0.1 - up))
        * above
    )
    solid = above * canvas.coverage(np.minimum(f.x - f.x0, f.x1 - f.x))
    railing = np.choose(kind.astype(np.int64), (iron, stone, solid))
    metal = kind == 0
    canvas.paint(f, railing, np.where(metal, looks.iron, looks.trim * (0.95 + 0.08 * looks.grain[f.at])), 0.75)
    shelf = np.maximum(slab, bracket)
    canvas.paint(f, shelf, looks.trim * (0.92 + 0.08 * looks.grain[f.at]), 0.85 * slab + 0.35 * bracket)


PAINTERS = {kind: globals()[f"_paint_{kind}"] for kind in KINDS}
