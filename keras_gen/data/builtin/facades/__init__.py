"""Facades, the built-in data set: street facades drawn from random numbers, each with its label map.

A picture is made in three steps. `plan` lays out a building as rectangles (windows, sills, balconies ...) in
picture coordinates, x to the right and y down, both in [0, 1]. `annotation` paints the rectangles as a hand
annotates them, slightly off. `camera` renders them as a relief: each kind of part has a painter (`walls`, `parts`) that
writes colour and height above the wall for all its pixels at once, then one sun lights the relief (Lambert's
law, cast shadows, ambient occlusion) and a camera takes the picture (exposure, white balance, vignette, blur,
noise). The label map fixes where things are; masonry, reflections, curtains, wear and paint are drawn at
random, so a regression to the mean blurs.

Classes, their order and their colours are those of the CMP Facade Database (Tylecek and Sara 2013) as in the
pix2pix data set (Isola et al. 2017, arXiv 1611.07004): there a `cornice` is the raised panel above a window,
and a stripe across the facade, up to the one below the roof, is a `molding`.
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
    """Draw pair number `index` of the data set `seed`.

    A pure function: the same building for every size, at another resolution. `size` is the side in pixels, at
    least 16. Returns the label ids, uint8 of shape (size, size) with values 0 to 11, and the photograph,
    uint8 RGB of shape (size, size, 3).
    """
    if size < 16:
        raise UserError(f"--image-size got {size}; accepted for the built-in facades are 16 pixels and more.")
    layout, annotator, camera = (np.random.default_rng((seed, index, stream)) for stream in range(3))
    plan = plan_building(layout)
    return label_map(plan, size, annotator), photograph(plan, size, camera)


def facades_folder(size: int, cache: Path | None = None, train: int = 400, val: int = 100, seed: int = 0) -> Path:
    """The folder of the built-in data set, see `drawn.drawn_folder`.

    In each file the label map in the colours of `PALETTE` is on the left (A) and the photograph on the right (B), each
    `size` x `size`.
    """

    def draw(index: int) -> np.ndarray:
        labels, photo = draw_pair(size, seed, index)
        return np.hstack([PALETTE[labels], photo])

    name = f"facades-v1-{size}-{train}+{val}-seed{seed}"
    return drawn_folder(name, draw, cache=cache, train=train, val=val)
