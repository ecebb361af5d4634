"""The classes of parts, their colours, and label maps like those of a human annotator."""

from __future__ import annotations

import numpy as np

from keras_gen.data.builtin.facades.plan import KINDS, Plan, inside

CLASSES: tuple[str, ...] = (
    "background",
    "facade",
    "window",
    "door",
    "cornice",
    "sill",
    "balcony",
    "blind",
    "deco",
    "molding",
    "pillar",
    "shop",
)
"""Class names; the index is the label id."""

# Every fifth entry of the jet colour map with 64 entries, as measured on the label maps of the pix2pix release.
PALETTE: np.ndarray = np.array(
    [
        (0, 0, 223),
        (0, 48, 255),
        (0, 128, 255),
        (0, 207, 255),
        (32, 255, 223),
        (112, 255, 143),
        (191, 255, 64),
        (255, 239, 0),
        (255, 159, 0),
        (255, 80, 0),
        (255, 0, 0),
        (175, 0, 0),
    ],
    np.uint8,
)
"""RGB colour of each label id, uint8 of shape (12, 3)."""


def label_map(plan: Plan, size: int, rng: np.random.Generator) -> np.ndarray:
    """Annotates the parts by rectangles, or arches, whose edges have errors of about 0.2 % of the image size.

    Returns:
        Label ids, uint8 (size, size); a pixel has the class at its centre.
    """

    def pixels(a: float, b: float) -> slice:
        return slice(max(0, round(a * size)), max(0, min(size, round(b * size))))

    labels = np.zeros((size, size), np.uint8)
    labels[pixels(plan.top, plan.bottom), pixels(plan.left, plan.right)] = CLASSES.index("facade")
    centre = (np.arange(size) + 0.5) / size
    for kind, name in KINDS.items():
        parts = plan.parts[kind]
        if name is None or not parts:
            continue
        corners = np.array([part[:4] for part in parts]) + rng.normal(0, 0.002, (len(parts), 4))
        edges = np.clip(np.rint(corners * size), 0, size).astype(int).tolist()
        for part, (x0, y0, x1, y1), (left, top, right, bottom) in zip(parts, corners, edges, strict=True):
            area = labels[top:bottom, left:right]
            if kind in ("window", "door", "blind") and part[4]:
                x, y = centre[None, left:right], centre[top:bottom, None]
                area[inside(x, y, x0, y0, x1, max(y1, bottom / size), part[4]) >= 0] = CLASSES.index(name)
            else:
                area[:] = CLASSES.index(name)
    return labels
