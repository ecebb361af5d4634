"""The built-in data set `facades`: procedurally generated street facades with their label maps.

A pair is made in three steps. `plan` lays out a building as rectangles (windows, sills, balconies, ...) in image
coordinates, x to the right and y down, both in [0, 1]. `annotation` paints the rectangles with small errors, like a
human annotator. `camera` renders them as a relief: for each kind of part a painter (`walls`, `parts`) writes colour and
height above the wall for all its pixels at once, one sun lights the relief (Lambert's law, cast shadows, ambient
occlusion), and a camera takes the picture (exposure, white balance, vignette, blur, noise). The label map determines
where things are. Masonry, reflections, curtains, wear and paint are random, so a regression to the mean is blurred.

Classes, their order and their colours are those of the CMP Facade Database (Tylecek and Sara 2013) as in the pix2pix
data set (Isola et al. 2017, arXiv 1611.07004): a `cornice` is the raised panel above a window, and a stripe across the
facade, including the one below the roof, is a `molding`.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from keras_gen.data.builtin.cached_folder import drawn_folder
from keras_gen.data.builtin.facades.annotation import CLASSES, PALETTE, label_map
from keras_gen.data.builtin.facades.camera import photograph
from keras_gen.data.builtin.facades.plan import plan_building
from keras_gen.errors import UserError

__all__ = ["CLASSES", "PALETTE", "draw_pair", "facades_folder"]


def draw_pair(size: int, seed: int, index: int) -> tuple[np.ndarray, np.ndarray]:
    """Draws a pair. This is a pure function, and gives the same building at every size.

    Args:
        size: height and width [pixels], at least 16.
        seed, index: non-negative integers.

    Returns:
        The label ids 0 to 11, uint8 (size, size), and the photograph, uint8 RGB (size, size, 3).
    """
    if size < 16:
        raise UserError(f"--image-size got {size}; accepted for the built-in facades are at least 16 pixels.")
    layout, annotator, camera = (np.random.default_rng((seed, index, stream)) for stream in range(3))
    plan = plan_building(layout)
    return label_map(plan, size, annotator), photograph(plan, size, camera)


def facades_folder(size: int, cache: Path | None = None, train: int = 400, val: int = 100, seed: int = 0) -> Path:
    """The folder of the built-in pairs; see `drawn_folder`.

    Each file has the label map, in the colours of `PALETTE`, on the left (A) and the photograph on the right (B), each
    `size` x `size` pixels.
    """

    def draw(index: int) -> np.ndarray:
        labels, photo = draw_pair(size, seed, index)
        return np.hstack([PALETTE[labels], photo])

    name = f"facades-v1-{size}-{train}+{val}-seed{seed}"
    return drawn_folder(name, draw, cache=cache, train=train, val=val)
